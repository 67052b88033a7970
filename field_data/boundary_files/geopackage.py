"""GeoPackage 1.x: the polygons of its feature tables, from a copy of the file in memory.

The file is hostile SQLite: only plain tables are read, nothing but reading is allowed, and the
work is counted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from field_data.boundary_files.archive import MAX_UNFOLDED
from field_data.boundary_files.found import Found, Source, crs_unsupported, name_from, too_large
from field_data.boundary_files.wkb import polygons_of
from field_data.errors import PersonError

# ruff: noqa: S608 (names of tables are quoted by `_quoted`)

MAGIC = b"SQLite format 3\0"
_MAX_VALUE = 4_000_000
_STEPS = 100_000
_MAX_STEPS = 300
# Bytes of the envelope by the code in the flags (GeoPackage 1.3, 2.1.3.1.1).
_ENVELOPES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
_CATALOGUE = ("gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys")
_TABLES = """
    SELECT g.table_name, g.column_name, s.organization, s.organization_coordsys_id
    FROM gpkg_geometry_columns g
    JOIN gpkg_contents c ON c.table_name = g.table_name
    LEFT JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id
    WHERE c.data_type = 'features' LIMIT 100
"""


def read(data: bytes) -> Source:
    """The features of all feature tables.

    Raises:
        PersonError: while the features are read ``bad_geopackage``, ``crs_unsupported``,
            ``file_too_large``.
    """
    return Source(_features(data))


def _features(data: bytes) -> Iterator[Found]:
    with _named(), closing(_opened(data)) as con:
        masters = con.execute("SELECT name, sql FROM sqlite_master")
        plain = {name for name, sql in masters if _is_plain(sql)}
        if not plain.issuperset(_CATALOGUE):
            raise PersonError("bad_geopackage", "the file is no GeoPackage")
        tables = con.execute(_TABLES).fetchall()
        if not tables:
            raise PersonError("bad_geopackage", "the GeoPackage has no features")
        for table, column, organization, code in tables:
            if table not in plain:
                raise PersonError("bad_geopackage", f"{table!s:.40} is no table")
            if (str(organization).upper(), code) != ("EPSG", 4326):
                raise crs_unsupported(f"{organization}:{code}")
            yield from _rows(con, table, column)


def _opened(data: bytes) -> sqlite3.Connection:
    """The file in memory, fit only for reading."""
    # A file left in write-ahead mode cannot be opened without its log: bytes 18 and 19 say so
    # (SQLite, "Database File Format", 1.3.3).
    data = data[:18] + b"\1\1" + data[20:]
    con = sqlite3.connect(":memory:")
    con.deserialize(data)
    con.text_factory = lambda raw: raw.decode("utf-8", "replace")
    con.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)
    con.execute("PRAGMA trusted_schema=OFF")
    con.execute("PRAGMA cell_size_check=ON")
    con.set_authorizer(
        lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
    )
    steps = iter(range(_MAX_STEPS))
    con.set_progress_handler(lambda: next(steps, None) is None, _STEPS)
    return con


def _is_plain(sql: object) -> bool:
    """A table as such: no view and no virtual table, which run code of their own."""
    return str(sql).lstrip().upper().startswith("CREATE TABLE")


def _rows(con: sqlite3.Connection, table: str, column: str) -> Iterator[Found]:
    left = MAX_UNFOLDED
    found = con.execute(f"SELECT * FROM {_quoted(table)}")
    columns = [each[0] for each in found.description]
    if column not in columns:
        raise PersonError("bad_geopackage", f"{table!s:.40} has no column {column!s:.40}")
    for row in found:
        attributes = dict(zip(columns, row, strict=True))
        blob = attributes.pop(column)
        left -= len(blob) if isinstance(blob, bytes) else 0
        if left < 0:
            raise too_large(MAX_UNFOLDED)
        yield _found(name_from(attributes), blob)


def _found(name: str, blob: object) -> Found:
    try:
        return Found(name, polygons_of(_wkb(blob)))
    except PersonError as problem:
        return Found(name, problem=problem)


def _wkb(blob: object) -> bytes:
    """The well-known binary behind GeoPackage's header."""
    if not isinstance(blob, bytes) or blob[:2] != b"GP" or len(blob) < 8:
        raise PersonError("boundary_empty", "the feature has no geometry")
    envelope = _ENVELOPES.get(blob[3] >> 1 & 7)
    if envelope is None or blob[3] & 0x20:
        raise PersonError("bad_geometry", "the geometry is not a GeoPackage's")
    return blob[8 + envelope :]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OverflowError, UnicodeError) as error:
        raise PersonError("bad_geopackage", f"the file cannot be read: {error!s:.120}") from error
