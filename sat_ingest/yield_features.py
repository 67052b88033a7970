"""What a season looks like from above, as numbers for the yield model: one code, training and node.

A season is held against other seasons of the same place, half month by half month, so that 0 means
"as usual" for a province and for a field alike.  Of the season itself nothing after the end of the
horizon's month is looked at.  An observation that took several days (a composite) must be dated by
its last day, or it brings days from beyond the horizon along.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from field_data.days import date_of, day_of, season_year
from field_data.types import HORIZONS

# In the order of the numbers.  A node has NDVI alone; what is absent is NaN.
SOURCES = ("ndvi", "fpar")
MONTHS = ("10", "11", "12", "01", "02", "03", "04", "05")
HALVES = tuple(f"{month}{half}" for month in MONTHS for half in "ab")
# What the numbers are called together when people are told what moved a forecast.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "autumn": ("10", "11"),
    "winter": ("12", "01"),
    "early_spring": ("02", "03"),
    "late_spring": ("04", "05"),
}
# Of each source: every half month, the mean of each group and of each month that ends a horizon.
PARTS = (*HALVES, *GROUPS, *HORIZONS)
NAMES = tuple(f"{source}_{part}" for source in SOURCES for part in PARTS)
# A half month without a clear date takes over from neighbours at most this many halves away.
REACH = 2
# Bare soil; what a place usually grows above it is the measure of a season, but at least so much.
SOIL, LEAST_GROWTH = 0.1, 0.1
_LAST_OF_FIRST_HALF = 15
_PER_GROUP = len(HALVES) // len(GROUPS)

Floats = NDArray[np.float64]
Features = NDArray[np.float32]


class Observed(Protocol):
    """Observations of one index at one place; `field_data.types.IndexSeries` is one."""

    @property
    def days(self) -> Sequence[int]:
        """Days since 1970-01-01, increasing."""
        ...

    @property
    def values(self) -> Sequence[float]:
        """One value a day, NaN where nothing was seen."""
        ...


def last_day(season_year: int, horizon: str) -> date:
    """The last day that a forecast of this horizon ("02" to "05") looks at.

    Raises:
        ValueError: another horizon.
    """
    if horizon not in HORIZONS:
        raise ValueError(f"horizon {horizon!r} is none of {HORIZONS}")
    month = int(horizon)
    return date(season_year, month, calendar.monthrange(season_year, month)[1])


def members(group: str) -> list[int]:
    """Where the numbers of a group stand in NAMES."""
    parts = [name.split("_", 1)[1] for name in NAMES]
    return [i for i, part in enumerate(parts) if part == group or part[:2] in GROUPS[group]]


def halves(observed: Observed) -> dict[int, Floats]:
    """Mean of each half month from October to May, [16], NaN where nothing was seen, by season."""
    sums: dict[int, Floats] = {}
    for day, value in zip(observed.days, observed.values, strict=True):
        at = date_of(int(day))
        half = f"{at.month:02}{'a' if at.day <= _LAST_OF_FIRST_HALF else 'b'}"
        if np.isfinite(value) and half in HALVES:
            season = sums.setdefault(season_year(at), np.zeros((2, len(HALVES))))
            season[:, HALVES.index(half)] += (value, 1)
    with np.errstate(invalid="ignore"):
        return {year: total / count for year, (total, count) in sums.items()}


def clear_dates(observed: Observed, season_year: int, horizon: str) -> int:
    """On how many days something was seen, from October to the horizon."""
    since, until = day_of(date(season_year - 1, 10, 1)), day_of(last_day(season_year, horizon))
    pairs = zip(observed.days, observed.values, strict=True)
    return sum(1 for day, value in pairs if since <= day <= until and np.isfinite(value))


def archive_seasons(series: Mapping[str, Observed], season_year: int, horizon: str) -> int:
    """How many earlier seasons `features` can hold this one against up to the horizon."""
    upto = 2 * MONTHS.index(horizon) + 2
    counts = [
        sum(year < season_year and bool(np.isfinite(v[:upto]).any()) for year, v in seasons.items())
        for seasons in map(halves, series.values())
    ]
    return max(counts, default=0)


def features(
    series: Mapping[str, Observed],
    season_year: int,
    horizon: str,
    archive: Collection[int] | None = None,
) -> Features:
    """The numbers of one season, float32 [len(NAMES)], NaN where nothing can be said.

    ``series`` by source ("ndvi", "fpar"; a source may be absent); ``archive`` the seasons to hold
    it against, None for all earlier ones (what a node knows when it forecasts).
    """
    return from_halves({s: halves(one) for s, one in series.items()}, season_year, horizon, archive)


def from_halves(
    series: Mapping[str, Mapping[int, Floats]],
    season_year: int,
    horizon: str,
    archive: Collection[int] | None = None,
) -> Features:
    """As `features`, from what `halves` gave for each source."""
    parts = [_anomalies(series.get(source, {}), season_year, horizon, archive)
             for source in SOURCES]  # fmt: skip
    return np.concatenate(parts).astype(np.float32)


def _anomalies(
    seasons: Mapping[int, Floats], year: int, horizon: str, archive: Collection[int] | None
) -> Floats:
    """The numbers of one source, [len(PARTS)].

    Season minus mean of the archive, in units of what the place usually grows.  Drawn in by
    n / (n + 1), since the mean of n seasons is itself uncertain by one n-th of what seasons vary.
    """
    found = np.full(len(PARTS), np.nan)
    others = [v for y, v in seasons.items() if y != year and _known(y, year, archive)]
    if year not in seasons or not others:
        return found
    seen = np.isfinite(others)
    count = seen.sum(axis=0)
    mean = np.where(count > 0, np.nansum(others, axis=0) / np.maximum(count, 1), np.nan)
    growth = max(np.nanmax(mean, initial=0.0) - SOIL, LEAST_GROWTH)
    upto = 2 * MONTHS.index(horizon) + 2
    away = _bridged(((seasons[year] - mean) * count / (count + 1) / growth)[:upto])
    found[:upto] = away
    groups = [away[i : i + _PER_GROUP] for i in range(0, len(HALVES), _PER_GROUP)]
    months = [away[i : i + 2] for i in (2 * MONTHS.index(month) for month in HORIZONS)]
    found[len(HALVES) :] = [_mean(part) for part in (*groups, *months)]
    return found


def _known(season: int, year: int, archive: Collection[int] | None) -> bool:
    return season < year if archive is None else season in archive


def _mean(values: Floats) -> float:
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if len(seen) else np.nan


def _bridged(values: Floats) -> Floats:
    """Gaps filled from their neighbours, as far as REACH."""
    seen = np.flatnonzero(np.isfinite(values))
    if not len(seen):
        return values
    at = np.arange(len(values))
    near = np.abs(at[:, None] - seen).min(axis=1) <= REACH
    return np.where(near, np.interp(at, seen, values[seen]), np.nan)
