"""Colours for index values: the same ones on the map, in its legend and in the charts.

Ramps run dark to light as well as from hue to hue, so that they can be read without telling red
from green, and on a sheet printed in grey.  The anchor colours are those of the ColorBrewer schemes
named (Brewer, Harrower and others, colorbrewer2.org: marked there as safe for colour-blind people).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Palette indices: nothing there, hidden by cloud, then the ramp.
EMPTY, CLOUD, FIRST = 0, 1, 2
_COLOURS = 256 - FIRST
# Neutral grey, half transparent: what was hidden is not given a value.
_CLOUD_RGBA = (150, 150, 150, 170)

_YLGN = ("ffffe5", "f7fcb9", "d9f0a3", "addd8e", "78c679", "41ab5d", "238443", "006837", "004529")
_YLGNBU = ("ffffd9", "edf8b1", "c7e9b4", "7fcdbb", "41b6c4", "1d91c0", "225ea8", "253494", "081d58")
_BRBG = ("543005", "8c510a", "bf812d", "dfc27d", "f6e8c3", "f5f5f5", "c7eae5", "80cdc1", "35978f",
         "01665e", "003c30")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ramp:
    """Colours from value ``low`` to ``high`` (unitless index values); beyond, the end colours."""

    low: float
    high: float
    anchors: tuple[str, ...]

    def indices(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Palette indices of values of any shape; NaN is `EMPTY`."""
        share = (values - np.float32(self.low)) / np.float32(self.high - self.low)
        with np.errstate(invalid="ignore"):
            steps = np.rint(np.clip(share, 0, 1) * (_COLOURS - 1))
        return np.where(np.isnan(values), EMPTY, np.nan_to_num(steps) + FIRST).astype(np.uint8)

    @property
    def palette(self) -> bytes:
        """256 colours of 4 bytes, RGBA."""
        return _palette(self)

    def colour(self, value: float) -> str:
        """The colour of one value, ``#rrggbb``."""
        at = 4 * int(self.indices(np.array([value], np.float32))[0])
        return "#" + self.palette[at : at + 3].hex()


# Bare soil is about 0.1, a full stand 0.8 to 0.9; water indices are read on both sides of 0.
RAMPS = {
    "ndvi": Ramp(0.0, 0.9, _YLGN),
    "evi2": Ramp(0.0, 0.8, _YLGN),
    "msavi": Ramp(0.0, 0.8, _YLGN),
    "ndre": Ramp(0.0, 0.6, _YLGN),
    "ndmi": Ramp(-0.4, 0.6, _BRBG),
    "ndwi": Ramp(-0.8, 0.4, _YLGNBU),
}
CHANGE = Ramp(-0.4, 0.4, _BRBG)


@lru_cache(maxsize=32)
def _palette(ramp: Ramp) -> bytes:
    anchors = np.array([list(bytes.fromhex(each)) for each in ramp.anchors], np.float64)
    at = np.linspace(0, len(anchors) - 1, _COLOURS)
    rgb = [np.interp(at, range(len(anchors)), anchors[:, channel]) for channel in range(3)]
    colours = np.full((256, 4), 255, np.uint8)
    colours[FIRST:, :3] = np.rint(np.stack(rgb, axis=1))
    colours[EMPTY], colours[CLOUD] = (0, 0, 0, 0), _CLOUD_RGBA
    return colours.tobytes()
