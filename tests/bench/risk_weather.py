"""Daily weather of several seasons for back-tests: Casablanca, Tunis, provinces of Spain.

Only where the public yield data set is; it is no part of this project.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from field_data.days import day_of
from field_data.weather import DayWeather, Origin

SPAIN = {"ES618": "Sevilla", "ES616": "Jaén", "ES243": "Zaragoza", "ES418": "Valladolid"}


def places(folder: Path) -> dict[str, list[DayWeather]]:
    """Contiguous days of each place; what the files lack is NaN."""
    found = {"Casablanca": _casablanca(folder), "Tunis": _tunis(folder)}
    return found | _spain(folder)


def _number(text: str | float | None) -> float:
    return float(text) if text not in (None, "") else math.nan


def _day(at: date, tmin: float, tmax: float, rain: float) -> DayWeather:
    whence = Origin.OBSERVED if math.isfinite(rain) else Origin.NONE
    return DayWeather(day_of(at), tmin, tmax, rain, origin=Origin.OBSERVED, rain_origin=whence)


def _whole(days: Iterable[DayWeather]) -> list[DayWeather]:
    known = {each.day: each for each in days}
    return [known.get(n, DayWeather(n)) for n in range(min(known), max(known) + 1)]


def _casablanca(folder: Path) -> list[DayWeather]:
    with (folder / "morocco" / "ma_station_daily.csv").open() as file:
        return _whole(
            _day(
                date.fromisoformat(row["date"]),
                *(_number(row[key]) for key in ("tmin", "tmax", "prcp")),
            )
            for row in csv.DictReader(file)
        )


def _tunis(folder: Path) -> list[DayWeather]:
    with (folder / "process_model" / "tunis_climate_1979_2002.csv").open() as file:
        return _whole(
            _day(
                date(*(int(row[key]) for key in ("Year", "Month", "Day"))),
                *(_number(row[key]) for key in ("Tmin(C)", "Tmax(C)", "Prcp(mm)")),
            )
            for row in csv.DictReader(file)
        )


def _spain(folder: Path) -> dict[str, list[DayWeather]]:
    import pyarrow.parquet as parquet

    table = parquet.read_table(folder / "spain" / "es_weather_daily.parquet").to_pylist()
    return {
        name: _whole(
            _day(row["date"].date(), *(_number(row[key]) for key in ("tmin", "tmax", "rain")))
            for row in table
            if row["adm_id"] == code
        )
        for code, name in SPAIN.items()
    }
