"""What a season looks like from above, as numbers for the yield model: one code, training and node.

A season is held against other seasons of the same place, half month by half month, so that 0 means
"as usual" for a province and for a field alike.  Nothing after the end of the horizon's month is
looked at, neither in this season nor in the archive's.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from field_data.days import date_of, day_of
from field_data.types import HORIZONS

# In the order of the numbers.  A node has NDVI alone; what is absent is NaN.
SOURCES = ("ndvi", "fpar")
MONTHS = ("10", "11", "12", "01", "02", "03", "04", "05")
HALVES = tuple(f"{month}{half}" for month in MONTHS for half in "ab")
NAMES = tuple(f"{source}_{half}" for source in SOURCES for half in HALVES)
# What the numbers are called together when people are told what moved a forecast.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "autumn": ("10", "11"),
    "winter": ("12", "01"),
    "early_spring": ("02", "03"),
    "late_spring": ("04", "05"),
}
# A half month without a clear date takes over from neighbours at most this many halves away.
REACH = 2
_LAST_OF_FIRST_HALF = 15

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


def season_of_day(day: date) -> int:
    """The year of harvest: a season begins with September."""
    return day.year + (day.month >= 9)


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
    months = GROUPS[group]
    return [i for i, name in enumerate(NAMES) if name.split("_")[1][:2] in months]


def halves(observed: Observed) -> dict[int, Floats]:
    """Mean of each half month from October to May, [16], NaN where nothing was seen, by season."""
    sums: dict[int, Floats] = {}
    for day, value in zip(observed.days, observed.values, strict=True):
        at = date_of(int(day))
        half = f"{at.month:02}{'a' if at.day <= _LAST_OF_FIRST_HALF else 'b'}"
        if np.isfinite(value) and half in HALVES:
            season = sums.setdefault(season_of_day(at), np.zeros((2, len(HALVES))))
            season[:, HALVES.index(half)] += (value, 1)
    with np.errstate(invalid="ignore"):
        return {year: total / count for year, (total, count) in sums.items()}


def clear_dates(observed: Observed, season_year: int, horizon: str) -> int:
    """On how many days something was seen, from October to the horizon."""
    since, until = day_of(date(season_year - 1, 10, 1)), day_of(last_day(season_year, horizon))
    pairs = zip(observed.days, observed.values, strict=True)
    return sum(1 for day, value in pairs if since <= day <= until and np.isfinite(value))


def archive_seasons(series: Mapping[str, Observed], season_year: int, horizon: str) -> int:
    """How many earlier seasons `features` can hold this one against."""
    seen = [halves(series[source]) for source in SOURCES if source in series]
    upto = _upto(horizon)
    return max(
        (sum(1 for y, v in each.items() if y < season_year and np.isfinite(v[:upto]).any())
         for each in seen), default=0,
    )  # fmt: skip


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


def _upto(horizon: str) -> int:
    return 2 * MONTHS.index(horizon) + 2


def _anomalies(
    seasons: Mapping[int, Floats], year: int, horizon: str, archive: Collection[int] | None
) -> Floats:
    """Season minus mean of the archive, [16]; drawn in by n / (n + 1), since the mean of n seasons
    is itself uncertain by one n-th of what seasons vary."""
    found = np.full(len(HALVES), np.nan)
    known = [
        v
        for y, v in seasons.items()
        if y != year and (y < year if archive is None else y in archive)
    ]
    if year not in seasons or not known:
        return found
    upto = _upto(horizon)
    others = np.array(known)[:, :upto]
    count = np.isfinite(others).sum(axis=0)
    mean = np.where(count > 0, np.nansum(others, axis=0) / np.maximum(count, 1), np.nan)
    found[:upto] = _bridged((seasons[year][:upto] - mean) * count / (count + 1))
    return found


def _bridged(values: Floats) -> Floats:
    """Gaps filled from their neighbours, as far as REACH."""
    seen = np.flatnonzero(np.isfinite(values))
    if not len(seen):
        return values
    at = np.arange(len(values))
    near = np.abs(at[:, None] - seen).min(axis=1) <= REACH
    return np.where(near, np.interp(at, seen, values[seen]), np.nan)
