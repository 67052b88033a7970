"""Weather made up day by day and step by step."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from field_data.weather import STEP_S, DayWeather, Origin, StepWeather, Weather, WeatherPlace
from models.risks.wetness import DAY_S

SETTAT = WeatherPlace("settat", "Settat", 33.0, -7.6, 370.0)


def day(
    number: int, tmin: float = 8.0, tmax: float = 20.0, rain: float = 0.0, **more: Any
) -> DayWeather:
    """One day as it was forecast."""
    made = DayWeather(number, tmin, tmax, rain, origin=Origin.FORECAST, rain_origin=Origin.FORECAST)
    return replace(made, **more)


def days(first: int, count: int, **more: Any) -> list[DayWeather]:
    """Days alike."""
    return [day(first + place, **more) for place in range(count)]


def steps(number: int, **more: Any) -> list[StepWeather]:
    """The eight steps of a day of UTC, as services give them; a list gives a value each."""
    made = []
    for place in range(8):
        own = {k: v[place] if isinstance(v, list) else v for k, v in more.items()}
        start = number * DAY_S + place * STEP_S
        calm = {"temp_c": 15.0, "rh_percent": 60.0, "wind_10m_ms": 3.0, "rain_mm": 0.0}
        made.append(StepWeather(start, **(calm | own), origin=Origin.FORECAST))
    return made


def weather(told: list[DayWeather], *more: list[StepWeather]) -> Weather:
    """Weather of Settat."""
    return Weather(SETTAT, tuple(told), tuple(step for each in more for step in each))


NAN = math.nan
