"""When a field wants water and how much, read off a season that was played through."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from models.water.season import SeasonWater, weighted

Floats = NDArray[np.float64]
# Advice looks so far ahead, and waits for rain that comes within so many days of the need.
AHEAD_DAYS, RAIN_WITHIN_DAYS = 7, 3
# mm: less is not worth opening a valve for, and less rain not worth waiting for.
LEAST_MM, LEAST_RAIN_MM = 5.0, 5.0
# A rainfed crop is told of when it takes less than this share of the water it wants.
STRESS = 0.8
RANGE = (0.1, 0.9)


class Verdict(StrEnum):
    """What to do."""

    GIVE = "give"
    WAIT = "wait"  # rain is on its way and may do
    NONE = "none"  # nothing wanted for a week
    STRESS = "stress"  # a rainfed crop is thirsty; nothing to do about it
    RIPE = "ripe"  # it ripens: water no longer pays


@dataclass(frozen=True, slots=True)
class WaterAdvice:
    """``by_day`` (since 1970-01-01) is the last day before the crop suffers, None where it does not
    in the days that are forecast, ``first_by_day`` the earliest in the range.

    ``net_mm`` the soil is to get, ``mm`` is what must leave the pump for it, with its range
    ``low_mm`` to ``high_mm``; NaN where nothing is to be given.  ``later_mm`` the soil lacks beyond
    what can be given at once.  ``rain_mm`` is what is expected in the next
    seven days, ``stress`` the mean share of its water that the crop gets in them (1: all).
    """

    verdict: Verdict
    by_day: int | None
    first_by_day: int | None
    net_mm: float
    mm: float
    low_mm: float
    high_mm: float
    later_mm: float
    rain_mm: float
    stress: float


def advise(
    season: SeasonWater, *, efficiencies: tuple[float, float, float] | None = None
) -> WaterAdvice:
    """The advice of the day; ``efficiencies`` are the middle one, the best and the worst, where
    the way of watering is not known.  A case without a method is rainfed."""
    now, days = season.today, season.days
    ends = min(now + AHEAD_DAYS, len(days))
    rain = float(season.rain[0, now:ends].sum())
    stress = float(season.balance.ks[0, now:ends].mean())
    need = _first_need(season)
    by_day = int(days[need[0]]) if need[0] < len(days) else None
    early = int(weighted(need.astype(float), season.weights, (RANGE[0],))[0])
    first = int(days[early]) if early < len(days) else None
    nothing = (math.nan, math.nan, math.nan, math.nan, 0.0)
    if _ripe(season, by_day):
        return WaterAdvice(Verdict.RIPE, by_day, first, *nothing, rain, stress)
    if season.case.method is None:
        verdict = Verdict.STRESS if stress < STRESS else Verdict.NONE
        return WaterAdvice(verdict, by_day, first, *nothing, rain, stress)
    if by_day is None or need[0] >= now + AHEAD_DAYS:
        waits = rain >= LEAST_RAIN_MM and _dry_need(season, need) < now + RAIN_WITHIN_DAYS
        verdict = Verdict.WAIT if waits else Verdict.NONE
        return WaterAdvice(verdict, by_day, first, *nothing, rain, stress)
    amounts = _amounts(season, int(need[0]), efficiencies)
    verdict = Verdict.GIVE if amounts[0] >= LEAST_MM else Verdict.WAIT
    said = amounts if verdict is Verdict.GIVE else nothing
    return WaterAdvice(verdict, by_day, first, *said, rain, stress)


def _ripe(season: SeasonWater, by_day: int | None) -> bool:
    """Whether the crop ripens by the day on which it would want water, or does so already."""
    day = int(season.days[season.today]) if by_day is None else by_day
    return day - season.case.start_day >= season.case.crop.ripe_after


def _first_need(season: SeasonWater) -> NDArray[np.int64]:
    """Place of the first day of each member, (members,), on whose evening the readily available
    water is used up; the number of days where there is none."""
    found = season.balance.depletion > season.balance.raw
    found[:, : season.today] = False
    first: NDArray[np.int64] = found.argmax(axis=1)
    first[~found.any(axis=1)] = found.shape[1]
    return first


def _dry_need(season: SeasonWater, need: NDArray[np.int64]) -> int:
    """The same if no rain comes: of the member that differs from the middle in rain alone."""
    return int(need[1])


def _amounts(
    season: SeasonWater, at: int, efficiencies: tuple[float, float, float] | None
) -> tuple[float, float, float, float, float]:
    """Net mm, and mm with their range, that fill the roots' soil on the day at that place, and what
    is left for later because it is too much for once.

    Room is left for rain that is expected within three days after it."""
    method = season.case.method
    if method is None:
        raise ValueError("a rainfed field is given nothing")
    after = season.rain[:, at + 1 : at + 1 + RAIN_WITHIN_DAYS].sum(axis=1)
    lacking = season.balance.depletion[:, at] - after
    wanted = np.clip(lacking, 0, method.most_mm)
    low, high = weighted(wanted, season.weights, RANGE)
    middle, best, worst = efficiencies or (method.efficiency,) * 3
    mm = float(wanted[0]) / middle
    ends = min(float(low) / best, mm), max(float(high) / worst, mm)
    return float(wanted[0]), mm, *ends, max(float(lacking[0] - wanted[0]), 0.0)
