"""Boundaries from other programs' files: real ones come through, hostile ones are refused."""

from __future__ import annotations

import io
import json
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapefile
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon

from field_data.boundary_files import Imported, read_boundaries, to_geojson
from field_data.boundary_files.code_page import code_page
from field_data.errors import PersonError
from field_data.geometry import Plane, Ring, outline
from field_data.ids import new_id
from field_data.land import clean_name
from field_data.types import Field
from tests.land import HERE, box, degrees, stars

NAMES = ("Champ d'été", "حقل الشمال", "ⵉⴳⵔ")
EAST = Plane(*HERE).degrees([(500, 0), (1000, 0)])
RINGS = (box(), box(80, 60, EAST[0]), box(50, 50, EAST[1]))
HOLE = degrees([(40, 40), (60, 40), (60, 60), (40, 60)])


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def frame(geometries: Sequence[Any] | None = None, crs: int | None = 4326) -> Any:
    shapes = geometries or [Polygon(ring) for ring in RINGS]
    named = {"owner": ["?"] * len(shapes), "nom": NAMES[: len(shapes)]}
    return geopandas.GeoDataFrame(named, geometry=shapes, crs=4326).to_crs(crs or 4326)


def written(data: Any, folder: Path, driver: str, suffix: str, **options: Any) -> bytes:
    """The file that GDAL makes of a frame; a Shapefile's parts in one zip."""
    folder.mkdir(exist_ok=True)
    path = folder / f"fields{suffix}"
    data.to_file(path, driver=driver, engine="pyogrio", **options)
    if suffix != ".shp":
        return path.read_bytes()
    return zipped({f"in/{each.name}": each.read_bytes() for each in folder.iterdir()})


def kml(placemarks: str) -> bytes:
    start = '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2">'
    return f"{start}<Document><Folder>{placemarks}</Folder></Document></kml>".encode()


def placemark(name: str, ring: Ring, *holes: Ring) -> str:
    def boundary(tag: str, ring: Ring) -> str:
        points = "\n ".join(f"{lon},{lat},431.5" for lon, lat in ring)
        inside = f"<LinearRing><coordinates>{points}</coordinates></LinearRing>"
        return f"<{tag}>{inside}</{tag}>"

    inner = "".join(boundary("innerBoundaryIs", hole) for hole in holes)
    polygon = f"<Polygon>{boundary('outerBoundaryIs', ring)}{inner}</Polygon>"
    return f"<Placemark><name>{name}</name>{polygon}</Placemark>"


def geojson(*geometries: object, **more: object) -> bytes:
    features = [
        {"type": "Feature", "properties": {"name": f"f{n}"}, "geometry": geometry}
        for n, geometry in enumerate(geometries, start=1)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features, **more}).encode()


def polygon(*rings: Ring) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": rings}


def taken(found: Imported) -> list[tuple[str, Ring]]:
    return [(part.name, part.outline.ring) for part in found.parts]


def code_of(data: bytes) -> str:
    with pytest.raises(PersonError) as error:
        read_boundaries(data)
    return error.value.code


EXPECTED = [(name, outline(ring).ring) for name, ring in zip(NAMES, RINGS, strict=True)]


def as_kml(folder: Path) -> bytes:
    return kml("".join(placemark(*pair) for pair in zip(NAMES, RINGS, strict=True)))


WRITERS: dict[str, Callable[[Path], bytes]] = {
    "geojson": lambda folder: written(frame(), folder, "GeoJSON", ".geojson"),
    "geopackage": lambda folder: written(frame(), folder, "GPKG", ".gpkg"),
    "shapefile": lambda folder: written(
        frame(), folder, "ESRI Shapefile", ".shp", encoding="UTF-8"
    ),
    "kml": as_kml,
    "kml of GDAL": lambda folder: written(
        frame().rename(columns={"nom": "Name"}), folder, "KML", ".kml"
    ),
    "kmz": lambda folder: zipped({"doc.kml": as_kml(folder), "files/icon.png": b"x"}),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_names_and_rings_come_through_every_format(kind: str, tmp_path: Path) -> None:
    found = read_boundaries(WRITERS[kind](tmp_path / "out"))
    assert sorted(name for name, _ in taken(found)) == sorted(NAMES)
    for (name, ring), (name_in, ring_in) in zip(taken(found), EXPECTED, strict=True):
        assert (name, set(ring)) == (name_in, set(ring_in))
    assert found.refused == ()
    assert found.notes == ()
    assert [part.place for part in found.parts] == [1, 2, 3]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(stars(), st.text(max_size=20)), min_size=1, max_size=5))
def test_what_is_exported_is_imported_again_the_same(land: list[tuple[Ring, str]]) -> None:
    fields = [
        Field(new_id(), new_id(), shape.ring, "TRZAX", clean_name(name), round(shape.area_ha, 4))
        for shape, name in ((outline(ring), name) for ring, name in land)
    ]
    again = read_boundaries(to_geojson(fields).encode())
    assert taken(again) == [(field.name, field.boundary) for field in fields]
    assert [round(part.outline.area_ha, 4) for part in again.parts] == [f.area_ha for f in fields]


