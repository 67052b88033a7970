"""How good a node's forecasts were: each held against the harvest that came, by the node itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from field_data.forecast_log import Kept
from field_data.harvests import Harvest
from field_data.types import HORIZONS, Trust, YieldForecast

# Forecast and harvest of the same field: before so many, from so many seasons (errors of one year
# go together), a node does not call itself validated.
LEAST_PAIRS = 30
LEAST_SEASONS = 3
SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Score:
    """A forecast in t/ha and the harvest that came; ``foresight``: made before the field was cut,
    by a clock that can be believed."""

    forecast: YieldForecast
    harvest: Harvest
    foresight: bool

    @property
    def error_t_ha(self) -> float:
        """Forecast less harvest."""
        return (self.forecast.t_ha_p50 or 0.0) - self.harvest.t_ha

    @property
    def usual_error_t_ha(self) -> float:
        """What the usual yield alone would have been wrong by."""
        return (self.forecast.level_t_ha or 0.0) - self.harvest.t_ha

    @property
    def inside(self) -> bool:
        """Whether the harvest lies in the range that should hold it four times in five."""
        low, high = self.forecast.t_ha_p10 or 0.0, self.forecast.t_ha_p90 or 0.0
        return low <= self.harvest.t_ha <= high


@dataclass(frozen=True, slots=True)
class Skill:
    """Of ``n`` pairs from ``seasons``: root mean square errors of forecasts and of the usual yield,
    the share of harvests inside the 80 % range, and its mean width; NaN without pairs."""

    n: int
    seasons: int
    rmse_t_ha: float
    usual_rmse_t_ha: float
    coverage: float
    width_t_ha: float

    @property
    def validated(self) -> bool:
        """Whether there are enough pairs for a judgement of this node's fields."""
        return self.n >= LEAST_PAIRS and self.seasons >= LEAST_SEASONS


def scores(kept: Iterable[Kept], harvests: Sequence[Harvest]) -> list[Score]:
    """Each harvest with the last forecast of each horizon for a day before it, by time.

    Forecasts without t/ha cannot be held against anything.
    """
    given = {(h.field, h.season_year): h for h in harvests}
    last: dict[tuple[str, int, str], Kept] = {}
    for each in kept:
        said = each.forecast
        harvest = given.get((said.field, said.season_year))
        if harvest is not None and said.t_ha_p50 is not None and said.as_of < harvest.day:
            last[said.field, said.season_year, said.horizon] = each
    found = [_score(each, given[field, year]) for (field, year, _), each in last.items()]
    return sorted(
        found, key=lambda s: (s.harvest.season_year, s.forecast.field, s.forecast.horizon)
    )


def _score(kept: Kept, harvest: Harvest) -> Score:
    made = kept.made
    before = made.trust is not Trust.UNKNOWN and _day(made.utc_s) <= harvest.day
    return Score(kept.forecast, harvest, before)


def _day(utc_s: float) -> date:
    return datetime.fromtimestamp(utc_s, UTC).date()


def skill(scored: Sequence[Score]) -> Skill:
    """The figures of some scores, one pair a forecast."""
    return Skill(
        n=len(scored),
        seasons=len({s.harvest.season_year for s in scored}),
        rmse_t_ha=_rms([s.error_t_ha for s in scored]),
        usual_rmse_t_ha=_rms([s.usual_error_t_ha for s in scored]),
        coverage=_mean([float(s.inside) for s in scored]),
        width_t_ha=_mean(
            [(s.forecast.t_ha_p90 or 0.0) - (s.forecast.t_ha_p10 or 0.0) for s in scored]
        ),
    )


def by_horizon(scored: Iterable[Score]) -> Mapping[str, Skill]:
    """The figures of each horizon, forecasts made in time only."""
    early = [s for s in scored if s.foresight]
    return {h: skill([s for s in early if s.forecast.horizon == h]) for h in HORIZONS}


def running(scored: Iterable[Score]) -> Skill:
    """The figures of the last forecast in time of each field and season: what validates a node."""
    last = {(s.forecast.field, s.harvest.season_year): s for s in scored if s.foresight}
    return skill(list(last.values()))


def _rms(errors: Sequence[float]) -> float:
    return math.sqrt(_mean([error**2 for error in errors]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
