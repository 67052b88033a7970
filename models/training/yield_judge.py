"""Forecasts that were never fitted to what they are held against: by year, place and time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from field_data.types import HORIZONS
from models.training.yield_data import Row, YieldSet
from models.training.yield_fit import Fold, features_of, fit
from models.yield_evaluation import Judged
from models.yield_levels import Harvest, Prior, level
from sat_ingest.yield_features import SOURCES

Floats = NDArray[np.float64]
# By arm and horizon.
Forecasts = Mapping[tuple[str, str], list[Judged]]
SEED, DRAWS, PARTS = 20261125, 10, 7
FIRST_ROLLING = 6
SHOTS = (0, 1, 2, 5)
LEAST_PLACES = 6


def judge_rows(
    data: YieldSet, fold: Fold, rows: Sequence[Row], archive: Collection[int]
) -> dict[tuple[str, str], list[Judged]]:
    """What a fold says of rows that it has not seen, by arm and horizon."""
    levels = [fold.level(row.place, row.year) for row in rows]
    found = {}
    for (arm, horizon), model in fold.arms.items():
        shifts = model.shift(features_of(data, rows, horizon, archive))
        found[arm, horizon] = [
            Judged(row.place, row.year, row.t_ha, usual.mean_t_ha, usual.sd_t_ha, float(shift))
            for row, usual, shift in zip(rows, levels, shifts, strict=True)
        ]
    return found


def all_seasons(data: YieldSet) -> set[int]:
    """Every season that a satellite saw anywhere."""
    return {y for place in data.seen.values() for seasons in place.values() for y in seasons}


def judged_years(data: YieldSet) -> dict[int, list[Row]]:
    """The rows that count, by year: those with a whole season of satellite data."""
    first = min(all_seasons(data))
    rows = [r for r in data.rows if r.counted and r.year > first and data.looked_at(r)]
    return {year: [r for r in rows if r.year == year] for year in sorted({r.year for r in rows})}


def leave_year_out(data: YieldSet, arms: Sequence[str] = ("both", "ndvi")) -> Forecasts:
    """Every year forecast from all others; its own observations are in nobody's archive."""
    found: dict[tuple[str, str], list[Judged]] = {}
    for year, rows in judged_years(data).items():
        archive = all_seasons(data) - {year}
        fold = fit(data, [r for r in data.rows if r.year != year], archive, arms)
        _gather(found, judge_rows(data, fold, rows, archive))
    return found


def rolling(data: YieldSet, arms: Sequence[str] = ("both", "ndvi")) -> Forecasts:
    """Every year forecast from the years before it, as it would have been then."""
    found: dict[tuple[str, str], list[Judged]] = {}
    years = judged_years(data)
    for year in list(years)[FIRST_ROLLING:]:
        archive = {season for season in all_seasons(data) if season < year}
        fold = fit(data, [r for r in data.rows if r.year < year], archive, arms)
        known = {r.place for r in fold.rows}
        rows = [r for r in years[year] if r.place in known]
        _gather(found, judge_rows(data, fold, rows, archive))
    return found


def _gather(found: dict[tuple[str, str], list[Judged]], more: Forecasts) -> None:
    for key, judged in more.items():
        found.setdefault(key, []).extend(judged)


def new_places(
    data: YieldSet, strict: bool, horizon: str = HORIZONS[-1]
) -> dict[str, dict[int, list[Judged]]]:
    """Forecasts of places that nothing was learnt from, after k local harvests, by kind and k.

    ``strict`` leaves the forecast's year out of the training, too.  Kinds: "model" (the k harvests
    just before, each taken in hindsight of its season, times the season's shift), "drawn" (the same
    with k other years, drawn ten times) and "level" (the harvests just before as they are).
    """
    rng = np.random.default_rng(SEED)
    found: dict[str, dict[int, list[Judged]]] = {
        kind: {k: [] for k in SHOTS} for kind in ("model", "drawn", "level")
    }
    order = rng.permutation(data.places).tolist()
    for part in range(PARTS):
        left = set(order[part::PARTS])
        fold = None
        for year, rows in judged_years(data).items():
            archive = all_seasons(data) - {year}
            if strict or fold is None:
                kept = [r for r in data.rows if r.place not in left]
                kept = [r for r in kept if r.year != year] if strict else kept
                known = archive if strict else all_seasons(data)
                fold = fit(data, kept, known, ("both",), (horizon,))
            for row in (r for r in rows if r.place in left):
                _shots(found, data, fold, row, archive, rng)
    return found


