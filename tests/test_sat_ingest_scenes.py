"""What a catalogue says of a scene, read strictly; which scenes show a field; the BOA offset."""

from __future__ import annotations

import copy
import json
from datetime import date
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely.geometry import box

from field_data.types import Field
from sat_ingest import boa
from sat_ingest.catalogue import Catalogue, Found, Query
from sat_ingest.choice import Plan, Plot, by_day, ranked
from sat_ingest.masks import scene_mask
from sat_ingest.ranges import Ranges
from sat_ingest.scenes import Scene, UnusableError, read_scene, solar_day
from sat_ingest.sources import find_source, load_source
from tests.sat_catalogues import SAT_SET

ANY, _ = find_source("nowhere")
Box = tuple[float, float, float, float]
SEARCH = load_source("earth-search")
ITEM: dict[str, Any] = {
    "id": "S2A_29SQR_20220201_0_L2A",
    "collection": "sentinel-2-l2a",
    "bbox": [-8.0, 32.0, -7.0, 33.0],
    "properties": {
        "datetime": "2022-02-01T11:13:21.024Z",
        "platform": "Sentinel-2A",
        "proj:code": "EPSG:32629",
        "grid:code": "MGRS-29SQR",
        "s2:processing_baseline": "04.00",
        "s2:sequence": "1",
        "eo:cloud_cover": 12.5,
        "earthsearch:boa_offset_applied": True,
    },
    "assets": {
        "red": {"href": "B04.tif", "type": "image/tiff"},
        "nir": {"href": "B08.tif"},
        "scl": {"href": "SCL.tif"},
    },
}


def read(item: dict[str, Any], source: Any = SEARCH) -> Scene:
    return read_scene(Found(item, "https://x.example/a/i.json"), source)


def changed(*path: str, to: Any) -> dict[str, Any]:
    item = copy.deepcopy(ITEM)
    inner = item
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return item


def test_a_scene_is_read_from_its_item() -> None:
    scene = read(ITEM)
    assert (scene.platform, scene.epsg, scene.tile) == ("sentinel-2a", 32629, "29SQR")
    assert (scene.baseline, scene.sequence, scene.offset_in_pixels) == (400, 1, False)
    assert scene.day == date(2022, 2, 1).toordinal() - date(1970, 1, 1).toordinal()
    assert scene.assets["red"] == "https://x.example/a/B04.tif"
    assert scene.lacks == dict.fromkeys(("blue", "green", "rededge1", "swir16"), "no_asset")


def shaped(coordinates: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": coordinates}


def test_esa_names_of_bands_and_of_the_product_will_do() -> None:
    item = changed("assets", to={k: {"href": f"{k}_10m.tif"} for k in ("B04", "B8A", "SCL")})
    item["id"] = "S2B_MSIL2A_20220201T111321_N0510_R043_T29SQR_20240101T080531"
    item["properties"] = {"datetime": "2022-02-01T11:13:21Z", "proj:epsg": 32629}
    scene = read(item)
    assert (scene.baseline, scene.tile, scene.offset_in_pixels) == (510, "29SQR", True)
    assert set(scene.assets) == {"red", "scl"}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({}, "bad_item"),
        (changed("id", to=7), "bad_item"),
        (changed("properties", "datetime", to="yesterday"), "bad_datetime"),
        (changed("properties", "datetime", to=None), "bad_datetime"),
        (changed("properties", "datetime", to="1970-01-01T00:00:00Z"), "bad_datetime"),
        (changed("bbox", to=None), "bad_geometry"),
        (changed("bbox", to=[float("nan")] * 4), "bad_geometry"),
        (changed("bbox", to=[-8, 32, -7, 330]), "bad_geometry"),
        (changed("bbox", to=[-8, 32, -7, 10**400]), "bad_geometry"),
        (changed("geometry", to=shaped([[[10**400, 1], [2, 2], [3, 3], [1, 1]]])), "bad_geometry"),
        (changed("geometry", to=shaped(json.loads("[" * 900 + "]" * 900))), "bad_geometry"),
        (changed("assets", "scl", "href", to="http://["), "bad_address"),
        (changed("assets", "scl", to=None), "no_scl"),
        (changed("assets", "scl", "href", to="SCL.jp2"), "jp2"),
        (changed("assets", "scl", "href", to="B04.tif"), "swapped_bands"),
        (changed("assets", "scl", "href", to="file:///etc/passwd"), "bad_address"),
        (changed("assets", to={"scl": {"href": "SCL.tif"}}), "no_asset"),
    ],
)
def test_an_unusable_item_says_why(item: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnusableError) as caught:
        read(item)
    assert caught.value.reason == reason


