"""One SQLite file that many threads and processes share: connections, transactions, damage.

Every error of SQLite is turned into one of ours here and nowhere else.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tinydb.storages import Storage

from field_data.errors import BusyError, KeeperError
from field_data.files import make_folder, sync_folder
from field_data.pushdown import FieldPath, json_field
from field_data.reserve import Reserve
from field_data.sqlite_session import (
    RETRY_AFTER_S,
    Session,
    connect,
    move_aside,
    sqlite_errors,
)

# SQL text is built from table names that `sql_name` has made harmless and from checked paths.
# ruff: noqa: S608

Row = tuple[Any, ...]


class SqliteStorage(Storage):
    """TinyDB's storage seam over SQLite rows: ``id`` and a JSON ``body`` in one table each.

    ``damaged`` names the file that was found unreadable and moved aside, None if all was well.
    A thread gets its own connection; it is closed when the thread ends or the storage is closed.
    Not to be used across ``os.fork``.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        busy_s: float = 30.0,
        set_aside: bool = True,
        reserve_bytes: int = 0,
    ) -> None:
        self.path = Path(path)
        self._reserve = Reserve(Path(f"{path}.reserve"), reserve_bytes)
        self.damaged: Path | None = None
        self.indexes: dict[str, list[FieldPath]] = {}
        self._busy_s = busy_s
        self._local = threading.local()
        self._writer = threading.RLock()
        self._opening = threading.Lock()
        self._closers: list[weakref.finalize[..., Session]] = []
        self._closed = False
        self._open(set_aside)

    def _open(self, set_aside: bool) -> None:
        make_folder(self.path.parent)
        self._reserve.spend_if_full()  # to open, SQLite needs a little too
        fresh = not self.path.exists()
        try:
            self._check()
        except KeeperError as error:
            self._close_connections()
            if error.code != "store_damaged" or not set_aside:
                raise
            self.damaged = move_aside(self.path)
            self._check()
            fresh = True
        if fresh:
            sync_folder(self.path.parent)
        self._reserve.fill()

    def _check(self) -> None:
        with sqlite_errors(self.path):
            verdict = self._session().con.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise KeeperError("store_damaged", f"{self.path}: {verdict}", path=str(self.path))

    # --- connections -----------------------------------------------------------------------

    def _session(self) -> Session:
        if self._closed:
            raise ValueError("the store is closed")
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = Session(connect(self.path, self._busy_s))
            closer = weakref.finalize(session, session.con.close)
            with self._opening:
                self._closers = [old for old in self._closers if old.alive] + [closer]
        return session

    def close(self) -> None:
        """Close the connections of all threads, after the write that is under way."""
        self._closed = True
        with self._writer:
            self._close_connections()

    def _close_connections(self) -> None:
        self._local = threading.local()
        for closer in self._closers:
            closer()
        self._closers = []

    # --- transactions ----------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable at the end; blocks inside a block can fail on their own.

        Raises ``KeeperError("disk_full")`` with nothing lost, `BusyError` when another thread or
        process has kept the file for too long.
        """
        session = self._session()
        if not self._writer.acquire(timeout=self._busy_s):
            raise BusyError(RETRY_AFTER_S)
        try:
            with sqlite_errors(self.path):
                with session.level():
                    yield
                if session.erased and not session.depth:
                    self._forget_log(session)
        finally:
            self._writer.release()

    @contextmanager
    def erasing(self) -> Iterator[None]:
        """`transaction` for removing: SQLite's log, which holds what was there, is emptied after.

        Inside another block that happens when the outermost one ends.  On a full disk it works in
        the room that was kept for it.
        """
        session = self._session()
        self._reserve.spend_if_full()
        with self.transaction():
            yield
            session.erased = True

    def _forget_log(self, session: Session) -> None:
        # Waits for those who read as long as for those who write, then leaves it to the next one.
        session.con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        session.erased = False
        self._reserve.fill()

    def execute(self, sql: str, values: Iterable[object] = ()) -> sqlite3.Cursor:
        """Run one writing statement; only inside `transaction`."""
        session = self._session()
        session.must_be_inside()
        return session.con.execute(sql, tuple(values))

    def rows(self, sql: str, values: Iterable[object] = ()) -> Iterator[Row]:
        """Rows of one consistent moment; none if the table was never made."""
        with sqlite_errors(self.path), closing(self._session().con.cursor()) as cursor:
            try:
                cursor.execute(sql, tuple(values))
            except sqlite3.OperationalError as error:
                if str(error).startswith("no such table"):
                    return
                raise
            yield from cursor

    # --- tables ----------------------------------------------------------------------------

    def names(self) -> set[str]:
        """Names of the tables that exist."""
        rows = self.rows("SELECT name FROM sqlite_master WHERE type='table'")
        return {name for (sql,) in rows if (name := _table_name(sql)) is not None}

    def create(self, name: str) -> None:
        """Make the table and its declared indexes if they are not there; in a transaction.

        AUTOINCREMENT: an id that was given away never comes back, even after a restart.
        """
        table = sql_name(name)
        self.execute(
            f"CREATE TABLE IF NOT EXISTS {table}"
            "(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)"
        )
        for path in self.indexes.get(name, ()):
            index = f"ix_{table}_{'__'.join(path)}"
            self.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {table}({json_field(path)})")

    def drop(self, name: str) -> None:
        """Drop the table and all in it; in a transaction."""
        self.execute(f"DROP TABLE IF EXISTS {sql_name(name)}")

    # --- TinyDB's seam: the whole state at once, for what has no better way ------------------

    def read(self) -> dict[str, dict[str, Any]] | None:
        """Everything, or None if there is no table."""
        return {
            name: {
                str(row): json.loads(body)
                for row, body in self.rows(f"SELECT id, body FROM {sql_name(name)} ORDER BY id")
            }
            for name in self.names()
        } or None

    def write(self, data: Mapping[str, Mapping[Any, Mapping[str, Any]]]) -> None:
        """Replace everything, all or nothing."""
        with self.transaction():
            for name in self.names():
                self.drop(name)
            for name, table in data.items():
                self.create(name)
                for row, document in table.items():
                    sql = f"INSERT INTO {sql_name(name)}(id, body) VALUES(?, ?)"
                    self.execute(sql, (int(row), to_json(document)))

    # --- schema ----------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """How many migrations the file has been through."""
        return int(next(self.rows("PRAGMA user_version"))[0])

    def set_version(self, version: int) -> None:
        """Note it in the file; in the same transaction as the migration."""
        self.execute(f"PRAGMA user_version={version:d}")


def to_json(document: Mapping[str, Any]) -> str:
    """The body of a row.  NaN and infinity are not JSON: `ValueError`."""
    return json.dumps(dict(document), separators=(",", ":"), allow_nan=False)


_PLAIN = "d_"
_HEX = "x_"


def sql_name(name: str) -> str:
    """SQL name of a table: SQLite ignores case and has reserved words, TinyDB does neither."""
    if name and name.isascii() and name.replace("_", "a").isalnum() and name == name.lower():
        return _PLAIN + name
    return _HEX + name.encode("utf-8", "surrogatepass").hex()


def _table_name(sql: str) -> str | None:
    if sql.startswith(_PLAIN):
        return sql.removeprefix(_PLAIN)
    if sql.startswith(_HEX):
        return bytes.fromhex(sql.removeprefix(_HEX)).decode("utf-8", "surrogatepass")
    return None
