"""Moroccan national wheat: does what Spain taught hold there, and how much harder do seasons bite?

The regions' NDVI has no crop mask and comes from files without a licence: they serve to judge and
to tune one number a horizon, and are never shipped.  Regions weigh by the square of how much they
green up, which leaves the desert out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from field_data.types import HORIZONS
from models.training.yield_data import Row, YieldSet
from models.training.yield_fit import Features, Fold, features_of
from models.yield_evaluation import rmse

Floats = NDArray[np.float64]
# What a national season still varies (share), and how far the slope may be from Spain's.
LUCK, SLOPE_SD = 0.17, 0.7
# Fewer years before a forecast say nothing of what is usual.
LEAST_YEARS = 3
# What a model that saw NDVI alone says of rows of features: shifts [n].
Shift = Callable[[Features], Floats]


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
    shift: Shift, data: YieldSet, years: Sequence[int], horizon: str, archive: Collection[int]
) -> dict[int, float]:
    """The nation's shift in each year, against the seasons of ``archive``."""
    regions = sorted(data.seen)
    green = [_green(data.seen[region]["ndvi"], archive) for region in regions]
    weights = np.array([float(np.ptp(one)) ** 2 for one in green])
    found = {}
    for year in years:
        rows = [Row(region, year, 0.0) for region in regions]
        held = set(archive) - {year}
        shifts = shift(features_of(data, rows, horizon, held))
        found[year] = float(shifts @ weights / weights.sum())
    return found


def _green(seasons: Mapping[int, Floats], archive: Collection[int]) -> Floats:
    """Mean of each half month over the archive, where something was seen, [16]."""
    kept = np.array([v for year, v in seasons.items() if year in archive])
    seen = np.isfinite(kept)
    mean: Floats = np.nansum(kept, axis=0)[seen.any(axis=0)] / seen.sum(axis=0)[seen.any(axis=0)]
    return mean


def harvests_of(data: YieldSet) -> dict[int, float]:
    """National harvests of the years that a satellite saw, t/ha by year."""
    seen = {year for region in data.seen.values() for year in region["ndvi"]}
    return {row.year: row.t_ha for row in data.rows if row.year in seen}


def judge_morocco(
    shift: Shift,
    data: YieldSet,
    horizon: str,
    *,
    years: Sequence[int] | None = None,
    past: bool = False,
    slope: float | None = None,
) -> dict[int, dict[str, float]]:
    """Each of ``years`` (None: all) from all others, or only from those before it (``past``).

    By year, t/ha: truth, model, and the rules beside it.  ``plain`` is Spain's slope untouched;
    ``mean`` the mean of the other years since 1991; ``trend`` the straight line through them.
    ``slope`` None learns it from the others; one that is given stands.
    """
    known = harvests_of(data)
    old = {row.year: row.t_ha for row in data.rows if row.year >= 1991}
    said = {}
    for year in sorted(known) if years is None else years:
        others = [y for y in sorted(known) if (y < year if past else y != year)]
        if len(others) < LEAST_YEARS:
            continue
        shifts = national_shifts(shift, data, [*others, year], horizon, others)
        adapted = adapt(_of(shifts, others), _of(known, others))
        if slope is not None:
            adapted = replace(adapted, slope=slope)
        plain = replace(adapted, slope=1.0)
        rest = {y: t for y, t in old.items() if (y < year if past else y != year)}
        said[year] = {
            "truth": known[year],
            "model": adapted.forecast(shifts[year]),
            "plain": plain.forecast(shifts[year]),
            **_rules(rest, year),
        }
    return said


def errors(said: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    """RMSE of the model and of each rule, t/ha, and the years themselves."""
    kinds = ("model", "plain", "mean", "trend")
    off = {k: np.array([one[k] - one["truth"] for one in said.values()]) for k in kinds}
    return {"years": sorted(said), **{k: rmse(each) for k, each in off.items() if len(each)}}


def _rules(old: Mapping[int, float], year: int) -> dict[str, float]:
    years = np.array(list(old))
    values = np.array([old[int(other)] for other in years])
    line = np.polyfit(years - year, values, 1)
    return {"mean": float(values.mean()), "trend": float(line[1])}


def slopes(fold: Fold, data: YieldSet) -> dict[str, float]:
    """The slope of each horizon, from all years."""
    known = harvests_of(data)
    years = sorted(known)
    found = {}
    for horizon in HORIZONS:
        shifts = national_shifts(fold.arms["ndvi", horizon].shift, data, years, horizon, years)
        found[horizon] = adapt(_of(shifts, years), _of(known, years)).slope
    return found


def _of(values: Mapping[int, float], years: Sequence[int]) -> Floats:
    return np.array([values[year] for year in years])
