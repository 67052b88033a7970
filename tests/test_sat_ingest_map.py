"""Map tiles: pixels where they belong, colours for everybody, a cache with a limit."""

from __future__ import annotations

import io
import math
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform

from field_data.errors import PersonError
from sat_ingest.grid import Grid, field_grid
from sat_ingest.map_tiles import Layer, draw, tile_png
from sat_ingest.mercator import Tile, _utm_of_pixels, tiles_over
from sat_ingest.ramps import CHANGE, CLOUD, EMPTY, RAMPS, Ramp
from sat_ingest.tile_cache import TileCache

SQUARE = [(-4.872, 41.774), (-4.866, 41.774), (-4.866, 41.778), (-4.872, 41.778), (-4.872, 41.774)]
GRID = field_grid(SQUARE)
NDVI = RAMPS["ndvi"]


def layer(grid: Grid = GRID, value: float | None = None) -> Layer:
    shape = (grid.height, grid.width)
    rng = np.random.default_rng(4)
    values = rng.uniform(0, 0.9, shape) if value is None else np.full(shape, value)
    return Layer(grid, values.astype(np.float32), np.zeros(shape, bool))


@pytest.mark.parametrize("zoom", [9, 12, 14, 16])
def test_a_tile_shows_what_gdal_would_show(zoom: int) -> None:
    shown = layer()
    for tile in tiles_over(GRID, zoom):
        ours = draw(tile, [shown], NDVI)
        theirs = np.full((256, 256), np.nan, np.float32)
        reproject(
            shown.values, theirs, src_crs=f"EPSG:{GRID.epsg}", src_transform=GRID.transform,
            dst_crs="EPSG:3857", dst_transform=tile_transform(tile),
            src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling.nearest, tolerance=0,
        )  # fmt: skip
        expected = NDVI.indices(theirs)
        assert ours is not None
        # A pixel whose middle lies within rounding of a border may fall to the other side.
        assert np.mean(ours != expected) < 5e-4


def tile_transform(tile: Tile) -> Affine:
    west, _, east, north = tile.bounds
    pixel = (east - west) / 256
    return Affine(pixel, 0, west, 0, -pixel, north)


@pytest.mark.parametrize(("zoom", "error_m"), [(8, 1.0), (10, 0.1), (13, 0.001)])
def test_straight_lines_between_control_points_are_good_enough(zoom: int, error_m: float) -> None:
    tile = next(tiles_over(GRID, zoom))
    pixels = np.arange(256)
    x, y = _utm_of_pixels(tile, GRID.epsg, pixels, pixels)
    west, _, east, north = tile.bounds
    middle = (pixels + 0.5) * (east - west) / 256
    across, down = np.meshgrid(west + middle, north - middle)
    exact = transform("EPSG:3857", f"EPSG:{GRID.epsg}", across.ravel(), down.ravel())[:2]
    apart = np.hypot(*(np.array(exact).reshape(2, 256, 256) - [x, y]))
    assert apart.max() < error_m


def test_the_png_is_read_by_others_and_transparent_where_nothing_is() -> None:
    tile = next(tiles_over(GRID, 14))
    data = tile_png(tile, [layer(value=0.6)], NDVI)
    assert data is not None
    picture = np.array(Image.open(io.BytesIO(data)).convert("RGBA"))
    assert picture.shape == (256, 256, 4)
    shown = picture[..., 3] > 0
    assert 0 < shown.mean() < 1
    assert {tuple(pixel) for pixel in picture[shown][:, :3]} == {rgb(NDVI.colour(0.6))}


def rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def test_clouds_hide_and_missing_pixels_leave_the_map_free() -> None:
    shape = (GRID.height, GRID.width)
    values = np.full(shape, np.nan, np.float32)
    hidden = np.zeros(shape, bool)
    values[: shape[0] // 2] = 0.5
    hidden[: shape[0] // 4] = True
    picture = draw(next(tiles_over(GRID, 15)), [Layer(GRID, values, hidden)], NDVI)
    assert picture is not None
    assert set(np.unique(picture)) == {EMPTY, CLOUD, int(NDVI.indices(np.array([0.5], "f4"))[0])}


def test_a_tile_elsewhere_is_nothing() -> None:
    assert tile_png(Tile(14, 0, 0), [layer()], NDVI) is None
    assert tile_png(next(tiles_over(GRID, 14)), [], NDVI) is None


@pytest.mark.parametrize(("z", "x", "y"), [(-1, 0, 0), (3, 8, 0), (3, 0, -1), (19, 0, 0)])
def test_there_are_no_such_tiles(z: int, x: int, y: int) -> None:
    with pytest.raises(ValueError, match="no tile"):
        Tile(z, x, y)


@pytest.mark.parametrize("ramp", [*RAMPS.values(), CHANGE], ids=[*RAMPS, "change"])
def test_ramps_can_be_read_without_telling_red_from_green(ramp: Ramp) -> None:
    """Along the ramp, or from its middle to both ends, lightness goes one way."""
    values = np.linspace(ramp.low, ramp.high, 41)
    light = [lightness(rgb(ramp.colour(float(value)))) for value in values]
    steps = np.diff(light)
    if ramp.anchors == CHANGE.anchors:
        assert (steps[:19] > 0).all()
        assert (steps[21:] < 0).all()
        # Blue tells the two sides apart for everybody.
        assert rgb(ramp.colour(ramp.low))[2] < 20 < rgb(ramp.colour(ramp.high))[2]
    else:
        assert (steps < 0).all()


def lightness(colour: tuple[int, int, int]) -> float:
    """Relative luminance (WCAG 2.2)."""
    linear = [
        c / 12.92 if c <= 0.04045 else math.pow((c + 0.055) / 1.055, 2.4)
        for c in (channel / 255 for channel in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_values_beyond_the_ramp_take_its_end_colours() -> None:
    inside = NDVI.indices(np.array([NDVI.low, NDVI.high], np.float32))
    beyond = NDVI.indices(np.array([-3.0, 3.0], np.float32))
    assert inside.tolist() == beyond.tolist()


# --- the cache -----------------------------------------------------------------------------------

HERE = Tile(14, 7970, 6100)


def test_a_tile_comes_back_even_after_reopening(tmp_path: Path) -> None:
    with TileCache(tmp_path / "tiles.mbtiles") as cache:
        cache.put("ndvi/2019-05-03", HERE, b"png")
        cache.put("ndvi/2019-05-03", HERE, b"newer")
        cache.put("ndvi/2019-05-08", HERE, b"")
    with TileCache(tmp_path / "tiles.mbtiles") as cache:
        assert cache.get("ndvi/2019-05-03", HERE) == b"newer"
        assert cache.get("ndvi/2019-05-08", HERE) == b""
        assert cache.get("ndvi/2019-05-03", Tile(14, 0, 0)) is None
        assert cache.layers() == ["ndvi/2019-05-03", "ndvi/2019-05-08"]


def test_the_quota_holds_and_what_nobody_asks_for_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = 20_000
    monkeypatch.setattr("sat_ingest.tile_cache.time.time", lambda: day * 86_400.0)
    with TileCache(tmp_path / "tiles.mbtiles", quota_bytes=20_000) as cache:
        for number in range(10):
            cache.put("ndvi/2019-05-03", Tile(14, number, 0), bytes(1_000))
        day += 1
        assert cache.get("ndvi/2019-05-03", Tile(14, 3, 0)) == bytes(1_000)
        for number in range(12):
            cache.put("ndvi/2019-05-08", Tile(14, number, 0), bytes(1_000))
            assert cache.size_bytes() <= 20_000
        assert cache.get("ndvi/2019-05-03", Tile(14, 3, 0)) is not None
        assert cache.get("ndvi/2019-05-03", Tile(14, 0, 0)) is None
        assert cache.get("ndvi/2019-05-08", Tile(14, 11, 0)) is not None
        cache.put("ndvi/2019-05-08", HERE, bytes(30_000))
        assert cache.get("ndvi/2019-05-08", HERE) is None


def test_what_was_drawn_from_other_windows_is_forgotten(tmp_path: Path) -> None:
    for revision, kept in (("7-1", None), ("7-1", b"png"), ("9-2", None), ("9-2", b"png")):
        with TileCache(tmp_path / "tiles.mbtiles") as cache:
            cache.begin(revision)
            assert cache.get("ndvi/2019-05-03", HERE) == kept
            cache.put("ndvi/2019-05-03", HERE, b"png")


def test_a_damaged_cache_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "tiles.mbtiles"
    path.write_bytes(b"SQLite format 3\0" + bytes(4_000))
    with TileCache(path) as cache:
        cache.put("ndvi/2019-05-03", HERE, b"png")
        assert cache.get("ndvi/2019-05-03", HERE) == b"png"


def test_threads_share_it(tmp_path: Path) -> None:
    with TileCache(tmp_path / "tiles.mbtiles") as cache:

        def some(layer: str) -> None:
            for number in range(30):
                cache.put(layer, Tile(14, number, 0), layer.encode())
                assert cache.get(layer, Tile(14, number, 0)) == layer.encode()

        threads = [threading.Thread(target=some, args=(f"l{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert cache.size_bytes() == 4 * 30 * (2 + 100)


def test_other_programs_read_an_exported_layer(tmp_path: Path) -> None:
    tile = next(tiles_over(GRID, 14))
    png = tile_png(tile, [layer()], NDVI)
    assert png is not None
    with TileCache(tmp_path / "tiles.mbtiles") as cache:
        cache.put("ndvi/2019-05-03", tile, png)
        assert cache.export("ndvi/2019-05-03", tmp_path / "out.mbtiles") == 1
        with pytest.raises(PersonError, match="there already"):
            cache.export("ndvi/2019-05-03", tmp_path / "out.mbtiles")
        with pytest.raises(PersonError, match="no tiles"):
            cache.export("ndvi/2020-01-01", tmp_path / "none.mbtiles")
    assert not (tmp_path / "none.mbtiles").exists()
    with rasterio.open(tmp_path / "out.mbtiles") as opened:
        assert opened.crs.to_epsg() == 3857
    con = sqlite3.connect(tmp_path / "out.mbtiles")
    rows = con.execute("SELECT zoom_level, tile_column, tile_row FROM tiles").fetchall()
    con.close()
    assert rows == [(14, tile.x, 2**14 - 1 - tile.y)]
