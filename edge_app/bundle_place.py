"""What a node knows of itself, to tell which bundles are for it."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path

from field_data.files import make_folder, write_atomic
from sync.bundle_manifest import Place
from sync.slots import BUNDLES

_PLACE = "place.json"


def place_of(home: Path, node: str) -> Place:
    """The node of that id, here and now."""
    organisation, region = _enrolled(home)
    return Place(node, platform.machine(), version("ghalla"), organisation, region)


def note_place(home: Path, organisation: str, region: str) -> None:
    """What the hub says of this node, also for bundles that come by USB."""
    if _enrolled(home) != (organisation, region):
        make_folder(home / BUNDLES)
        said = {"organisation": organisation, "region": region}
        write_atomic(home / BUNDLES / _PLACE, json.dumps(said).encode())


def _enrolled(home: Path) -> tuple[str | None, str | None]:
    """Organisation and region, where a hub has told them."""
    try:
        said = json.loads((home / BUNDLES / _PLACE).read_bytes())
        return str(said["organisation"]), str(said["region"])
    except (OSError, ValueError, TypeError, KeyError):
        return None, None
