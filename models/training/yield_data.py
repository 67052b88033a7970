"""The yield data set: real harvests with what satellites saw, and the traps of its README.

An observation is dated by its *last* day: an eight-day composite that begins on 26 February was
still being filled on 5 March, and must not speak at the end of February.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from field_data.days import day_of
from field_data.errors import PersonError
from sat_ingest.yield_features import halves

Floats = NDArray[np.float64]
SPAIN = "spain"
NATIONAL = "morocco/ma_national_yield.csv"
REGIONS = "morocco/ma_region_monthly_ndvi_rain_temp.csv"
# Flags of the set: the area is wrong at source; so small that it is noise.
_WRONG, _TINY = "outlier_suspect", "tiny_area"
_FILES = {"ndvi": "es_ndvi_8day.csv", "fpar": "es_fpar_10day.csv"}
FILES_READ = (
    f"{SPAIN}/es_wheat_yield.csv",
    *(f"{SPAIN}/{name}" for name in _FILES.values()),
    f"{SPAIN}/es_panel_features.csv",
    NATIONAL,
    REGIONS,
)


@dataclass(frozen=True, slots=True)
class Observations:
    """A series as `sat_ingest.yield_features.Observed` wants it."""

    days: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Row:
    """One harvest of one place, t/ha; ``counted`` False keeps it out of every score."""

    place: str
    year: int
    t_ha: float
    counted: bool = True


@dataclass(frozen=True, slots=True)
class YieldSet:
    """``rows`` by place and year; ``seen`` by place and source: half-month means by season."""

    rows: tuple[Row, ...]
    seen: Mapping[str, Mapping[str, Mapping[int, Floats]]]

    @property
    def years(self) -> list[int]:
        """Years with a harvest."""
        return sorted({row.year for row in self.rows})

    @property
    def places(self) -> list[str]:
        """Places with a harvest."""
        return sorted({row.place for row in self.rows})

    def looked_at(self, row: Row) -> bool:
        """Whether a satellite saw any of that season's spring."""
        return any(
            np.isfinite(seasons[row.year][8:]).any()
            for seasons in self.seen.get(row.place, {}).values()
            if row.year in seasons
        )


def table(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV file as texts.

    Raises:
        PersonError: ``no_data``.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines)
    except OSError as error:
        raise PersonError("no_data", f"{path}: {error}") from error


def tables(folders: Sequence[Path], name: str) -> Iterator[dict[str, str]]:
    """Rows of a file that one folder or several have.

    Raises:
        PersonError: ``no_data`` where none has it.
    """
    paths = [folder / name for folder in folders if (folder / name).is_file()]
    for path in paths or [folders[0] / name]:
        yield from table(path)


def number(text: str) -> float:
    """A number, NaN where the cell is empty (no rain known is not no rain)."""
    return float(text) if text.strip() else np.nan


def end_of_window(source: str, first: date) -> date:
    """The last day of an NDVI composite (8 days, the year's last one shorter) or FPAR dekad."""
    if source == "ndvi":
        return min(first + timedelta(days=7), date(first.year, 12, 31))
    if first.day < 21:
        return first + timedelta(days=9)
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def read_spain(*folders: Path) -> YieldSet:
    """Spanish provinces of the data set; years and provinces that appear are simply there.

    Several folders are read as one; of a harvest that two of them have, the last counts.

    Raises:
        PersonError: ``no_data``.
    """
    rows = {
        (r["adm_id"], int(r["harvest_year"])): Row(
            r["adm_id"], int(r["harvest_year"]), number(r["yield_t_ha"]), r["flag"] != _TINY
        )
        for r in tables(folders, f"{SPAIN}/es_wheat_yield.csv")
        if r["flag"] != _WRONG and r["yield_t_ha"].strip()
    }
    seen: dict[str, dict[str, Mapping[int, Floats]]] = defaultdict(dict)
    for source, name in _FILES.items():
        for place, pairs in _series(folders, f"{SPAIN}/{name}", source).items():
            seen[place][source] = halves(_observations(pairs))
    return YieldSet(tuple(row for _, row in sorted(rows.items())), seen)


def _series(folders: Sequence[Path], name: str, source: str) -> Mapping[str, Mapping[int, float]]:
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for row in tables(folders, name):
        day = end_of_window(source, date.fromisoformat(row["date"]))
        found[row["adm_id"]][day_of(day)] = number(row[source])
    return found


def _observations(by_day: Mapping[int, float]) -> Observations:
    days = sorted(by_day)
    return Observations(days, [by_day[day] for day in days])


def read_morocco(*folders: Path, crop: str = "wheat") -> YieldSet:
    """Moroccan regions (monthly NDVI, no crop mask) with the national harvest of each year.

    The places of ``seen`` are regions; the rows are of the place "morocco".  Monthly values stand
    on the month's last day and on its 15th, so that both halves have them.

    Raises:
        PersonError: ``no_data``.
    """
    rows = {
        int(r["harvest_year"]): Row("morocco", int(r["harvest_year"]), number(r["yield_t_ha"]))
        for r in tables(folders, NATIONAL)
        if r["crop"] == crop and r["yield_t_ha"].strip()
    }
    months: dict[str, dict[int, float]] = defaultdict(dict)
    for r in tables(folders, REGIONS):
        first = date(int(r["year"]), int(r["month"]), 1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        for day in (first.replace(day=15), last):
            months[r["region"]][day_of(day)] = number(r["ndvi"])
    seen = {region: {"ndvi": halves(_observations(days))} for region, days in months.items()}
    return YieldSet(tuple(row for _, row in sorted(rows.items())), seen)
