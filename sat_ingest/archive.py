"""What a node keeps of its fields: windows without loss, and the figures drawn from them.

One SQLite file, ``home/sat/archive.db``.  Windows give way when the quota is full: the oldest
seasons first, in a season the cloudiest first.  The figures (`sat_ingest.series`) are small and
stay; a window whose figures are not drawn yet is never given up.  Of a day on which clouds hid a
field only that is kept.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from field_data.days import date_of, season_year
from field_data.errors import KeeperError, PublisherError
from field_data.files import make_folder
from field_data.sqlite_session import Session, connect, sqlite_errors
from sat_ingest import codec
from sat_ingest.grid import Grid
from sat_ingest.masks import usable_fraction
from sat_ingest.scene_names import picture_and_rank
from sat_ingest.windows import Window

ARCHIVE = Path("sat") / "archive.db"
QUOTA_BYTES = 2_000_000_000
BUSY_S = 30.0
# Making room goes on to a little less than the quota, so that not every window pays for it.
_ROOM = 0.95
_VERSION = 2
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS grids (field TEXT PRIMARY KEY, epsg INTEGER NOT NULL,
       left INTEGER NOT NULL, top INTEGER NOT NULL, height INTEGER NOT NULL,
       width INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS windows (
       id INTEGER PRIMARY KEY AUTOINCREMENT, field TEXT NOT NULL, day INTEGER NOT NULL,
       picture TEXT NOT NULL, rank TEXT NOT NULL, scene TEXT NOT NULL,
       season INTEGER NOT NULL, clear REAL NOT NULL, drawn INTEGER NOT NULL DEFAULT 0,
       size INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (field, day, picture))""",
    "CREATE INDEX IF NOT EXISTS windows_value ON windows (season, clear, day)"
    " WHERE drawn AND size > 0",
    """CREATE TABLE IF NOT EXISTS figures (field TEXT NOT NULL, day INTEGER NOT NULL,
       outline TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (field, day)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS hidden (field TEXT NOT NULL, outline TEXT NOT NULL,
       day INTEGER NOT NULL, PRIMARY KEY (field, outline, day)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL)",
    "INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total)",
    f"PRAGMA user_version={_VERSION}",
)


def season_of(day: int) -> int:
    """The agricultural year of a day since 1970-01-01, named by the calendar year it ends in."""
    return season_year(date_of(day))


@dataclass(frozen=True, slots=True)
class ArchiveStatus:
    """What is kept: counts, days since 1970-01-01 (None when empty), and bytes of windows."""

    fields: int
    windows: int
    figures: int
    first_day: int | None
    last_day: int | None
    bytes: int
    quota_bytes: int
    file_bytes: int


class Archive:
    """The archive at ``path``; threads may share it.  Close it, or use it with ``with``.

    Raises:
        KeeperError: ``store_damaged``, ``store_failed``, ``disk_full``, ``archive_newer``.
        BusyError: another process writes for longer than `BUSY_S`.
    """

    def __init__(self, path: Path, quota_bytes: int = QUOTA_BYTES, *, durable: bool = True) -> None:
        """Without ``durable`` a power cut may damage the file (a killed process may not): for
        what can be made again, many times faster."""
        self.path = path
        self.quota_bytes = quota_bytes
        make_folder(path.parent)
        self._lock = threading.RLock()
        self._session = Session(connect(path, BUSY_S))
        try:
            if not durable:
                self._run("PRAGMA synchronous=OFF")
            self._prepare()
        except BaseException:
            self.close()
            raise

    def put(self, window: Window) -> bool:
        """Keep a window; durable when it returns.  False when it, or a newer one, is here already.

        A later processing of the same picture replaces the earlier.  A window on another grid
        means that the boundary was corrected: everything of the field on the old one goes.

        Raises:
            KeeperError: ``archive_full`` when nothing may be given up for it.
        """
        data = codec.encode(window.bands, window.scl)
        picture, rank = picture_and_rank(window.scene)
        with self.transaction():
            self._take_grid(window.field, window.grid)
            key = (window.field, window.day, picture)
            old = self._one(
                "SELECT rank, data FROM windows WHERE field=? AND day=? AND picture=?", *key
            )
            if old and (old[0] > rank or (old[0] == rank and old[1] == data)):
                return False
            self._remove("field=? AND day=? AND picture=?", *key)
            self._make_room(len(data))
            clear = usable_fraction(window.scl)
            self._run(
                "INSERT INTO windows (field, day, picture, rank, scene, season, clear, size, data)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                *(*key, rank, window.scene, season_of(window.day), clear, len(data), data),
            )
            self._run("UPDATE total SET bytes = bytes + ?", len(data))
        return True

    def put_all(self, windows: Sequence[Window]) -> int:
        """Keep windows together, all or none; durable when it returns.  As `put` for the rest.

        Returns how many were new.
        """
        if not windows:
            return 0
        with self.transaction():
            return sum(map(self.put, windows))

    def has(self, field: str, scene: str) -> bool:
        """Whether this scene of the field, or a later processing of it, is or was kept.

        A window that gave way to the quota counts: fetching it again would only push out another.
        """
        picture, rank = picture_and_rank(scene)
        sql = "SELECT 1 FROM windows WHERE field=? AND picture=? AND rank>=?"
        return self._one(sql, field, picture, rank) is not None

    def windows(
        self, field: str, since: int, until: int, bands: Sequence[str] | None = None
    ) -> Iterator[Window]:
        """Windows of days ``since`` to ``until`` (inclusive), by day; all bands, or those asked.

        A window that lacks a band that was asked for comes without it.

        Raises:
            KeeperError: ``archive_damaged`` when a window cannot be read.
        """
        grid = self.grid(field)
        if grid is None:
            return
        sql = (
            "SELECT id FROM windows WHERE field=? AND day BETWEEN ? AND ? AND size > 0"
            " ORDER BY day, picture"
        )
        for (each,) in self._all(sql, field, since, until):
            row = self._one("SELECT day, scene, data FROM windows WHERE id=? AND size > 0", each)
            if row is not None:
                day, scene, data = row
                yield self._window(field, day, scene, data, grid, bands)

    def grid(self, field: str) -> Grid | None:
        """The grid on which the field is kept, None when nothing is."""
        row = self._one("SELECT epsg, left, top, height, width FROM grids WHERE field=?", field)
        return Grid(*row) if row else None

    def grids(self) -> dict[str, Grid]:
        """The grid of every field of which anything is kept."""
        rows = self._all("SELECT field, epsg, left, top, height, width FROM grids")
        return {field: Grid(*numbers) for field, *numbers in rows}

    def fields(self) -> list[str]:
        """The ids of all fields of which anything is kept, sorted."""
        return [row[0] for row in self._all("SELECT field FROM grids ORDER BY field")]

    def days(self, field: str) -> list[int]:
        """Days since 1970-01-01 with a window, increasing."""
        sql = "SELECT DISTINCT day FROM windows WHERE field=? AND size > 0 ORDER BY day"
        return [row[0] for row in self._all(sql, field)]

    def revision(self) -> str:
        """Another text whenever windows came or went: what was drawn from them is then old."""
        row = self._one("SELECT bytes, (SELECT max(id) FROM windows) FROM total")
        return f"{row[0]}-{row[1]}" if row else ""

    def size_bytes(self) -> int:
        """Bytes of all windows, which is what the quota counts."""
        row = self._one("SELECT bytes FROM total")
        return int(row[0]) if row else 0

    def status(self) -> ArchiveStatus:
        """Counts, span and sizes."""
        one = self._one(
            "SELECT count(DISTINCT field), count(*), min(day), max(day) FROM windows WHERE size > 0"
        )
        drawn = self._one("SELECT count(*) FROM figures")
        fields, windows, first, last = one or (0, 0, None, None)
        figures = drawn[0] if drawn else 0
        return ArchiveStatus(
            *(fields, windows, figures, first, last, self.size_bytes(), self.quota_bytes),
            file_bytes=self.path.stat().st_size,
        )

    def forget(self, field: str) -> None:
        """Erase everything of a field."""
        with self.transaction():
            self._remove("field=?", field)
            for table in ("figures", "hidden", "grids"):
                self._run(f"DELETE FROM {table} WHERE field=?", field)  # noqa: S608 - constants

    def fit(self, field: str, grid: Grid) -> None:
        """Erase what is kept of a field on another grid: its boundary was corrected since."""
        if self.grid(field) not in (None, grid):
            self.forget(field)

    def hide(self, field: str, outline: str, day: int) -> None:
        """Note that clouds hid the field inside ``outline`` on a day; no window is kept of it."""
        with self.transaction():
            self._run("INSERT OR IGNORE INTO hidden VALUES (?,?,?)", field, outline, day)

    def hidden(self, field: str, outline: str) -> list[int]:
        """Days that were noted by `hide`, increasing."""
        sql = "SELECT day FROM hidden WHERE field=? AND outline=? ORDER BY day"
        return [row[0] for row in self._all(sql, field, outline)]

    def check(self) -> None:
        """Read the whole file.

        Raises:
            KeeperError: ``store_damaged``.
        """
        row = self._one("PRAGMA quick_check(1)")
        if row != ("ok",):
            raise KeeperError("store_damaged", f"{self.path}: {row[0] if row else 'no answer'}")

    def undrawn(self, field: str, outline: str) -> list[int]:
        """Days whose windows have no figures yet, or figures for another outline."""
        sql = (
            "SELECT DISTINCT w.day FROM windows w LEFT JOIN figures f"
            " ON f.field=w.field AND f.day=w.day AND f.outline=?"
            " WHERE w.field=? AND w.size > 0 AND (NOT w.drawn OR f.day IS NULL) ORDER BY w.day"
        )
        return [row[0] for row in self._all(sql, outline, field)]

    def put_figures(self, field: str, outline: str, rows: Sequence[tuple[int, bytes]]) -> None:
        """Keep figures, one blob a day, drawn inside ``outline`` from the windows of that day."""
        with self.transaction():
            for day, data in rows:
                self._run("REPLACE INTO figures VALUES (?,?,?,?)", field, day, outline, data)
                self._run("UPDATE windows SET drawn=1 WHERE field=? AND day=?", field, day)

    def figures(self, field: str, outline: str) -> list[tuple[int, bytes]]:
        """Day and blob of all figures inside ``outline``, by day."""
        sql = "SELECT day, data FROM figures WHERE field=? AND outline=? ORDER BY day"
        return [(row[0], row[1]) for row in self._all(sql, field, outline)]

    def close(self) -> None:
        """Close the file; harmless twice."""
        with self._lock:
            self._session.con.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _prepare(self) -> None:
        row = self._one("PRAGMA user_version")
        version = int(row[0]) if row else 0
        if version > _VERSION:
            raise KeeperError("archive_newer", f"{self.path} was written by a newer Ghalla")
        if version < _VERSION:
            with self.transaction():
                for sql in _SCHEMA:
                    self._run(sql)

    def _take_grid(self, field: str, grid: Grid) -> None:
        known = self.grid(field)
        if known == grid:
            return
        if known is not None:
            self.forget(field)
        self._run(
            "INSERT INTO grids VALUES (?,?,?,?,?,?)",
            *(field, grid.epsg, grid.left, grid.top, grid.height, grid.width),
        )

    def _make_room(self, wanted: int) -> None:
        """Give up drawn windows of least value until ``wanted`` more bytes fit the quota."""
        over = self.size_bytes() + wanted - self.quota_bytes
        if over <= 0:
            return
        over += int(self.quota_bytes * (1 - _ROOM))
        sql = "SELECT id, size FROM windows WHERE drawn AND size > 0 ORDER BY season, clear, day"
        freed, chosen = 0, []
        for row in self._all(sql):
            if freed >= over:
                break
            freed += row[1]
            chosen.append(row[0])
        for each in chosen:
            self._run("UPDATE windows SET data=x'', size=0 WHERE id=?", each)
        self._run("UPDATE total SET bytes = bytes - ?", freed)
        if self.size_bytes() + wanted > self.quota_bytes:
            raise KeeperError(
                "archive_full", f"{self.path} is at its quota of {self.quota_bytes} bytes"
            )

    def _remove(self, where: str, *given: Any) -> None:
        row = self._one(f"SELECT sum(size) FROM windows WHERE {where}", *given)  # noqa: S608
        self._run(f"DELETE FROM windows WHERE {where}", *given)  # noqa: S608
        self._run("UPDATE total SET bytes = bytes - ?", row[0] or 0)

    def _window(
        self, field: str, day: int, scene: str, data: bytes, grid: Grid, bands: Sequence[str] | None
    ) -> Window:
        try:
            found, scl = codec.decode(data, (grid.height, grid.width))
        except PublisherError as error:
            message = f"{self.path}: {field}, {scene}: {error}"
            raise KeeperError("archive_damaged", message, field=field, scene=scene) from error
        if bands is not None:
            found = {name: found[name] for name in bands if name in found}
        return Window(field, day, scene, grid, found, scl)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is kept together or not at all, with one write to the disk."""
        with self._lock, sqlite_errors(self.path), self._session.level():
            yield

    def _run(self, sql: str, *given: Any) -> None:
        with self._lock, sqlite_errors(self.path):
            self._session.con.execute(sql, given)

    def _one(self, sql: str, *given: Any) -> Any:
        with self._lock, sqlite_errors(self.path):
            return self._session.con.execute(sql, given).fetchone()

    def _all(self, sql: str, *given: Any) -> list[Any]:
        with self._lock, sqlite_errors(self.path):
            return self._session.con.execute(sql, given).fetchall()


def outline_key(ring: Sequence[tuple[float, float]]) -> str:
    """A short name of a boundary: figures drawn inside another one are not ours."""
    text = ";".join(f"{lon:.7f},{lat:.7f}" for lon, lat in ring)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