def test_one_unusable_band_does_not_cost_the_scene() -> None:
    item = changed("assets", "nir", to={"href": "B04.tif"})
    item["assets"]["green"] = {"href": "x", "eo:bands": [{"common_name": "red"}]}
    item["assets"]["blue"] = {"href": "B02.tif", "type": "image/jp2"}
    scene = read(item)
    assert scene.lacks["nir"] == scene.lacks["green"] == "swapped_bands"
    assert scene.lacks["blue"] == "jp2"
    assert set(scene.assets) == {"red", "scl"}


@pytest.mark.parametrize("odd", [5, "red", {"common_name": "red"}, [5], [{"common_name": []}]])
def test_an_odd_description_of_a_band_says_nothing(odd: Any) -> None:
    assert "red" in read(changed("assets", "red", "eo:bands", to=odd)).assets


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.sampled_from([*ITEM, "geometry"]), st.sampled_from(list(ITEM["properties"])), JSON)
@settings(max_examples=300, deadline=None)
def test_hostile_values_never_crash(key: str, inner: str, value: Any) -> None:
    for item in (changed(key, to=value), changed("properties", inner, to=value),
                 changed("assets", "red", to=value), changed("assets", "red", "href", to=value),
                 changed("geometry", to={"type": "Polygon", "coordinates": value})):  # fmt: skip
        try:
            scene = read(item)
        except UnusableError:
            continue
        assert "scl" in scene.assets


def test_the_solar_day_is_the_places_own() -> None:
    night = 19_000 * 86400 + 86400 - 600  # 23:50 UTC
    assert solar_day(night, 0) == 19_000
    assert solar_day(night, 30) == 19_001
    assert solar_day(19_000 * 86400 + 600, -9) == 18_999


# -- choice ---------------------------------------------------------------------------------------


def scene(
    name: str, area: tuple[float, float, float, float] = (-8, 32, -7, 33), **more: Any
) -> Any:
    said = {"bbox": list(area), "id": name} | {k: v for k, v in more.items() if k == "collection"}
    properties = {k.replace("__", ":"): v for k, v in more.items() if k != "collection"}
    item = copy.deepcopy(ITEM) | said
    item["properties"] |= properties
    return read(item)


def plot(area: Box = (-7.51, 32.5, -7.5, 32.51)) -> Plot:
    ring = tuple(box(*area).exterior.coords)
    return Plot.of(Field("f", "farm", tuple((x, y) for x, y in ring)))


def chosen(*scenes: Scene, field: Plot | None = None) -> list[list[str]]:
    days = by_day(scenes).values()
    return [[one.id for one in ranked(day, field or plot())] for day in days]


def test_of_reprocessed_scenes_the_latest_counts() -> None:
    old = scene("old", s2__processing_baseline="02.14")
    new = scene("new", s2__processing_baseline="05.00", datetime="2022-02-01T11:13:22Z")
    again = scene("again", s2__processing_baseline="05.00", s2__sequence="2")
    assert chosen(old, again, new) == [["again"]]


def test_one_id_in_two_collections_is_one_scene() -> None:
    assert chosen(scene("a"), scene("a", collection="other")) == [["a"]]


def test_parts_of_a_split_datatake_both_count() -> None:
    west = scene("w", (-8, 32, -7.505, 33))
    east = scene("e", (-7.506, 32, -7, 33), s2__sequence="0")
    assert chosen(west, east) == [["e", "w"]]  # the east covers more of the field
    assert chosen(west, east, field=plot((-7.9, 32.5, -7.89, 32.51))) == [["w"]]


def test_two_satellites_on_a_day_both_count_the_newer_processing_first() -> None:
    first = scene("a", platform="sentinel-2b", s2__processing_baseline="02.14")
    assert chosen(first, scene("b")) == [["b", "a"]]


def test_of_two_tiles_the_one_that_covers_goes_first_then_the_fields_own_zone() -> None:
    other_zone = scene("z30", grid__code="MGRS-30STA", proj__code="EPSG:32630")
    assert chosen(other_zone, scene("z29")) == [["z29", "z30"]]
    half = scene("half", (-7.505, 32, -7, 33), grid__code="MGRS-29SQS")
    assert chosen(other_zone, half) == [["z30", "half"]]


