"""Figures that cannot be right become unknown, each with the reason.  Pure.

Limits are wider than anything measured in Morocco or Spain (50.4 °C at Agadir on 2023-08-11, WMO),
so that only errors are taken out; what is merely unusual stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from field_data.weather import DAY_FIGURES, STEP_FIGURES, StepWeather, Weather
from sat_ingest.weather.merging import HEAT
from sat_ingest.weather.quanta import Floats, day_from, step_from, table_of

DAY_LIMITS = {
    "tmin_c": (-40.0, 45.0),
    "tmax_c": (-30.0, 56.0),
    "rain_mm": (0.0, 500.0),
    "dew_c": (-50.0, 35.0),
    "wind_2m_ms": (0.0, 40.0),
    "gust_ms": (0.0, 100.0),
    "radiation_mj_m2": (0.0, 45.0),  # above the air never more than 43
    "rain_chance": (0.0, 1.0),
}
STEP_LIMITS = {
    "temp_c": (-40.0, 56.0),
    "rh_percent": (0.0, 100.0),
    "wind_10m_ms": (0.0, 60.0),
    "gust_ms": (0.0, 100.0),
    "rain_mm": (0.0, 300.0),
    "cloud": (0.0, 1.0),
}
# The very same figure for so many days is an instrument that hangs, never weather.
STUCK_DAYS = {"tmin_c": 5, "tmax_c": 5, "dew_c": 6, "radiation_mj_m2": 6, "rain_mm": 5}
# Days without rain or wind follow one another; so do chances of 0 and 1.
_MAY_STAY = 1.0
# From this share of impossible values on it is the unit that is wrong, and no value is believed.
WRONG_UNIT_SHARE = 0.5
# A dew point may lie a little above a maximum that was rounded.
_DEW_SLACK = 1.0


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why ``count`` values of a figure were made unknown.

    ``impossible``, ``tmin_above_tmax``, ``dew_above_tmax``, ``stuck``, ``wrong_unit``,
    ``unknown_unit``, ``day_twice``, ``no_number``.
    """

    reason: str
    figure: str
    count: int


def sound_days(figures: Floats) -> tuple[Floats, list[Doubt]]:
    """Figures [days, `DAY_FIGURES`] without what cannot be right, and why."""
    figures, doubts = figures.copy(), []
    for column, name in enumerate(DAY_FIGURES):
        doubts += _limited(figures[:, column], name, DAY_LIMITS[name])
        if name in STUCK_DAYS:
            stuck = _stuck(figures[:, column], STUCK_DAYS[name])
            if name == "rain_mm":
                stuck &= figures[:, column] >= _MAY_STAY
            doubts += _unknown(figures[:, column], stuck, "stuck", name)
    low, high = figures[:, HEAT[0]], figures[:, HEAT[1]]
    crossed = low > high
    doubts += _unknown(low, crossed, "tmin_above_tmax", "tmin_c")
    doubts += _unknown(high, crossed, "tmin_above_tmax", "tmax_c")
    dew = figures[:, DAY_FIGURES.index("dew_c")]
    doubts += _unknown(dew, dew > high + _DEW_SLACK, "dew_above_tmax", "dew_c")
    return figures, doubts


def sound_steps(figures: Floats) -> tuple[Floats, list[Doubt]]:
    """The same for steps, figures [steps, `STEP_FIGURES`]."""
    figures, doubts = figures.copy(), []
    for column, name in enumerate(STEP_FIGURES):
        doubts += _limited(figures[:, column], name, STEP_LIMITS[name])
    return figures, doubts


def sound(weather: Weather) -> tuple[Weather, list[Doubt]]:
    """The weather of a place without what cannot be right, and why."""
    days, doubts = sound_days(table_of(weather.days))
    rows = [[getattr(step, name) for name in STEP_FIGURES] for step in weather.steps]
    steps, more = sound_steps(np.array(rows, float).reshape(-1, len(STEP_FIGURES)))
    told = zip(weather.days, days, strict=True)
    return replace(
        weather,
        days=tuple(day_from(day.day, row, day.origin, day.rain_origin) for day, row in told),
        steps=tuple(_step(step, row) for step, row in zip(weather.steps, steps, strict=True)),
    ), [*doubts, *more]


def together(doubts: Iterable[Doubt]) -> list[Doubt]:
    """One entry for each reason and figure."""
    counts: dict[tuple[str, str], int] = {}
    for each in doubts:
        key = (each.reason, each.figure)
        counts[key] = counts.get(key, 0) + each.count
    return [Doubt(*key, count) for key, count in sorted(counts.items())]


def _step(step: StepWeather, row: Sequence[float]) -> StepWeather:
    return step_from(step.start_utc_s, row, step.origin)


def _limited(column: Floats, name: str, limits: tuple[float, float]) -> list[Doubt]:
    known = ~np.isnan(column)
    wrong = known & ((column < limits[0]) | (column > limits[1]))
    if wrong.sum() > WRONG_UNIT_SHARE * known.sum():
        return _unknown(column, known, "wrong_unit", name)
    return _unknown(column, wrong, "impossible", name)


def _unknown(column: Floats, where: NDArray[np.bool_], reason: str, name: str) -> list[Doubt]:
    count = int((where & ~np.isnan(column)).sum())
    column[where] = np.nan
    return [Doubt(reason, name, count)] if count else []


def _stuck(column: Floats, least: int) -> NDArray[np.bool_]:
    """Which values lie in a run of at least so many that are the same."""
    starts = np.flatnonzero(np.diff(column, prepend=np.nan) != 0)
    stuck = np.zeros(len(column), bool)
    for start, stop in zip(starts, [*starts[1:], len(column)], strict=True):
        stuck[start:stop] = stop - start >= least
    known: NDArray[np.bool_] = stuck & ~np.isnan(column)
    return known
