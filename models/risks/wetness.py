"""Air and wet of the leaves in steps of three hours, made out of days where no steps are known.

Out of a day: temperature is a cosine, coldest at 6 and warmest at 15 local time; the dew point is
the day's, else the lowest temperature, two degrees less on a dry day (FAO Irrigation and Drainage
Paper 56, chapter 3 and annex 6); rain falls at 1 mm an hour from midnight on (a choice of
ours).  Where neither the dew point nor the rain is known nobody knows how humid it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from field_data.weather import STEP_S, DayWeather, StepWeather

DAY_S = 86_400
STEPS_A_DAY = DAY_S // STEP_S
STEP_H = STEP_S / 3600
# Clocks of Morocco show UTC+1 but in the month of Ramadan; a day of weather is theirs.
LOCAL_S = 3600
WET_RAIN_MM = 0.2
_COLDEST_H, _WARMEST_H = 6.0, 15.0
_ARID_C = 2.0


class Basis(StrEnum):
    """What a figure of a day rests on."""

    STEPS = "steps"
    DAILY = "daily"  # worked out of the day's extremes: said, and trusted less
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Air:
    """Steps of three hours that follow one another, ``first`` a local day; arrays [days, 8].

    ``temp`` °C, ``rh`` %, ``rain`` mm; NaN is not known.  ``basis`` says a day's.
    """

    first: int
    temp: NDArray[np.float64]
    rh: NDArray[np.float64]
    rain: NDArray[np.float64]
    basis: tuple[Basis, ...]


def air_of(days: Sequence[DayWeather], steps: Sequence[StepWeather]) -> Air:
    """The steps of each of contiguous days; a day that lacks one is worked out of its extremes."""
    first = days[0].day if days else 0
    shape = (len(days), STEPS_A_DAY)
    temp, rh, rain = (np.full(shape, np.nan) for _ in range(3))
    for step in steps:
        local, hour = divmod((step.start_utc_s + LOCAL_S) // STEP_S, STEPS_A_DAY)
        if 0 <= local - first < len(days):
            at = local - first, hour
            temp[at], rh[at], rain[at] = step.temp_c, step.rh_percent, step.rain_mm
    basis = []
    for place, day in enumerate(days):
        if np.isfinite(temp[place]).all() and np.isfinite(rh[place]).all():
            basis.append(Basis.STEPS)
            continue
        before = days[place - 1] if place else day
        temp[place], rh[place], rain[place] = _of_day(day, before)
        basis.append(Basis.DAILY if np.isfinite(temp[place] + rh[place]).all() else Basis.UNKNOWN)
    return Air(first, temp, rh, rain, tuple(basis))


def _of_day(
    day: DayWeather, before: DayWeather
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    hours = np.arange(STEPS_A_DAY) * STEP_H + STEP_H / 2
    up = (hours - _COLDEST_H) / (_WARMEST_H - _COLDEST_H)
    down = ((hours - _WARMEST_H) % 24) / (24 - _WARMEST_H + _COLDEST_H)
    turn = np.where((hours >= _COLDEST_H) & (hours <= _WARMEST_H), 1 - up, down)
    temp = day.tmin_c + (day.tmax_c - day.tmin_c) * (1 + np.cos(np.pi * turn)) / 2
    damp = day.rain_mm >= 1 or before.rain_mm >= 1
    guess = day.tmin_c - (0 if damp else _ARID_C) if math.isfinite(day.rain_mm) else math.nan
    dew = day.dew_c if math.isfinite(day.dew_c) else guess
    rain = np.clip(day.rain_mm - np.arange(STEPS_A_DAY) * STEP_H, 0, STEP_H)
    return temp, np.minimum(100 * vapour_kpa(dew) / vapour_kpa(temp), 100), rain


def vapour_kpa(temp_c: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Saturation vapour pressure in kPa (equation 11 of FAO-56)."""
    t = np.asarray(temp_c, float)
    return np.asarray(0.6108 * np.exp(17.27 * t / (t + 237.3)))


def wet(air: Air, rh_percent: float) -> NDArray[np.bool_]:
    """Whether leaves are taken to be wet, [days, 8]: rain, or air at least that humid."""
    return (air.rain >= WET_RAIN_MM) | (air.rh >= rh_percent)
