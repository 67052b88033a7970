"""What a field as a whole shows: area weights once a field, then all dates as one product.

A pixel counts with the share of it that lies in the field (exact clipping).  The weights are
cached: a boundary does not change with the date.  Under a mask they are renormalised, so the mean
is that of the land that was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from field_data.errors import PersonError
from sat_ingest.grid import PIXEL_M, Grid, Ring

QUANTILES = (0.1, 0.5, 0.9)
_CACHED_FIELDS = 4096
# A millionth of a pixel is rounding, not land.
_LEAST_SHARE = 1e-6

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Weights:
    """Pixels that a field touches: ``index`` intp [n] into the flattened grid, rising, and
    ``share`` float32 [n], the part of each that lies inside, above 0 to 1."""

    index: NDArray[np.intp]
    share: Floats

    @cached_property
    def run(self) -> tuple[slice, Floats]:
        """The stretch of the flattened grid that holds the field, with 0 for pixels outside."""
        first, last = int(self.index[0]), int(self.index[-1])
        shares = np.zeros(last - first + 1, np.float32)
        shares[self.index - first] = self.share
        return slice(first, last + 1), shares

    @cached_property
    def area(self) -> np.float32:
        """Pixels of the field."""
        return np.float32(self.share.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Zonal:
    """One row a date: ``mean`` and ``std`` float32 [dates], ``quantiles`` float32 [dates, 3] at
    `QUANTILES`; NaN where nothing was seen.  ``valid`` float32 [dates]: share of the field's area
    that was seen, 0 to 1."""

    mean: Floats
    std: Floats
    quantiles: Floats
    valid: Floats


def field_weights(ring: Ring, grid: Grid, inset_m: float = 0.0) -> Weights:
    """Weights of a field of (longitude, latitude) degrees on ``grid``; cached.

    ``inset_m`` leaves a strip along the boundary out, 10 for one pixel: there the neighbour's crop
    shines in.  A field that would vanish is taken whole.

    Raises:
        PersonError: ``field_outside_grid`` when no pixel of the grid lies in the field.
    """
    return _weights(tuple((float(lon), float(lat)) for lon, lat in ring), grid, inset_m)


@lru_cache(maxsize=_CACHED_FIELDS)
def _weights(ring: tuple[tuple[float, float], ...], grid: Grid, inset_m: float) -> Weights:
    lons, lats = zip(*ring, strict=True)
    from rasterio.warp import transform as reproject

    xs, ys = reproject("EPSG:4326", f"EPSG:{grid.epsg}", lons, lats)[:2]
    plot: Any = shapely.make_valid(shapely.Polygon(zip(xs, ys, strict=True)))
    inner = plot.buffer(-inset_m) if inset_m > 0 else plot
    weights = coverage(plot if inner.is_empty else inner, grid)
    if not len(weights.index):
        raise PersonError("field_outside_grid", "the field has no pixel on its grid")
    return weights


def coverage(plot: Any, grid: Grid) -> Weights:
    """Exact share of each pixel inside a valid (multi)polygon in metres of ``grid.epsg``."""
    share = np.zeros((grid.height, grid.width))
    for part in shapely.get_parts(shapely.get_parts(plot)):
        if part.geom_type == "Polygon":
            share += _ring_share(part.exterior, grid)
            for hole in part.interiors:
                share -= _ring_share(hole, grid)
    index = np.flatnonzero(share > _LEAST_SHARE)
    return Weights(index, share.ravel()[index].astype(np.float32))


def _ring_share(ring: Any, grid: Grid) -> NDArray[np.float64]:
    """Share of each pixel inside a simple ring, [height, width].

    The ring is cut where it crosses from pixel to pixel.  Each piece adds its rise to all pixels on
    its right, and to its own pixel the part that lies right of it; running sums along the rows
    (the way fonts are drawn) then give signed areas.
    """
    points = shapely.get_coordinates(ring)
    x = (points[:, 0] - grid.left) / PIXEL_M
    y = (grid.top - points[:, 1]) / PIXEL_M
    (x0, x1), (y0, y1) = _pieces(x, y)
    middle = np.clip((x0 + x1) / 2, 0, grid.width)
    row, col = np.floor((y0 + y1) / 2).astype(np.int64), np.floor(middle).astype(np.int64)
    inside = (row >= 0) & (row < grid.height)
    at = (row * (grid.width + 2) + col)[inside]
    rise, right = (y1 - y0)[inside], (col + 1 - middle)[inside]
    size = grid.height * (grid.width + 2)
    steps = np.bincount(at, rise * right, size) + np.bincount(at + 1, rise * (1 - right), size)
    shares = np.cumsum(steps.reshape(grid.height, -1), axis=1)[:, : grid.width]
    return np.abs(shares)


def _pieces(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """A closed line cut at every whole x and y: (starts, ends) of x, and of y."""
    edges = np.arange(len(x) - 1)
    cuts = [(edges, np.zeros(len(edges)), x[:-1], y[:-1])]
    for along, other in ((x, y), (y, x)):
        low = np.floor(np.minimum(along[:-1], along[1:])) + 1
        high = np.ceil(np.maximum(along[:-1], along[1:])) - 1
        count = np.maximum(high - low + 1, 0).astype(np.int64)
        edge = np.repeat(edges, count)
        line = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + low[edge]
        t = (line - along[edge]) / (along[edge + 1] - along[edge])
        crossed = other[edge] + t * (other[edge + 1] - other[edge])
        cuts.append((edge, t, line, crossed) if along is x else (edge, t, crossed, line))
    edge, t, px, py = (np.concatenate(each) for each in zip(*cuts, strict=True))
    order = np.lexsort((t, edge))
    px, py = np.append(px[order], x[-1]), np.append(py[order], y[-1])
    return (px[:-1], px[1:]), (py[:-1], py[1:])


def zonal_mean(values: Floats, weights: Weights) -> tuple[Floats, Floats]:
    """Mean and valid share of each date, float32 [dates] each.

    ``values`` float32 [dates, height, width] on the grid of the weights, NaN where nothing was
    seen.
    """
    flat = values.reshape(len(values), -1)
    stretch, shares = weights.run
    # No pixel is picked out or copied for dates that are clear around the field, which are most.
    total: Floats = flat[:, stretch] @ shares
    area = np.full_like(total, weights.area)
    partly = np.flatnonzero(np.isnan(total))
    if len(partly):
        picked = flat[partly[:, None], weights.index]
        seen = ~np.isnan(picked)
        total[partly] = np.where(seen, picked, np.float32(0)) @ weights.share
        area[partly] = _area(seen, weights)
    mean = np.divide(total, area, out=np.full_like(total, np.nan), where=area > 0)
    return mean, area / weights.area


def zonal(values: Floats, weights: Weights) -> Zonal:
    """Mean, spread, quantiles and valid share of each date; ``values`` as in `zonal_mean`.

    A quantile is the value below which that share of the seen area lies, straight between pixels'
    middles.
    """
    picked = values.reshape(len(values), -1).take(weights.index, axis=1)
    seen = ~np.isnan(picked)
    picked[~seen] = 0
    area = _area(seen, weights)
    empty = area <= 0
    safe = np.where(empty, 1, area)
    mean: Floats = np.divide(picked @ weights.share, safe)
    spread = (picked - mean[:, None]) * seen
    std: Floats = np.sqrt((spread**2) @ weights.share / safe).astype(np.float32)
    quantiles = _quantiles(picked, seen * weights.share)
    for each in (mean, std, quantiles):
        each[empty] = np.nan
    valid: Floats = area / weights.area
    return Zonal(mean, std, quantiles, valid)


def _area(seen: NDArray[np.bool_], weights: Weights) -> Floats:
    """Pixels seen on each date, float32 [dates]."""
    area: Floats = seen.astype(np.float32) @ weights.share
    return area


def _quantiles(picked: Floats, shares: Floats, at: Sequence[float] = QUANTILES) -> Floats:
    order = np.argsort(np.where(shares > 0, picked, np.inf), axis=1)
    ordered = np.take_along_axis(picked, order, axis=1)
    parts = np.take_along_axis(shares, order, axis=1)
    out = np.full((len(picked), len(at)), np.nan, np.float32)
    for row, (values, part) in enumerate(zip(ordered, parts, strict=True)):
        count = int((part > 0).sum())
        if count:
            middle = np.cumsum(part[:count]) - part[:count] / 2
            out[row] = np.interp(at, middle / part[:count].sum(), values[:count])
    return out
