"""Map tiles that were drawn, in one SQLite file with MBTiles' columns, under a quota.

A tile can be drawn again from the archive, so a lost or damaged cache is no loss: it begins anew.
MBTiles (specification 1.3) holds one tile set a file; here a ``layer`` ("ndvi/2019-05-03") tells
the sets apart, and `TileCache.export` writes one of them as a file that other programs read.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from field_data.errors import KeeperError, PersonError
from field_data.files import disk_full_named, make_folder
from field_data.sqlite_session import sqlite_errors
from sat_ingest.mercator import Tile

CACHE = Path("sat") / "tiles.mbtiles"
QUOTA_BYTES = 200_000_000
# Making room goes on to a little less than the quota, so that not every tile pays for it.
_ROOM = 0.9
_ROW_BYTES = 100
_DAY_S = 86_400
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tiles (
    layer TEXT NOT NULL, zoom_level INTEGER NOT NULL, tile_column INTEGER NOT NULL,
    tile_row INTEGER NOT NULL, tile_data BLOB NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (layer, zoom_level, tile_column, tile_row)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tiles_value ON tiles (used, layer);
CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS drawn_from (revision TEXT NOT NULL);
INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total);
"""
_KEY = "layer=? AND zoom_level=? AND tile_column=? AND tile_row=?"
_MBTILES = """
CREATE TABLE metadata (name TEXT, value TEXT);
CREATE TABLE tiles (zoom_level INTEGER, tile_column INTEGER, tile_row INTEGER, tile_data BLOB);
CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row);
"""


class TileCache:
    """The cache at ``path``; threads may share it.  Close it, or use it with ``with``.

    Raises:
        KeeperError: ``disk_full``, ``store_failed``.
        BusyError: another process writes for too long.
    """

    def __init__(self, path: Path, quota_bytes: int = QUOTA_BYTES) -> None:
        self.path = path
        self.quota_bytes = quota_bytes
        make_folder(path.parent)
        self._lock = threading.Lock()
        self._con = _opened(path)

    def get(self, layer: str, tile: Tile, revision: str | None = None) -> bytes | None:
        """The tile as it was put; None when it is not here.  Empty bytes are an empty tile.

        With ``revision``: only one drawn from that.
        """
        today, data = int(time.time()) // _DAY_S, None
        with self._renewing(), self._locked() as con:
            sql = f"SELECT tile_data, used FROM tiles WHERE {_KEY}"  # noqa: S608 - a constant
            found = con.execute(sql, _key(layer, tile)).fetchone()
            if revision is not None and _revision(con) != revision:
                found = None
            if found and found[1] < today:  # once a day is enough to know what is asked for
                update = f"UPDATE tiles SET used=? WHERE {_KEY}"  # noqa: S608
                con.execute(update, (today, *_key(layer, tile)))
            data = found[0] if found else None
        return data

    def put(self, layer: str, tile: Tile, data: bytes, revision: str | None = None) -> None:
        """Keep a tile; others give way, longest unused first, then the earliest layers.

        A tile larger than the quota is not kept, nor one that was drawn from another ``revision``
        than the one that was begun: it came too late.
        """
        today = int(time.time()) // _DAY_S
        size = len(data) + _ROW_BYTES
        if size > self.quota_bytes:
            return
        with self._renewing(), self._locked() as con:
            if revision is not None and _revision(con) != revision:
                return
            self._remove(con, _KEY, _key(layer, tile))
            self._make_room(con, size)
            con.execute("INSERT INTO tiles VALUES (?,?,?,?,?,?)", (*_key(layer, tile), data, today))
            con.execute("UPDATE total SET bytes = bytes + ?", (size,))

    def begin(self, revision: str) -> None:
        """Remove everything that was drawn from another revision of the archive."""
        with self._renewing(), self._locked() as con:
            if _revision(con) != revision:
                self._remove(con, "true", ())
                con.execute("DELETE FROM drawn_from")
                con.execute("INSERT INTO drawn_from VALUES (?)", (revision,))

    def layers(self) -> list[str]:
        """Names of the layers that have tiles here, in order."""
        with self._locked() as con:
            return [name for (name,) in con.execute("SELECT DISTINCT layer FROM tiles ORDER BY 1")]

    def size_bytes(self) -> int:
        """Bytes of the tiles, as the quota counts them."""
        with self._locked() as con:
            return int(con.execute("SELECT bytes FROM total").fetchone()[0])

    def export(self, layer: str, path: Path) -> int:
        """Write one layer as an MBTiles file; how many tiles it has.

        Raises:
            PersonError: ``file_exists``, ``unknown_layer``.
        """
        if path.exists():
            raise PersonError("file_exists", f"{path} is there already", path=str(path))
        with self._locked() as con:
            sql = (
                "SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles"
                " WHERE layer=? AND length(tile_data) > 0"
            )
            rows = con.execute(sql, (layer,)).fetchall()
        if not rows:
            raise PersonError("unknown_layer", f"no tiles of {layer} are cached", layer=layer)
        _write_mbtiles(path, layer, rows)
        return len(rows)

    def close(self) -> None:
        """Close the file."""
        self._con.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def _remove(self, con: sqlite3.Connection, where: str, values: tuple[object, ...]) -> None:
        sql = f"SELECT sum(length(tile_data) + {_ROW_BYTES}) FROM tiles WHERE {where}"  # noqa: S608
        freed = con.execute(sql, values).fetchone()[0] or 0
        con.execute(f"DELETE FROM tiles WHERE {where}", values)  # noqa: S608
        con.execute("UPDATE total SET bytes = bytes - ?", (freed,))

    def _make_room(self, con: sqlite3.Connection, size: int) -> None:
        total = con.execute("SELECT bytes FROM total").fetchone()[0]
        if total + size <= self.quota_bytes:
            return
        over = total + size - int(self.quota_bytes * _ROOM)
        sql = (
            "SELECT layer, zoom_level, tile_column, tile_row, length(tile_data) FROM tiles"
            " ORDER BY used, layer"
        )
        for *key, length in con.execute(sql).fetchall():
            if over <= 0:
                return
            self._remove(con, _KEY, tuple(key))
            over -= length + _ROW_BYTES

    @contextmanager
    def _renewing(self) -> Iterator[None]:
        """A file that turns out to be damaged is begun anew; what was asked for is not there."""
        try:
            yield
        except KeeperError as error:
            if error.code != "store_damaged":
                raise
            with self._lock:
                self._con.close()
                self._con = _begun_anew(self.path)

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        """One caller at a time, one transaction."""
        with self._lock, sqlite_errors(self.path), self._con:
            yield self._con


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return _connected(path)
    except KeeperError as error:
        if error.code != "store_damaged":
            raise
    return _begun_anew(path)


