"""A SQLite file as of one moment, copied while others write into it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from field_data.files import disk_full_named, sync_folder
from field_data.sqlite_session import sqlite_errors

MAGIC = b"SQLite format 3\0"
_PAGES, _PAUSE_S = 2000, 0.01


def is_sqlite(path: Path) -> bool:
    """Whether a file begins as SQLite's do."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def snapshot(path: Path, target: Path) -> None:
    """Copy the database ``path`` with its log to the new file ``target``, durably.

    Writers go on between the steps; what they change is copied once more.

    Raises:
        KeeperError: ``disk_full``, ``store_damaged`` or ``store_failed``; ``target`` is then gone.
    """
    try:
        with (
            disk_full_named(target),
            sqlite_errors(path),
            closing(sqlite3.connect(f"file:{_quoted(path)}?mode=rw", uri=True)) as source,
            closing(sqlite3.connect(target)) as out,
        ):
            source.execute("PRAGMA busy_timeout=30000")
            source.backup(out, pages=_PAGES, sleep=_PAUSE_S)
            out.execute("PRAGMA journal_mode=DELETE")
            out.execute("PRAGMA synchronous=FULL")
        with target.open("rb+") as file:
            os.fsync(file.fileno())
        sync_folder(target.parent)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _quoted(path: Path) -> str:
    return quote(str(path.absolute()))
