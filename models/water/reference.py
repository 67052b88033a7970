"""Reference evapotranspiration of days of which not everything is known, and how it was found.

FAO-56 says what may stand in for what is missing (chapter 3, "Estimating missing climatic data"):
the dew point is taken for the day's minimum (48), radiation comes from the range of temperature
(50), wind is 2 m/s.  With humidity and radiation both missing, Penman-Monteith rests on
temperatures alone; Hargreaves (52) then says the same with less ado, and is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.water import et0

Floats = NDArray[np.float64]
# m/s: the mean of over 2000 stations (FAO-56, "Missing wind speed data").
USUAL_WIND = 2.0


class How(IntFlag):
    """What a day's figure rests on; 0 is Penman-Monteith with everything measured."""

    MEASURED = 0
    DEW_FROM_TMIN = 1  # (48)
    WIND_USUAL = 2
    RADIATION_FROM_RANGE = 4  # (50)
    HARGREAVES = 8  # (52)
    UNKNOWN = 16  # no temperatures: NaN


@dataclass(frozen=True, slots=True)
class Reference:
    """``et0`` in mm/day and, of the same shape, ``how`` (uint8, bits of `How`); ``rh_min`` is the
    day's least relative humidity in % and ``wind`` at 2 m in m/s, as they were used."""

    et0: Floats
    how: NDArray[np.uint8]
    rh_min: Floats
    wind: Floats


def reference(
    tmin: ArrayLike,
    tmax: ArrayLike,
    *,
    latitude: ArrayLike,
    elevation: ArrayLike,
    day: ArrayLike,
    dew: ArrayLike = np.nan,
    wind: ArrayLike = np.nan,
    radiation: ArrayLike = np.nan,
    coast: bool = False,
) -> Reference:
    """Of days with NaN where nothing is known; arrays broadcast, ``day`` is that of the year."""
    low, high, dew_c, u2, rs, lat, z, j = np.broadcast_arrays(
        *(np.asarray(each, np.float64) for each in (tmin, tmax, dew, wind, radiation)),
        *(np.asarray(each, np.float64) for each in (latitude, elevation, day)),
    )
    unknown = ~np.isfinite(low) | ~np.isfinite(high) | (low > high)
    dry, calm, dark = ~np.isfinite(dew_c), ~np.isfinite(u2), ~np.isfinite(rs)
    above = et0.extraterrestrial(lat, j)
    vapour = et0.saturation(np.where(dry, low, dew_c))
    u2 = np.where(calm, USUAL_WIND, u2)
    rs = np.where(dark, et0.radiation_from_range(low, high, above, _k(coast)), rs)
    by_hargreaves = dry & dark
    out = np.where(
        by_hargreaves, et0.hargreaves(low, high, above), _full(low, high, vapour, u2, rs, above, z)
    )
    how = np.where(by_hargreaves, How.HARGREAVES, _bits(dry, calm, dark))
    return Reference(
        np.where(unknown, np.nan, np.maximum(out, 0)),
        np.where(unknown, How.UNKNOWN, how).astype(np.uint8),
        np.clip(100 * vapour / et0.saturation(high), 0, 100),
        u2,
    )


def _k(coast: bool) -> float:
    return et0.COAST if coast else et0.INLAND


def _bits(dry: NDArray[np.bool_], calm: NDArray[np.bool_], dark: NDArray[np.bool_]) -> Floats:
    parts = (dry * How.DEW_FROM_TMIN, calm * How.WIND_USUAL, dark * How.RADIATION_FROM_RANGE)
    return np.asarray(sum(parts))


def _full(
    low: Floats, high: Floats, vapour: Floats, u2: Floats, rs: Floats, above: Floats, z: Floats
) -> Floats:
    clear = et0.clear_sky(z, above)
    net = et0.net_shortwave(rs) - et0.net_longwave(low, high, vapour, rs, clear)
    deficit = np.maximum(et0.mean_saturation(low, high) - vapour, 0)
    return et0.penman_monteith((low + high) / 2, net, u2, deficit, z)
