"""Days as numbers: the archive, series and packs count them from 1970-01-01."""

from __future__ import annotations

from datetime import date

_EPOCH = date(1970, 1, 1).toordinal()
# Agricultural years of Morocco begin in September (the first rains).
SEASON_START_MONTH = 9


def day_of(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH


def date_of(day: int) -> date:
    """The date of a day since 1970-01-01."""
    return date.fromordinal(_EPOCH + day)


def season_year(day: date) -> int:
    """The agricultural year that a date lies in, named by the calendar year it ends in."""
    return day.year + (day.month >= SEASON_START_MONTH)
