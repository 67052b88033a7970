"""Boundaries from other programs' files: real ones come through whole."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import shapefile
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon

from field_data.boundary_files import read_boundaries, to_geojson
from field_data.boundary_files.code_page import code_page
from field_data.errors import PersonError
from field_data.geometry import Ring, outline
from field_data.ids import new_id
from field_data.land import clean_name
from field_data.types import Field
from tests.boundary_files import (
    EXPECTED,
    HOLE,
    NAMES,
    RINGS,
    WRITERS,
    code_of,
    frame,
    geojson,
    kml,
    placemark,
    polygon,
    taken,
    written,
    zipped,
)
from tests.land import HERE, degrees, stars


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
