"""The updater: takes a bundle of software, tries it, lets the node use it, brings the old one back.

Runs with the rights of root, from the release that has proved itself (`steady`), never from the one
that is tried.  It believes neither the request nor the bundle: the root of trust is its own
(``/etc/ghalla/trust/root.json``).  What it does with the machine goes through :class:`Machine`, so
that the very same steps run in tests, where the power fails at each of them.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge_app.appliance import releases as steps
from edge_app.appliance.layout import Layout
from edge_app.appliance.releases import Releases, ReleaseStore, Why
from edge_app.appliance.requests import open_plain, take_request
from edge_app.appliance.software import HANDED, RELEASE, REQUEST, SOFTWARE, Software, software_in
from edge_app.settings import MB
from field_data.clock import now
from field_data.errors import GhallaError, KeeperError, PublisherError
from field_data.files import free_bytes, make_folder, replacing, write_atomic
from sync.bundle_manifest import (
    MOST_BYTES,
    Manifest,
    Place,
    Target,
    check_for,
    verify_manifest,
)
from sync.keys import TRUST
from sync.roots import ROOT, SignedRoot, parse_signed, root_of, update_root

if TYPE_CHECKING:
    from sync.bundle_file import BundleFile

# The bundle, its wheels unpacked, the environment made of them, and a copy of the store.
_ROOM = 5
_KEEP_FREE = 200 * MB
_CHUNK = 1 << 20
_MOST_ROOT = 1 << 18
_FINE = ""


class Machine(Protocol):
    """What an update does with the computer."""

    def build(self, folder: Path, wheels: Path) -> None:
        """Make ``folder/venv`` of wheels, offline; raises ``PublisherError("release_broken")``."""

    def probe(self, folder: Path, version: str) -> None:
        """Let a release serve a copy of the store; raises ``PublisherError("release_broken")``."""

    def busy(self) -> str:
        """What must not be interrupted now, "" for nothing."""

    def restart(self) -> None:
        """Let the node run what ``current`` leads to; returns at once."""

    def answers(self, version: str) -> bool:
        """Whether the node of that version answers and its store is well."""

    def wait(self) -> None:
        """Let two seconds pass."""


@dataclass(frozen=True, slots=True)
class Patience:
    """In waits of two seconds: for a quiet moment, for the first answer, for the trial."""

    quiet: int = 450
    first: int = 90
    stand: int = 30
    misses: int = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to; ``final``: that bundle will not be tried again by itself."""

    code: str
    reason: str = ""
    version: str = ""
    bundle: str = ""
    final: bool = False


