"""Frost, heat and chergui of the days to come. Pure.

Only what was measured or forecast is judged: the mean of many years has no extremes.  The forecast
says nothing of the direction of the wind; a chergui is told by hot and dry.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from field_data.days import date_of
from field_data.weather import DayWeather, Origin, Weather
from models.risks.wetness import vapour_kpa
from models.risks.work_rules import CherguiRules, Limit, WorkRules

_REAL = frozenset({Origin.GAUGE, Origin.OBSERVED, Origin.REANALYSIS, Origin.FORECAST})


class Danger(StrEnum):
    """What a day may bring."""

    FROST = "frost"
    HEAT = "heat"
    CHERGUI = "chergui"


@dataclass(frozen=True, slots=True)
class Alert:
    """Days in a row with one danger: ``worst_c`` the lowest or highest temperature, ``limit_c``
    the one that hurts; ``rh_percent`` of the driest afternoon; ``sources`` by key."""

    danger: Danger
    first: int
    last: int
    worst_c: float
    limit_c: float
    rh_percent: float
    sources: tuple[str, ...]


def alerts(weather: Weather, crop: str, first: int, last: int, rules: WorkRules) -> list[Alert]:
    """All alerts from ``first`` to ``last`` for a crop, by kind and day."""
    days = [day for day in weather.days if first <= day.day <= last and day.origin in _REAL]
    found: list[Alert] = []
    for day in days:
        frost, heat = (_limit(each, crop, day) for each in (rules.frost, rules.heat))
        if frost and day.tmin_c <= frost.temp_c:
            found.append(_alert(Danger.FROST, day, day.tmin_c, frost.temp_c, frost.sources))
        if is_chergui(weather, day, rules.chergui):
            limit, by = rules.chergui.tmax_c, rules.named["chergui"]
            found.append(_alert(Danger.CHERGUI, day, day.tmax_c, limit, by))
        elif heat and day.tmax_c >= heat.temp_c:
            found.append(_alert(Danger.HEAT, day, day.tmax_c, heat.temp_c, heat.sources))
    return _joined(found)


def _limit(limits: Sequence[Limit], crop: str, day: DayWeather) -> Limit | None:
    month = date_of(day.day).month
    return next((each for each in limits if crop in each.crops and month in each.months), None)


def _alert(
    danger: Danger, day: DayWeather, worst: float, limit: float, by: tuple[str, ...]
) -> Alert:
    return Alert(danger, day.day, day.day, worst, limit, afternoon_rh(day), by)


def afternoon_rh(day: DayWeather) -> float:
    """Relative humidity in % when it is hottest, by the day's mean dew point; NaN without one."""
    if not (math.isfinite(day.dew_c) and math.isfinite(day.tmax_c)):
        return math.nan
    return min(100.0, float(100 * vapour_kpa(day.dew_c) / vapour_kpa(day.tmax_c)))


def is_chergui(weather: Weather, day: DayWeather, rules: CherguiRules) -> bool:
    """Whether a day is hot and dry enough; without a dew point, whether heat came of a sudden."""
    if not day.tmax_c >= rules.tmax_c:
        return False
    rh = afternoon_rh(day)
    if math.isfinite(rh):
        return rh <= rules.rh_percent
    before = [weather.on(day.day - back) for back in range(1, int(rules.jump_days) + 1)]
    known = [each.tmax_c for each in before if each and math.isfinite(each.tmax_c)]
    enough = len(known) >= rules.jump_days / 2
    return enough and day.tmax_c - sum(known) / len(known) >= rules.jump_c


def _joined(found: Sequence[Alert]) -> list[Alert]:
    """One alert for days in a row."""
    joined: list[Alert] = []
    for one in sorted(found, key=lambda each: (each.danger, each.first)):
        last = joined[-1] if joined else None
        if last and last.danger is one.danger and one.first == last.last + 1:
            worst = min if one.danger is Danger.FROST else max
            rh = min(
                (last.rh_percent, one.rh_percent), key=lambda v: math.inf if math.isnan(v) else v
            )
            joined[-1] = Alert(
                one.danger, last.first, one.last, worst(last.worst_c, one.worst_c), one.limit_c, rh,
                one.sources,
            )  # fmt: skip
        else:
            joined.append(one)
    return joined
