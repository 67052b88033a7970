"""Figures on yield forecasts: how far off, how often the range held, how much better than a rule.

Years, not harvests, are what is drawn anew for intervals: the provinces of one year share a
drought.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.yield_intervals import quantile, spread
from models.yield_manifest import Horizon

Floats = NDArray[np.float64]
SEED, DRAWS = 20261125, 1000
SHARES = (80, 90)
# Nobody knows a season better than this, a share.
LEAST_SD = 0.05


@dataclass(frozen=True, slots=True)
class Judged:
    """One forecast beside its harvest: t/ha, the level and its doubt, the shift as a share."""

    place: str
    year: int
    t_ha: float
    level_t_ha: float
    level_sd: float
    shift: float

    @property
    def forecast(self) -> float:
        """The middle of the range, t/ha."""
        return max(1 + self.shift, 0.0) * self.level_t_ha


def years_of(judged: Sequence[Judged]) -> NDArray[np.int64]:
    """The year of each."""
    return np.array([one.year for one in judged], np.int64)


def rmse(off: Floats) -> float:
    """Root of the mean square of errors, t/ha."""
    return float(np.sqrt(np.mean(off**2)))


def accuracy(truth: Floats, said: Floats) -> dict[str, float]:
    """RMSE and bias in t/ha; NRMSE and MAPE in percent; R2 against the mean of all harvests.

    NRMSE is RMSE over the mean harvest, as CY-Bench prints it.
    """
    off = said - truth
    whole = float(np.sum((truth - truth.mean()) ** 2))
    return {
        "n": len(truth),
        "rmse": rmse(off),
        "nrmse_percent": 100 * rmse(off) / float(truth.mean()),
        "mape_percent": 100 * float(np.mean(np.abs(off) / np.maximum(truth, 0.1))),
        "r2": 1 - float(np.sum(off**2)) / whole if whole > 0 else float("nan"),
        "bias": float(off.mean()),
    }


def drawn_years(
    years: NDArray[np.int64], figure: Callable[[NDArray[np.int64]], float]
) -> tuple[float, float]:
    """95 % interval of ``figure(rows)`` when whole years are drawn anew."""
    rng = np.random.default_rng(SEED)
    own = [np.flatnonzero(years == year) for year in np.unique(years)]
    drawn = (rng.integers(len(own), size=len(own)) for _ in range(DRAWS))
    said = [figure(np.concatenate([own[i] for i in each])) for each in drawn]
    low, high = np.quantile(said, [0.025, 0.975])
    return float(low), float(high)


def skill(truth: Floats, said: Floats, rule: Floats, years: NDArray[np.int64]) -> dict[str, Any]:
    """1 - RMSE / RMSE of a rule, with its 95 % interval; above 0 is better than the rule."""

    def figure(rows: NDArray[np.int64]) -> float:
        return 1 - rmse((said - truth)[rows]) / rmse((rule - truth)[rows])

    low, high = drawn_years(years, figure)
    return {"skill": figure(np.arange(len(truth))), "interval": [low, high]}


def horizon_of(judged: Sequence[Judged]) -> Horizon:
    """The conformal ends for forecasts like these, of years that the model had not seen."""
    off = np.array([one.t_ha - one.forecast for one in judged])
    level = np.array([one.level_t_ha for one in judged])
    doubt = np.array([one.level_sd for one in judged])
    usual = float(level.mean())
    # The level's own doubt is in the errors, too; what is left is the season's.
    unseen = float(np.mean(off**2) - np.mean(doubt**2))
    season_sd = max(unseen, (LEAST_SD * usual) ** 2) ** 0.5 / usual
    plain = Horizon(season_sd, 1.0, 1.0, 1.0, 1.0, usual)
    scores, years = np.abs(off) / _spreads(judged, plain), years_of(judged)
    reach, reach90 = (quantile(scores, years, share / 100) for share in SHARES)
    return Horizon(season_sd, reach, reach, reach90, reach90, usual)


def _spreads(judged: Sequence[Judged], horizon: Horizon) -> Floats:
    return spread(
        np.array([one.shift for one in judged]),
        np.array([one.level_t_ha for one in judged]),
        np.array([one.level_sd for one in judged]),
        horizon,
    )


def ranges(
    judged: Sequence[Judged], horizon: Horizon, stretch: Floats | float = 1.0
) -> Mapping[int, tuple[Floats, Floats]]:
    """Ends of the 80 and the 90 % range, t/ha, each [n]; ``stretch`` as `stretch_of` gives it."""
    middle = np.array([one.forecast for one in judged])
    sd = stretch * _spreads(judged, horizon)
    ends = {80: (horizon.low, horizon.high), 90: (horizon.low90, horizon.high90)}
    return {
        share: (np.maximum(middle - low * sd, 0), middle + high * sd)
        for share, (low, high) in ends.items()
    }


def left_out_ranges(judged: Sequence[Judged]) -> Mapping[int, tuple[Floats, Floats]]:
    """The ranges each forecast would have had, their ends learnt from the other years alone."""
    years = years_of(judged)
    found = {share: (np.empty(len(judged)), np.empty(len(judged))) for share in SHARES}
    for year in np.unique(years):
        own = np.flatnonzero(years == year)
        others = [one for one in judged if one.year != year]
        said = ranges([judged[int(i)] for i in own], horizon_of(others))
        for share, ends in said.items():
            found[share][0][own], found[share][1][own] = ends
    return found


def coverage(judged: Sequence[Judged], said: Mapping[int, tuple[Floats, Floats]]) -> dict[str, Any]:
    """How often each range held, overall and by year, and how wide it was in t/ha."""
    truth, years = np.array([one.t_ha for one in judged]), years_of(judged)
    found: dict[str, Any] = {}
    for share, (low, high) in said.items():
        held = (low <= truth) & (truth <= high)
        by_year = {int(year): float(held[years == year].mean()) for year in np.unique(years)}
        found[str(share)] = {
            "coverage": float(held.mean()),
            "worst_year": min(by_year.values()),
            "mean_width": float(np.mean(high - low)),
            "by_year": by_year,
        }
    return found
