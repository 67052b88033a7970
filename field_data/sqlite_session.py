"""One connection to SQLite, its transaction blocks, and what SQLite's errors mean for us."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from field_data.errors import BusyError, GhallaError, KeeperError
from field_data.files import free_bytes, sync_folder

_PRAGMAS = (
    "PRAGMA synchronous=FULL",  # NORMAL loses acknowledged documents at a power cut
    "PRAGMA secure_delete=ON",  # what a person asked to erase is overwritten
    "PRAGMA journal_size_limit=4194304",
    "PRAGMA cache_size=-1000",  # kB for each thread
)
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# When the disk is this full, an I/O error of SQLite means just that (it keeps its quota and
# shared-memory errors under that name).
_NO_SPACE_BYTES = 64 * 1024
RETRY_AFTER_S = 10


class Session:
    """The connection of one thread, how many transaction blocks it is in, what is left to do.

    ``erased`` says that something was removed for good, which the log still holds.
    """

    def __init__(self, con: sqlite3.Connection) -> None:
        self.con = con
        self.depth = 0
        self.erased = False

    @contextmanager
    def level(self) -> Iterator[None]:
        """One transaction block: the outermost is a transaction, inner ones are savepoints."""
        depth = self.depth
        if depth:
            self.must_be_inside()
        self.con.execute(f"SAVEPOINT level{depth}" if depth else "BEGIN IMMEDIATE")
        self.depth = depth + 1
        try:
            yield
            self.must_be_inside()
            self.con.execute(f"RELEASE level{depth}" if depth else "COMMIT")
        except BaseException:
            self._undo(depth)
            raise
        finally:
            self.depth = depth

    def must_be_inside(self) -> None:
        """SQLite undoes a whole transaction by itself when the disk is full.

        Whoever swallowed that error in an inner block must not go on writing outside.
        """
        if not self.con.in_transaction:
            raise KeeperError("store_failed", "no transaction is open, or it was already undone")

    def _undo(self, depth: int) -> None:
        if not self.con.in_transaction:
            return
        if depth:
            self.con.execute(f"ROLLBACK TO level{depth}")
            self.con.execute(f"RELEASE level{depth}")
        else:
            self.con.execute("ROLLBACK")


def connect(path: Path, busy_s: float) -> sqlite3.Connection:
    """Open the file as every connection must: nothing acknowledged before it is on the disk."""
    # Threads do not share connections, but `close` closes those of all threads.
    with sqlite_errors(path):
        con = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
        try:
            # Asking first: switching needs the file for oneself, asking does not.
            if con.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                con.execute("PRAGMA journal_mode=WAL")
            for pragma in _PRAGMAS:
                con.execute(pragma)
        except BaseException:
            con.close()
            raise
    return con


def move_aside(path: Path) -> Path:
    """Rename the file and its log, never over an older one; returns the new name.

    Numbered: the clock may say 1970.  Only under the home's lock.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    log = Path(f"{path}-wal")
    if log.exists():
        log.rename(f"{aside}-wal")
    Path(f"{path}-shm").unlink(missing_ok=True)
    path.rename(aside)
    sync_folder(path.parent)
    return aside


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """The one door: SQLite's errors become ours, mistakes of ours stay what they are."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.DatabaseError as error:
        raise _translated(error, path) from error


def _translated(error: sqlite3.DatabaseError, path: Path) -> GhallaError:
    code = _code(error)
    full = code == sqlite3.SQLITE_IOERR and free_bytes(path.parent) < _NO_SPACE_BYTES
    if full or code == sqlite3.SQLITE_FULL:
        return KeeperError("disk_full", f"no space left for {path}", path=str(path))
    if code in _LOCKED:
        return BusyError(RETRY_AFTER_S)
    name = "store_damaged" if code in _DAMAGED else "store_failed"
    return KeeperError(name, f"{path}: {error}", path=str(path))


def _code(error: sqlite3.Error) -> int:
    """The primary result code, without SQLite's details; 0 when Python raised it by itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
