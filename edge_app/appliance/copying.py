"""A copy of a node's store and settings, for a release that is tried: as the node's user.

``python -m edge_app.appliance.copying HOME NEW_HOME``
"""

from __future__ import annotations

import sys
from pathlib import Path

from edge_app.health import STORE
from edge_app.settings import FILE
from field_data.files import write_atomic
from field_data.snapshots import snapshot


def copy_home(home: Path, copy: Path) -> None:
    """Copy what a start needs; keys stay where they are, so that the copy speaks with nobody."""
    if (home / STORE).is_file():
        snapshot(home / STORE, copy / STORE)
    if (home / FILE).is_file():
        write_atomic(copy / FILE, (home / FILE).read_bytes())


if __name__ == "__main__":
    copy_home(Path(sys.argv[1]), Path(sys.argv[2]))
