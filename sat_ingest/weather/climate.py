"""What a day of the year is usually like at a place: means of its own archive, smoothed.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from field_data.days import date_of, day_of
from field_data.weather import DAY_FIGURES
from sat_ingest.weather.quanta import Floats

# Days of a year; 29 February is taken for the 28th.
DAYS = 365
# Half-width of the window of days that count as the same time of the year (WMO-No. 1203 smooths
# daily normals likewise; the width is a choice of ours).
HALF_WINDOW = 15
# Fewer values in all years together are no mean.
LEAST_VALUES = 20
# A year counts when so many of its days are known.
LEAST_DAYS = 180
# A day with so much rain is a wet one.
WET_MM = 1.0


@dataclass(frozen=True, slots=True)
class Climate:
    """Means [365, `DAY_FIGURES`] by day of the year, NaN where too little is known; ``years`` of
    which at least half is known, ``dates`` how many such days.

    ``rain_mm`` is the mean of all days, wet or dry: no day is like it, but sums of weeks are.
    ``rain_chance`` is the share of days with `WET_MM` or more.
    """

    means: Floats
    years: int

    def days(self, first: int, last: int) -> Floats:
        """Figures [days, `DAY_FIGURES`] of ``first`` to ``last`` (inclusive)."""
        return self.means[[place_in_year(date_of(day)) for day in range(first, last + 1)]]


def place_in_year(day: date) -> int:
    """0 to 364, the same for a date in every year."""
    plain = date(2001, day.month, min(day.day, 28) if day.month == 2 else day.day)
    return plain.timetuple().tm_yday - 1


def climate_of(first: int, figures: Floats) -> Climate:
    """The climate of figures [days, `DAY_FIGURES`] that begin on the day ``first``."""
    table = figures.copy()
    rain, chance = DAY_FIGURES.index("rain_mm"), DAY_FIGURES.index("rain_chance")
    table[:, chance] = np.where(np.isnan(table[:, rain]), np.nan, table[:, rain] >= WET_MM)
    places = np.array([place_in_year(date_of(first + i)) for i in range(len(table))], int)
    sums, counts = np.zeros((DAYS, len(DAY_FIGURES))), np.zeros((DAYS, len(DAY_FIGURES)))
    known = ~np.isnan(table)
    np.add.at(sums, places, np.where(known, table, 0.0))
    np.add.at(counts, places, known)
    sums, counts = _around(sums), _around(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(counts >= LEAST_VALUES - 0.5, sums / counts, np.nan)
    return Climate(means, _years(first, table))


def _around(values: Floats) -> Floats:
    """Sums over a window around the year, twice: days far away weigh less (a triangle)."""
    half = HALF_WINDOW // 2
    for _ in range(2):
        turned = [np.roll(values, shift, axis=0) for shift in range(-half, half + 1)]
        values = np.sum(turned, axis=0) / len(turned)
    return values * len(range(-half, half + 1))


def _years(first: int, table: Floats) -> int:
    known = ~np.isnan(table[:, :2]).any(axis=1)
    years = [date_of(first + int(i)).year for i in np.flatnonzero(known)]
    return sum(years.count(year) >= LEAST_DAYS for year in set(years))


def whole_years(first: int, last: int) -> tuple[int, int]:
    """The days from 1 January to 31 December around a span."""
    return (
        day_of(date(date_of(first).year, 1, 1)),
        day_of(date(date_of(last).year, 12, 31)),
    )
