"""Where bundles lie on a node, which version is in use, and how the one before it comes back.

``home/bundles/KIND/NAME/VERSION/`` holds the files of a version and its signed head; two versions
are kept, the one in use and the one before it.  ``home/bundles/state.json`` says which is which; it
is replaced in one step after the folder it names is whole on the disk, so that a power cut leaves
the old version or the new one.  Version 0 is what came with the software.

The steps are pure: each takes a :class:`Slot` and gives the next.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from field_data.errors import KeeperError, PublisherError
from field_data.files import exclusive, make_folder, sync_folder, write_atomic
from field_data.ids import new_id
from sync.bundle_manifest import Manifest, Signed, is_name, parse_head
from sync.roots import KINDS

if TYPE_CHECKING:
    from sync.bundle_file import BundleFile  # loads zstandard

BUNDLES = "bundles"
HEAD = "bundle.json"
MAX_TRIES = 3
_STATE = "state.json"
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Why:
    """Why a version is not in use: a stable ``code`` and an English ``reason``."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one kind and name stands.

    active, previous: versions, 0 for what came with the software.  trial: ``active`` has not proved
    itself yet.  starts: how often the node began with it on trial and died before it served.
    seen: the highest version ever in use here, and ``digest`` the SHA-256 of its signed words.
    refused: versions that failed here.
    """

    active: int = 0
    previous: int = 0
    trial: bool = False
    starts: int = 0
    seen: int = 0
    digest: str = ""
    refused: Mapping[int, Why] = field(default_factory=dict)


Step = Callable[[Slot], Slot]


def activated(slot: Slot, version: int, digest: str) -> Slot:
    """``version`` is in use, on trial; the one before a trial that was cut short stays previous."""
    previous = slot.previous if slot.trial else slot.active
    refused = {each: why for each, why in slot.refused.items() if each != version}
    return Slot(version, previous, True, 0, version, digest, refused)


def confirmed(slot: Slot, version: int) -> Slot:
    """``version`` has proved itself."""
    return replace(slot, trial=False, starts=0) if slot.active == version else slot


def failed(slot: Slot, version: int, why: Why) -> Slot:
    """``version`` stays off; if it was in use, the one before it is again."""
    slot = replace(slot, refused={**slot.refused, version: why})
    return rolled_back(slot) if slot.active == version else slot


def rolled_back(slot: Slot) -> Slot:
    """The version before is in use again, without a trial."""
    return replace(slot, active=slot.previous, previous=0, trial=False, starts=0)


def begun(slot: Slot) -> Slot:
    """Before a start of the node with a version on trial; the third in vain was the last."""
    if not slot.trial:
        return slot
    if slot.starts >= MAX_TRIES:
        why = Why("bundle_crashed", f"the node died {slot.starts} times while it was on trial")
        return failed(slot, slot.active, why)
    return replace(slot, starts=slot.starts + 1)


def stood(slot: Slot) -> Slot:
    """The node has started and serves: the try was not in vain."""
    return replace(slot, starts=0)


def check_newer(slot: Slot, signed: Signed, *, again: bool = False) -> bool:
    """Whether a bundle may be taken in; False when it is in use already.

    Raises:
        PublisherError: ``bundle_old`` (a later one was in use here), ``bundle_same_version``
            (another one has this number) or ``bundle_refused`` (it failed here before).
    """
    version = signed.manifest.version
    why = slot.refused.get(version)
    if why is not None and not again:
        raise PublisherError("bundle_refused", f"it failed here before: {why.code}: {why.reason}")
    if version < slot.seen:
        raise PublisherError(
            "bundle_old", f"version {version} is older than {slot.seen}, seen here"
        )
    if version == slot.seen and slot.digest != signed.id:
        raise PublisherError("bundle_same_version", f"another version {version} was here before")
    return slot.active != version


class Slots:
    """The bundles of one home; ``HomeLock`` of the folder is for who puts something in."""

    def __init__(self, home: Path) -> None:
        self.folder = home / BUNDLES

    def all(self) -> dict[tuple[str, str], Slot]:
        """Every slot that was ever used, by kind and name.

        Raises:
            KeeperError: ``bundle_state_damaged``.
        """
        path = self.folder / _STATE
        try:
            return _from_json(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise KeeperError(
                "bundle_state_damaged",
                f"{path}: {error!r}; what came with the software is used. Delete it to begin anew",
            ) from error

    def get(self, kind: str, name: str) -> Slot:
        """One slot; raises as :meth:`all`."""
        return self.all().get((kind, name), Slot())

    def change(self, kind: str, name: str, step: Step) -> Slot:
        """Take one step, durably; nothing is written where nothing changes."""
        make_folder(self.folder)
        with exclusive(self.folder / f"{_STATE}.lock"):
            known = self.all()
            before = known.get((kind, name), Slot())
            after = step(before)
            if after != before:
                write_atomic(self.folder / _STATE, _to_json({**known, (kind, name): after}))
            return after

    def folder_of(self, kind: str, name: str, version: int) -> Path:
        """Where a version lies."""
        return self.folder / kind / name / str(version)

    def in_use(self, kind: str) -> list[Path]:
        """The folders of a kind that are in use, by name; damaged ones are left out.

        Where the state cannot be read there are none: what came with the software goes on.
        """
        try:
            slots = self.all()
        except KeeperError:
            return []
        folders = [
            self.folder_of(kind, name, slot.active)
            for (k, name), slot in sorted(slots.items())
            if k == kind and slot.active
        ]
        return [folder for folder in folders if problem_of(folder) is None]

    @contextmanager
    def staged(self, bundle: BundleFile, *, unpack: bool = True) -> Iterator[Path]:
        """The files of a bundle in a folder for a while: to be probed, then :meth:`keep` them.

        ``unpack``: else the folder is for its head alone.
        """
        parent = self.folder / bundle.manifest.kind / bundle.manifest.name
        make_folder(parent)
        self._sweep(parent)
        folder = parent / f".{new_id()}.tmp"
        make_folder(folder)
        try:
            if unpack:
                bundle.extract(folder)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, folder: Path, signed: Signed) -> Path:
        """Give a staged folder its name, durably; it is not in use yet."""
        manifest = signed.manifest
        place = self.folder_of(manifest.kind, manifest.name, manifest.version)
        write_atomic(folder / HEAD, json.dumps(signed.as_json()).encode())
        _remove(place)
        folder.rename(place)
        sync_folder(place.parent)
        return place

    def use(self, signed: Signed) -> Slot:
        """Let a kept version be used, on trial; older ones than the previous go."""
        manifest = signed.manifest
        slot = self.change(
            manifest.kind,
            manifest.name,
            lambda before: activated(before, manifest.version, signed.id),
        )
        self._sweep(self.folder / manifest.kind / manifest.name, slot)
        return slot

    def begin(self) -> dict[tuple[str, str], Slot]:
        """What a starting node does: tries are counted, damaged versions give way.

        Returns the slots that changed their version.
        """
        fallen = {}
        for (kind, name), slot in self.all().items():
            # Models count their own starts (models.life); windows are numbers and cannot crash.
            after = slot if kind in UNPACKED else self.change(kind, name, begun)
            while after.active and (wrong := self._wrong(kind, name, after)):
                version = after.active
                after = self.change(kind, name, lambda s, v=version, w=wrong: failed(s, v, w))  # type: ignore[misc]
            if after.active != slot.active:
                fallen[kind, name] = after
        return fallen

    def _wrong(self, kind: str, name: str, slot: Slot) -> Why | None:
        problem = problem_of(self.folder_of(kind, name, slot.active))
        return Why("bundle_damaged", problem) if problem else None

    def _sweep(self, parent: Path, slot: Slot | None = None) -> None:
        """Remove what a power cut left, and versions that nobody will use again."""
        kept = {str(slot.active), str(slot.previous)} if slot else None
        for path in parent.iterdir():
            if path.name.endswith(".tmp") or (kept is not None and path.name not in kept):
                shutil.rmtree(path, ignore_errors=True)


def _remove(place: Path) -> None:
    """Nothing half of it may be taken for a whole one: it loses its name first."""
    if place.exists():
        aside = place.with_name(f".{new_id()}.tmp")
        place.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def manifest_in(folder: Path) -> Manifest | None:
    """What is kept in a folder, None where it cannot be read."""
    try:
        return parse_head((folder / HEAD).read_bytes()).manifest
    except (OSError, PublisherError):
        return None


def problem_of(folder: Path) -> str | None:
    """What is wrong with a kept version, None when every file is as it was signed."""
    manifest = manifest_in(folder)
    if manifest is None:
        return f"{folder} has no head"
    for entry in manifest.files if manifest.kind not in UNPACKED else ():
        path = folder / entry.path
        try:
            with path.open("rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
        except OSError as error:
            return f"{path}: {error.strerror}"
        if not same:
            return f"{path} was changed"
    return None


# What these bring lies elsewhere (models, the archive, the box's programs): only the head is kept.
UNPACKED = frozenset({"model", "windows", "software"})


def _to_json(slots: Mapping[tuple[str, str], Slot]) -> bytes:
    listed = [{"kind": k, "name": n, **asdict(slot)} for (k, n), slot in sorted(slots.items())]
    return json.dumps({"schema": _SCHEMA, "slots": listed}, indent=1).encode()


def _from_json(data: bytes) -> dict[tuple[str, str], Slot]:
    raw = json.loads(data)
    if raw["schema"] != _SCHEMA:
        raise ValueError(f"schema {raw['schema']}")
    found: dict[tuple[str, str], Slot] = {}
    for said in raw["slots"]:
        kind, name = said.pop("kind"), said.pop("name")
        if kind not in KINDS or not is_name(name):
            raise ValueError(f"{kind}/{name}")
        found[kind, name] = _slot(said)
    return found


def _slot(said: dict[str, Any]) -> Slot:
    refused = {int(version): Why(**why) for version, why in said["refused"].items()}
    slot = Slot(**{**said, "refused": refused})
    numbers = (slot.active, slot.previous, slot.starts, slot.seen, *refused)
    if not all(type(n) is int and n >= 0 for n in numbers) or type(slot.trial) is not bool:
        raise ValueError("a number is none")
    return slot
