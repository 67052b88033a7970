"""One grid a field: the 10 m pixels of its UTM zone that the field touches, aligned to 20 m.

Everything about a field is brought to its grid, whatever tile or zone a scene comes in, so that
dates can be compared pixel by pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from affine import Affine

from field_data.errors import PersonError

PIXEL_M = 10
# Sentinel-2's 20 m bands share the corner of the 10 m ones: with it both fall on whole pixels.
_ALIGN_M = 20
# A field of 2000 ha; beyond it somebody drew a province.
MAX_PIXELS = 200_000

Ring = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Grid:
    """``height`` x ``width`` pixels of 10 m; ``left`` and ``top`` in metres of ``epsg``."""

    epsg: int
    left: int
    top: int
    height: int
    width: int

    @property
    def transform(self) -> Affine:
        """From (column, row) to (easting, northing); north is up."""
        return Affine(PIXEL_M, 0, self.left, 0, -PIXEL_M, self.top)

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """West, south, east, north in metres."""
        south = self.top - PIXEL_M * self.height
        return self.left, south, self.left + PIXEL_M * self.width, self.top

    def grown(self, pixels: int) -> Grid:
        """With so many pixels more on every side."""
        far = PIXEL_M * pixels
        height, width = self.height + 2 * pixels, self.width + 2 * pixels
        return Grid(self.epsg, self.left - far, self.top + far, height, width)


def utm_epsg(lon: float, lat: float) -> int:
    """EPSG code of the WGS 84 / UTM zone of a place: zones of 6 degrees (EPSG 7-2)."""
    zone = min(int((lon + 180) // 6) + 1, 60)
    return (32600 if lat >= 0 else 32700) + zone


def field_grid(ring: Ring, *, margin_px: int = 0, epsg: int | None = None) -> Grid:
    """The grid of a field with boundary ``ring`` of (longitude, latitude) degrees; cached.

    ``margin_px`` pixels are added on each side; ``epsg`` overrules the zone of the field's middle.

    Raises:
        PersonError: ``field_too_large`` above `MAX_PIXELS`.
    """
    return _grid(tuple((float(lon), float(lat)) for lon, lat in ring), margin_px, epsg)


@lru_cache(maxsize=4096)
def _grid(ring: tuple[tuple[float, float], ...], margin_px: int, epsg: int | None) -> Grid:
    lons, lats = zip(*ring, strict=True)
    code = epsg or utm_epsg((min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2)
    from rasterio.warp import transform as reproject  # 20 MiB that a node without fields saves

    xs, ys = reproject("EPSG:4326", f"EPSG:{code}", lons, lats)[:2]
    grow = margin_px * PIXEL_M
    left, bottom = (math.floor((min(v) - grow) / _ALIGN_M) * _ALIGN_M for v in (xs, ys))
    right, top = (math.ceil((max(v) + grow) / _ALIGN_M) * _ALIGN_M for v in (xs, ys))
    grid = Grid(code, left, top, (top - bottom) // PIXEL_M, (right - left) // PIXEL_M)
    if grid.height * grid.width > MAX_PIXELS:
        raise PersonError("field_too_large", f"a field of {grid.width} x {grid.height} pixels")
    return grid
