"""What the node, without rights, asks root's small services to do: one small JSON file each.

Whoever broke into the node may write there what they like, so root reads it as hostile: only a
regular file, only its first bytes, never through a link.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from edge_app.appliance.layout import Layout
from field_data.errors import KeeperError, PersonError
from field_data.files import write_atomic

_MOST_BYTES = 4096


def layout_of(home: Path) -> Layout | None:
    """The box that a home belongs to; None where the node was not installed as one."""
    home = home.absolute()
    if len(home.parents) < 4:
        return None
    layout = Layout(home.parents[3])
    return layout if layout.home == home and layout.requests.is_dir() else None


def box_of(home: Path) -> Layout:
    """The same.

    Raises:
        KeeperError: ``no_box``.
    """
    layout = layout_of(home)
    if layout is None:
        raise KeeperError("no_box", f"{home} is no box's home: update and save it by hand")
    return layout


def ask(layout: Layout, name: str, **said: Any) -> None:
    """Write a request; one that still waits is replaced.

    Raises:
        KeeperError: ``disk_full``.
    """
    write_atomic(layout.requests / f"{name}.json", json.dumps(said).encode())


def waits(layout: Layout, name: str) -> bool:
    """Whether a request was not read yet."""
    return os.path.lexists(layout.requests / f"{name}.json")


def take_request(layout: Layout, name: str) -> dict[str, Any]:
    """Read a request and remove it; empty where there is none, or nothing that can be read."""
    path = layout.requests / f"{name}.json"
    said: Any = None
    with suppress(PersonError, OSError, ValueError, RecursionError), open_plain(path) as file:
        said = json.loads(file.read(_MOST_BYTES))
    _remove(path)
    return said if isinstance(said, dict) else {}


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def open_plain(path: Path) -> Iterator[IO[bytes]]:
    """A file to read that may be anything: no link is followed, no pipe or device waited for.

    Raises:
        PersonError: ``no_such_file``: it is not there, or no regular file.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags)
    except OSError as error:
        raise PersonError("no_such_file", f"cannot read {path}: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise PersonError("no_such_file", f"{path} is no file")
        yield file
