"""A small yield data set made up for tests, in the files and columns of the real one."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

PLACES = tuple(f"ES{n:03}" for n in range(1, 10))
YEARS = tuple(range(2006, 2014))
RAIN = [f"rain_{month}" for month in ("10", "11", "12", "01", "02", "03", "04", "05")]


def luck(year: int, place: str, seed: int = 5) -> float:
    """How good a season is, about -0.3 to 0.3: most of it shared by all places."""
    shared = np.random.default_rng([seed, year]).normal(0, 0.15)
    own = np.random.default_rng([seed, year, int(place[2:])]).normal(0, 0.05)
    return float(shared + own)


def usual(place: str) -> float:
    """t/ha, 2 to 4.2."""
    return 2 + 0.2 * int(place[2:])


def green(day: date, place: str) -> float:
    """NDVI: a hump in April, as high as the season of ``day`` is good."""
    year = day.year + (day.month >= 9)
    away = (day - date(year, 4, 10)).days / 60
    height = (0.3 + 0.02 * int(place[2:])) * (1 + luck(year, place))
    return float(0.15 + height * np.exp(-(away**2)))


def write(
    folder: Path, places: Sequence[str] = PLACES, years: Sequence[int] = YEARS, noise: float = 0.0
) -> Path:
    """The whole folder: Spain, and a Morocco that follows its seasons twice as hard."""
    spain, morocco = folder / "spain", folder / "morocco"
    spain.mkdir(parents=True)
    morocco.mkdir()
    rng = np.random.default_rng(1)
    harvests = [
        [p, y, round(usual(p) * (1 + 0.8 * luck(y, p) + rng.normal(0, noise)), 4), 9000, "", ""]
        for p in places
        for y in years
    ]
    harvests.append([places[0], years[0] - 1, 33.7, 12, "", "outlier_suspect"])
    harvests.append([places[1], years[0] - 1, 9.9, 500, "", "tiny_area"])
    head = ["adm_id", "harvest_year", "yield_t_ha", "area_ha", "production_t", "flag"]
    _table(spain / "es_wheat_yield.csv", head, harvests)
    _table(spain / "es_panel_features.csv", ["adm_id", "harvest_year", *RAIN], [
        [p, y, *[round(40 * (1 + luck(y, p)), 1) if y < years[-1] else "" for _ in RAIN]]
        for p in places for y in years
    ])  # fmt: skip
    days = list(_dates(years[0] - 1, years[-1], 8))
    _table(spain / "es_ndvi_8day.csv", ["adm_id", "date", "ndvi"],
           [[p, d, round(green(d, p), 4)] for p in places for d in days])  # fmt: skip
    dekads = [d for d in _dates(years[0] - 1, years[-1], 1) if d.day in (1, 11, 21)]
    _table(spain / "es_fpar_10day.csv", ["adm_id", "date", "fpar"],
           [[p, d, round(0.9 * green(d, p), 4)] for p in places for d in dekads])  # fmt: skip
    _morocco(morocco, years)
    return folder


def _morocco(folder: Path, years: Sequence[int]) -> None:
    region, own = "Chaouia", "ES001"
    _table(folder / "ma_national_yield.csv", ["crop", "harvest_year", "yield_t_ha"], [
        [crop, y, round(level * (1 + 1.6 * luck(y, own)), 4)]
        for crop, level in (("wheat", 1.6), ("barley", 1.1)) for y in (*range(1995, 2006), *years)
    ])  # fmt: skip
    _table(folder / "ma_region_monthly_ndvi_rain_temp.csv", ["region", "year", "month", "ndvi"], [
        [region, d.year, d.month, round(green(d.replace(day=15), own), 4)]
        for d in _dates(years[0] - 1, years[-1], 1) if d.day == 1
    ])  # fmt: skip


def _dates(first: int, last: int, step: int) -> Iterable[date]:
    for year in range(first, last + 1):
        day = date(year, 1, 1)
        while day.year == year:
            yield day
            day += timedelta(days=step)


def _table(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
