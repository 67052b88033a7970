"""The dates of one field as one block: pixels, mask, place and days never part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from sat_ingest.grid import Grid
from sat_ingest.indices import index_values
from sat_ingest.masks import SceneMask, scene_mask
from sat_ingest.windows import NODATA, Window


@dataclass(frozen=True, eq=False)
class Cube:
    """A field on ``days`` int32 [n] (since 1970-01-01, increasing), one picture a day.

    ``bands``: name to uint16 [n, grid.height, grid.width], reflectance x 10000, 0 = no data;
    ``scl`` uint8 of that shape; ``scenes`` names the scene that gave most of each day.
    """

    field: str
    grid: Grid
    days: NDArray[np.int32]
    scenes: tuple[str, ...]
    bands: Mapping[str, NDArray[np.uint16]]
    scl: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shape = (len(self.days), self.grid.height, self.grid.width)
        shapes = {name: band.shape for name, band in self.bands.items()} | {"scl": self.scl.shape}
        for name, found in shapes.items():
            if found != shape:
                raise ValueError(f"{name} has shape {found}, not {shape}")
        if len(self.scenes) != len(self.days) or (np.diff(self.days) <= 0).any():
            raise ValueError("one scene a day, days increasing")

    @property
    def crs(self) -> str:
        """The coordinate system, ``EPSG:…``."""
        return f"EPSG:{self.grid.epsg}"

    @property
    def transform(self) -> Affine:
        """From (column, row) to (easting, northing)."""
        return self.grid.transform

    @cached_property
    def mask(self) -> SceneMask:
        """Which pixels show land, [n, height, width]."""
        return scene_mask(self.scl)

    def index(self, name: str) -> NDArray[np.float32]:
        """An index, float32 [n, height, width]; NaN outside the mask and where a band is missing.

        Raises:
            PersonError: ``unknown_index``.
        """
        values = index_values(name, self.bands)
        if values is None:
            return np.full(self.scl.shape, np.nan, np.float32)
        values[~self.mask.usable] = np.nan
        return values


def cube_of(windows: Iterable[Window]) -> Cube | None:
    """Windows of one field on one grid, in any order, as a cube; None when there are none.

    Several pictures of a day become one: the clearest, its unseen pixels filled from the others.
    A band that a day lacks is all no data there.

    Raises:
        ValueError: two fields, or two grids.
    """
    ordered = sorted(windows, key=lambda w: w.day)
    if not ordered:
        return None
    first = ordered[0]
    if any((w.field, w.grid) != (first.field, first.grid) for w in ordered):
        raise ValueError("windows of several fields or grids")
    names = list(dict.fromkeys(name for w in ordered for name in w.bands))
    days = [_one_day(list(group), names) for _, group in groupby(ordered, lambda w: w.day)]
    return Cube(
        field=first.field,
        grid=first.grid,
        days=np.array([w.day for w in days], np.int32),
        scenes=tuple(w.scene for w in days),
        bands={name: np.stack([w.bands[name] for w in days]) for name in names},
        scl=np.stack([w.scl for w in days]),
    )


def _one_day(pictures: Sequence[Window], names: Sequence[str]) -> Window:
    """All bands of one day; pixels that the clearest picture did not see come from the others."""
    nothing = np.full(pictures[0].scl.shape, NODATA, np.uint16)
    if len(pictures) == 1:  # as almost always
        one = pictures[0]
        bands = {name: one.bands.get(name, nothing) for name in names}
        return Window(one.field, one.day, one.scene, one.grid, bands, one.scl)
    masks = [scene_mask(w.scl).usable for w in pictures]
    order = sorted(range(len(pictures)), key=lambda i: -int(masks[i].sum()))
    best, seen = pictures[order[0]], masks[order[0]]
    bands = {name: best.bands.get(name, nothing) for name in names}
    scl = best.scl
    for i in order[1:]:
        new = masks[i] & ~seen
        more = pictures[i].bands
        bands = {n: np.where(new, more.get(n, nothing), plane) for n, plane in bands.items()}
        scl, seen = np.where(new, pictures[i].scl, scl), seen | new
    return Window(best.field, best.day, best.scene, best.grid, bands, scl)
