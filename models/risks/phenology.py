"""When stages of an insect come: warmth added up since a beginning, with the range of dates.

The range comes from three things together: the thermometer of the weather is not the field's and a
forecast errs; populations need more or less warmth (``spread``); the beginning lies between two
readings of a trap.  All lean to one side at once, so the range is wide rather than narrow; how
often it holds is measured by `tests/bench/bench_risks.py`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from field_data.weather import DayWeather, Origin
from models.risks.definition import RiskModel, Stage
from models.risks.degree_days import degree_days

# How far the mean of several days may lie from what the field felt, °C: choices of ours.
ERROR_C = {
    Origin.GAUGE: 0.5,
    Origin.OBSERVED: 0.5,
    Origin.REANALYSIS: 0.8,
    Origin.FORECAST: 1.5,
    Origin.BRIDGED: 1.5,
    Origin.CLIMATOLOGY: 2.0,
    Origin.NONE: 2.0,
}
# Days without temperature in a row that are bridged by a straight line; more, and nothing is said.
LONGEST_GAP = 5


@dataclass(frozen=True, slots=True)
class Heat:
    """Temperatures of a place: ``first`` counts from 1970-01-01; arrays [days], °C.

    ``error_c`` is how far a day may be off, with its neighbours to the same side.  Days of a gap
    that is too long are NaN, and so is every sum across it.
    """

    first: int
    tmin: NDArray[np.float64]
    tmax: NDArray[np.float64]
    error_c: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Beginning:
    """When adding up begins: between ``low`` and ``high``, most likely on ``day``; ``how`` is
    ``trap``, ``sighting``, ``sowing`` or ``date``."""

    day: int
    low: int
    high: int
    how: str


@dataclass(frozen=True, slots=True)
class StageDate:
    """When a stage comes: ``day`` and its range; None where it lies beyond the days known."""

    stage: Stage
    generation: int
    day: int | None
    low: int | None
    high: int | None


def heat_of(days: Sequence[DayWeather]) -> Heat:
    """The temperatures of contiguous days, short gaps bridged."""
    tmin = np.array([each.tmin_c for each in days], float)
    tmax = np.array([each.tmax_c for each in days], float)
    error = np.array([ERROR_C[each.origin] for each in days], float)
    unknown = ~(np.isfinite(tmin) & np.isfinite(tmax) & (tmin <= tmax))
    tmin, tmax = _bridged(tmin, unknown), _bridged(tmax, unknown)
    error[unknown] = np.maximum(error[unknown], ERROR_C[Origin.BRIDGED])
    return Heat(days[0].day if days else 0, tmin, tmax, error)


def _bridged(values: NDArray[np.float64], unknown: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Gaps of up to `LONGEST_GAP` days filled; what is unknown at either end stays so."""
    known = np.flatnonzero(~unknown)
    filled = np.where(unknown, np.nan, values)
    for before, after in itertools.pairwise(known):
        if 1 < after - before <= LONGEST_GAP + 1:
            ends = values[before], values[after]
            filled[before : after + 1] = np.linspace(*ends, after - before + 1)
    return filled


def stage_dates(model: RiskModel, heat: Heat, beginning: Beginning) -> tuple[StageDate, ...]:
    """The stages of all generations, in order, as far as the days known reach.

    Ends with the first stage that is not reached; empty where the beginning is not among the days.
    """
    starts = (beginning.low, beginning.day, beginning.high)
    sums = [_sums(model, heat, start, side) for start, side in zip(starts, (1, 0, -1), strict=True)]
    share = (1 - model.spread, 1.0, 1 + model.spread)
    cases = [
        (s, start, by) for s, start, by in zip(sums, starts, share, strict=True) if s is not None
    ]
    found: list[StageDate] = []
    if len(cases) < len(sums):
        return ()
    for generation in range(model.generations):
        for stage in model.stages:
            total = generation * model.generation + stage.total
            low, day, high = (_reached(s, total * by, start) for s, start, by in cases)
            found.append(StageDate(stage, generation + 1, day, low, high))
            if low is None:
                return tuple(found)
    return tuple(found)


def warmth_since(model: RiskModel, heat: Heat, start: int, until: int) -> float:
    """Degree-days from a day to before another; NaN where that is not known."""
    sums = _sums(model, heat, start, 0)
    place = until - start - 1
    if sums is None or not -1 <= place < len(sums):
        return math.nan
    return float(sums[place]) if place >= 0 else 0.0


def _sums(model: RiskModel, heat: Heat, start: int, side: int) -> NDArray[np.float64] | None:
    """Degree-days from ``start`` to the end of each day, warmer or colder by the error."""
    place = start - heat.first
    if not 0 <= place < len(heat.tmin) or model.warmth is None:
        return None
    tmin = heat.tmin[place:] + side * heat.error_c[place:]
    tmax = heat.tmax[place:] + side * heat.error_c[place:]
    warmth = model.warmth
    return np.cumsum(degree_days(tmin, tmax, warmth.lower_c, warmth.upper_c, warmth.method))


def _reached(sums: NDArray[np.float64], total: float, start: int) -> int | None:
    """The day on which the sum is reached, None where it is not before the first unknown day."""
    known = sums[np.isfinite(sums)]
    place = int(np.searchsorted(known, total - 1e-9))
    return start + place if place < len(known) else None
