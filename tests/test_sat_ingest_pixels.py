"""From pixels to one figure a date: masks, indices, area weights, cubes; held against others'."""

from __future__ import annotations

import platform
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import shapely
import spyndex
from hypothesis import given, settings
from hypothesis import strategies as st

from field_data.errors import PersonError
from sat_ingest.cube import cube_of
from sat_ingest.grid import Grid, field_grid
from sat_ingest.indices import INDICES, index_values
from sat_ingest.masks import grown, scene_mask, usable_fraction
from sat_ingest.zonal import coverage, field_weights, zonal, zonal_mean
from tests.conftest import NO_WHEEL
from tests.sat_fields import GRID, scl_of, square_field, window_of

# The names that spyndex gives them, and to the bands.
THEIRS = {"ndre": "NDREI"}
SYMBOLS = {"nir": "N", "red": "R", "rededge1": "RE1", "swir16": "S1", "green": "G"}


def test_cloud_spreads_in_metres_and_snow_does_not() -> None:
    scl = scl_of(cloudy=0.0)
    scl[10, 8] = 9
    scl[20, 3] = 11
    mask = scene_mask(scl)
    rows, cols = np.nonzero(~mask.usable & ~mask.snow)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (4, 16, 2, 14)
    assert mask.snow.sum() == 1
    assert (~scene_mask(scl, cloud_margin_m=0).usable & ~mask.snow).sum() == 1
    assert scene_mask(scl, cloud_margin_m=20).usable[13, 8]


@pytest.mark.parametrize("fill", [0, 1, 2, 3, 8, 9, 10, 11, 12, 255])
def test_what_is_not_clear_land_is_not_usable(fill: int) -> None:
    scl = np.full((4, 4), fill, np.uint8)
    mask = scene_mask(scl)
    assert not mask.usable.any()
    assert mask.covered.all() == (0 < fill <= 11)
    assert usable_fraction(scl) == 0


def test_growing_is_the_square_neighbourhood() -> None:
    rng = np.random.default_rng(1)
    mask = rng.random((2, 30, 25)) < 0.01
    wide = grown(mask, 3)
    padded = np.pad(mask, ((0, 0), (3, 3), (3, 3)))
    naive = np.zeros_like(mask)
    for dy in range(7):
        for dx in range(7):
            naive |= padded[:, dy : dy + 30, dx : dx + 25]
    assert np.array_equal(wide, naive)


@pytest.mark.parametrize("name", INDICES)
def test_an_index_is_what_spyndex_makes_of_it(name: str) -> None:
    rng = np.random.default_rng(2)
    bands = {b: rng.integers(1, 9000, (50, 40), dtype=np.uint16) for b in SYMBOLS}
    ours = index_values(name, bands)
    assert ours is not None
    params = {SYMBOLS[b]: bands[b] * 1e-4 for b in INDICES[name].needs}
    theirs = spyndex.computeIndex(THEIRS.get(name, name.upper()), params | {"g": 2.5, "L": 1.0})
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, np.clip(theirs, -1, 1), atol=2e-6)


@pytest.mark.parametrize("name", INDICES)
def test_no_data_is_nan_and_extremes_stay_in_range(name: str) -> None:
    values = np.array([0, 1, 65535], np.uint16)
    grid = np.meshgrid(values, values)
    bands = {band: grid[i].copy() for i, band in enumerate(INDICES[name].needs)}
    found = index_values(name, bands)
    assert found is not None
    nothing = (grid[0] == 0) | (grid[1] == 0)
    assert np.array_equal(np.isnan(found), nothing)
    assert (np.abs(found[~nothing]) <= 1).all()
    assert index_values(name, {}) is None
    with pytest.raises(PersonError):
        index_values("lai", bands)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 12))
def test_shares_are_those_of_exact_clipping(seed: int, corners: int) -> None:
    rng = np.random.default_rng(seed)
    west, south, east, north = GRID.bounds
    points = rng.uniform((west - 90, south - 90), (east + 90, north + 90), (corners, 2))
    if seed % 3 == 0:
        points = np.round(points, -1)  # corners and edges on the grid's own lines
    shape = shapely.make_valid(shapely.Polygon(points))
    weights = coverage(shape, GRID)
    ours = np.zeros((GRID.height, GRID.width))
    ours.ravel()[weights.index] = weights.share
    x, y = np.meshgrid(np.arange(GRID.width) * 10 + west, north - np.arange(GRID.height) * 10)
    exact = shapely.area(shapely.intersection(shapely.box(x, y - 10, x + 10, y), shape)) / 100
    np.testing.assert_allclose(ours, exact, atol=2e-6)


