"""Moroccan national wheat: does what Spain taught hold there, and how much harder do seasons bite?

The regions' NDVI has no crop mask and comes from files without a licence: they serve to judge and
to tune one number a horizon, and are never shipped.  Regions weigh by the square of how much they
green up, which leaves the desert out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from field_data.types import HORIZONS
from models.training.yield_data import Row, YieldSet
from models.training.yield_fit import Fold, features_of

Floats = NDArray[np.float64]
# What a national season still varies (share), and how far the slope may be from Spain's.
LUCK, SLOPE_SD = 0.17, 0.7


@dataclass(frozen=True, slots=True)
class Adapted:
    """``level_t_ha`` of a usual season, and ``slope`` of the shift, from national harvests."""

    level_t_ha: float
    slope: float
    usual_shift: float

    def forecast(self, shift: float) -> float:
        """t/ha of a season with this shift."""
        return max(self.level_t_ha * (1 + self.slope * (shift - self.usual_shift)), 0.0)


def adapt(shifts: Floats, harvests: Floats, slope_sd: float = SLOPE_SD) -> Adapted:
    """Level and slope from seasons [n]; the slope is drawn towards Spain's, 1, as a normal prior
    of spread ``slope_sd`` draws it."""
    level, usual = float(harvests.mean()), float(shifts.mean())
    away, anomaly = shifts - usual, harvests / level - 1
    seen, before = float(away @ away) / LUCK**2, 1 / slope_sd**2
    slope = (float(away @ anomaly) / LUCK**2 + before) / (seen + before)
    return Adapted(level, slope, usual)


def national_shifts(
    fold: Fold, data: YieldSet, years: Sequence[int], horizon: str, archive: Collection[int]
) -> dict[int, float]:
    """The nation's shift in each year, from a fold fitted to NDVI alone."""
    regions = sorted(data.seen)
    green = [np.nanmean(list(data.seen[r]["ndvi"].values()), axis=0) for r in regions]
    weights = np.array([float(np.ptp(one)) ** 2 for one in green])
    found = {}
    for year in years:
        rows = [Row(region, year, 0.0) for region in regions]
        held = set(archive) - {year}
        shifts = fold.arms["ndvi", horizon].shift(features_of(data, rows, horizon, held))
        found[year] = float(shifts @ weights / weights.sum())
    return found


def harvests_of(data: YieldSet) -> dict[int, float]:
    """National harvests of the years that a satellite saw, t/ha by year."""
    seen = {year for region in data.seen.values() for year in region["ndvi"]}
    return {row.year: row.t_ha for row in data.rows if row.year in seen}


def judge_morocco(
    fold: Fold, data: YieldSet, horizons: Sequence[str] = HORIZONS
) -> dict[str, dict[int, dict[str, float]]]:
    """Each year from all others, t/ha by horizon and year: truth, model, and the rules beside it.

    ``plain`` is Spain's slope untouched; ``mean`` the mean of the other years since 1991; ``trend``
    the straight line through them.
    """
    known = harvests_of(data)
    years = sorted(known)
    old = {row.year: row.t_ha for row in data.rows if row.year >= 1991}
    said: dict[str, dict[int, dict[str, float]]] = {}
    for horizon in horizons:
        said[horizon] = {}
        for year in years:
            others = [other for other in years if other != year]
            shifts = national_shifts(fold, data, years, horizon, others)
            adapted = adapt(_of(shifts, others), _of(known, others))
            said[horizon][year] = {
                "truth": known[year],
                "model": adapted.forecast(shifts[year]),
                "plain": Adapted(adapted.level_t_ha, 1.0, adapted.usual_shift).forecast(
                    shifts[year]
                ),
                **_rules(old, year),
            }
    return said


def _rules(old: Mapping[int, float], year: int) -> dict[str, float]:
    years = np.array([other for other in old if other != year])
    values = np.array([old[int(other)] for other in years])
    line = np.polyfit(years - year, values, 1)
    return {"mean": float(values.mean()), "trend": float(line[1])}


def slopes(fold: Fold, data: YieldSet) -> dict[str, float]:
    """The slope of each horizon, from all years."""
    known = harvests_of(data)
    years = sorted(known)
    found = {}
    for horizon in HORIZONS:
        shifts = national_shifts(fold, data, years, horizon, years)
        found[horizon] = adapt(_of(shifts, years), _of(known, years)).slope
    return found


def _of(values: Mapping[int, float], years: Sequence[int]) -> Floats:
    return np.array([values[year] for year in years])