def test_the_export_is_rfc_7946() -> None:
    shape = outline(RINGS[0][::-1])
    [feature] = json.loads(to_geojson([Field("f", "g", shape.ring, name="حقل")]))["features"]
    [ring] = feature["geometry"]["coordinates"]
    assert ring[0] == ring[-1]
    assert Polygon(ring).exterior.is_ccw
    assert feature["properties"]["name"] == "حقل"
    assert all(round(number, 7) == number for point in ring for number in point)


# --- holes, several polygons, other geometry -----------------------------------------------------


@pytest.mark.parametrize("kind", ["geojson", "kml", "geopackage", "shapefile"])
def test_holes_are_filled_and_told(kind: str, tmp_path: Path) -> None:
    holed = frame([Polygon(RINGS[0], [HOLE])])
    data = {
        "geojson": lambda: geojson(polygon(RINGS[0], HOLE)),
        "kml": lambda: kml(placemark("f1", RINGS[0], HOLE)),
        "geopackage": lambda: written(holed, tmp_path, "GPKG", ".gpkg"),
        "shapefile": lambda: written(holed, tmp_path, "ESRI Shapefile", ".shp"),
    }
    [part] = read_boundaries(data[kind]()).parts
    [note] = part.outline.notes
    assert (note.code, note.details["holes"]) == ("hole_filled", 1)
    assert note.details["ha"] == pytest.approx(0.04, rel=0.01)
    assert part.outline.area_ha == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("kind", ["geojson", "geopackage", "shapefile"])
def test_several_polygons_become_several_fields(kind: str, tmp_path: Path) -> None:
    both = frame([MultiPolygon([Polygon(RINGS[0], [HOLE]), Polygon(RINGS[1])])])
    data = {
        "geojson": lambda: written(both, tmp_path, "GeoJSON", ".geojson"),
        "geopackage": lambda: written(both, tmp_path, "GPKG", ".gpkg"),
        "shapefile": lambda: written(both, tmp_path, "ESRI Shapefile", ".shp", encoding="UTF-8"),
    }
    parts = read_boundaries(data[kind]()).parts
    assert sorted(part.name for part in parts) == [f"{NAMES[0]} {n}" for n in (1, 2)]
    assert {frozenset(part.outline.ring) for part in parts} == {frozenset(r) for r in RINGS[:2]}
    assert all(part.outline.notes[0].code == "part_of_many" for part in parts)
    assert {part.place for part in parts} == {1}


def test_what_is_no_field_is_listed_with_its_reason_and_the_rest_is_taken() -> None:
    swapped = tuple((lat, lon) for lon, lat in RINGS[1])
    bow = degrees([(0, 0), (90, 90), (90, 0), (0, 90)])
    found = read_boundaries(
        geojson(
            polygon(RINGS[0]),
            {"type": "Point", "coordinates": HERE},
            None,
            polygon(swapped),
            polygon(bow),
            polygon(),
            {"type": "Polygon", "coordinates": [[1, 2], [3]]},
            {"type": "Polygon", "coordinates": "x"},
            {"type": "MultiPolygon", "coordinates": []},
            {"type": "MultiPolygon", "coordinates": [[RINGS[0]]] * 101},
            {"type": "GeometryCollection", "geometries": [polygon(RINGS[0])]},
        )
    )
    assert [part.name for part in found.parts] == ["f1"]
    assert [(each.place, each.error.code) for each in found.refused] == [
        (2, "not_a_polygon"),
        (3, "not_a_polygon"),
        (4, "axes_swapped"),
        (5, "self_crossing"),
        (6, "boundary_empty"),
        (7, "boundary_not_numbers"),
        (8, "boundary_not_numbers"),
        (9, "boundary_empty"),
        (10, "too_many_parts"),
        (11, "not_a_polygon"),
    ]
    assert found.refused[3].name == "f5"


@pytest.mark.parametrize("kind", ["GPKG", "ESRI Shapefile"])
def test_points_in_a_layer_are_listed(kind: str, tmp_path: Path) -> None:
    suffix = {"GPKG": ".gpkg", "ESRI Shapefile": ".shp"}[kind]
    found = read_boundaries(written(frame([Point(HERE)] * 2), tmp_path, kind, suffix))
    assert [each.error.code for each in found.refused] == ["not_a_polygon"] * 2
    assert found.parts == ()


