"""Ranges of yield that hold as often as they say: conformal, with whole years left out.

Errors of one year are not independent (a drought misleads the model everywhere at once), so the
quantiles are read from forecasts of years that the model did not see, each year with the same
weight however many places it has (CV+ by groups after Barber et al. 2021, Annals of Statistics
49(1), 486-507).  An error is measured in standard deviations of what is not known: the season's
luck, a share of the level, and the level itself, which k harvests narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.yield_levels import Level
from models.yield_manifest import Horizon

# A range is this much wider, per training range that an input lies outside, at most doubled.
MOST_STRETCH = 2.0
# Good land is steadier: luck grows with the root of the level.  Chosen with whole years left out:
# narrower at the same coverage in every month than growing with the level itself.
GROWS = 0.5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Range:
    """10th, 50th and 90th percentile, t/ha (or shares of the usual yield)."""

    low: float
    middle: float
    high: float


def luck(level: Floats, horizon: Horizon) -> Floats:
    """One standard deviation of a season's luck at places of a level, t/ha, [n].

    It grows with the level to the power GROWS.
    """
    share = np.maximum(level, 0) / horizon.at_t_ha
    found: Floats = horizon.season_sd * horizon.at_t_ha * share**GROWS
    return found


def spread(shift: Floats, level: Floats, level_sd: Floats, horizon: Horizon) -> Floats:
    """One standard deviation of a forecast, t/ha; ``shift`` a share, all [n]."""
    found: Floats = np.hypot(np.maximum(1 + shift, 0) * level_sd, luck(level, horizon))
    return found


def range_of(shift: float, level: Level, horizon: Horizon, stretch: float = 1.0) -> Range:
    """The 80 % range of a season ``shift`` against usual at a place of this level, t/ha.

    ``stretch`` from `stretch_of`.  Never below 0; never narrower than the level's own doubt allows.
    """
    middle = max(1 + shift, 0.0) * level.mean_t_ha
    row = (np.array([shift]), np.array([level.mean_t_ha]), np.array([level.sd_t_ha]))
    sd = stretch * float(spread(*row, horizon)[0])
    return Range(max(middle - horizon.low * sd, 0.0), middle, middle + horizon.high * sd)


def relative_range(shift: float, horizon: Horizon, stretch: float = 1.0) -> Range:
    """The same against usual, shares: what can be said where no level is known; never below -1."""
    usual = horizon.at_t_ha
    said = range_of(shift, Level(usual, 0.0, 0), horizon, stretch)
    return Range(said.low / usual - 1, said.middle / usual - 1, said.high / usual - 1)


def stretch_of(outside: float) -> float:
    """How much wider a range is for inputs ``outside`` the training's range, in such ranges."""
    return min(1.0 + outside, MOST_STRETCH)


def quantile(scores: Floats, years: NDArray[np.int64], share: float) -> float:
    """The least value that holds ``share`` of the scores, each year weighing the same.

    Raises:
        ValueError: no score.
    """
    if not len(scores):
        raise ValueError("no score to read a quantile from")
    counts = dict(zip(*np.unique(years, return_counts=True), strict=True))
    weight = np.array([1 / counts[year] for year in years])
    order = np.argsort(scores)
    reached = np.cumsum(weight[order]) / weight.sum()
    last = min(int(np.searchsorted(reached, share)), len(scores) - 1)
    return float(scores[order[last]])