def _shots(
    found: dict[str, dict[int, list[Judged]]],
    data: YieldSet,
    fold: Fold,
    row: Row,
    archive: Collection[int],
    rng: np.random.Generator,
) -> None:
    own = [r for r in data.rows if r.place == row.place and r.year != row.year]
    ((_, horizon), model) = next(iter(fold.arms.items()))
    shifts = model.shift(features_of(data, [row, *own], horizon, archive))
    told = [
        Harvest(one.t_ha, 0.0, float(shift) if data.looked_at(one) else None, one.year - row.year)
        for one, shift in zip(own, shifts[1:], strict=True)
    ]
    before = [one for one in told if one.apart < 0]
    prior = local_prior(data, fold, row.place, archive)

    def said(kind: str, k: int, known: Prior, harvests: Sequence[Harvest], shift: float) -> None:
        usual = level(known, harvests)
        found[kind][k].append(
            Judged(row.place, row.year, row.t_ha, usual.mean_t_ha, usual.sd_t_ha, shift)
        )

    for k in SHOTS:
        if k <= len(before):
            recent = before[len(before) - k :]
            said("model", k, prior, recent, float(shifts[0]))
            said("level", k, fold.prior, [replace(one, shift=None) for one in recent], 0.0)
        for _ in range(DRAWS if 0 < k <= len(told) else 0):
            drawn = [told[i] for i in rng.choice(len(told), k, replace=False)]
            said("drawn", k, prior, drawn, float(shifts[0]))


def local_prior(data: YieldSet, fold: Fold, place: str, archive: Collection[int]) -> Prior:
    """The prior of a place from how green its crops usually are, learnt from the fold's places;
    the fold's own where that is not known of it."""
    here = usual_green(data, place, archive)
    green = {p: usual_green(data, p, archive) for p in sorted({row.place for row in fold.rows})}
    known = {p: g for p, g in green.items() if np.isfinite(g).all()}
    if not np.isfinite(here).all() or len(known) < LEAST_PLACES:
        return fold.prior
    usual = np.array([np.mean([r.t_ha for r in fold.rows if r.place == p]) for p in known])
    whole = np.column_stack([np.ones(len(known)), np.array(list(known.values()))])
    penalty = np.diag([0.0, *[0.02] * len(here)])
    slope = np.linalg.solve(whole.T @ whole + penalty, whole.T @ usual)
    sd = float(np.sqrt(np.sum((usual - whole @ slope) ** 2) / (len(known) - 3)))
    mean = float(np.array([1.0, *here]) @ slope)
    return replace(fold.prior, mean_t_ha=max(mean, 0.5), sd_t_ha=max(sd, 0.3))


def usual_green(data: YieldSet, place: str, archive: Collection[int]) -> Floats:
    """Mean of each source in February to April and in May over the archive, [4], or NaN."""
    found = []
    for source in SOURCES:
        seasons = data.seen.get(place, {}).get(source, {})
        kept = np.array([v for year, v in seasons.items() if year in archive])
        seen = np.isfinite(kept)
        if not len(kept) or not seen.any(axis=0)[8:].all():
            return np.full(2 * len(SOURCES), np.nan)
        mean = np.nansum(kept, axis=0) / np.maximum(seen.sum(axis=0), 1)
        found += [float(mean[8:14].mean()), float(mean[14:].mean())]
    return np.array(found)
