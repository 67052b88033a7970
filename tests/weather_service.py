"""A weather service as Open-Meteo is, made up for the tests, and weather to put in packs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from field_data.types import Instant, Trust
from field_data.weather import (
    STEP_S,
    DayWeather,
    Origin,
    StepWeather,
    Weather,
    WeatherPlace,
)
from sat_ingest.weather.sources import WeatherSource, find_source

DAY_S = 86_400
PAST, AHEAD = 7, 15
SOURCE = find_source("open-meteo")
# Morocco's clocks are one hour ahead of UTC.
OFFSET = 3600


def at(url: str) -> WeatherSource:
    """The shipped source, at another address."""
    from dataclasses import replace

    return replace(SOURCE, url=url, places=2)


def one_place(lat: float, lon: float, today: int) -> dict[str, Any]:
    """What the service says of a place: an hourly wave of warmth, rain on the third day to come."""
    first = today - PAST
    days = range(first, today + AHEAD)
    hours = [day * DAY_S - OFFSET + 3600 * h for day in days for h in range(24)]
    warmth = [15 - 7 * math.cos(2 * math.pi * (t + OFFSET) / DAY_S) for t in hours]
    wet = [2.0 if (t + OFFSET) // DAY_S == today + 3 else 0.0 for t in hours]
    return {
        "latitude": lat + 0.01,
        "longitude": lon - 0.01,
        "elevation": 512.0,
        "utc_offset_seconds": OFFSET,
        "daily_units": {
            "time": "unixtime",
            "temperature_2m_min": "°C",
            "temperature_2m_max": "°C",
            "precipitation_sum": "mm",
            "wind_gusts_10m_max": "m/s",
            "shortwave_radiation_sum": "MJ/m²",
            "precipitation_probability_max": "%",
        },
        "daily": {
            "time": [day * DAY_S - OFFSET for day in days],
            "temperature_2m_min": [8.0 + 0.1 * (day % 7) for day in days],
            "temperature_2m_max": [22.0 + 0.1 * (day % 7) for day in days],
            "precipitation_sum": [48.0 if day == today + 3 else 0.0 for day in days],
            "wind_gusts_10m_max": [9.0 + day % 3 for day in days],
            "shortwave_radiation_sum": [20.0 + 0.1 * (day % 9) for day in days],
            "precipitation_probability_max": [None if day < today else 40 for day in days],
        },
        "hourly_units": {
            "time": "unixtime",
            "temperature_2m": "°C",
            "relative_humidity_2m": "%",
            "dew_point_2m": "°C",
            "wind_speed_10m": "m/s",
            "wind_gusts_10m": "m/s",
            "precipitation": "mm",
            "cloud_cover": "%",
        },
        "hourly": {
            "time": hours,
            "temperature_2m": warmth,
            "relative_humidity_2m": [60 + t % 30 for t in hours],
            "dew_point_2m": [6.0 + 0.1 * ((t + OFFSET) // DAY_S % 5) for t in hours],
            "wind_speed_10m": [4.0] * len(hours),
            "wind_gusts_10m": [9.0] * len(hours),
            "precipitation": wet,
            "cloud_cover": [25] * len(hours),
        },
    }


Spoil = Callable[[dict[str, Any]], None]


def service(today: int, spoil: Spoil = lambda _said: None) -> Callable[[str, bytes], Any]:
    """A page that answers for all places asked for."""

    def answer(path: str, _body: bytes) -> Any:
        asked = parse_qs(urlsplit(path).query)
        places = zip(asked["latitude"][0].split(","), asked["longitude"][0].split(","), strict=True)
        said = [one_place(float(lat), float(lon), today) for lat, lon in places]
        for each in said:
            spoil(each)
        return said if len(said) > 1 else said[0]

    return answer


def week(seed: int, day: int = 20_563) -> Weather:
    """A place with seven days before, fifteen to come and steps of three hours, rough as weather
    is: noise on a daily wave, showers, gusts."""
    rng = np.random.default_rng(seed)
    first, size = day - PAST, PAST + AHEAD
    base = 12 + 6 * rng.random() + np.cumsum(rng.normal(0, 1.2, size))
    rain = np.where(rng.random(size) < 0.3, rng.gamma(0.8, 6.0, size), 0.0)
    days = tuple(
        DayWeather(
            first + i,
            tmin_c=base[i] - rng.uniform(4, 8),
            tmax_c=base[i] + rng.uniform(4, 9),
            rain_mm=rain[i],
            dew_c=base[i] - rng.uniform(4, 7),
            wind_2m_ms=rng.gamma(4, 0.6),
            gust_ms=rng.gamma(6, 1.8),
            radiation_mj_m2=rng.uniform(8, 27),
            rain_chance=math.nan if i < PAST else round(rng.random(), 2),
            origin=Origin.FORECAST,
            rain_origin=Origin.FORECAST,
        )
        for i in range(size)
    )
    steps = []
    for k in range(size * 8):
        wave = -5 * math.cos(2 * math.pi * (k % 8) / 8)
        wet = rain[k // 8] > 0 and rng.random() < 0.3
        steps.append(
            StepWeather(
                first * DAY_S + k * STEP_S,
                temp_c=base[k // 8] + wave + rng.normal(0, 0.5),
                rh_percent=float(np.clip(65 - 4 * wave + rng.normal(0, 5), 5, 100)),
                wind_10m_ms=rng.gamma(4, 0.8),
                gust_ms=rng.gamma(5, 1.6),
                rain_mm=rng.gamma(0.8, 2.0) if wet else 0.0,
                cloud=round(float(np.clip(rng.normal(0.4, 0.35), 0, 1)), 2),
                origin=Origin.FORECAST,
            )
        )
    place = WeatherPlace(f"N33.{seed % 10}W005.{seed % 7}-{seed}", f"Place {seed}", 33.9, -5.5, 550)
    issued = Instant(day * DAY_S + 21_600.0, Trust.NTP)
    return Weather(place, days, tuple(steps), issued, SOURCE.credit, 550.0)