class Updater:
    """The updates of one box."""

    def __init__(self, layout: Layout, machine: Machine, patience: Patience | None = None) -> None:
        self.layout, self.machine = layout, machine
        self.patience = patience or Patience()
        self.store = ReleaseStore(layout)

    def run(self) -> Outcome:
        """Do what is asked for, or go on where the power failed; says what came of it.

        Raises:
            KeeperError: ``update_state_damaged``, ``no_systemd``, or the disk's own.
        """
        state = self.store.settle()
        if state.trial:
            return self._noted(self._watch(state.active))
        self._sweep(state)
        asked = take_request(self.layout, REQUEST)
        if asked.get("verb") == "back":
            return self._noted(self.back())
        if asked.get("verb") == "install":
            came = self._noted(self.install(self.layout.requests / HANDED))
            if came.code != _FINE:
                return came
        return self._noted(self.switch())

    def install(self, path: Path) -> Outcome:
        """Take in the bundle at ``path``: check, unpack, build, probe; it is not in use yet."""
        folder = self.store.folder
        make_folder(folder)
        copy, bundle = folder / HANDED, ""
        try:
            self._copy(path, copy)
            from sync.bundle_file import open_bundle

            with open_bundle(copy) as opened:
                bundle = opened.signed.id
                return self._take(opened)
        except GhallaError as error:
            final = isinstance(error, PublisherError)
            return Outcome(error.code, str(error), "", bundle, final)
        finally:
            copy.unlink(missing_ok=True)

    def _copy(self, path: Path, copy: Path) -> None:
        """Ours from here on: what lies at ``path`` may be exchanged at any moment."""
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MOST_BYTES:
                raise PublisherError("bundle_too_large", f"{size} bytes")
            self._check_room(size * _ROOM)
            with replacing(copy) as out:
                left = size
                while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                    out.write(chunk)
                    left -= len(chunk)

    def _check_room(self, more: int) -> None:
        free, wanted = free_bytes(self.layout.data), more + _KEEP_FREE
        if free < wanted:
            raise KeeperError(
                "disk_full", f"an update needs {wanted // MB} MB, {free // MB} MB are free"
            )

    def _take(self, bundle: BundleFile) -> Outcome:
        signed, state = bundle.signed, self.store.read()
        verify_manifest(signed, self._root().root)
        if signed.manifest.kind != SOFTWARE:
            raise PublisherError("bundle_unknown_kind", f"a {signed.manifest.kind} is no software")
        _check_for(signed.manifest, state)
        self._check_newer(state, signed.manifest.version, signed.id)
        software = software_in(bundle)
        if software.version in {state.active, state.previous}:
            raise PublisherError("release_there", f"{software.version} is here already")
        self._check_room(signed.manifest.total * _ROOM)
        folder = self._unpack(bundle, software)
        number, digest = signed.manifest.version, signed.id
        self.store.change(lambda s: steps.installed(s, software.version, number, digest))
        return self._probe(folder, software.version, digest)

    def _root(self) -> SignedRoot:
        """Whom this box believes; the node's may be newer, and is then followed step by step."""
        with suppress(GhallaError, OSError, ValueError, RecursionError):
            with open_plain(self.layout.home / TRUST / ROOT) as file:
                newer = parse_signed(json.loads(file.read(_MOST_ROOT)))
            update_root(self.layout.etc, [newer])
        signed = root_of(self.layout.etc)
        if signed is None:
            raise KeeperError(
                "no_root", "this box believes nobody's releases yet: ghalla box update trust FILE"
            )
        return signed

    @staticmethod
    def _check_newer(state: Releases, number: int, digest: str) -> None:
        if number < state.seen:
            raise PublisherError("bundle_old", f"{number} is older than {state.seen}, seen here")
        if number == state.seen and digest != state.digest:
            raise PublisherError("bundle_same_version", f"another {number} was here before")

    def _unpack(self, bundle: BundleFile, software: Software) -> Path:
        """The release in its folder, whole and durable; nobody leads there yet."""
        folder = self.layout.release(software.version)
        shutil.rmtree(folder, ignore_errors=True)  # half of it, from before the power failed
        make_folder(folder)
        incoming = folder / "incoming"
        make_folder(incoming)
        try:
            bundle.extract(incoming)
            self.machine.build(folder, incoming / "wheels")
            write_atomic(folder / RELEASE, json.dumps(asdict(software)).encode())
            shutil.rmtree(incoming)
            os.sync()  # thousands of small files, written by others
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder

    def _probe(self, folder: Path, version: str, digest: str) -> Outcome:
        try:
            self.machine.probe(folder, version)
        except PublisherError as error:
            why = Why(error.code, str(error)[:1000])
            self._sweep(self.store.change(partial(steps.failed, version=version, why=why)))
            return Outcome(error.code, why.reason, version, digest, final=True)
        self.store.change(partial(steps.probed, version=version))
        return Outcome(_FINE, "", version, digest)

    # --- the switch ---------------------------------------------------------------------------

    def switch(self) -> Outcome:
        """Let the probed candidate be used, in a quiet moment; then watch it."""
        state = self.store.read()
        if not state.candidate:
            return Outcome("nothing_to_do")
        if not state.probed:
            probe = self._probe(self.layout.release(state.candidate), state.candidate, state.digest)
            if probe.code != _FINE:
                return probe
        busy = self._quiet()
        if busy:
            return Outcome("update_waits", busy, state.candidate, state.digest)
        after = self.store.change(steps.switched)
        self.machine.restart()
        return self._watch(after.active)

    def _quiet(self) -> str:
        """Wait for a moment in which nothing is under way; what is, when none came."""
        for _ in range(self.patience.quiet):
            busy = self.machine.busy()
            if not busy:
                return ""
            self.machine.wait()
        return self.machine.busy()

    def _watch(self, version: str) -> Outcome:
        """Look after a release on trial until it has stood, or has failed."""
        digest = self.store.read().digest
        problem = self._problem(version)
        if problem is None:
            state = self.store.read()
            fallen = state.refused.get(version, Why("by_keeper", ""))
            return Outcome(fallen.code, fallen.reason, version, digest, final=True)
        if problem == _FINE:
            self._sweep(self.store.change(partial(steps.confirmed, version=version)))
            return Outcome("updated", "", version, digest, final=True)
        why = Why("release_unhealthy", problem)
        self.store.change(partial(steps.failed, version=version, why=why))
        self.machine.restart()
        return Outcome(why.code, why.reason, version, digest, final=True)

    def _problem(self, version: str) -> str | None:
        """Why it has not stood its trial, "" when it has; None: it is in use no more."""
        stood, misses, left = 0, 0, self.patience.first
        while stood < self.patience.stand:
            state = self.store.read()
            if state.active != version or not state.trial:
                return None
            if self.machine.answers(version):
                stood, misses = stood + 1, 0
                if state.starts:
                    self.store.change(steps.stood)
            elif stood:
                misses += 1
                if misses >= self.patience.misses:
                    return "it answered, and then no more"
            else:
                left -= 1
                if left <= 0:
                    return f"it did not answer within {self.patience.first * 2} s"
            self.machine.wait()
        return _FINE

    def back(self) -> Outcome:
        """The keeper's wish: the release before is used again."""
        state = self.store.read()
        if not state.previous:
            return Outcome("nothing_to_roll_back")
        busy = self._quiet()
        if busy:
            return Outcome("update_waits", busy, state.active)
        why = Why("by_keeper", "a person wished it")
        after = self.store.change(lambda s: steps.failed(s, s.active, why))
        self.machine.restart()
        return Outcome("rolled_back", "", after.active, final=True)

    # --- tidying ------------------------------------------------------------------------------

    def _sweep(self, state: Releases) -> None:
        """Remove releases that nobody will use again, and what a power cut left."""
        kept = {*state.kept, _linked(self.layout.current)}
        for folder in self.layout.releases.iterdir():
            if folder.name not in kept and state.active:
                shutil.rmtree(folder, ignore_errors=True)

    def _noted(self, outcome: Outcome) -> Outcome:
        if outcome.code not in (_FINE, "nothing_to_do"):
            make_folder(self.store.folder)
            said = json.dumps({**asdict(outcome), "at_s": now().utc_s})
            write_atomic(self.store.folder / "last.json", said.encode())
        return outcome


def _linked(link: Path) -> str:
    return link.resolve().name


def _check_for(manifest: Manifest, state: Releases) -> None:
    """Whether it fits this machine; whom else it is for the node has looked at."""
    place = Place("", platform.machine(), state.active or installed_version("ghalla"))
    check_for(replace(manifest, target=Target(hardware=manifest.target.hardware)), place)
