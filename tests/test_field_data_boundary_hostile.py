"""Boundaries from files that want to do harm: refused by name, in bounded time."""

from __future__ import annotations

import io
import sqlite3
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from field_data.boundary_files import Imported, read_boundaries
from field_data.errors import PersonError
from tests.boundary_files import (
    EXPECTED,
    RINGS,
    WRITERS,
    code_of,
    frame,
    geojson,
    kml,
    placemark,
    taken,
    written,
    zipped,
)
from tests.land import HERE

BOMB = '<!DOCTYPE kml [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefg", "bcdefgh", strict=True)
)
GOOD_KML = kml(placemark("x", RINGS[0]))
DEEP_JSON = b'{"type":"Polygon","coordinates":' + b"[" * 100_000


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "unknown_format"),
        (b"\x89PNG\r\n", "unknown_format"),
        (b"{", "bad_geojson"),
        (b"[]", "bad_geojson"),
        (b'{"type":"FeatureCollection"}', "bad_geojson"),
        (b'{"type":"FeatureCollection","features":[]}', "no_features"),
        (b'{"a":NaN}', "bad_geojson"),
        (b'{"a":' + b"9" * 5000 + b"}", "bad_geojson"),
        (b'{"a":"\xff"}', "not_utf8"),
        (DEEP_JSON, "bad_geojson"),
        (b"{" + b" " * 10_000_001, "file_too_large"),
        (b"PK\x03\x04" + b" " * 20_000_001, "file_too_large"),
        (geojson(*[None] * 5001), "too_many_features"),
        (b"<" + b" " * 10_000_001, "file_too_large"),
        (b"<html><body/></html>", "bad_kml"),
        (b"<kml>", "bad_kml"),
        (b'<?xml version="1.0" encoding="shift-jis"?><kml/>', "bad_kml"),
        (f"{BOMB}]><kml>&h;</kml>".encode(), "bad_kml"),
        (b'<!DOCTYPE kml SYSTEM "file:///etc/passwd"><kml/>', "bad_kml"),
        (kml("<Folder>" * 200 + "</Folder>" * 200), "bad_kml"),
        (kml(""), "no_features"),
        (b"PK\x03\x04 and no zip", "bad_zip"),
        (zipped({"readme.txt": b"x"}), "unknown_format"),
        (zipped({f"{n}.txt": b"" for n in range(300)}), "bad_zip"),
        (zipped({"doc.kml": b"\0" * 60_000_000}), "file_too_large"),
        (zipped({"a.shp": b"\0" * 60_000_000}), "file_too_large"),
        (zipped({"a.shp": b""}), "bad_shapefile"),
        (zipped({"a.shp": b"\0" * 107}), "bad_shapefile"),
        (b"SQLite format 3\0", "bad_geopackage"),
        (b"SQLite format 3\0" + b"\0" * 5000, "bad_geopackage"),
    ],
    # Not of more bytes: a zip holds the second in which it was made.
    ids=lambda value: value if isinstance(value, str) else repr(value[:4]),
)
def test_a_file_that_is_none_is_refused_by_name(data: bytes, code: str) -> None:
    assert code_of(data) == code


def test_names_in_a_zip_are_never_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_boundaries(zipped({"../../evil.kml": GOOD_KML, "/etc/x.kml": GOOD_KML}))
    assert len(found.parts) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_locked_zip_is_refused() -> None:
    locked = bytearray(zipped({"doc.kml": GOOD_KML}))
    for header in (b"PK\x03\x04", b"PK\x01\x02"):
        at = locked.index(header) + (6 if header[2] == 3 else 8)
        locked[at] |= 1
    assert code_of(bytes(locked)) == "bad_zip"


def shp_record(content: bytes, words: int | None = None) -> bytes:
    length = len(content) // 2 if words is None else words
    return struct.pack(">2i", 1, length) + content


@pytest.mark.parametrize(
    "record",
    [
        shp_record(struct.pack("<i", 5), -100),
        shp_record(struct.pack("<i", 5), 2**30),
        shp_record(struct.pack("<i4d2i", 5, 0, 0, 1, 1, 2**30, 2**30)),
        shp_record(struct.pack("<i4d2i", 5, 0, 0, 1, 1, -1, -1)),
        shp_record(struct.pack("<i4d3i2d", 5, 0, 0, 1, 1, 1, 1, 77, 0.0, 0.0)),
        shp_record(struct.pack("<i", 31)),
    ],
)
def test_a_shapefile_that_lies_about_lengths_is_refused_by_name(record: bytes) -> None:
    header = struct.pack(">7i", 9994, 0, 0, 0, 0, 0, (100 + len(record)) // 2)
    header += struct.pack("<2i8d", 1000, 5, *[0.0] * 8)
    assert code_of(zipped({"a.shp": header + record})) == "bad_shapefile"


def geopackage(folder: Path, *sql: str) -> bytes:
    """A good GeoPackage that was tampered with."""
    path = folder / "fields.gpkg"
    path.write_bytes(written(frame(), folder / "good", "GPKG", ".gpkg"))
    with sqlite3.connect(path) as con:
        con.execute("PRAGMA writable_schema=ON")
        for each in sql:
            con.executescript(each)
    con.close()
    return path.read_bytes()


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE gpkg_contents",
        f"DROP TABLE gpkg_contents; CREATE VIEW gpkg_contents AS {ENDLESS}",
        f"ALTER TABLE fields RENAME TO f; CREATE VIEW fields AS {ENDLESS}",
        "UPDATE gpkg_geometry_columns SET column_name = 'x\"; DROP TABLE fields; --'",
        "UPDATE gpkg_geometry_columns SET table_name = 'sqlite_master'",
        "DELETE FROM gpkg_contents",
    ],
)
def test_a_hostile_geopackage_is_refused(sql: str, tmp_path: Path) -> None:
    assert code_of(geopackage(tmp_path, sql)) == "bad_geopackage"


