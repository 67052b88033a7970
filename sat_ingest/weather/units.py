"""Units that figures come in.  A unit that is not known here is no unit."""

from __future__ import annotations

import math

# value * factor + offset
Scale = tuple[float, float]

_WARMTH: dict[str, Scale] = {
    "°C": (1.0, 0.0),
    "C": (1.0, 0.0),
    "°F": (5 / 9, -32 * 5 / 9),
    "F": (5 / 9, -32 * 5 / 9),
    "K": (1.0, -273.15),
}
_DEPTH: dict[str, Scale] = {
    "mm": (1.0, 0.0),
    "inch": (25.4, 0.0),
    "mm/day": (1.0, 0.0),
    "0.1mm": (0.1, 0.0),
}
_SPEED: dict[str, Scale] = {
    "m/s": (1.0, 0.0),
    "km/h": (1 / 3.6, 0.0),
    "mp/h": (0.44704, 0.0),
    "kn": (0.514444, 0.0),
}
_SUN: dict[str, Scale] = {
    "MJ/m²": (1.0, 0.0),
    "MJ/m^2/day": (1.0, 0.0),
    "J/m²": (1e-6, 0.0),
    "W/m²": (0.0864, 0.0),  # mean of a day
    "kW-hr/m^2/day": (3.6, 0.0),
}
_SHARE: dict[str, Scale] = {"%": (0.01, 0.0), "fraction": (1.0, 0.0)}
_PERCENT: dict[str, Scale] = {"%": (1.0, 0.0), "fraction": (100.0, 0.0)}


def wind_2m(height_m: float) -> float:
    """What wind at a height is multiplied by for that at 2 m (FAO-56, equation 47)."""
    return 4.87 / math.log(67.8 * height_m - 5.42)


# Names of figures as sources give them; wind_10m_ms of a day becomes wind_2m_ms.
UNITS: dict[str, dict[str, Scale]] = {
    "tmin_c": _WARMTH,
    "tmax_c": _WARMTH,
    "temp_c": _WARMTH,
    "dew_c": _WARMTH,
    "rain_mm": _DEPTH,
    "wind_2m_ms": _SPEED,
    "wind_10m_ms": _SPEED,
    "gust_ms": _SPEED,
    "radiation_mj_m2": _SUN,
    "rain_chance": _SHARE,
    "cloud": _SHARE,
    "rh_percent": _PERCENT,
}


def scale_of(figure: str, unit: str) -> Scale | None:
    """How a figure in a unit becomes one in ours; None for a unit that is not known."""
    return UNITS[figure].get(unit.strip())
