"""What one overpass shows of one field, and the seam behind which windows come from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from field_data.types import Field
from sat_ingest.grid import Grid

# Common names of STAC's eo extension.  SCL is kept beside the bands.
BANDS = ("blue", "green", "red", "rededge1", "nir", "swir16")
NODATA = 0
SCALE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A field on one solar day, on the field's own grid.

    ``day`` counts days since 1970-01-01 (local solar day of the overpass); ``scene`` names the
    STAC item.  ``bands``: common name to surface reflectance x 10000, uint16
    [grid.height, grid.width], 0 = no data, the BOA offset already taken off.  ``scl``: Sentinel-2
    scene classification, uint8 of the same shape, 0 = no data.
    """

    field: str
    day: int
    scene: str
    grid: Grid
    bands: Mapping[str, NDArray[np.uint16]]
    scl: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shape = (self.grid.height, self.grid.width)
        shapes = {name: band.shape for name, band in self.bands.items()} | {"scl": self.scl.shape}
        for name, found in shapes.items():
            if found != shape:
                raise ValueError(f"{name} has shape {found}, the grid {shape}")


class WindowSource(Protocol):
    """Where windows come from: a pack cut elsewhere, or scenes read over the network."""

    def windows(
        self, fields: Sequence[Field], since: int, until: int, bands: Sequence[str]
    ) -> Iterator[Window]:
        """Windows of the fields for days ``since`` to ``until`` (inclusive), in no order."""
