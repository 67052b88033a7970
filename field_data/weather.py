"""Weather of one place, day by day and in steps of three hours.

What is not known is NaN, never zero.  Every day says where its figures come from, so that a gauge
read by a person, a forecast and a mean of many years are never taken for one another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum

from field_data.types import Instant

STEP_S = 3 * 3600


class Origin(StrEnum):
    """Where a figure comes from, the most trusted first."""

    GAUGE = "gauge"  # read by a person at this place
    OBSERVED = "observed"  # a weather station
    REANALYSIS = "reanalysis"
    FORECAST = "forecast"
    BRIDGED = "bridged"  # from the days around, where one or two are missing
    CLIMATOLOGY = "climatology"  # the mean of this day in many years
    NONE = "none"


@dataclass(frozen=True, slots=True)
class WeatherPlace:
    """A cell or station: ``lat`` and ``lon`` degrees (EPSG:4326), ``elevation_m`` above sea."""

    id: str
    name: str
    lat: float
    lon: float
    elevation_m: float

    def __post_init__(self) -> None:
        if not (-90 <= self.lat <= 90 and -180 <= self.lon <= 180):
            raise ValueError("a place has degrees of latitude and longitude")
        if not -500 <= self.elevation_m <= 9000:
            raise ValueError(f"elevation {self.elevation_m} m is none on Earth")


@dataclass(frozen=True, slots=True)
class DayWeather:
    """One local day; ``day`` counts from 1970-01-01, NaN is not known.

    ``dew_c`` is the mean dew point, ``wind_2m_ms`` the mean wind at 2 m, ``gust_ms`` the strongest
    gust at 10 m, ``radiation_mj_m2`` the sum of solar radiation, ``rain_chance`` 0 to 1.
    ``rain_origin`` may differ from ``origin`` of the rest: a gauge overrides the rain alone.
    """

    day: int
    tmin_c: float = math.nan
    tmax_c: float = math.nan
    rain_mm: float = math.nan
    dew_c: float = math.nan
    wind_2m_ms: float = math.nan
    gust_ms: float = math.nan
    radiation_mj_m2: float = math.nan
    rain_chance: float = math.nan
    origin: Origin = Origin.NONE
    rain_origin: Origin = Origin.NONE


@dataclass(frozen=True, slots=True)
class StepWeather:
    """Three hours that begin at ``start_utc_s``; NaN is not known.

    ``wind_10m_ms`` is the mean wind at 10 m, ``rain_mm`` the sum, ``rh_percent`` the mean relative
    humidity, ``cloud`` the covered share of the sky, 0 to 1.
    """

    start_utc_s: int
    temp_c: float = math.nan
    rh_percent: float = math.nan
    wind_10m_ms: float = math.nan
    gust_ms: float = math.nan
    rain_mm: float = math.nan
    cloud: float = math.nan
    origin: Origin = Origin.NONE


DAY_FIGURES = tuple(f.name for f in fields(DayWeather) if f.type == "float")
STEP_FIGURES = tuple(f.name for f in fields(StepWeather) if f.type == "float")


@dataclass(frozen=True, slots=True)
class Weather:
    """What is known of a place: contiguous ``days``, ``steps`` that increase (gaps allowed).

    ``issued`` is when the forecast in it was made, None where there is none; ``source`` names who
    is to be credited; ``model_elevation_m`` the height of the forecast's ground where it says so.
    """

    place: WeatherPlace
    days: tuple[DayWeather, ...]
    steps: tuple[StepWeather, ...] = ()
    issued: Instant | None = None
    source: str = ""
    model_elevation_m: float = math.nan

    def __post_init__(self) -> None:
        first = self.days[0].day if self.days else 0
        if [each.day for each in self.days] != list(range(first, first + len(self.days))):
            raise ValueError("days follow one another")
        starts = [each.start_utc_s for each in self.steps]
        if starts != sorted(set(starts)):
            raise ValueError("steps increase")

    def column(self, name: str) -> tuple[float, ...]:
        """One of `DAY_FIGURES`, a value a day."""
        return tuple(getattr(each, name) for each in self.days)

    def on(self, day: int) -> DayWeather | None:
        """What is known of a day, None outside the days known."""
        if not self.days or not self.days[0].day <= day <= self.days[-1].day:
            return None
        return self.days[day - self.days[0].day]
