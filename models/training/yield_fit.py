"""Fitting the yield model: how much better or worse than usual a season is, from what was seen.

Two models of different temper are averaged.  Ridge regression on means of two months and of each
spring month cannot be led astray by noise; extra-trees on the half months find that a late spring
counts double after a dry winter.  Both are fitted twice: to NDVI and FPAR together, and to NDVI
alone, which is all that a node has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from field_data.errors import KeeperError
from field_data.types import HORIZONS
from models.training.yield_data import Row, YieldSet
from models.yield_levels import Harvest, Level, Prior, level
from sat_ingest.yield_features import GROUPS, NAMES, from_halves

Floats = NDArray[np.float64]
Features = NDArray[np.float32]

SEED = 20261125
# Chosen by leave-one-year-out (docs/yield-model.md); flat around these values.
ALPHA, TREES, LEAF, SHARE = 1.5, 50, 5, 0.5
# What ridge looks at; trees look at everything.
SUMMARIES = [i for i, name in enumerate(NAMES) if name.split("_", 1)[1] in (*GROUPS, *HORIZONS)]
ARMS: Mapping[str, tuple[str, ...]] = {"both": ("ndvi", "fpar"), "ndvi": ("ndvi",)}
# Spread of seasons around usual (share), before and after the model spoke, and how far a usual
# yield wanders in a year; leave-one-year-out is flat around these, too.
UNSEEN_SD, SEASON_SD, DRIFT = 0.30, 0.15, 0.12
_TINY_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class Arm:
    """One horizon's two models on one choice of columns; predictions are shares of the level."""

    columns: NDArray[np.int64]
    weights: Floats
    intercept: float
    trees: Any

    def shift(self, features: Features) -> Floats:
        """Forecast of rows [n, len(NAMES)], NaN as usual, float64 [n]."""
        filled = np.nan_to_num(features)
        straight = filled.astype(np.float64) @ self.weights + self.intercept
        said: Floats = (straight + self.trees.predict(filled[:, self.columns])) / 2
        return said


def need_sklearn() -> None:
    """scikit-learn is there.

    Raises:
        KeeperError: ``no_sklearn``, saying how to get it.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise KeeperError(
            "no_sklearn", "fitting needs scikit-learn: pip install 'ghalla[yield]'"
        ) from error


def columns_of(arm: str) -> NDArray[np.int64]:
    """Where the columns of an arm's sources stand in NAMES."""
    sources = ARMS[arm]
    return np.array([i for i, name in enumerate(NAMES) if name.split("_", 1)[0] in sources])


def fit_arm(arm: str, features: Features, shifts: Floats, weights: Floats) -> Arm:
    """Fit one horizon: ``features`` [n, len(NAMES)] with NaN, ``shifts`` and ``weights`` [n]."""
    from sklearn.ensemble import ExtraTreesRegressor

    columns = columns_of(arm)
    filled = np.nan_to_num(features)
    straight = np.array([i for i in SUMMARIES if i in set(columns.tolist())])
    slope, intercept = ridge(filled[:, straight].astype(np.float64), shifts, weights, ALPHA)
    whole = np.zeros(len(NAMES))
    whole[straight] = slope
    trees = ExtraTreesRegressor(
        TREES, min_samples_leaf=LEAF, max_features=SHARE, random_state=SEED, n_jobs=1
    ).fit(filled[:, columns], shifts, sample_weight=weights)
    return Arm(columns, whole, intercept, trees)


def ridge(x: Floats, y: Floats, weights: Floats, alpha: float) -> tuple[Floats, float]:
    """Slopes and intercept of least squares with a penalty alpha on the slopes."""
    share = weights / weights.sum()
    centre, middle = share @ x, float(share @ y)
    away = x - centre
    normal = (away.T * weights) @ away + alpha * np.eye(x.shape[1])
    slope: Floats = np.linalg.solve(normal, (away.T * weights) @ (y - middle))
    return slope, middle - float(centre @ slope)


def features_of(
    data: YieldSet, rows: Sequence[Row], horizon: str, archive: Collection[int] | None
) -> Features:
    """Features of rows [n, len(NAMES)]; ``archive`` as in `sat_ingest.yield_features.features`."""
    found = [from_halves(data.seen.get(r.place, {}), r.year, horizon, archive) for r in rows]
    return np.array(found, np.float32).reshape(len(rows), len(NAMES))


@dataclass(frozen=True, slots=True)
class Fold:
    """What was learnt from ``rows``: a model a horizon, and what is usual."""

    rows: tuple[Row, ...]
    arms: Mapping[tuple[str, str], Arm]
    prior: Prior
    hindsight: Mapping[tuple[str, int], float]

    def level(self, place: str, year: int, most: int | None = None) -> Level:
        """The usual yield of a place in ``year``, from its harvests in this fold."""
        own = [row for row in self.rows if row.place == place][-most if most else None :]
        return level(self.prior, [self._harvest(row, year) for row in own])

    def _harvest(self, row: Row, year: int) -> Harvest:
        shift = self.hindsight.get((row.place, row.year))
        noise = 0.0 if row.counted else 0.5 * row.t_ha
        return Harvest(row.t_ha, noise, shift, row.year - year)


def fit(
    data: YieldSet,
    rows: Sequence[Row],
    archive: Collection[int] | None,
    arms: Sequence[str] = ("both",),
    horizons: Sequence[str] = HORIZONS,
) -> Fold:
    """Learn from ``rows``: levels first, then shifts against them, then levels in hindsight.

    ``archive``: the seasons that features are held against.
    """
    prior = prior_of(rows)
    first = Fold(tuple(rows), {}, prior, {})
    seen = [row for row in rows if data.looked_at(row)]
    whole = features_of(data, seen, HORIZONS[-1], archive)
    weights = np.array([1.0 if row.counted else _TINY_WEIGHT for row in seen])
    guess = _shifts(first, seen)
    # A straight line in hindsight is enough to take the season's luck out of a harvest.
    filled = np.nan_to_num(whole[:, SUMMARIES]).astype(np.float64)
    slope, intercept = ridge(filled, guess, weights, ALPHA)
    luck = filled @ slope + intercept
    keys = [(row.place, row.year) for row in seen]
    better = Fold(tuple(rows), {}, prior, dict(zip(keys, map(float, luck), strict=True)))
    shifts = _shifts(better, seen)
    found = {}
    for horizon in horizons:
        own = whole if horizon == HORIZONS[-1] else features_of(data, seen, horizon, archive)
        for arm in arms:
            found[arm, horizon] = fit_arm(arm, own, shifts, weights)
    return Fold(tuple(rows), found, prior, better.hindsight)


def _shifts(fold: Fold, rows: Sequence[Row]) -> Floats:
    """How far each harvest was from usual, a share."""
    usual = np.array([fold.level(row.place, row.year).mean_t_ha for row in rows])
    return np.array([row.t_ha for row in rows]) / usual - 1


def prior_of(rows: Sequence[Row]) -> Prior:
    """Mean and spread of the places' usual yields, each place weighing the same."""
    places = {row.place for row in rows}
    means = [np.mean([row.t_ha for row in rows if row.place == place]) for place in sorted(places)]
    spread = float(np.std(means)) if len(means) > 2 else 1.0
    return Prior(float(np.mean(means)), max(spread, 0.3), SEASON_SD, UNSEEN_SD, DRIFT)
