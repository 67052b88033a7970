"""Vegetation and water indices of surface reflectance.

Formulas (reflectances 0 to 1; blue … swir16 as STAC names them):

NDVI   (nir - red) / (nir + red)                       Rouse et al. 1974, NASA SP-351
EVI2   2.5 (nir - red) / (nir + 2.4 red + 1)           Jiang et al. 2008, RSE 112(10)
NDRE   (nir - rededge1) / (nir + rededge1)             Gitelson and Merzlyak 1994, JPPB 22(3)
NDMI   (nir - swir16) / (nir + swir16)                 Gao 1996, RSE 58(3)
NDWI   (green - nir) / (green + nir)                   McFeeters 1996, IJRS 17(7)
MSAVI  (2 nir + 1 - sqrt((2 nir + 1)^2 - 8 (nir - red))) / 2    Qi et al. 1994, RSE 48(2)

All are clipped to -1 … 1: outside it lie only pixels brighter than snow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from field_data.errors import PersonError
from sat_ingest.windows import NODATA, SCALE

Floats = NDArray[np.float32]
Reals = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Index:
    """An index: its name, the bands that it needs in the order of ``formula``'s arguments."""

    name: str
    needs: tuple[str, ...]
    formula: Callable[..., Reals]


def _normalised(first: Reals, second: Reals) -> Reals:
    return (first - second) / (first + second)


def _evi2(nir: Reals, red: Reals) -> Reals:
    return np.float32(2.5) * (nir - red) / (nir + np.float32(2.4) * red + np.float32(1))


def _msavi(nir: Reals, red: Reals) -> Reals:
    double = 2 * nir + 1
    # Never negative for reflectances: (2 nir - 1)^2 + 8 red.
    value: Reals = (double - np.sqrt(double**2 - 8 * (nir - red))) / 2
    return value


INDICES: Mapping[str, Index] = {
    each.name: each
    for each in (
        Index("ndvi", ("nir", "red"), _normalised),
        Index("evi2", ("nir", "red"), _evi2),
        Index("ndre", ("nir", "rededge1"), _normalised),
        Index("ndmi", ("nir", "swir16"), _normalised),
        Index("ndwi", ("green", "nir"), _normalised),
        Index("msavi", ("nir", "red"), _msavi),
    )
}


def index_named(name: str) -> Index:
    """The index of that name in lower case.

    Raises:
        PersonError: ``unknown_index``.
    """
    if name not in INDICES:
        known = ", ".join(INDICES)
        raise PersonError("unknown_index", f"unknown index {name!r}; known are: {known}")
    return INDICES[name]


def index_values(name: str, bands: Mapping[str, NDArray[np.uint16]]) -> Floats | None:
    """The index, float32 of the bands' shape; None when a band that it needs is not there.

    ``bands`` hold reflectance x 10000 as `Window` does.  NaN where a band has no data.
    """
    index = index_named(name)
    if not all(band in bands for band in index.needs):
        return None
    given: list[NDArray[Any]] = [bands[band] for band in index.needs]
    nothing = np.any([band == NODATA for band in given], axis=0)
    # Where nothing was seen, any number that divides will do.
    parts = [np.where(nothing, np.float32(1), band * np.float32(SCALE)) for band in given]
    values = np.clip(index.formula(*parts), -1, 1).astype(np.float32)
    values[nothing] = np.nan
    return values
