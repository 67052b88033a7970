"""A bundle of Ghalla itself: what is in it, and what the node without rights may do with it.

::

    release.json        version, python ("3.13"), arch ("aarch64"), works_from (see below)
    wheels/*.whl        everything that its virtual environment is made of, pip's own wheel too

One bundle is for one kind of machine and one Python: they are told apart by the bundle's name,
``ghalla-aarch64-py313``.  ``works_from`` is the number of the store's migrations that older code
must know to work on with what this release leaves (`field_data.schema.WORKS_FROM`): a release that
the one in use could not take over from again is refused before it touches anything.

The node checks a bundle and hands it over; the updater, which has the rights, believes none of it.
"""

from __future__ import annotations

import json
import logging
import platform
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_app.appliance.layout import Layout
from edge_app.appliance.outcomes import read_outcome_file
from edge_app.appliance.releases import Releases, ReleaseStore, is_version
from edge_app.appliance.requests import ask, box_of, layout_of, waits
from field_data.errors import GhallaError, PersonError, PublisherError
from field_data.files import replacing
from field_data.schema import MIGRATIONS, WORKS_FROM
from sync.slots import Slot, Why

if TYPE_CHECKING:
    from edge_app.bundles_node import NodeBundles
    from sync.bundle_file import BundleFile
    from sync.bundle_manifest import Manifest

SOFTWARE = "software"
RELEASE = "release.json"
REQUEST = "update"
HANDED = "software.ghb"
_WHEEL = re.compile(r"wheels/[\w.+-]+\.whl", re.ASCII)
_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Software:
    """What a bundle of software says of its release."""

    version: str
    python: str
    arch: str
    works_from: int


def python_here() -> str:
    """The Python of this box, "3.13"."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def bundle_name(arch: str, python: str) -> str:
    """How bundles for that machine and Python are called."""
    return f"ghalla-{arch}-py{python.replace('.', '')}"


def check_name(manifest: Manifest) -> None:
    """Whether software is for this machine and Python; other kinds are called as they like.

    Raises:
        PublisherError: ``bundle_not_for_us``.
    """
    mine = bundle_name(platform.machine(), python_here())
    if manifest.kind == SOFTWARE and manifest.name != mine:
        raise PublisherError("bundle_not_for_us", f"it is {manifest.name}, this box takes {mine}")


def software_in(bundle: BundleFile) -> Software:
    """What a bundle brings, when it can be used here and left again.

    Raises:
        PublisherError: ``bad_release``, ``bundle_not_for_us``, ``release_no_way_back``, or
            ``bundle_damaged``.
    """
    check_name(bundle.manifest)
    wrong = [e.path for e in bundle.manifest.files if e.path != RELEASE and not _wheel(e.path)]
    if wrong:
        raise PublisherError("bundle_other_file", f"{wrong[0]} has no place in such a bundle")
    software = read_software(bundle.read(RELEASE, _MOST_BYTES))
    if (software.arch, software.python) != (platform.machine(), python_here()):
        raise PublisherError(
            "bundle_not_for_us", f"it is for Python {software.python} on {software.arch}"
        )
    if software.works_from > len(MIGRATIONS):
        raise PublisherError(
            "release_no_way_back",
            f"{software.version} would leave a store that this release cannot work with: take the "
            f"release in between first",
        )
    return software


def _wheel(path: str) -> bool:
    return _WHEEL.fullmatch(path) is not None


def read_software(data: bytes) -> Software:
    """A ``release.json``.

    Raises:
        PublisherError: ``bad_release``.
    """
    try:
        said = json.loads(data)
        software = Software(*(said[key] for key in ("version", "python", "arch", "works_from")))
        words = (software.version, software.python, software.arch)
        if not all(isinstance(word, str) for word in words) or not is_version(software.version):
            raise ValueError("version, python and arch are words")
        if type(software.works_from) is not int or software.works_from < 0:
            raise ValueError("works_from counts migrations")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise PublisherError("bad_release", f"{RELEASE} tells no release: {error}") from error
    return software


# --- the publisher's side -----------------------------------------------------------------------


def pack_release(
    wheels: Path, out: Path, version: str, python: str, arch: str, number: int | None = None
) -> Manifest:
    """Write an unsigned bundle of all wheels of a folder; ``number``: the time in seconds.

    Raises:
        PersonError: ``no_such_file``: there is no wheel.
        PublisherError: ``bad_release``, or what a node would say of it.
    """
    from sync.bundle_file import build
    from sync.bundle_manifest import Target

    found = sorted(wheels.glob("*.whl"))
    if not found:
        raise PersonError("no_such_file", f"no wheels in {wheels}")
    at = datetime.now(UTC)
    said = {"version": version, "python": python, "arch": arch, "works_from": WORKS_FROM}
    data = json.dumps(said).encode()
    read_software(data)
    with tempfile.TemporaryDirectory() as folder:
        release = Path(folder) / RELEASE
        release.write_bytes(data)
        sources = {RELEASE: release, **{f"wheels/{each.name}": each for each in found}}
        name, made = bundle_name(arch, python), at.isoformat(timespec="seconds")
        target = Target(hardware=(arch,))
        return build(
            out, sources, SOFTWARE, name, number or int(at.timestamp()), made,
            target=target, note=f"Ghalla {version}",
        )  # fmt: skip


# --- the node's side --------------------------------------------------------------------------


def hand_over(home: Path, bundle: BundleFile) -> Software:
    """Copy a bundle to where the updater takes it from.

    Raises:
        KeeperError: ``no_box``, ``disk_full``.
        PublisherError: as :func:`software_in`, or ``bundle_damaged``.
    """
    layout = box_of(home)
    software = software_in(bundle)
    bundle.check()
    bundle.file.seek(0)
    with replacing(layout.requests / HANDED) as out:
        shutil.copyfileobj(bundle.file, out)
    return software


def ask_for_update(home: Path) -> None:
    """Let the updater look at what was handed over."""
    ask(box_of(home), REQUEST, verb="install")


def settle_software(bundles: NodeBundles) -> None:
    """What the updater did with what this node took in; never raises."""
    layout = layout_of(bundles.home)
    if layout is None:
        return
    try:
        state = ReleaseStore(layout).read()
        for (kind, name), slot in bundles.slots.all().items():
            if kind == SOFTWARE and slot.active:
                _settle(bundles, layout, state, name, slot)
    except (GhallaError, OSError) as error:
        logging.getLogger(__name__).error("software: %s", error)


def _settle(bundles: NodeBundles, layout: Layout, state: Releases, name: str, slot: Slot) -> None:
    fall = partial(bundles.fall, SOFTWARE, name, slot.active)
    outcome = read_outcome(layout)
    if state.seen < slot.active:
        if outcome.get("bundle") == slot.digest and outcome.get("final"):
            fall(Why(str(outcome["code"])[:80], str(outcome["reason"])[:300]))
        elif (layout.requests / HANDED).is_file() and not waits(layout, REQUEST):
            ask_for_update(bundles.home)  # the power failed between the bundle and the request
    elif state.seen > slot.active:
        return  # a later one came by itself; what became of this one is past
    elif state.newest in state.refused:
        why = state.refused[state.newest]
        fall(Why(why.code, why.reason))
    elif state.active == state.newest and not state.trial:
        bundles.confirm(SOFTWARE, name, slot.active)


def read_outcome(layout: Layout) -> dict[str, Any]:
    """What the updater did last: ``code``, ``reason``, ``bundle``, ``version``, ``at_s``,
    ``final`` (it will not try that bundle again); empty before the first time."""
    return read_outcome_file(layout.box / "update" / "last.json")
