"""Windows from remote scenes: the field's grid, clouds looked at first, every skip explained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.warp import transform

from field_data.types import Field
from sat_ingest.block_store import BlockStore
from sat_ingest.catalogue import Catalogue, Query
from sat_ingest.cog_source import CogSource
from sat_ingest.masks import scene_mask
from sat_ingest.pictures import Lookup
from sat_ingest.ranges import Patience, Ranges
from sat_ingest.scenes import read_scene
from sat_ingest.sources import find_source
from sat_ingest.windows import Window, WindowSource
from tests.range_server import RangeServer
from tests.sat_catalogues import LEFT, TOP, bands_of, field_at, land, write_catalogue, write_scene

WHOLE_WORLD = Query((-180, -90, 180, 90), 0, 40_000)
BANDS = ("red", "nir", "swir16")
DAY = 19_024  # 2022-02-01
WHEN = "2022-02-01T11:10:00"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    (tmp_path / "remote").mkdir()
    with RangeServer(tmp_path / "remote") as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlockStore]:
    ranges = Ranges(patience=Patience(attempts=2, base_s=0.001))
    with BlockStore(tmp_path / "store", ranges) as opened:
        yield opened
    ranges.close()


def source(server: RangeServer, store: BlockStore, *names: str) -> CogSource:
    write_catalogue(server.folder, *names)
    described, address = find_source(server.url("catalog.json"))
    found = Catalogue(address, described, store.ranges).items(WHOLE_WORLD)
    return CogSource([read_scene(each, described) for each in found], store)


def windows(cogs: WindowSource, *fields: Field, bands: Sequence[str] = BANDS) -> list[Window]:
    return list(cogs.windows(fields, 0, 40_000, bands))


def reasons(cogs: CogSource) -> list[tuple[str, str]]:
    return [(skip.scene, skip.reason) for skip in cogs.skips]


def test_a_window_holds_the_scenes_own_pixels(server: RangeServer, store: BlockStore) -> None:
    bands: dict[str, Any] = bands_of()
    bands["swir16"] = land(160, 160, 9, 2000)
    write_scene(server.folder, "s", WHEN, bands)
    cogs = source(server, store, "s")
    [window] = windows(cogs, field_at("f", 40, 60, 12, 14))
    assert (window.field, window.day, window.scene) == ("f", DAY, "s")
    rows, columns = slice(40, 52), slice(60, 74)
    assert np.array_equal(window.bands["red"], bands["red"][rows, columns])
    assert np.array_equal(window.bands["nir"], bands["nir"][rows, columns])
    coarse = bands["swir16"].repeat(2, 0).repeat(2, 1)
    assert np.array_equal(window.bands["swir16"], coarse[rows, columns])
    assert (window.grid.left, window.grid.top) == (LEFT + 600, TOP - 400)
    assert (window.scl == 4).all()


def test_a_cloudy_field_costs_its_classification_only(
    server: RangeServer, store: BlockStore
) -> None:
    bands = bands_of()
    bands["scl"][:80] = 9
    write_scene(server.folder, "s", WHEN, bands)
    cogs = source(server, store, "s")
    cloudy, clear = field_at("cloudy", 20, 20), field_at("clear", 250, 20)
    assert windows(cogs, cloudy) == []
    assert reasons(cogs) == [("s", "cloudy")]
    assert cogs.refused == [("cloudy", "s", "cloudy")]
    assert {each.path for each in server.asked} >= {"/s/SCL.tif"}
    assert not {each.path for each in server.asked} & {"/s/B04.tif", "/s/B08.tif"}
    assert [window.field for window in windows(cogs, cloudy, clear)] == ["clear"]


def test_a_cloud_just_outside_the_window_spoils_what_is_near(
    server: RangeServer, store: BlockStore
) -> None:
    bands = bands_of()
    bands["scl"][10:14, 33:60] = 9  # from 10 m north of the field, over rows 20 to 27 of 10 m
    write_scene(server.folder, "s", WHEN, bands)
    [window] = windows(source(server, store, "s"), field_at("f", 30, 80, 12, 20))
    usable = scene_mask(window.scl).usable
    assert not usable[:4].any()  # 60 m from row 27
    assert usable[4:].all()
    assert windows(source(server, store, "s"), field_at("g", 28, 80, 6, 20)) == []


def test_nothing_is_asked_for_twice(server: RangeServer, store: BlockStore) -> None:
    write_scene(server.folder, "s", WHEN, bands_of())
    cogs = source(server, store, "s")
    first = windows(cogs, field_at("f", 40, 60))
    server.asked.clear()
    again = windows(cogs, field_at("f", 40, 60), field_at("g", 20, 100))
    assert server.asked == []
    reds = {window.field: window.bands["red"] for window in again}
    assert np.array_equal(reds["f"], first[0].bands["red"])
    assert set(reds) == {"f", "g"}


def test_a_field_across_two_tiles_is_one_window(server: RangeServer, store: BlockStore) -> None:
    whole = bands_of()
    west = {band: pixels[:, : pixels.shape[1] // 2] for band, pixels in whole.items()}
    east = {band: pixels[:, pixels.shape[1] // 2 :] for band, pixels in whole.items()}
    write_scene(server.folder, "w", WHEN, west, properties={"s2:mgrs_tile": "29SQR"})
    write_scene(
        server.folder, "e", WHEN, east, left=LEFT + 1600, properties={"s2:mgrs_tile": "29SRR"}
    )
    [window] = windows(source(server, store, "w", "e"), field_at("f", 100, 152, 10, 20))
    assert window.scene == "e"  # most of the field
    assert np.array_equal(window.bands["red"], whole["red"][100:110, 152:172])


def test_what_one_satellite_sees_through_clouds_the_other_gives(
    server: RangeServer, store: BlockStore
) -> None:
    bands, other = bands_of(seed=1), bands_of(seed=2)
    bands["scl"][:] = 9
    write_scene(server.folder, "a", WHEN, bands, properties={"s2:processing_baseline": "03.00"})
    write_scene(server.folder, "b", WHEN, other, properties={"platform": "sentinel-2b"})
    [window] = windows(source(server, store, "a", "b"), field_at("f", 40, 60))
    assert window.scene == "b"
    assert np.array_equal(window.bands["red"], other["red"][40:50, 60:70])


def test_a_scene_of_another_zone_is_brought_to_the_fields_grid(
    server: RangeServer, store: BlockStore
) -> None:
    """The other zone's picture is of the easting in the field's zone, so that errors show."""
    xs, ys = transform("EPSG:32629", "EPSG:32630", [LEFT + 1000], [TOP - 1000])[:2]
    left, top = round(xs[0] / 20) * 20 - 1000, round(ys[0] / 20) * 20 + 1000
    columns, rows = np.meshgrid(np.arange(200) * 10 + left + 5, top - 5 - np.arange(200) * 10)
    there = transform("EPSG:32630", "EPSG:32629", columns.ravel(), rows.ravel())
    east = (np.reshape(there[0], columns.shape) - LEFT + 1000).astype(np.uint16)
    bands: dict[str, Any] = {
        "red": east,
        "nir": east + 5000,
        "scl": np.full((100, 100), 4, np.uint8),
    }
    write_scene(server.folder, "z", WHEN, bands, epsg=32630, left=left, top=top)
    [window] = windows(source(server, store, "z"), field_at("f", 98, 98, 8, 8))
    assert window.grid.epsg == 32629
    centres = window.grid.left + 5 + 10 * np.arange(window.grid.width)
    error = window.bands["red"].astype(float) - (centres - LEFT + 1000)
    assert np.abs(error).max() <= 7.1  # half of the diagonal of a pixel


def test_a_lying_flag_does_not_shift_the_reflectance(
    server: RangeServer, store: BlockStore
) -> None:
    bands = bands_of()
    bands["blue"] = land(320, 320, 5, 400)
    shifted = {b: (p + 1000).astype(p.dtype) if b != "scl" else p for b, p in bands.items()}
    said = {"s2:processing_baseline": "04.00", "earthsearch:boa_offset_applied": True}
    write_scene(server.folder, "s", WHEN, shifted, properties=said)
    cogs = source(server, store, "s")
    [window] = windows(cogs, field_at("f", 40, 60, 30, 30), bands=("blue", "red"))
    assert cogs.decisions["s"].why == "pixels"
    assert np.array_equal(window.bands["red"], bands["red"][40:70, 60:90])


def test_no_data_everywhere_is_no_window(server: RangeServer, store: BlockStore) -> None:
    bands = bands_of()
    for pixels in bands.values():
        pixels[:120] = 0
    write_scene(server.folder, "s", WHEN, bands)
    later = bands_of()
    later["red"][:], later["nir"][:] = 0, 0
    write_scene(server.folder, "t", "2022-02-04T11:10:00", later)
    cogs = source(server, store, "s", "t")
    assert windows(cogs, field_at("f", 20, 20)) == []
    assert reasons(cogs) == [("s", "no_data"), ("t", "no_data")]


def break_file(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    else:
        path.write_text("<html>" * 500)


@pytest.mark.parametrize(
    ("how", "file", "codes"),
    [
        ("gone", "B08.tif", {"scene_gone"}),
        ("gone", "SCL.tif", {"scene_gone"}),
        ("cut", "B04.tif", {"cog_truncated"}),
        ("html", "SCL.tif", {"bad_tiff"}),
    ],
)
def test_a_broken_scene_leaves_the_day_to_the_others(
    server: RangeServer, store: BlockStore, how: str, file: str, codes: set[str]
) -> None:
    good = bands_of(seed=2)
    said = {"s2:processing_baseline": "03.00"}
    write_scene(server.folder, "bad", WHEN, bands_of(), properties=said)
    write_scene(server.folder, "ok", WHEN, good, properties={"platform": "sentinel-2b"})
    break_file(server.folder / "bad" / file, how)
    cogs = source(server, store, "bad", "ok")
    [window] = windows(cogs, field_at("f", 40, 60))
    assert window.scene == "ok"
    assert np.array_equal(window.bands["red"], good["red"][40:50, 60:70])
    assert {(skip.scene, skip.reason) for skip in cogs.skips} <= {("bad", c) for c in codes}
    assert cogs.skips


def test_a_server_without_ranges_costs_next_to_nothing(
    server: RangeServer, store: BlockStore
) -> None:
    write_scene(server.folder, "s", WHEN, bands_of(1200), block=512)
    cogs = source(server, store, "s")
    server.whole = True
    before = store.ranges.budget.requests
    windows(cogs, field_at("f", 40, 60))
    assert reasons(cogs) == [("s", "no_ranges")]
    assert store.ranges.budget.requests - before <= 3


def test_a_classification_that_is_a_band_is_refused(server: RangeServer, store: BlockStore) -> None:
    bands: dict[str, Any] = bands_of()
    bands["scl"] = land(160, 160)
    write_scene(server.folder, "s", WHEN, bands)
    cogs = source(server, store, "s")
    assert windows(cogs, field_at("f", 40, 60)) == []
    assert reasons(cogs) == [("s", "bad_scl")]


def test_a_band_of_other_numbers_is_refused(server: RangeServer, store: BlockStore) -> None:
    bands: dict[str, Any] = bands_of()
    bands["red"] = bands["red"].astype(np.float32)
    write_scene(server.folder, "s", WHEN, bands, predictor=1)
    cogs = source(server, store, "s")
    assert windows(cogs, field_at("f", 40, 60)) == []
    assert reasons(cogs) == [("s", "bad_tiff")]


def test_a_replaced_file_is_begun_anew(server: RangeServer, store: BlockStore) -> None:
    write_scene(server.folder, "s", WHEN, bands_of(seed=1), block=128)
    windows(source(server, store, "s"), field_at("f", 10, 10))
    new = bands_of(seed=2)
    write_scene(server.folder, "s", WHEN, new, block=128)
    cogs = source(server, store, "s")
    [window] = windows(cogs, field_at("g", 250, 250))
    assert np.array_equal(window.bands["red"], new["red"][250:260, 250:260])
    assert cogs.skips == []


def spoil(folder: Path) -> None:
    """Change bytes behind the header of every file: a worn card, a proxy that meddles."""
    for path in folder.rglob("*.tif"):
        data = bytearray(path.read_bytes())
        data[1000::97] = bytes(byte ^ 0x55 for byte in data[1000::97])
        path.write_bytes(data)


@pytest.mark.parametrize("block", [64, 256])
def test_a_copy_that_rotted_is_fetched_again(
    server: RangeServer, store: BlockStore, block: int
) -> None:
    write_scene(server.folder, "s", WHEN, bands_of(), block=block)
    cogs = source(server, store, "s")
    near, beside = field_at("f", 40, 60), field_at("g", 42, 64)
    assert len(windows(cogs, near)) == 1
    spoil(store.folder)
    [window] = windows(cogs, beside)
    assert np.array_equal(window.bands["red"], bands_of()["red"][42:52, 64:74])
    assert cogs.skips == []


def test_a_file_that_is_damaged_where_it_comes_from_is_fetched_twice_and_no_more(
    server: RangeServer, store: BlockStore
) -> None:
    write_scene(server.folder, "s", WHEN, bands_of())
    cogs = source(server, store, "s")
    spoil(server.folder)
    assert windows(cogs, field_at("f", 40, 60)) == []
    assert [reason for _, reason in reasons(cogs)] == ["cog_damaged"]
    asked = len(server.asked)
    assert windows(cogs, field_at("f", 40, 60)) == []
    assert len(server.asked) == asked


def test_a_band_without_a_single_block_is_only_missing(
    server: RangeServer, store: BlockStore
) -> None:
    bands = bands_of()
    bands["red"][:] = 0
    write_scene(server.folder, "s", WHEN, bands, sparse_ok="YES")
    [window] = windows(source(server, store, "s"), field_at("f", 40, 60))
    assert list(window.bands) == ["nir"]


def test_a_field_too_large_is_told(server: RangeServer, store: BlockStore) -> None:
    write_scene(server.folder, "s", WHEN, bands_of())
    cogs = source(server, store, "s")
    assert windows(cogs, field_at("f", 0, 0, 3000, 3000)) == []
    assert reasons(cogs) == [("", "field_too_large")]


def test_a_lookup_is_exact_in_the_fields_own_zone() -> None:
    from affine import Affine

    from sat_ingest.grid import Grid

    grid = Grid(32629, LEFT + 20, TOP - 40, 4, 6)
    lookup = Lookup.of(grid, 32629, Affine(20, 0, LEFT, 0, -20, TOP), 3, 3)
    assert lookup.rows[:, 0].tolist() == [2, 2, 3, 3]
    assert lookup.columns[0].tolist() == [1, 1, 2, 2, 3, 3]
    assert lookup.window == (2, 1, 1, 2)
    assert Lookup.of(grid, 32629, Affine(20, 0, 0, 0, -20, 0), 3, 3).window is None
