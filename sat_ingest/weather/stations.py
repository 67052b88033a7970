"""Daily files of weather stations: CSV as Meteostat and AEMET write it, blanks are not zeros.

Names of columns and their units are in ``sources/station.toml``.  Commas or points as decimals,
commas, semicolons or tabs between columns.  Pure.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from field_data.days import day_of
from field_data.errors import PersonError
from field_data.weather import DAY_FIGURES
from sat_ingest.weather.codec import MOST_DAYS
from sat_ingest.weather.quality import Doubt, sound_days, together
from sat_ingest.weather.quanta import Floats
from sat_ingest.weather.sources import station_columns
from sat_ingest.weather.units import scale_of, wind_2m

MOST_BYTES = 32 << 20
_MOST_LINES = 200_000
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[ T].*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,9}([.,]\d{0,9})?", re.ASCII)
# What stands for a missing value; -999 and below too.
_MISSING = frozenset({"", "na", "nan", "null", "none", "-", "--", "acum"})
# AEMET's "ip": below 0.1 mm.
_TRACE = "ip"
_FILL = -999.0


@dataclass(frozen=True, slots=True)
class Station:
    """Days from ``first`` (since 1970-01-01) on, figures [days, `DAY_FIGURES`]; ``ignored`` are
    columns that say nothing here; ``missing`` counts days without a figure, by figure read."""

    first: int
    figures: Floats
    doubts: tuple[Doubt, ...]
    ignored: tuple[str, ...]
    missing: Mapping[str, int]


def read_station(data: bytes) -> Station:
    """A daily file of one station, in any order of days.

    Raises:
        PersonError: ``bad_weather_file``: no text, no column of days or none of weather, no days,
            more than a node takes; ``weather_file_too_large``.
    """
    if len(data) > MOST_BYTES:
        raise PersonError("weather_file_too_large", f"more than {MOST_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = io.StringIO(text, newline="")
    try:
        rows = list(csv.reader(lines, delimiter=_delimiter(text)))[: _MOST_LINES + 1]
    except csv.Error as error:
        raise _bad(str(error)) from error
    return _station(rows)


def _bad(why: str) -> PersonError:
    return PersonError("bad_weather_file", f"no daily weather: {why}")


def _delimiter(text: str) -> str:
    head = text.split("\n", maxsplit=1)[0]
    return max(",;\t", key=head.count)


def _station(rows: Sequence[Sequence[str]]) -> Station:
    known = station_columns()
    head = [name.strip().strip('"').lower() for name in rows[0]] if rows else []
    places = {known[name][0]: (i, known[name][1]) for i, name in enumerate(head) if name in known}
    if "day" not in places or len(places) < 2:
        raise _bad("no column of days, or none of weather, in the first line")
    column = places.pop("day")[0]
    lines: dict[int, Sequence[str]] = {}
    twice = 0
    for row in rows[1:]:
        day = _day(row[column]) if len(row) > column else None
        if day is not None:
            twice += day in lines
            lines[day] = row
    if not lines or max(lines) - min(lines) >= MOST_DAYS:
        raise _bad("no days, or more than a life long")
    first, size = min(lines), max(lines) - min(lines) + 1
    table = np.full((size, len(DAY_FIGURES)), np.nan)
    doubts = [Doubt("day_twice", "day", twice)] if twice else []
    for figure, (at, unit) in places.items():
        cells = [(day - first, row[at] if len(row) > at else "") for day, row in lines.items()]
        doubts += _fill(table, figure, unit, cells)
    good, more = sound_days(table)
    read = dict.fromkeys("wind_2m_ms" if name == "wind_10m_ms" else name for name in places)
    missing = {name: int(np.isnan(good[:, DAY_FIGURES.index(name)]).sum()) for name in read}
    ignored = tuple(name for name in head if name not in known and name)
    return Station(first, good, tuple(together([*doubts, *more])), ignored, missing)


def _fill(table: Floats, figure: str, unit: str, cells: Sequence[tuple[int, str]]) -> list[Doubt]:
    """Write a column into the table, in our unit."""
    factor, offset = scale_of(figure, unit) or (1.0, 0.0)
    name = "wind_2m_ms" if figure == "wind_10m_ms" else figure
    factor *= wind_2m(10) if figure == "wind_10m_ms" else 1.0
    column, wrong = DAY_FIGURES.index(name), 0
    for place, cell in cells:
        value = _number(cell)
        if value is None:
            wrong += 1
        else:
            table[place, column] = value * factor + offset
    return [Doubt("no_number", name, wrong)] if wrong else []


def _day(cell: str) -> int | None:
    found = _DAY.fullmatch(cell.strip().strip('"'))
    try:
        return day_of(date(*map(int, found.groups()))) if found else None
    except ValueError:
        return None


def _number(cell: str) -> float | None:
    """NaN for a missing value, None for what is no number."""
    plain = cell.strip().strip('"').lower()
    if plain in _MISSING:
        return float("nan")
    if plain == _TRACE:
        return 0.0
    if not _NUMBER.fullmatch(plain):
        return None
    value = float(plain.replace(",", "."))
    return float("nan") if value <= _FILL else value
