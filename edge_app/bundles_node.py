"""Bundles on one node: taken in when they are signed, for us, newer and sound; else refused.

Nothing here needs the home's lock: a running node sees what changed and switches by itself
(:mod:`edge_app.live_app`, :mod:`edge_app.live_model`).  One bundle at a time is taken in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_app.appliance.software import SOFTWARE, ask_for_update, check_name, hand_over
from edge_app.bundle_models import install_model, model_in, only_file
from edge_app.bundle_place import place_of
from edge_app.bundle_probes import PROBES
from edge_app.settings import MB, read_settings
from field_data.errors import GhallaError, KeeperError, PersonError, PublisherError
from field_data.files import HomeLock, free_bytes
from sync.bundle_manifest import Manifest, Place, Signed, check_for, in_share, verify_manifest
from sync.bundle_reports import CONFIRMED, INSTALLED, REFUSED, ROLLED_BACK, Reports
from sync.roots import Root, root_of, update_root
from sync.slots import BUNDLES, Slot, Slots, Why, check_newer, confirmed, failed, rolled_back

if TYPE_CHECKING:
    from sync.bundle_file import BundleFile

# Faults that lie with this node: the bundle may come again.
_OURS = (KeeperError, PersonError)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was done with a bundle; ``already``: it was in use before."""

    kind: str
    name: str
    version: int
    bundle: str
    already: bool = False