def test_a_geopackage_with_broken_letters_is_refused(tmp_path: Path) -> None:
    assert code_of(geopackage(tmp_path).replace(b"CREATE TABLE", b"CREATE TABL\xff")) == (
        "bad_geopackage"
    )


def test_work_on_a_geopackage_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("field_data.boundary_files.geopackage._STEPS", 10)
    monkeypatch.setattr("field_data.boundary_files.geopackage._MAX_STEPS", 2)
    assert code_of(geopackage(tmp_path)) == "bad_geopackage"


def test_a_geopackage_in_write_ahead_mode_is_read(tmp_path: Path) -> None:
    data = geopackage(tmp_path)
    assert len(read_boundaries(data[:18] + b"\2\2" + data[20:]).parts) == 3


def wkb_feature(blob: bytes, folder: Path) -> Imported:
    path = folder / "w.gpkg"
    path.write_bytes(written(frame(), folder / "good", "GPKG", ".gpkg"))
    con = sqlite3.connect(path)
    triggers = con.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall()
    for (name,) in triggers:
        con.execute(f'DROP TRIGGER "{name}"')
    con.execute("UPDATE fields SET geom = ? WHERE fid = 2", (blob,))
    con.commit()
    con.close()
    return read_boundaries(path.read_bytes())


GP = b"GP\0\1" + struct.pack("<i", 4326)


@pytest.mark.parametrize(
    ("blob", "code"),
    [
        (b"", "boundary_empty"),
        (GP, "bad_geometry"),
        (b"GP\0\x0f" + GP[4:], "bad_geometry"),
        (GP + struct.pack("<BI", 1, 3), "bad_geometry"),
        (GP + struct.pack("<BIII", 1, 3, 1, 2**32 - 1), "bad_geometry"),
        (GP + struct.pack("<BII", 1, 3, 2**31), "too_many_parts"),
        (GP + struct.pack("<BII", 1, 6, 2**31), "too_many_parts"),
        (GP + struct.pack("<BII", 1, 6, 1) * 40_000, "bad_geometry"),
        (GP + struct.pack("<BII", 1, 7, 1) * 40_000, "not_a_polygon"),
        (GP + struct.pack("<BI2d", 1, 1, *HERE), "not_a_polygon"),
        (GP + struct.pack("<BII", 1, 3, 0), "boundary_empty"),
    ],
)
def test_a_geometry_that_lies_is_listed_and_the_rest_taken(
    blob: bytes, code: str, tmp_path: Path
) -> None:
    found = wkb_feature(blob, tmp_path)
    assert [(each.place, each.error.code) for each in found.refused] == [(2, code)]
    assert len(found.parts) == 2


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("kind", "dims"), [(3, 2), (1003, 3), (2003, 3), (3003, 4), (0x80000003, 3), (0xC0000003, 4)]
)
def test_heights_and_measures_are_dropped(order: str, kind: int, dims: int, tmp_path: Path) -> None:
    numbers = [n for lon, lat in RINGS[1] for n in (lon, lat, 431.0, 7.0)[:dims]]
    ring = struct.pack(f"{order}II{len(numbers)}d", 1, len(RINGS[1]), *numbers)
    blob = GP + bytes([order == "<"]) + struct.pack(f"{order}I", kind) + ring
    assert taken(wkb_feature(blob, tmp_path))[1] == EXPECTED[1]


def mangled(data: bytes, places: list[tuple[float, int]]) -> bytes:
    whole = bytearray(data)
    for share, byte in places:
        whole[int(share * (len(whole) - 1))] = byte
    return bytes(whole)


MANGLE = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def good_files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    made = [make(tmp_path_factory.mktemp("good") / "out") for make in WRITERS.values()]
    whole = zipfile.ZipFile(io.BytesIO(made[2]))
    return [
        *made,
        *(whole.read(name) for name in whole.namelist() if name.endswith(("shp", "dbf"))),
    ]


@settings(max_examples=150, deadline=None)
@given(which=st.integers(0, 7), places=MANGLE, cut=st.floats(0.2, 1))
def test_a_damaged_file_is_never_a_crash(
    good_files: list[bytes], which: int, places: list[tuple[float, int]], cut: float
) -> None:
    data = mangled(good_files[which], places)
    data = data[: int(len(data) * cut)] if cut < 0.7 else data
    if which >= 6:  # the parts of a Shapefile, mangled inside a sound zip
        ends = [".shp", ".dbf"]
        parts = {f"a{ends[which - 6]}": data, f"a{ends[7 - which]}": good_files[13 - which]}
        data = zipped(parts)
    try:
        found = read_boundaries(data)
    except PersonError:
        return
    assert found.parts or found.refused
