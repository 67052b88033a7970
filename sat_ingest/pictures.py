"""One band of one scene as a file, and where the pixels of a field's grid lie in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.warp import transform as reproject
from rasterio.windows import Window as PixelWindow

from field_data.errors import PublisherError
from sat_ingest.grid import PIXEL_M, Grid
from sat_ingest.sparse_cog import Pixels

Bool = NDArray[np.bool_]
Rows = NDArray[np.int64]


class Picture(Protocol):
    """One band of one scene, near or far."""

    def ensure(self, windows: Sequence[Pixels]) -> None:
        """Make windows (row, column, height, width) readable."""

    def opened(self) -> AbstractContextManager[DatasetReader]:
        """The file, as rasterio reads it."""

    def strips(self) -> Sequence[Pixels]:
        """Windows that can be read for nothing."""


@dataclass(frozen=True, slots=True)
class LocalPicture:
    """A TIFF on this machine."""

    path: str

    def ensure(self, windows: Sequence[Pixels]) -> None:
        """Nothing to do."""

    @contextmanager
    def opened(self) -> Iterator[DatasetReader]:
        """The file, as rasterio reads it."""
        with rasterio.open(self.path, driver="GTiff", sharing=False) as dataset:
            yield dataset

    def strips(self) -> Sequence[Pixels]:
        """The whole file."""
        with self.opened() as dataset:
            return [(0, 0, dataset.height, dataset.width)]


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Where the pixels of a grid lie in a file: ``rows`` and ``columns`` int64 [height, width]."""

    rows: Rows
    columns: Rows
    inside: Bool

    @classmethod
    def of(cls, grid: Grid, epsg: int, placed: Affine, height: int, width: int) -> Lookup:
        """The nearest pixel under each centre; ``placed``: (column, row) to metres, north up."""
        x = grid.left + PIXEL_M * (np.arange(grid.width) + 0.5)
        y = grid.top - PIXEL_M * (np.arange(grid.height) + 0.5)
        xs, ys = (part.copy() for part in np.meshgrid(x, y))
        if epsg != grid.epsg:
            there = reproject(f"EPSG:{grid.epsg}", f"EPSG:{epsg}", xs.ravel(), ys.ravel())
            xs, ys = (np.reshape(part, xs.shape) for part in there[:2])
        with np.errstate(invalid="ignore"):  # what cannot be placed lies outside
            columns = np.floor((xs - placed.c) / placed.a).astype(np.int64)
            rows = np.floor((ys - placed.f) / placed.e).astype(np.int64)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        return cls(rows, columns, inside)

    @property
    def window(self) -> Pixels | None:
        """The smallest window with all pixels, None when all lie outside."""
        if not self.inside.any():
            return None
        rows, columns = self.rows[self.inside], self.columns[self.inside]
        top, left = int(rows.min()), int(columns.min())
        return top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1

    def read(self, dataset: DatasetReader, wanted: Bool) -> NDArray[np.uint16]:
        """Numbers [height, width] where ``wanted``, 0 elsewhere and outside the file."""
        found = np.zeros(self.rows.shape, np.uint16)
        window = self.window
        if window is None:
            return found
        top, left, height, width = window
        data = dataset.read(1, window=PixelWindow(left, top, width, height))
        taken = self.inside & wanted
        found[taken] = data[self.rows[taken] - top, self.columns[taken] - left]
        if dataset.nodata:
            found[found == dataset.nodata] = 0
        return found


def lookup_in(grid: Grid, dataset: DatasetReader) -> Lookup:
    """Where a grid lies in a file.

    Raises:
        PublisherError: ``bad_tiff``: no EPSG code, turned, more than one band, or other numbers.
    """
    epsg, placed = dataset.crs.to_epsg() if dataset.crs else None, dataset.transform
    if not epsg or placed.b or placed.d or placed.a <= 0 or placed.e >= 0 or dataset.count != 1:
        raise PublisherError("bad_tiff", f"{dataset.name}: not a north-up picture of one band")
    if dataset.dtypes[0] not in {"uint8", "uint16"}:
        raise PublisherError("bad_tiff", f"{dataset.name} holds {dataset.dtypes[0]}")
    return Lookup.of(grid, epsg, placed, dataset.height, dataset.width)
