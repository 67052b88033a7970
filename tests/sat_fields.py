"""Fields and windows made up for tests: a green square in a brown land, clouds where asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rasterio.warp import transform

from field_data.types import Field
from sat_ingest.grid import Grid
from sat_ingest.windows import Window

GRID = Grid(32629, 500_000, 3_700_000, 24, 20)


def square_field(
    name: str = "f1", grid: Grid = GRID, inset_m: float = 33.0, crop: str | None = "TRZAX"
) -> Field:
    """A field whose corners lie ``inset_m`` inside the bounds of its grid."""
    west, south, east, north = grid.bounds
    xs = [west + inset_m, east - inset_m, east - inset_m, west + inset_m, west + inset_m]
    ys = [south + inset_m, south + inset_m, north - inset_m, north - inset_m, south + inset_m]
    lons, lats = transform(f"EPSG:{grid.epsg}", "EPSG:4326", xs, ys)[:2]
    return Field(name, "farm", tuple(zip(lons, lats, strict=True)), crop)


def scl_of(grid: Grid = GRID, cloudy: float = 0.0) -> NDArray[np.uint8]:
    """Vegetation everywhere, cloud over the upper ``cloudy`` part."""
    scl = np.full((grid.height, grid.width), 4, np.uint8)
    scl[: round(grid.height * cloudy)] = 9
    return scl


def window_of(
    field: str = "f1",
    day: int = 20_000,
    *,
    ndvi: float = 0.5,
    cloudy: float = 0.0,
    scene: str | None = None,
    grid: Grid = GRID,
    seed: int = 1,
) -> Window:
    """A window whose NDVI is about ``ndvi``; 20 m bands repeat each value 2 x 2."""
    rng = np.random.default_rng(seed + day)
    shape = (grid.height, grid.width)
    red = np.full(shape, 1000.0)
    nir = red * (1 + ndvi) / (1 - ndvi)
    noise = rng.normal(1, 0.01, shape)
    coarse = rng.normal(1, 0.01, (grid.height // 2, grid.width // 2)).repeat(2, 0).repeat(2, 1)
    parts = {
        "blue": red * 0.6 * noise,
        "green": red * 0.9 * noise,
        "red": red,
        "rededge1": 1500 * coarse,
        "nir": nir,
        "swir16": 2000 * coarse,
    }
    bands = {name: part.round().astype(np.uint16) for name, part in parts.items()}
    return Window(field, day, scene or f"scene-{day}", grid, bands, scl_of(grid, cloudy))