def test_a_kml_of_lines_and_bad_numbers_is_listed() -> None:
    line = f"<LineString><coordinates>{HERE[0]},{HERE[1]} 1,2</coordinates></LineString>"
    bad = placemark("bad", RINGS[0]).replace(",431.5", ";431.5")
    empty = "<Placemark><name>empty</name><Polygon/></Placemark>"
    data = kml(f"<Placemark><name>way</name>{line}</Placemark>{bad}{empty}")
    assert [(each.name, each.error.code) for each in read_boundaries(data).refused] == [
        ("way", "not_a_polygon"),
        ("bad", "boundary_not_numbers"),
        ("empty", "boundary_empty"),
    ]


# --- systems of coordinates ----------------------------------------------------------------------


@pytest.mark.parametrize("epsg", [32629, 3857, 26191])
@pytest.mark.parametrize("kind", ["GPKG", "ESRI Shapefile"])
def test_other_systems_are_refused_with_their_name(kind: str, epsg: int, tmp_path: Path) -> None:
    suffix = {"GPKG": ".gpkg", "ESRI Shapefile": ".shp"}[kind]
    data = written(frame(crs=epsg), tmp_path, kind, suffix)
    with pytest.raises(PersonError, match="export the file again") as error:
        read_boundaries(data)
    assert error.value.code == "crs_unsupported"
    shown = str(error.value.details["crs"])
    assert str(epsg) in shown or any(word in shown for word in ("UTM", "Mercator", "Maroc"))


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("urn:ogc:def:crs:OGC:1.3:CRS84", True),
        ("urn:ogc:def:crs:EPSG::4326", True),
        ("EPSG:4326", True),
        ("urn:ogc:def:crs:EPSG::32629", False),
        ("EPSG:43260", False),
        (None, False),
    ],
)
def test_old_geojson_may_name_degrees_and_nothing_else(name: str | None, good: bool) -> None:
    data = geojson(polygon(RINGS[0]), crs={"type": "name", "properties": {"name": name}})
    if good:
        assert len(read_boundaries(data).parts) == 1
    else:
        assert code_of(data) == "crs_unsupported"


def test_a_shapefile_without_prj_is_taken_for_degrees_and_told(tmp_path: Path) -> None:
    def bare(crs: int) -> bytes:
        whole = zipfile.ZipFile(
            io.BytesIO(written(frame(crs=crs), tmp_path / str(crs), "ESRI Shapefile", ".shp"))
        )
        return zipped({n: whole.read(n) for n in whole.namelist() if not n.endswith(".prj")})

    degrees_file, metres_file = read_boundaries(bare(4326)), read_boundaries(bare(32629))
    assert [note.code for note in degrees_file.notes] == ["crs_assumed"]
    assert len(degrees_file.parts) == 3
    assert {each.error.code for each in metres_file.refused} == {"boundary_out_of_range"}


# --- letters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "page"),
    [
        (("Champ d'été", "École", "Œillet"), "cp1252"),
        (("حقل الشمال", "بستان", "Ferme é"), "cp1256"),
        (("ⵉⴳⵔ", "حقل"), "utf-8"),
        (("plain",), "utf-8"),
    ],
)
def test_tables_are_read_in_the_page_that_they_are_in(names: tuple[str, ...], page: str) -> None:
    raw = [name.encode(page) for name in names]
    assert code_page(raw) == page
    assert code_page([raw[0][:-1] if page == "utf-8" else raw[0], *raw[1:]]) == page
    assert code_page(raw, b" CP1252\r\n") == "cp1252"
    assert code_page(raw, b"ANSI 1256") == "cp1256"
    assert code_page(raw, b"rot13") == page


def old_shapefile(names: Sequence[str], page: str) -> bytes:
    shp, dbf = io.BytesIO(), io.BytesIO()
    with shapefile.Writer(shp=shp, dbf=dbf, shapeType=5, encoding=page) as writer:
        writer.field("NUMERO", "N", 5)
        writer.field("PARCELLE", "C", 30)
        for number, name in enumerate(names):
            writer.poly([[list(point) for point in RINGS[number][::-1]]])
            writer.record(number, name)
    return zipped({"a.shp": shp.getvalue(), "A.DBF": dbf.getvalue()})


@pytest.mark.parametrize("page", ["cp1252", "cp1256"])
def test_names_of_an_old_shapefile_are_legible(page: str) -> None:
    names = {"cp1252": ["École", "Forêt", "Çà"], "cp1256": ["حقل", "بستان الزيتون", "Forêt"]}[page]
    assert [part.name for part in read_boundaries(old_shapefile(names, page)).parts] == names


def test_names_are_made_fit_to_keep() -> None:
    dressed = json.loads(geojson(polygon(RINGS[0])))
    dressed["features"][0]["properties"] = {"NOM": " a\u202e\x07  b\n" + "c" * 200}
    [part] = read_boundaries(json.dumps(dressed).encode()).parts
    assert part.name == "a b " + "c" * 116


# --- hostile files -------------------------------------------------------------------------------

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
    ids=lambda value: value if isinstance(value, str) else repr(value[:12]),
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