def _begun_anew(path: Path) -> sqlite3.Connection:
    for suffix in ("", "-wal", "-shm"):  # only a cache: draw it again
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    with sqlite_errors(path):
        con = sqlite3.connect(path, timeout=30, check_same_thread=False)
        try:
            con.execute("PRAGMA journal_mode=WAL")
            # A power cut may take the last tiles, never the file.
            con.execute("PRAGMA synchronous=NORMAL")
            con.execute("PRAGMA secure_delete=ON")  # fields may have been erased
            con.executescript(_SCHEMA)
            con.execute("SELECT count(*) FROM total").fetchone()
        except BaseException:
            con.close()
            raise
    return con


def _revision(con: sqlite3.Connection) -> str | None:
    """What the tiles were drawn from."""
    found = con.execute("SELECT revision FROM drawn_from").fetchone()
    return found[0] if found else None


def _key(layer: str, tile: Tile) -> tuple[str, int, int, int]:
    # MBTiles counts rows from the south (TMS).
    return layer, tile.z, tile.x, (1 << tile.z) - 1 - tile.y


def _write_mbtiles(path: Path, layer: str, rows: list[tuple[int, int, int, bytes]]) -> None:
    zooms = [row[0] for row in rows]
    told = {
        "name": layer,
        "format": "png",
        "type": "overlay",
        "minzoom": str(min(zooms)),
        "maxzoom": str(max(zooms)),
        "attribution": "contains modified Copernicus Sentinel data",
    }
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    with disk_full_named(path), sqlite_errors(path):
        try:
            with closing(sqlite3.connect(temporary)) as con:
                con.executescript(_MBTILES)
                con.executemany("INSERT INTO metadata VALUES (?,?)", told.items())
                con.executemany("INSERT INTO tiles VALUES (?,?,?,?)", rows)
                con.commit()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
