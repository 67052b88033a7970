"""Web map tiles: which ones cover a field, and where their pixels lie on the field's grid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sat_ingest.grid import PIXEL_M, Grid

TILE_PX = 256
MAX_ZOOM = 18
# EPSG:3857: radius of the sphere, and half the width of its square world.
_RADIUS_M = 6_378_137.0
_HALF_M = math.pi * _RADIUS_M
# Between control points the way from a tile to UTM is as good as straight: at zoom 8 the error is a
# twelfth of a 10 m pixel, at zoom 13 less than a millimetre (a test measures it).
_STEPS = 16


@dataclass(frozen=True, slots=True)
class Tile:
    """Tile ``x``, ``y`` (from the north-west corner, XYZ scheme) at zoom ``z``."""

    z: int
    x: int
    y: int

    def __post_init__(self) -> None:
        side = 1 << self.z if 0 <= self.z <= MAX_ZOOM else 0
        if not (0 <= self.x < side and 0 <= self.y < side):
            raise ValueError(f"no tile {self.z}/{self.x}/{self.y}")

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in metres of EPSG:3857."""
        side = 2 * _HALF_M / (1 << self.z)
        west, north = self.x * side - _HALF_M, _HALF_M - self.y * side
        return west, north - side, west + side, north


@lru_cache(maxsize=4096)
def grid_bounds(grid: Grid) -> tuple[float, float, float, float]:
    """West, south, east, north of a field's grid in metres of EPSG:3857."""
    from rasterio.warp import transform_bounds

    west, south, east, north = transform_bounds(f"EPSG:{grid.epsg}", "EPSG:3857", *grid.bounds)
    return float(west), float(south), float(east), float(north)


def meets(tile: Tile, grid: Grid) -> bool:
    """Whether a tile and a field's grid share ground; never wrongly no."""
    west, south, east, north = grid_bounds(grid)
    left, bottom, right, top = tile.bounds
    return west < right and left < east and south < top and bottom < north


def tiles_over(grid: Grid, z: int) -> Iterator[Tile]:
    """The tiles at zoom ``z`` that the grid touches, row by row."""
    west, south, east, north = grid_bounds(grid)
    side = 2 * _HALF_M / (1 << z)
    last = (1 << z) - 1
    columns = (max(0, min(last, int((edge + _HALF_M) // side))) for edge in (west, east))
    rows = (max(0, min(last, int((_HALF_M - edge) // side))) for edge in (north, south))
    first_x, last_x = columns
    first_y, last_y = rows
    for y in range(first_y, last_y + 1):
        for x in range(first_x, last_x + 1):
            yield Tile(z, x, y)


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """Where a grid lies in a tile.

    Tile pixels [top:top+h, left:left+w] may show it; ``rows`` and ``columns``, int32 [h, w], are
    the grid's pixel under the middle of each; ``inside``, bool [h, w], says which lie on the grid.
    """

    top: int
    left: int
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    inside: NDArray[np.bool_]


@lru_cache(maxsize=256)
def footprint(tile: Tile, grid: Grid) -> Footprint | None:
    """Nearest pixels of a grid for a tile; None when they do not meet.

    Tile to EPSG:3857 is exact; from there to UTM goes through PROJ at 17 x 17 control points and
    straight lines between them.
    """
    box = _pixels_over(tile, grid)
    if box is None:
        return None
    top, bottom, left, right = box
    x, y = _utm_of_pixels(tile, grid.epsg, np.arange(top, bottom), np.arange(left, right))
    columns = np.floor((x - grid.left) / PIXEL_M).astype(np.int32)
    rows = np.floor((grid.top - y) / PIXEL_M).astype(np.int32)
    inside = (rows >= 0) & (rows < grid.height) & (columns >= 0) & (columns < grid.width)
    if not inside.any():
        return None
    rows[~inside] = columns[~inside] = 0
    return Footprint(top, left, rows, columns, inside)


def _pixels_over(tile: Tile, grid: Grid) -> tuple[int, int, int, int] | None:
    """Top, bottom, left, right of the tile's pixels that the grid may reach."""
    west, south, east, north = grid_bounds(grid)
    edge_w, _, edge_e, edge_n = tile.bounds
    pixel = (edge_e - edge_w) / TILE_PX
    left, right = _clipped((west - edge_w) / pixel, (east - edge_w) / pixel)
    top, bottom = _clipped((edge_n - north) / pixel, (edge_n - south) / pixel)
    return (top, bottom, left, right) if top < bottom and left < right else None


def _clipped(first: float, last: float) -> tuple[int, int]:
    return max(math.floor(first), 0), min(math.ceil(last), TILE_PX)


def _utm_of_pixels(
    tile: Tile, epsg: int, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eastings and northings, float64 [rows, columns], of pixel middles."""
    mesh = _control_points(tile, epsg)
    wide, high = (columns + 0.5) / (TILE_PX / _STEPS), (rows + 0.5) / (TILE_PX / _STEPS)
    j, i = np.minimum(wide.astype(int), _STEPS - 1), np.minimum(high.astype(int), _STEPS - 1)
    u, v = (wide - j)[None, :], (high - i)[:, None]
    north_row = mesh[:, i][:, :, j] * (1 - u) + mesh[:, i][:, :, j + 1] * u
    south_row = mesh[:, i + 1][:, :, j] * (1 - u) + mesh[:, i + 1][:, :, j + 1] * u
    x, y = north_row * (1 - v) + south_row * v
    return x, y


@lru_cache(maxsize=64)
def _control_points(tile: Tile, epsg: int) -> NDArray[np.float64]:
    """Eastings and northings, float64 [2, 17, 17], of a mesh over the tile."""
    west, south, east, north = tile.bounds
    xs, ys = np.meshgrid(np.linspace(west, east, _STEPS + 1), np.linspace(north, south, _STEPS + 1))
    from rasterio.warp import transform

    found = transform("EPSG:3857", f"EPSG:{epsg}", xs.ravel(), ys.ravel())[:2]
    return np.asarray(found, dtype=np.float64).reshape(2, _STEPS + 1, _STEPS + 1)
