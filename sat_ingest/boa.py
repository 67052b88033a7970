"""Whether the pixels of a scene carry the offset of +1000 that ESA added with baseline 04.00.

Since 25 January 2022 Level-2A digital numbers are reflectance x 10000 + 1000
(BOA_ADD_OFFSET = -1000; Sentinel-2 Products Specification Document, L2A).  Some publishers took it
off again, and the flag by which they say so is sometimes wrong.  The date tells nothing: old scenes
are reprocessed.  So: the baseline first, then the flag, then the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OFFSET = 1000
FIRST_BASELINE = 400
# Bands that tell, darkest land first.  Bare soil in summer has no red below 0.1.
VISIBLE = ("blue", "green", "red")
_TELLS_FLOOR = frozenset({"blue", "green"})
# Pixels needed before their distribution counts against a flag.
_ENOUGH = 500
# With the offset in them, numbers below 900 are reflectances below -0.01: Sen2Cor gives some in
# deep shadow and water, never for a twentieth of the land.
_BELOW, _BELOW_SHARE = 900, 0.05
# Without it, some of the land is darker than 0.1 in blue: plants, shadow, water, all but desert.
_FLOOR_QUANTILE = 0.005


@dataclass(frozen=True, slots=True)
class Decision:
    """``offset`` to take off the numbers (0 or 1000); ``why``: baseline, flag, pixels, unknown."""

    offset: int
    why: str


def decide(
    baseline: int | None,
    offset_in_pixels: bool | None,
    band: str,
    samples: Sequence[NDArray[np.uint16]],
) -> Decision:
    """What to take off.

    ``baseline``: 400 for 04.00.  ``offset_in_pixels``: what the publisher says.  ``samples``:
    digital numbers of the visible ``band``, any shapes, 0 = no data; clear land, as much as can be.
    """
    if baseline is not None and baseline < FIRST_BASELINE:
        return Decision(0, "baseline")
    shown = _shown(band, samples)
    if shown is not None and shown != offset_in_pixels:
        return Decision(OFFSET if shown else 0, "pixels")
    if offset_in_pixels is not None:
        return Decision(OFFSET if offset_in_pixels else 0, "flag")
    known = baseline is not None
    return Decision(OFFSET if known else 0, "baseline" if known else "unknown")


def _shown(band: str, samples: Sequence[NDArray[np.uint16]]) -> bool | None:
    """Whether the pixels say that the offset is in them; None where they do not tell.

    Dark land in any sample says no; only bright land in all of them says yes.
    """
    lands = [land for land in (sample[sample > 0] for sample in samples) if land.size >= _ENOUGH]
    if any(float((land < _BELOW).mean()) > _BELOW_SHARE for land in lands):
        return False
    floors = [float(np.quantile(land, _FLOOR_QUANTILE)) for land in lands]
    return True if floors and band in _TELLS_FLOOR and min(floors) >= OFFSET else None


def corrected(numbers: NDArray[np.uint16], offset: int) -> NDArray[np.uint16]:
    """Reflectance x 10000 from digital numbers of any shape: 0 stays "no data".

    What would fall to 0 or below becomes 1: dark is not missing.
    """
    if not offset:
        return numbers
    less = np.clip(numbers.astype(np.int32) - offset, 1, 65535)
    return np.where(numbers == 0, 0, less).astype(np.uint16)
