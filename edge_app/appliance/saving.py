"""The nightly backup of a box: root mounts the stick, the node's user writes the backup."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from edge_app.appliance.identity import as_node, environ_for_node
from edge_app.appliance.layout import Layout
from edge_app.appliance.outcomes import read_outcome_file
from edge_app.appliance.requests import take_request
from edge_app.appliance.sticks import plugged_in
from field_data.clock import now
from field_data.errors import KeeperError
from field_data.files import make_folder, write_atomic

REQUEST = "backup"
_MOST_S = 5 * 3600
_SAID = 2000


def save(
    layout: Layout, stick: Callable[[], AbstractContextManager[Path]] = plugged_in
) -> dict[str, Any]:
    """Back the box up; what came of it, ``code`` "" where it went well.

    Without a stick there is nothing to do: that is told, and no failure.
    """
    take_request(layout, REQUEST)
    try:
        with stick() as folder:
            said = _as_node(layout, folder)
    except KeeperError as error:
        said = {"code": error.code, "reason": str(error)}
    folder = layout.box / "backup"
    make_folder(folder)
    write_atomic(folder / "last.json", json.dumps({**said, "at_s": now().utc_s}).encode())
    return said


def _as_node(layout: Layout, stick: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "edge_app.cli", "box", "backup", "create", "--json",
               "--home", str(layout.home), "--stick", str(stick)]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 - words of our own
            command, capture_output=True, text=True, timeout=_MOST_S,
            check=False,
            env=environ_for_node(),
            cwd="/",
            **as_node(layout.home),
        )  # fmt: skip
        said = json.loads(done.stdout.splitlines()[-1])
        return {"code": said.get("error", ""), "reason": said.get("message", ""), **said}
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError) as error:
        raise KeeperError("backup_failed", f"{error}"[:_SAID]) from error


def last_save(layout: Layout) -> dict[str, Any]:
    """What the last run came to; empty before the first."""
    return read_outcome_file(layout.box / "backup" / "last.json")