@pytest.mark.skipif(platform.machine() != "x86_64", reason=NO_WHEEL)
def test_zonal_figures_agree_with_exactextract() -> None:
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    rng = np.random.default_rng(4)
    values = rng.random((5, GRID.height, GRID.width), dtype=np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[4] = np.nan
    west, south, east, north = GRID.bounds
    shape = shapely.Point((west + east) / 2, (south + north) / 2).buffer(77, quad_segs=3)
    weights = coverage(shape, GRID)
    found, (mean, valid) = zonal(values, weights), zonal_mean(values, weights)
    table = geopandas.GeoDataFrame(geometry=[shape], crs="EPSG:32629")
    wkt = table.crs.to_wkt()
    bounds = {"xmin": west, "ymin": south, "xmax": east, "ymax": north}
    rasters = [
        NumPyRasterSource(v, **bounds, name=f"d{i}", srs_wkt=wkt) for i, v in enumerate(values)
    ]
    theirs = exact_extract(rasters, table, ["mean", "stdev", "count"])[0]["properties"]
    for i in range(4):
        assert mean[i] == pytest.approx(theirs[f"d{i}_mean"], rel=1e-5)
        assert found.mean[i] == pytest.approx(theirs[f"d{i}_mean"], rel=1e-5)
        assert found.std[i] == pytest.approx(theirs[f"d{i}_stdev"], rel=1e-4)
        assert valid[i] == pytest.approx(theirs[f"d{i}_count"] * 100 / shape.area, rel=1e-5)
        assert found.quantiles[i, 0] < found.mean[i] < found.quantiles[i, 2]
    assert valid[4] == found.valid[4] == 0
    assert np.isnan([mean[4], found.std[4], *found.quantiles[4]]).all()


def test_quantiles_weigh_pixels_by_area() -> None:
    grid = Grid(32629, 500_000, 3_700_000, 1, 4)
    # Half of the first pixel, then three whole ones.
    weights = coverage(shapely.box(500_005, 3_699_990, 500_040, 3_700_000), grid)
    assert weights.share.tolist() == [0.5, 1, 1, 1]
    values = np.array([[[0.0, 1.0, 2.0, 3.0]]], np.float32)
    assert zonal(values, weights).quantiles[0, 1] == pytest.approx(1.75)
    assert zonal(values, weights).mean[0] == pytest.approx(6 / 3.5)


def test_weights_of_a_field_know_its_boundary_and_are_cached() -> None:
    field = square_field(inset_m=33.0)
    grid = field_grid(field.boundary)
    weights = field_weights(field.boundary, grid)
    metres = 100 * float(weights.share.sum())
    assert metres == pytest.approx((200 - 66) * (240 - 66), rel=1e-3)
    assert field_weights(field.boundary, grid) is weights
    inner = field_weights(field.boundary, grid, inset_m=10)
    assert 100 * float(inner.share.sum()) == pytest.approx((200 - 86) * (240 - 86), rel=1e-3)
    vanished = field_weights(field.boundary, grid, inset_m=500)
    assert np.array_equal(vanished.share, weights.share)
    with pytest.raises(PersonError):
        field_weights(field.boundary, replace(grid, left=grid.left + 5_000))


def test_a_cube_keeps_what_belongs_together() -> None:
    cube = cube_of([window_of(day=20_010, cloudy=0.5), window_of(day=20_000, ndvi=0.6)])
    assert cube is not None
    assert cube.days.tolist() == [20_000, 20_010]
    assert cube.crs == "EPSG:32629"
    assert cube.transform == GRID.transform
    ndvi = cube.index("ndvi")
    assert ndvi[0] == pytest.approx(np.full(ndvi[0].shape, 0.6), abs=1e-3)
    assert np.isnan(ndvi[1, :18]).all()
    assert not np.isnan(ndvi[1, 18:]).any()
    with pytest.raises(ValueError, match="several fields"):
        cube_of([window_of(), window_of("f2")])
    assert cube_of([]) is None


def test_two_pictures_of_a_day_fill_each_other() -> None:
    upper = window_of(cloudy=0.5, ndvi=0.4, scene="a")
    flipped = scl_of(cloudy=0.25)[::-1].copy()
    lower = replace(window_of(ndvi=0.7, scene="b"), scl=flipped)
    lacking = replace(window_of(day=20_005), bands={"blue": lower.bands["blue"]})
    cube = cube_of([upper, lower, lacking])
    assert cube is not None
    assert cube.scenes == ("b", "scene-20005")
    ndvi = cube.index("ndvi")
    assert np.nanmean(ndvi[0, :12]) == pytest.approx(0.7, abs=1e-3)
    assert ndvi[0, 20] == pytest.approx(np.full(20, 0.4), abs=1e-3)
    assert np.isnan(ndvi[1]).all()
    assert np.isnan(cube.index("ndmi")[1]).all()
