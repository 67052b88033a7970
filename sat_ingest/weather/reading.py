"""Answers of weather services become `Weather`; whoever wrote them may be hostile.

A figure whose unit is not known, or that is no number, is unknown with the reason; a document that
is not what the source promises is refused as a whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np

from field_data.days import day_of
from field_data.errors import PublisherError
from field_data.types import Instant, Trust
from field_data.weather import (
    DAY_FIGURES,
    STEP_FIGURES,
    STEP_S,
    Origin,
    Weather,
    WeatherPlace,
)
from sat_ingest.weather.codec import MOST_DAYS, MOST_STEPS
from sat_ingest.weather.quality import Doubt, sound, together
from sat_ingest.weather.quanta import Floats, day_from, step_from
from sat_ingest.weather.sources import WeatherSource
from sat_ingest.weather.units import scale_of, wind_2m

DAY_S = 86_400
HOUR_S = 3600
# A step is known when so many of its three hours are.
_LEAST_HOURS = 2
_LEAST_HOURS_OF_DAY = 18
_FILL = -999.0
# How the three hours of a step become one figure.
_SUMS, _MOST = frozenset({"rain_mm"}), frozenset({"gust_ms"})
# Further than this from the place that was asked for it is another one.
_NEAR_DEGREES = 0.5

Read = tuple[Weather, list[Doubt]]


def read_answer(
    source: WeatherSource, data: bytes, places: Sequence[WeatherPlace], now: Instant
) -> list[Read]:
    """The weather of the places that were asked for, in their order.

    Raises:
        PublisherError: ``bad_weather_answer``.
    """
    try:
        said = json.loads(data)
        many = said if isinstance(said, list) else [said]
        if len(many) != len(places):
            raise ValueError(f"{len(many)} places instead of {len(places)}")
        reader = _read_power if source.kind == "power" else _read_open_meteo
        read = zip(many, places, strict=True)
        return [reader(source, each, place, now) for each, place in read]
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        message = f"{source.title} did not answer as it should: {str(error)[:200]}"
        raise PublisherError("bad_weather_answer", message) from error


def _read_open_meteo(
    source: WeatherSource, said: Mapping[str, Any], place: WeatherPlace, now: Instant
) -> Read:
    offset = int(said["utc_offset_seconds"])
    if not -DAY_S < offset < DAY_S:
        raise ValueError("a time zone that is none")
    here = _placed(said["latitude"], said["longitude"], said.get("elevation"), place)
    daily, units = said["daily"], said["daily_units"]
    days = [(_whole(each) + offset) // DAY_S for each in daily["time"]]
    _must_follow(days, 1, MOST_DAYS)
    doubts: list[Doubt] = []
    columns = {
        figure: _column(figure, daily.get(name), units.get(name), len(days), doubts)
        for figure, name in source.daily.items()
    }
    hours, table = _hours(source, said, doubts)
    for figure, name in source.means.items():
        columns[figure] = _day_means(hours, table[name], days, offset)
    weather = _assembled(source, here, days, columns, now)
    return _checked(replace(weather, steps=_steps(source, hours, table)), doubts)


def _read_power(
    source: WeatherSource, said: Mapping[str, Any], place: WeatherPlace, now: Instant
) -> Read:
    lon, lat, height = (*said["geometry"]["coordinates"], None)[:3]
    here = _placed(lat, lon, height, place)
    told, about = said["properties"]["parameter"], said["parameters"]
    first = next(iter(told.values()))
    days = [day_of(date.fromisoformat(f"{d[:4]}-{d[4:6]}-{d[6:8]}")) for d in first]
    _must_follow(days, 1, MOST_DAYS)
    doubts: list[Doubt] = []
    columns = {}
    for figure, name in source.daily.items():
        values = list(told[name].values()) if name in told else None
        unit = about.get(name, {}).get("units")
        columns[figure] = _column(figure, values, unit, len(days), doubts)
    return _checked(_assembled(source, here, days, columns, now), doubts)


def _checked(weather: Weather, doubts: Sequence[Doubt]) -> Read:
    good, more = sound(weather)
    return good, together([*doubts, *more])


def _placed(lat: Any, lon: Any, elevation: Any, asked: WeatherPlace) -> WeatherPlace:
    """The place that was asked for, at the height that the service tells.

    Raises:
        ValueError: it is about somewhere else.
    """
    far = max(abs(_number(lat) - asked.lat), abs(_number(lon) - asked.lon))
    if not far <= _NEAR_DEGREES:
        raise ValueError(f"it is about {lat}, {lon}, not {asked.lat}, {asked.lon}")
    height = _number(elevation)
    return replace(asked, elevation_m=height) if math.isfinite(height) else asked


def _hours(
    source: WeatherSource, said: Mapping[str, Any], doubts: list[Doubt]
) -> tuple[list[int], dict[str, Floats]]:
    """Seconds since 1970 of the hours, and the columns by the service's names."""
    wanted = {name: figure for figure, name in [*source.hourly.items(), *source.means.items()]}
    if not wanted:
        return [], {}
    hourly, units = said["hourly"], said["hourly_units"]
    hours = [_whole(each) for each in hourly["time"]]
    _must_follow(hours, HOUR_S, MOST_STEPS * 3)
    return hours, {
        name: _column(figure, hourly.get(name), units.get(name), len(hours), doubts)
        for name, figure in wanted.items()
    }