class NodeBundles:
    """The bundles of the home of a node."""

    def __init__(self, home: Path, place: Place) -> None:
        self.home, self.place = home, place
        self.slots, self.reports = Slots(home), Reports(home)

    def take(self, path: Path, *, again: bool = False, by_itself: bool = False) -> Taken:
        """Check, unpack, probe and use a bundle.

        again: also one that failed here before.  by_itself: nobody chose it, so only nodes in its
        rollout take it.

        Raises:
            PublisherError: why it was refused, with a stable code; that is reported.
            KeeperError: ``no_root``, ``disk_full``, ``home_in_use`` by another installation.
            PersonError: ``no_such_file``, ``bundle_waits`` (does not come by itself).
        """
        from sync.bundle_file import open_bundle

        with HomeLock(self.home / BUNDLES):
            root = self._root()
            try:
                with open_bundle(path) as bundle:
                    return self._take(bundle, root, again, by_itself)
            except PublisherError as error:
                if not error.details.get("reported"):
                    self.reports.add(REFUSED, "", path.name[:80], 0, "", error.code, str(error))
                raise

    def wants(self, signed: Signed) -> bool:
        """Whether a bundle that is offered is worth its bytes; what cannot be believed is reported.

        Raises:
            KeeperError: ``no_root``.
        """
        try:
            self._check(signed, self._root(), again=False)
        except PublisherError as error:
            if error.code not in _QUIET:
                self.refuse(signed, error)
            return False
        return self._comes_by_itself(signed)

    def _comes_by_itself(self, signed: Signed) -> bool:
        """Whether it is this node's turn; what the keeper rolled back has no further one."""
        manifest = signed.manifest
        slot = self.slots.get(manifest.kind, manifest.name)
        mine = in_share(manifest, self.place.node, manifest.rollout)
        return mine and manifest.version > slot.seen

    def _check(self, signed: Signed, root: Root, again: bool) -> bool:
        """False when it is in use already; raises why it may not be taken in."""
        verify_manifest(signed, root)
        check_for(signed.manifest, self.place)
        check_name(signed.manifest)
        slot = self.slots.get(signed.manifest.kind, signed.manifest.name)
        return check_newer(slot, signed, again=again)

    def _root(self) -> Root:
        signed = root_of(self.home)
        if signed is None:
            raise KeeperError(
                "no_root", "this node has no root of trust yet: ghalla bundle roots trust FILE"
            )
        return signed.root

    def _take(self, bundle: BundleFile, root: Root, again: bool, by_itself: bool) -> Taken:
        signed, manifest = bundle.signed, bundle.manifest
        said = Taken(manifest.kind, manifest.name, manifest.version, signed.id)
        try:
            if not self._check(signed, root, again):
                return Taken(manifest.kind, manifest.name, manifest.version, signed.id, True)
            if by_itself and not self._comes_by_itself(signed):
                raise PersonError("bundle_waits", "it is not this node's turn, or was rolled back")
            self._check_space(manifest.total)
            self._install(bundle)
        except PublisherError as error:
            self.refuse(signed, error)
            raise
        self.reports.add(INSTALLED, said.kind, said.name, said.version, said.bundle)
        return said

    def _check_space(self, more: int) -> None:
        keep = read_settings(self.home).min_free_mb * MB
        free = free_bytes(self.home)
        if free - more < keep:
            raise KeeperError(
                "disk_full", f"{more} bytes are to be written, {free} are free, {keep} must stay"
            )

    def _install(self, bundle: BundleFile) -> None:
        manifest = bundle.manifest
        if manifest.kind == SOFTWARE:
            self._hand_over(bundle)
            return
        with self.slots.staged(bundle) as folder:
            if manifest.kind == "model":
                install_model(self.home, folder)
            elif manifest.kind == "windows":
                self._import_windows(folder)
            else:
                _probe(self.home, folder, manifest)
            if manifest.kind == "weather":
                from edge_app.weather_packs import import_folder

                import_folder(self.home, folder, manifest.name, manifest.version)
            self.slots.keep(folder, bundle.signed)
            self.slots.use(bundle.signed)
        if manifest.kind in _NUMBERS:
            self.confirm(manifest.kind, manifest.name, manifest.version)

    def _hand_over(self, bundle: BundleFile) -> None:
        """Software is for the box's own updater, which asks for everything again."""
        with self.slots.staged(bundle, unpack=False) as folder:
            hand_over(self.home, bundle)
            self.slots.keep(folder, bundle.signed)
            self.slots.use(bundle.signed)
        ask_for_update(self.home)

    def _import_windows(self, folder: Path) -> None:
        from edge_app.cli_packs import import_windows

        pack = only_file(folder, ".ghw")
        with pack.open("rb") as file:
            import_windows(self.home, file)
        pack.unlink()

    def refuse(self, signed: Signed, error: PublisherError) -> None:
        """Report it; what failed only when it was tried here is not tried again by itself."""
        manifest = signed.manifest
        error.details["reported"] = True
        if error.code not in _BEFORE_TRYING:
            why = Why(error.code, str(error))
            self.slots.change(
                manifest.kind, manifest.name, partial(failed, version=manifest.version, why=why)
            )
        self.reports.add(
            REFUSED,
            manifest.kind,
            manifest.name,
            manifest.version,
            signed.id,
            error.code,
            str(error),
        )

    def confirm(self, kind: str, name: str, version: int) -> None:
        """A version has proved itself; nothing happens when another one is in use by now."""
        slot = self.slots.get(kind, name)
        if slot.trial and slot.active == version:
            self.slots.change(kind, name, partial(confirmed, version=version))
            self.reports.add(CONFIRMED, kind, name, version, slot.digest)

    def fall(self, kind: str, name: str, version: int, why: Why) -> Slot:
        """A version has failed: the one before it is used again, and that is reported.

        Where another one came into use meanwhile, that one stays.
        """
        slot = self.slots.get(kind, name)
        after = self.slots.change(kind, name, partial(failed, version=version, why=why))
        digest = slot.digest if slot.seen == version else ""
        self.reports.add(ROLLED_BACK, kind, name, version, digest, why.code, why.reason)
        return after

    def roll_back(self, kind: str, name: str) -> Slot:
        """The keeper's wish: the version before is used again.

        Raises:
            PersonError: ``nothing_to_roll_back``.
        """
        slot = self.slots.get(kind, name)
        if not slot.active or kind in ("windows", SOFTWARE):
            raise PersonError("nothing_to_roll_back", f"no version of {kind}/{name} came before")
        if kind == "model":
            from models.installation import rollback

            rollback(self.home, model_in(self.slots.folder_of(kind, name, slot.active))[0])
        after = self.slots.change(kind, name, rolled_back)
        if kind == "weather":
            from edge_app.weather_packs import take_back

            before = self.slots.folder_of(kind, name, after.active)
            take_back(self.home, name, slot.active, before)
        self.reports.add(ROLLED_BACK, kind, name, slot.active, slot.digest, "by_keeper")
        return after

    def status(self) -> dict[str, Any]:
        """What is in use, on trial, refused; the root; the latest reports."""
        signed = root_of(self.home)
        slots = [
            {
                "kind": kind,
                "name": name,
                "version": slot.active,
                "previous": slot.previous,
                "trial": slot.trial,
                "seen": slot.seen,
                "refused": {str(v): f"{w.code}: {w.reason}" for v, w in slot.refused.items()},
            }
            for (kind, name), slot in sorted(self.slots.all().items())
        ]
        return {"root": signed.root.version if signed else None, "bundles": slots}


