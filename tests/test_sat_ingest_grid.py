"""The grid of a field: aligned, in its own zone, and no larger than a field can be."""

from __future__ import annotations

import pytest
from rasterio.transform import array_bounds
from rasterio.warp import transform

from field_data.errors import PersonError
from sat_ingest.grid import field_grid, utm_epsg

SQUARE = [(-4.872, 41.774), (-4.866, 41.774), (-4.866, 41.778), (-4.872, 41.778), (-4.872, 41.774)]


def test_the_grid_covers_the_field_and_no_more_than_it_must() -> None:
    grid = field_grid(SQUARE)
    west, south, east, north = grid.bounds
    xs, ys = transform("EPSG:4326", "EPSG:32630", *zip(*SQUARE, strict=True))[:2]
    assert west <= min(xs) < west + 20
    assert east - 20 < max(xs) <= east
    assert south <= min(ys) < south + 20
    assert north - 20 < max(ys) <= north
    assert all(edge % 20 == 0 for edge in grid.bounds)
    corners = array_bounds(grid.height, grid.width, grid.transform)
    assert corners == (west, south, east, north)


def test_a_margin_grows_every_side() -> None:
    plain, wide = field_grid(SQUARE), field_grid(SQUARE, margin_px=4)
    assert (wide.height - plain.height, wide.width - plain.width) == (8, 8)


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [(-7.6, 33.6, 32629), (-4.9, 41.8, 32630), (36.85, -3.657, 32737), (180.0, 0.0, 32660)],
)
def test_zones(lon: float, lat: float, epsg: int) -> None:
    assert utm_epsg(lon, lat) == epsg


def test_a_province_is_no_field() -> None:
    with pytest.raises(PersonError) as error:
        field_grid([(-8.0, 33.0), (-7.0, 33.0), (-7.0, 34.0), (-8.0, 33.0)])
    assert error.value.code == "field_too_large"
