"""How finely weather is kept and carried: whole numbers of a stated step, exact to it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from field_data.weather import DAY_FIGURES, STEP_FIGURES, DayWeather, Origin, StepWeather

# Steps in one unit of a figure: 10 is a step of 0.1.  Forecasts are less sure than any of them.
PER_DAY_UNIT = {
    "tmin_c": 10,
    "tmax_c": 10,
    "rain_mm": 10,
    "dew_c": 10,
    "wind_2m_ms": 10,
    "gust_ms": 10,
    "radiation_mj_m2": 10,
    "rain_chance": 100,
}
PER_STEP_UNIT = {
    "temp_c": 10,
    "rh_percent": 1,
    "wind_10m_ms": 10,
    "gust_ms": 5,
    "rain_mm": 10,
    "cloud": 20,
}
MISSING = -32768
MOST = 32767

_DAY_PER = np.array([PER_DAY_UNIT[name] for name in DAY_FIGURES], float)

Floats = NDArray[np.float64]
Whole = NDArray[np.int16]


def whole(value: float, per_unit: int) -> int | None:
    """A value in steps; None for NaN and for what no place on Earth has."""
    if not math.isfinite(value):
        return None
    steps = round(value * per_unit)
    return steps if abs(steps) <= MOST else None


def whole_days(figures: Floats) -> Whole:
    """Figures [days, `DAY_FIGURES`] as int16 of the same shape; `MISSING` where not known."""
    steps = np.rint(figures * _DAY_PER)
    good = np.isfinite(steps) & (np.abs(steps) <= MOST)
    return np.where(good, steps, MISSING).astype(np.int16)


def plain_days(steps: Whole) -> Floats:
    """The inverse of `whole_days`: float64, NaN where not known."""
    return np.where(steps == MISSING, np.nan, steps / _DAY_PER)


def table_of(days: Iterable[DayWeather]) -> Floats:
    """Figures [days, `DAY_FIGURES`] of days, NaN where not known."""
    rows = [[getattr(day, name) for name in DAY_FIGURES] for day in days]
    return np.array(rows, float).reshape(-1, len(DAY_FIGURES))


def day_from(day: int, figures: Iterable[float], origin: Origin, rain: Origin) -> DayWeather:
    """A day out of a row of figures in the order of `DAY_FIGURES`."""
    named = dict(zip(DAY_FIGURES, map(float, figures), strict=True))
    return DayWeather(day, **named, origin=origin, rain_origin=rain)


def step_from(start: int, figures: Iterable[float], origin: Origin) -> StepWeather:
    """A step out of a row of figures in the order of `STEP_FIGURES`."""
    return StepWeather(
        start, **dict(zip(STEP_FIGURES, map(float, figures), strict=True)), origin=origin
    )