def _probe(home: Path, folder: Path, manifest: Manifest) -> None:
    """Whatever a probe stumbles over is the publisher's fault, but for what the system says."""
    try:
        PROBES[manifest.kind](home, folder, manifest.name)
    except (GhallaError, OSError, MemoryError):
        raise
    except Exception as error:  # parsers raise a dozen types
        why = f"{type(error).__name__}: {error}"
        raise PublisherError("bundle_unhealthy", f"its probe failed: {why}") from error


# Refused before anything was tried: the very same bundle may be good later, or is another's fault.
_BEFORE_TRYING = frozenset(
    {
        "bundle_unsigned",
        "bundle_untrusted",
        "bundle_wrong_role",
        "bad_signature",
        "bundle_needs_newer",
        "bundle_not_for_us",
        "bundle_old",
        "bundle_same_version",
        "bundle_refused",
        "bundle_damaged",
    }
)


# Nothing can crash: they are numbers in an archive.
_NUMBERS = frozenset({"windows", "weather"})

# Ordinary when a hub offers it again: not worth a word.
_QUIET = frozenset({"bundle_old", "bundle_refused", "bundle_needs_newer", "bundle_not_for_us"})


def begin_bundles(home: Path) -> None:
    """What a starting node does: tries are counted, what is damaged gives way.

    Never raises for what is in the folder: a node starts with what came with the software.
    """
    if not (home / BUNDLES).is_dir():
        return
    slots, reports = Slots(home), Reports(home)
    try:
        before = slots.all()
        for (kind, name), after in slots.begin().items():
            old = before[kind, name]
            why = after.refused[old.active]
            reports.add(ROLLED_BACK, kind, name, old.active, old.digest, why.code, why.reason)
    except (KeeperError, OSError) as error:
        logging.getLogger(__name__).error("bundles: %s", error)


def bundles_of(home: Path) -> NodeBundles:
    """The bundles of a home, beside a server that may be running.

    Raises:
        KeeperError: ``no_home`` or the store's own.
    """
    from edge_app.health import store_of
    from field_data.node_identity import node_id
    from field_data.schema import open_store

    with open_store(store_of(home), set_aside=False) as store:
        return NodeBundles(home, place_of(home, node_id(store)))


def on_stick(folder: Path) -> tuple[list[Path], list[Path]]:
    """Roots and bundles in a folder or on a stick (``ghalla-down/bundles``), in a stable order."""
    down = folder / "ghalla-down" / BUNDLES
    where = down if down.is_dir() else folder
    return sorted(where.glob("roots*.json")), sorted(where.glob("*.ghb"))


def take_all(
    bundles: NodeBundles,
    folder: Path,
    each: Callable[[Path, Taken | GhallaError], None],
    *,
    again: bool = False,
) -> None:
    """Take roots and then bundles from a folder; one that is refused does not stop the others.

    Raises:
        PersonError: ``no_such_file``: there is neither.
    """
    from sync.roots import read_chain

    roots, files = on_stick(folder)
    if not roots and not files:
        raise PersonError("no_such_file", f"neither bundles nor roots in {folder}")
    for path in roots if root_of(bundles.home) is not None else ():
        try:
            update_root(bundles.home, read_chain(path))
        except PublisherError as error:
            each(path, error)
    for path in files:
        try:
            each(path, bundles.take(path, again=again))
        except (PublisherError, *_OURS) as error:
            each(path, error)
