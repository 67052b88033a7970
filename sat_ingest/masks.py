"""Which pixels of a scene show the land: Sentinel-2 scene classification (SCL).

Classes after the Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD, Level-2A, scene
classification): 0 no data, 1 saturated or defective, 2 dark area or cast shadow, 3 cloud shadow,
4 vegetation, 5 not vegetated, 6 water, 7 unclassified, 8 and 9 cloud of medium and high
probability, 10 thin cirrus, 11 snow or ice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sat_ingest.grid import PIXEL_M

# Water stays: a flooded or irrigated plot is what we want to see.  Unclassified pixels have a low
# probability of cloud.  Dark pixels are mostly shadows, of relief or of clouds.
USABLE = (4, 5, 6, 7)
CLOUD = (8, 9, 10)
SHADOW = (2, 3)
SNOW = 11
NO_DATA = 0
DEFECTIVE = 1
LAST_CLASS = 11
# Edges of clouds are thinner than the classifier sees; 20 m is one pixel of SCL, so this is three.
CLOUD_MARGIN_M = 60
SHADOW_MARGIN_M = 20

Mask = NDArray[np.bool_]
# Looked up by class: a map asks for many small windows.
_IS_CLOUD, _IS_SHADOW, _IS_USABLE = (
    np.isin(np.arange(256), classes) for classes in (CLOUD, SHADOW, USABLE)
)


@dataclass(frozen=True, slots=True, eq=False)
class SceneMask:
    """Booleans [..., height, width]: ``usable`` land, ``snow``, and ``covered`` (has any data)."""

    usable: Mask
    snow: Mask
    covered: Mask


def scene_mask(
    scl: NDArray[np.uint8],
    *,
    cloud_margin_m: float = CLOUD_MARGIN_M,
    shadow_margin_m: float = SHADOW_MARGIN_M,
) -> SceneMask:
    """Masks of SCL uint8 [..., height, width] on 10 m pixels; margins in metres around clouds.

    Snow is neither cloud nor usable, and no margin spreads into it.  A class that does not exist
    counts as no data, so a file that is not SCL leaves nothing usable rather than nonsense.
    """
    covered = (scl != NO_DATA) & (scl <= LAST_CLASS)
    near = grown(_IS_CLOUD[scl], round(cloud_margin_m / PIXEL_M))
    near |= grown(_IS_SHADOW[scl], round(shadow_margin_m / PIXEL_M))
    return SceneMask(_IS_USABLE[scl] & ~near, scl == SNOW, covered)


def cut_out(scl: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """SCL without its outer ``pixels``, what a cloud in them spoils being marked as defective.

    So the mask of the part is that of the whole, also for clouds just outside.
    """
    part = scl[..., pixels:-pixels, pixels:-pixels]
    spoilt = scene_mask(part).usable & ~scene_mask(scl).usable[..., pixels:-pixels, pixels:-pixels]
    return np.where(spoilt, np.uint8(DEFECTIVE), part)


def grown(mask: Mask, pixels: int) -> Mask:
    """Booleans [..., height, width] spread by a square of ``pixels`` on every side."""
    if pixels < 1 or not mask.any():
        return mask.copy()
    for axis in (-2, -1):
        mask = _spread(mask, pixels, axis)
    return mask


def _spread(mask: Mask, pixels: int, axis: int) -> Mask:
    """True where the ``2 * pixels + 1`` neighbours along ``axis`` hold any True: running counts."""
    size = mask.shape[axis]
    counts = np.cumsum(mask, axis=axis, dtype=np.int32)
    counts = np.insert(counts, 0, 0, axis=axis)
    first = np.maximum(np.arange(size) - pixels, 0)
    last = np.minimum(np.arange(size) + pixels + 1, size)
    spread: Mask = counts.take(last, axis) > counts.take(first, axis)
    return spread


def usable_fraction(scl: NDArray[np.uint8]) -> float:
    """Share of usable pixels, 0 to 1, of SCL [height, width]."""
    usable = scene_mask(scl).usable
    return float(usable.mean()) if usable.size else 0.0
