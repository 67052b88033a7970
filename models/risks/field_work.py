"""Sowing and harvest: what the calendar says, and what weather and soil say of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from field_data.weather import DayWeather, Origin, Weather
from models.risks.calendars import Harvesting, Sowing, Span
from models.risks.work_rules import HarvestRules

# With this share of the water that the soil can hold for plants, seed comes up: a choice of ours.
MOIST_SHARE = 0.4
# A sowing that is late by more is told no longer.
TOO_LATE_DAYS = 45
AHEAD_DAYS = 7


class Sow(StrEnum):
    """What to say of sowing."""

    NOW = "now"
    WAIT_RAIN = "wait_rain"
    TOO_LATE = "too_late"


@dataclass(frozen=True, slots=True)
class SowAdvice:
    """``first`` and ``last`` day to sow; ``best``: still in the best part; rain in mm that fell in
    the days that count, is asked for, and is forecast for a week; ``water`` the soil's share of
    what it can hold, NaN where not known."""

    say: Sow
    first: int
    last: int
    best: bool
    rain_mm: float
    asked_mm: float
    coming_mm: float
    water: float


def sowing(rule: Sowing, weather: Weather | None, today: int, water: float) -> SowAdvice | None:
    """What to say today; None out of season."""
    first, last = rule.span.around(today)
    best = Span(rule.span.start, rule.best_to).around(first)[1]
    fallen = rain_between(weather, today - rule.rain_days, today)
    coming = rain_between(weather, today, today + AHEAD_DAYS)
    if last < today <= last + TOO_LATE_DAYS:
        say = Sow.TOO_LATE
    elif not first <= today <= last:
        return None
    else:
        moist = fallen >= rule.rain_mm if math.isnan(water) else water >= MOIST_SHARE
        say = Sow.NOW if rule.rain_mm == 0 or moist else Sow.WAIT_RAIN
    return SowAdvice(
        say, max(first, today), max(last, today), today <= best, fallen, rule.rain_mm, coming, water
    )


def rain_between(weather: Weather | None, start: int, end: int) -> float:
    """Rain in mm from ``start`` up to before ``end``; NaN where most of it is not known.

    The mean of many years is no rain that fell or will fall.
    """
    days = [weather.on(day) if weather else None for day in range(start, end)]
    known = [
        each.rain_mm
        for each in days
        if each and math.isfinite(each.rain_mm) and each.rain_origin is not Origin.CLIMATOLOGY
    ]
    return sum(known) if len(known) >= 0.7 * (end - start) else math.nan


@dataclass(frozen=True, slots=True)
class HarvestAdvice:
    """Dry days from ``dry_first`` to ``dry_last``, and the first day of rain with its mm; None
    where there are none."""

    dry_first: int | None
    dry_last: int | None
    rain_day: int | None
    rain_mm: float


def harvesting(
    rule: Harvesting, weather: Weather, today: int, rules: HarvestRules
) -> HarvestAdvice | None:
    """What to say today; None out of season or where no forecast is."""
    first, last = rule.span.around(today)
    if not first <= today <= last:
        return None
    days = [weather.on(day) for day in range(today, today + AHEAD_DAYS)]
    known = [day for day in days if day and day.rain_origin in _TOLD and day.rain_mm >= 0]
    if not known:
        return None
    run = _dry_run(known, rules)
    wet = next((day for day in known if day.rain_mm >= rules.rain_coming_mm), None)
    return HarvestAdvice(
        run[0].day if run else None,
        run[-1].day if run else None,
        wet.day if wet else None,
        wet.rain_mm if wet else 0.0,
    )


_TOLD = frozenset({Origin.GAUGE, Origin.OBSERVED, Origin.REANALYSIS, Origin.FORECAST})


def _dry_run(days: Sequence[DayWeather], rules: HarvestRules) -> list[DayWeather]:
    """The first long enough run of dry days."""
    run: list[DayWeather] = []
    for day in days:
        dry = day.rain_mm < rules.rain_mm and not day.rain_chance >= rules.rain_chance
        follows = not run or day.day == run[-1].day + 1
        if dry and follows:
            run.append(day)
        elif len(run) >= rules.dry_days:
            break
        else:
            run = [day] if dry else []
    return run if len(run) >= rules.dry_days else []
