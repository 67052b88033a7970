"""Map tiles of an index: fields drawn on the web's tile grid, nearest pixel, no smoothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sat_ingest.grid import Grid
from sat_ingest.mercator import TILE_PX, Tile, footprint
from sat_ingest.palette_png import palette_png
from sat_ingest.ramps import CLOUD, EMPTY, Ramp


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One field: ``values``, float32 [grid.height, grid.width], NaN where there are none.

    ``hidden``, bool of the same shape, says where cloud or its shadow is the reason.
    """

    grid: Grid
    values: NDArray[np.float32]
    hidden: NDArray[np.bool_]


def draw(tile: Tile, layers: Iterable[Layer], ramp: Ramp) -> NDArray[np.uint8] | None:
    """Palette indices, uint8 [256, 256], of a tile; None when no layer has a pixel in it.

    Where fields overlap the later one is on top.
    """
    picture: NDArray[np.uint8] | None = None
    for layer in layers:
        place = footprint(tile, layer.grid)
        if place is None:
            continue
        if picture is None:
            picture = np.full((TILE_PX, TILE_PX), EMPTY, np.uint8)
        coloured = np.where(layer.hidden, np.uint8(CLOUD), ramp.indices(layer.values))
        height, width = place.rows.shape
        part = picture[place.top : place.top + height, place.left : place.left + width]
        seen = coloured[place.rows, place.columns]
        np.copyto(part, seen, where=place.inside & (seen != EMPTY))
    return picture


def tile_png(tile: Tile, layers: Iterable[Layer], ramp: Ramp) -> bytes | None:
    """The tile as PNG; None when there is nothing in it."""
    picture = draw(tile, layers, ramp)
    return None if picture is None else palette_png(picture, ramp.palette)
