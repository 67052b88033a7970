"""Forecasts that were never fitted to what they are held against: by year, place and time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

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


def new_places(data: YieldSet, horizon: str = HORIZONS[-1]) -> dict[str, dict[int, list[Judged]]]:
    """Places that nothing was learnt from, in years that nothing was learnt from, after k harvests.

    The k harvests are other years of the place, drawn ten times.  Keys: "model" (level learnt in
    hindsight, times the season's shift) and "level" (the same harvests taken as they are, no
    model), then k.
    """
    rng = np.random.default_rng(SEED)
    found: dict[str, dict[int, list[Judged]]] = {
        kind: {k: [] for k in SHOTS} for kind in ("model", "level")
    }
    parts = {place: i % PARTS for i, place in enumerate(rng.permutation(data.places).tolist())}
    for year, rows in judged_years(data).items():
        archive = all_seasons(data) - {year}
        for part in range(PARTS):
            kept = [r for r in data.rows if r.year != year and parts[r.place] != part]
            fold = fit(data, kept, archive, ("both",), (horizon,))
            for row in (r for r in rows if parts[r.place] == part):
                _shots(found, data, fold, row, archive, rng, horizon)
    return found


def _shots(
    found: dict[str, dict[int, list[Judged]]],
    data: YieldSet,
    fold: Fold,
    row: Row,
    archive: Collection[int],
    rng: np.random.Generator,
    horizon: str,
) -> None:
    own = [r for r in data.rows if r.place == row.place and r.year != row.year]
    model = fold.arms["both", horizon]
    shifts = model.shift(features_of(data, [row, *own], horizon, archive))
    prior = local_prior(data, fold, row.place, archive)
    for k in SHOTS:
        if k > len(own):
            continue
        for _ in range(DRAWS if k else 1):
            picked = rng.choice(len(own), k, replace=False)
            told = [
                Harvest(own[i].t_ha, 0.0, float(shifts[i + 1]) if data.looked_at(own[i]) else None,
                        own[i].year - row.year)
                for i in picked
            ]  # fmt: skip
            plain = [Harvest(one.t_ha, one.sd_t_ha, None, one.apart) for one in told]
            for kind, usual, shift in (
                ("model", level(prior, told), float(shifts[0])),
                ("level", level(fold.prior, plain), 0.0),
            ):
                found[kind][k].append(
                    Judged(row.place, row.year, row.t_ha, usual.mean_t_ha, usual.sd_t_ha, shift)
                )


def local_prior(data: YieldSet, fold: Fold, place: str, archive: Collection[int]) -> Prior:
    """The prior of a place from how green its crops usually are, learnt from the fold's places."""
    places = sorted({row.place for row in fold.rows})
    green = np.array([usual_green(data, each, archive) for each in places])
    usual = np.array([np.mean([r.t_ha for r in fold.rows if r.place == each]) for each in places])
    whole = np.column_stack([np.ones(len(places)), green])
    penalty = np.diag([0.0, *[0.02] * green.shape[1]])
    slope = np.linalg.solve(whole.T @ whole + penalty, whole.T @ usual)
    off = usual - whole @ slope
    sd = float(np.sqrt(np.sum(off**2) / max(len(places) - 3, 1)))
    mean = float(np.array([1.0, *usual_green(data, place, archive)]) @ slope)
    p = fold.prior
    return Prior(max(mean, 0.5), sd, p.season_sd, p.unseen_sd, p.drift)


def usual_green(data: YieldSet, place: str, archive: Collection[int]) -> Floats:
    """Mean of each source in February to April and in May over the archive, [4]."""
    found = []
    for source in SOURCES:
        seasons = [v for y, v in data.seen[place][source].items() if y in archive]
        mean = np.nanmean(seasons, axis=0)
        found += [float(mean[8:14].mean()), float(mean[14:].mean())]
    return np.array(found)
