"""The usual yield of a place, learnt from its harvests: normal prior, normal noise.

Each harvest says what is usual once the season's own good or bad luck is taken out: a harvest of
0.8 t/ha in a season 20 % worse than usual speaks for 1.0.  What it says is uncertain by its own
measuring and by what the satellite did not see of the season; the prior (level and spread of other
places) holds until harvests outweigh it.  The sum of normal-normal updates is in any textbook
(Gelman et al. 2013, Bayesian Data Analysis, 3rd ed., section 2.5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

# A season cannot be worse than this against usual when a level is read from its harvest: dividing
# by almost nothing would make a ruined season shout.
LEAST_SHARE = 0.35
# t/ha; below this a place has no level to scale noise with.
LEAST_LEVEL = 0.1


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known before a harvest, shares of the level except the first two.

    mean_t_ha, sd_t_ha: usual yields of places nobody here has harvested, and their spread.
    season_sd: what seasons still vary once the model spoke; unseen_sd: what they vary where no
        satellite looked.
    drift: how far the usual yield itself wanders in a year (a random walk), so that old harvests
        say less.
    """

    mean_t_ha: float
    sd_t_ha: float
    season_sd: float
    unseen_sd: float
    drift: float = 0.0

    def __post_init__(self) -> None:
        if min(self.mean_t_ha, self.sd_t_ha, self.season_sd, self.unseen_sd) <= 0:
            raise ValueError("a prior is made of positive numbers")
        if self.drift < 0:
            raise ValueError("a drift is not negative")


@dataclass(frozen=True, slots=True)
class Harvest:
    """One harvest: t/ha, one standard deviation of its measuring, and its season's ``shift``
    against usual as the model saw it (None where it did not); ``apart`` is how many years lie
    between it and the season that is forecast."""

    t_ha: float
    sd_t_ha: float
    shift: float | None = None
    apart: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.t_ha < math.inf and 0 <= self.sd_t_ha < math.inf):
            raise ValueError("a harvest and its noise are not negative")


@dataclass(frozen=True, slots=True)
class Level:
    """The usual yield, t/ha, one standard deviation of it, and how many harvests speak in it."""

    mean_t_ha: float
    sd_t_ha: float
    n: int


def level(prior: Prior, harvests: Sequence[Harvest]) -> Level:
    """The level after the harvests; the prior's where there are none.

    What a season's luck is worth in t/ha scales with the level itself, so it is weighed twice: with
    the prior's level first, then with the one found.
    """
    found = _weighed(prior, harvests, prior.mean_t_ha)
    return _weighed(prior, harvests, found.mean_t_ha) if harvests else found


def declared(prior: Prior, usual_t_ha: float, sd_share: float) -> Prior:
    """The prior of a field whose farmer says what is usual, believed within ``sd_share`` of it.

    As it was said: usual yields of other countries are no reason to doubt a farmer.
    """
    usual = max(usual_t_ha, LEAST_LEVEL)
    return replace(prior, mean_t_ha=usual, sd_t_ha=sd_share * usual)


def _weighed(prior: Prior, harvests: Sequence[Harvest], about_t_ha: float) -> Level:
    weight = 1 / prior.sd_t_ha**2
    total = weight * prior.mean_t_ha
    for harvest in harvests:
        usual, sd = _usual(prior, harvest, max(about_t_ha, LEAST_LEVEL))
        weight += 1 / sd**2
        total += usual / sd**2
    return Level(total / weight, weight**-0.5, len(harvests))


def _usual(prior: Prior, harvest: Harvest, about_t_ha: float) -> tuple[float, float]:
    """The usual yield for which one harvest speaks, and its standard deviation."""
    share = max(1 + (harvest.shift or 0.0), LEAST_SHARE)
    luck = prior.unseen_sd if harvest.shift is None else prior.season_sd
    noise = math.hypot(harvest.sd_t_ha, luck * about_t_ha) / share
    wandered = prior.drift * about_t_ha * math.sqrt(abs(harvest.apart))
    return harvest.t_ha / share, math.hypot(noise, wandered)