def test_a_day_of_its_own_for_each_solar_day() -> None:
    assert chosen(scene("a"), scene("b", datetime="2022-02-04T11:13:21Z")) == [["a"], ["b"]]


def test_a_field_elsewhere_is_shown_by_nothing() -> None:
    assert chosen(scene("a"), field=plot((3.0, 50.0, 3.01, 50.01))) == [[]]


def test_the_plan_takes_the_newest_then_the_widest_gap() -> None:
    days = list(range(0, 100, 10))
    plan = Plan(days, [0.9] * 10, np.ones((10, 1), bool))
    order = []
    while (index := plan.next()) is not None:
        order.append(days[index])
        plan.seen(days[index], np.ones(1, bool))
    assert order[0] == 90
    assert set(order[1:5]) == {70, 50, 30, 10}
    assert sorted(order) == days
    assert plan.left() == []


def test_the_plan_prefers_clear_days_and_ignores_what_nobody_wants() -> None:
    shows = np.array([[True, True], [True, False], [False, False]])
    plan = Plan([0, 1, 2], [0.1, 0.9, 1.0], shows)
    assert plan.next() == 1
    assert plan.left() == [0]
    assert plan.next() == 0
    assert plan.next() is None
    assert Plan([], [], np.zeros((0, 2), bool)).next() is None


# -- the offset -----------------------------------------------------------------------------------


def with_offset(numbers: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return np.where(numbers == 0, 0, numbers + 1000).astype(np.uint16)


def test_the_offset_is_taken_off_without_losing_dark_land() -> None:
    numbers = np.array([[0, 1, 999, 1000, 1001, 1500, 65535]], np.uint16)
    assert boa.corrected(numbers, 1000).tolist() == [[0, 1, 1, 1, 1, 500, 64535]]
    assert boa.corrected(numbers, 0) is numbers


def test_an_old_baseline_has_no_offset_whatever_the_flag_says() -> None:
    bright = np.full((50, 50), 3000, np.uint16)
    assert boa.decide(309, True, "blue", [bright]) == boa.Decision(0, "baseline")
    assert boa.decide(400, True, "blue", []) == boa.Decision(1000, "flag")
    assert boa.decide(400, None, "blue", []) == boa.Decision(1000, "baseline")
    assert boa.decide(None, None, "blue", []) == boa.Decision(0, "unknown")


def test_bright_soil_in_red_does_not_overrule_a_flag() -> None:
    soil = np.full((50, 50), 2000, np.uint16)
    assert boa.decide(400, False, "red", [soil]).offset == 0
    few = np.full((10, 10), 300, np.uint16)
    assert boa.decide(400, True, "blue", [few]).why == "flag"


@pytest.mark.data
def test_a_lying_flag_is_seen_through_on_real_pixels() -> None:
    """Clear Belgian dates, as they are and as baseline 04.00 would number them."""
    ranges = Ranges()
    catalogue = Catalogue(str(SAT_SET / "stac" / "catalog.json"), ANY, ranges)
    query, right = Query((3.0, 50.7, 3.1, 50.9), 17_000, 18_000), []
    for found in catalogue.items(query):
        one = read_scene(found, ANY)
        blue = rasterio.open(one.assets["blue"]).read(1)
        scl = rasterio.open(one.assets["scl"]).read(1).repeat(2, 0).repeat(2, 1)
        usable = scene_mask(scl).usable
        if usable.mean() < 0.5:
            continue
        for numbers, offset in ((blue, 0), (with_offset(blue), 1000)):
            clear = np.where(usable, numbers, 0).astype(np.uint16)
            for says in (True, False, None):
                right.append(boa.decide(400, says, "blue", [clear]).offset == offset)
    assert len(right) == 324
    assert all(right)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "source", "tile", "epsg"),
    [
        ("S2A_28QCH_20200714_0_L2A", "earth-search", "28QCH", 32628),
        ("S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531_raster_ext",
         "planetary-computer", "06VVN", 32606),
    ],
)  # fmt: skip
def test_items_of_real_catalogues_are_read(name: str, source: str, tile: str, epsg: int) -> None:
    item = json.loads((SAT_SET / "stac_samples" / f"{name}.json").read_text())
    found = read(item, load_source(source))
    assert (found.tile, found.epsg) == (tile, epsg)
    assert found.lacks == {}
    assert found.baseline in {212, 214}