def _assembled(
    source: WeatherSource,
    place: WeatherPlace,
    days: Sequence[int],
    columns: Mapping[str, Floats],
    now: Instant,
) -> Weather:
    table = np.full((len(days), len(DAY_FIGURES)), np.nan)
    for figure, column in columns.items():
        if figure == "wind_10m_ms":
            table[:, DAY_FIGURES.index("wind_2m_ms")] = column * wind_2m(10)
        else:
            table[:, DAY_FIGURES.index(figure)] = column
    origin = source.origin
    return Weather(
        place,
        tuple(day_from(day, row, origin, origin) for day, row in zip(days, table, strict=True)),
        issued=_issued(source, days, now) if origin is Origin.FORECAST else None,
        source=source.credit,
        model_elevation_m=place.elevation_m,
    )


def _issued(source: WeatherSource, days: Sequence[int], now: Instant) -> Instant:
    """When a forecast was made: the service knows what day it is, a node may not.

    Raises:
        ValueError: it does not begin where it was asked to.
    """
    if len(days) <= source.past_days:
        raise ValueError("a forecast without a day to come")
    today = days[source.past_days]
    if now.trust is not Trust.UNKNOWN and abs(now.utc_s // DAY_S - today) <= 1:
        return now
    return Instant(float(today * DAY_S), Trust.UNKNOWN)


def _column(figure: str, values: Any, unit: Any, size: int, doubts: list[Doubt]) -> Floats:
    """A figure in our unit, NaN where nothing is known."""
    if values is None:
        return np.full(size, np.nan)
    if not isinstance(values, list) or len(values) != size:
        raise ValueError(f"{figure} has another length")
    scale = scale_of(figure, unit) if isinstance(unit, str) else None
    if scale is None:
        doubts.append(Doubt("unknown_unit", figure, size))
        return np.full(size, np.nan)
    plain = np.array([_number(each) for each in values])
    wrong = sum(each is not None and math.isnan(_number(each)) for each in values)
    if wrong:
        doubts.append(Doubt("no_number", figure, wrong))
    plain[plain <= _FILL] = np.nan
    scaled: Floats = plain * scale[0] + scale[1]
    return scaled


def _number(value: Any) -> float:
    """NaN for all that is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value) if math.isfinite(value) else math.nan


def _whole(value: Any) -> int:
    if type(value) is not int or not -(2**40) < value < 2**40:
        raise ValueError("a time that is none")
    return value


def _must_follow(times: Sequence[int], step: int, most: int) -> None:
    if not 0 < len(times) <= most:
        raise ValueError(f"{len(times)} times")
    if any(b - a != step for a, b in pairwise(times)):
        raise ValueError("times do not follow one another")


def _day_means(hours: Sequence[int], column: Floats, days: Sequence[int], offset: int) -> Floats:
    """Means of the hours of local days, NaN where many are missing."""
    local = (np.array(hours) + offset) // DAY_S - days[0]
    inside = (local >= 0) & (local < len(days)) & ~np.isnan(column)
    counts = np.bincount(local[inside], minlength=len(days))
    sums = np.bincount(local[inside], weights=column[inside], minlength=len(days))
    return np.where(counts >= _LEAST_HOURS_OF_DAY, sums / np.maximum(counts, 1), np.nan)


def _steps(
    source: WeatherSource, hours: Sequence[int], table: Mapping[str, Floats]
) -> tuple[Any, ...]:
    """Steps of three hours on the grid of UTC, of hours that they hold whole."""
    skip = next((i for i, at in enumerate(hours) if at % STEP_S == 0), len(hours))
    count = (len(hours) - skip) // 3
    if not source.hourly or not count:
        return ()
    figures = np.full((count, len(STEP_FIGURES)), np.nan)
    for figure, name in source.hourly.items():
        three = table[name][skip : skip + 3 * count].reshape(count, 3)
        figures[:, STEP_FIGURES.index(figure)] = _of_three(figure, three)
    return tuple(
        step_from(hours[skip] + i * STEP_S, row, source.origin)
        for i, row in enumerate(figures)
        if not np.isnan(row).all()
    )


def _of_three(figure: str, three: Floats) -> Floats:
    """[steps, 3] to [steps]: a sum is known only when all hours are."""
    if figure in _SUMS:
        total: Floats = three.sum(axis=1)
        return total
    known = (~np.isnan(three)).sum(axis=1)
    if figure in _MOST:
        best = np.where(np.isnan(three), -np.inf, three).max(axis=1)
        return np.where(known >= _LEAST_HOURS, best, np.nan)
    return np.where(known >= _LEAST_HOURS, np.nansum(three, axis=1) / np.maximum(known, 1), np.nan)
