"""A field's season from its figures: the curve, how it compares, and how sure one may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from field_data.types import IndexSeries, Sight
from sat_ingest.archive import season_of
from sat_ingest.figures import INDICES, Figures
from sat_ingest.phenology import Season, seasons
from sat_ingest.smoothing import MAD_TO_SIGMA, NEAR_DAYS, Smooth, Support, smooth

CLEAR_SHARE = 0.8
# Less of a field than this says too little about it.
LEAST_SHARE = 0.3
SNOW_SHARE = 0.3
# Two seasons, or neighbours, are the least from which "usual" can be said.
LEAST_OTHERS = 2
# Seasons differ by this much without meaning anything, however alike the few on record are.
LEAST_SPREAD = 0.03
_YEAR = 365.25

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Usual:
    """What a day is usually like: median and spread (robust standard deviation) of ``count``."""

    median: float
    spread: float
    count: int


@dataclass(frozen=True, slots=True)
class Anomaly:
    """``value`` of ``day`` against what is ``usual``.  ``reason`` is "" where ``usual`` is known,
    else ``no_archive`` (fewer than two earlier seasons), ``no_neighbours`` (fewer than two) or
    ``no_value`` (nothing seen near that day)."""

    day: int
    value: float
    usual: Usual | None
    reason: str

    @property
    def difference(self) -> float:
        """Above (or below) the median; NaN where it is not known."""
        return self.value - self.usual.median if self.usual else float("nan")

    @property
    def score(self) -> float:
        """The difference in units of the spread, at least `LEAST_SPREAD`."""
        return self.difference / max(self.usual.spread, LEAST_SPREAD) if self.usual else np.nan


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """All that is read of one index of a field; ``curve`` is None with too few observations."""

    series: IndexSeries
    curve: Smooth | None
    seasons: tuple[Season, ...]


def observed(field: str, figures: Figures, index: str) -> IndexSeries:
    """Field means by day; what clouds or snow hid is NaN and says so."""
    at = INDICES.index(index)
    sights = tuple(
        _sight(float(valid), float(snow))
        for valid, snow in zip(figures.valid[:, at], figures.snow, strict=True)
    )
    seen = np.array([sight in (Sight.CLEAR, Sight.PARTLY) for sight in sights], bool)
    values = np.where(seen, figures.table[:, at, 0], np.nan)
    return IndexSeries(
        field=field,
        index=index,
        days=tuple(map(int, figures.days)),
        values=tuple(map(float, values)),
        valid=tuple(map(float, figures.valid[:, at])),
        sights=sights,
    )


def _sight(valid: float, snow: float) -> Sight:
    if snow >= SNOW_SHARE:
        return Sight.SNOW
    if valid < LEAST_SHARE:
        return Sight.HIDDEN
    return Sight.CLEAR if valid >= CLEAR_SHARE else Sight.PARTLY


def read_series(series: IndexSeries) -> Reading:
    """Smooth a series and read its seasons; the series comes back with its noise."""
    if not np.isfinite(series.values).any():
        return Reading(series, None, ())
    days = np.array(series.days, np.int32)
    values, valid = np.array(series.values)[:, None], np.array(series.valid)[:, None]
    curve = smooth(days, values, valid)
    if not np.isfinite(curve.values).any():
        return Reading(series, None, ())
    noisy = replace(series, noise=float(curve.noise[0]))
    return Reading(noisy, curve, tuple(seasons(curve.days, curve.values[:, 0])))


def value_on(curve: Smooth | None, day: float) -> float:
    """The curve on a day; NaN outside what was seen."""
    if curve is None:
        return float("nan")
    known = curve.support[:, 0] != Support.NONE
    if not known.any():
        return float("nan")
    at = np.abs(curve.days - day)
    near = int(np.argmin(at))
    if not known[near] or at[near] > NEAR_DAYS:
        return float("nan")
    return float(np.interp(day, curve.days[known], curve.values[known, 0]))


def against_own_seasons(curve: Smooth | None, day: int) -> Anomaly:
    """The curve on a day against the same day of this field's earlier agricultural years."""
    if curve is None:
        return Anomaly(day, float("nan"), None, "no_value")
    back = season_of(day) - season_of(int(curve.days[0]))
    earlier = [value_on(curve, day - _YEAR * k) for k in range(1, back + 1)]
    return _anomaly(day, value_on(curve, day), earlier, "no_archive")


def against_neighbours(curve: Smooth | None, others: Sequence[Smooth | None], day: int) -> Anomaly:
    """The curve on a day against other fields' on the same day."""
    known = [value_on(each, day) for each in others]
    return _anomaly(day, value_on(curve, day), known, "no_neighbours")


def usual_curve(curve: Smooth, since: int, until: int) -> list[tuple[int, Usual | None]]:
    """What the days of the curve's grid from ``since`` to ``until`` are usually like on a field."""
    days = [int(day) for day in curve.days if since <= day <= until]
    return [(day, against_own_seasons(curve, day).usual) for day in days]


def _anomaly(day: int, value: float, others: Sequence[float], too_few: str) -> Anomaly:
    known = np.array([other for other in others if np.isfinite(other)])
    if not np.isfinite(value):
        return Anomaly(day, value, None, "no_value")
    if len(known) < LEAST_OTHERS:
        return Anomaly(day, value, None, too_few)
    median = float(np.median(known))
    spread = float(MAD_TO_SIGMA * np.median(np.abs(known - median)))
    return Anomaly(day, value, Usual(median, spread, len(known)), "")
