"""The weather of a field: what was, what is forecast, what is usual, and how far to trust it.

Of each figure the most trusted is taken: a gauge read at the field (rain), a station, a reanalysis,
a forecast; short gaps are bridged, longer ones filled with what is usual here on that day.  Nothing
is ever zero because nobody knows it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path

import numpy as np

from edge_app.settings import Settings
from edge_app.weather_job import daily_weather
from field_data import clock
from field_data.days import day_of
from field_data.events import EventLog
from field_data.geometry import centre, distance_m
from field_data.rain_gauges import Readings, readings_of
from field_data.registry import Registry
from field_data.types import Field, Instant
from field_data.weather import DayWeather, Origin, StepWeather, Weather, WeatherPlace
from sat_ingest.weather.archive import ARCHIVE, PAST, WeatherArchive
from sat_ingest.weather.climate import Climate, climate_of
from sat_ingest.weather.merging import (
    CHANCE,
    ORIGINS,
    RAIN,
    bridge,
    days_of,
    merged,
    shifted,
    straighten,
)
from sat_ingest.weather.quanta import Floats, table_of

DAY_S = 86_400
# A forecast is told as old after so many days, and not used any more after so many.
OLD_DAYS, DEAD_DAYS = 3, 7
# Mean decrease of temperature with height, K/m (ISO 2533, the standard atmosphere).
LAPSE_K_M = 0.0065
# Steps of earlier days are taken from the forecasts of their time.
_STEPS_BACK_S = 30 * DAY_S
_EARLIEST = date(1980, 1, 1)


class State(StrEnum):
    """How the weather of a field is known."""

    FRESH = "fresh"
    OLD = "old"  # the forecast is more than three days old: said
    CLIMATOLOGY = "climatology"  # more than seven, or there is none: what is usual instead
    NONE = "none"  # no place covers the field
    NO_DAY = "no_day"  # nobody knows what day it is


@dataclass(frozen=True, slots=True)
class FieldWeather:
    """What is known; ``weather`` is None for NONE and NO_DAY.

    ``distance_km`` to the place, ``issued_days_ago`` of the forecast (NaN for none),
    ``missing_rain_days`` past days whose rain nobody measured or forecast, ``climatology_years``
    years that what is usual rests on, ``shifted_c`` degrees that temperatures were changed by for
    the height of the field.
    """

    state: State
    weather: Weather | None = None
    distance_km: float = math.nan
    issued_days_ago: float = math.nan
    missing_rain_days: int = 0
    climatology_years: int = 0
    shifted_c: float = 0.0


class WeatherDesk:
    """The weather of one home; threads may share it."""

    def __init__(
        self,
        home: Path,
        registry: Registry,
        events: EventLog,
        settings: Settings | None = None,
        now: Callable[[], Instant] = clock.now,
    ) -> None:
        self._home, self._registry, self._events = home, registry, events
        self._settings = settings or Settings()
        self._now = now
        self._lock = threading.Lock()
        self._archive: WeatherArchive | None = None
        self._climates: dict[str, tuple[int, Climate]] = {}

    def close(self) -> None:
        """Close what was opened."""
        if self._archive is not None:
            self._archive.close()

    def daily(self) -> None:
        """What is done once a day: fetch weather, where the keeper named a source.

        Raises:
            KeeperError: the archive's.
        """
        daily_weather(self._home, self._settings, self._registry.fields(), self._now)

    def revision(self) -> object:
        """Another value whenever the weather of some field may have changed."""
        archive = self._opened()
        return (archive.revision() if archive else -1, self._events.last_seq())

    def of(
        self, field: Field, as_of: date, *, past_days: int = 400, ahead_days: int = 10
    ) -> FieldWeather:
        """The days ``as_of - past_days`` to ``as_of + ahead_days`` (both included) of a field.

        Forecasts issued after ``as_of`` are not looked at.  What was measured on earlier days
        counts as known the day after, whenever it arrived; of ``as_of`` itself only what was
        forecast is known.

        Raises:
            KeeperError: the archive's.
        """
        if as_of < _EARLIEST or self._clock_is_wrong(as_of):
            return FieldWeather(State.NO_DAY)
        archive = self._opened()
        today = day_of(as_of)
        found = self._nearest(archive, field, today) if archive else None
        if archive is None or found is None:
            return FieldWeather(State.NONE)
        place, away = found
        return self._told(archive, field, place, away, today, today - past_days, today + ahead_days)

    def _told(
        self,
        archive: WeatherArchive,
        field: Field,
        place: WeatherPlace,
        away: float,
        today: int,
        first: int,
        last: int,
    ) -> FieldWeather:
        kept = archive.forecasts(place.id, (today + 1) * DAY_S - 1)
        age = today - kept[0].issued.utc_s // DAY_S if kept and kept[0].issued else math.nan
        used = kept[0] if kept and age <= DEAD_DAYS else None
        readings = readings_of(self._events, field, today)
        climate = self._climate(archive, place, today)
        up = readings.elevation_m
        shift = LAPSE_K_M * (place.elevation_m - up) if math.isfinite(up) else 0.0
        days, missing = _days(archive, place, used, readings, climate, shift, today, first, last)
        weather = Weather(
            place,
            days,
            _steps(kept, today, last, shift),
            used.issued if used else None,
            archive.source(place.id),
            used.model_elevation_m if used else math.nan,
        )
        state = State.CLIMATOLOGY if used is None else State.OLD if age > OLD_DAYS else State.FRESH
        return FieldWeather(state, weather, away, float(age), missing, climate.years, shift)

    def _climate(self, archive: WeatherArchive, place: WeatherPlace, today: int) -> Climate:
        """What is usual, from all days before; kept until the archive changes."""
        key, revision = f"{place.id} {today // 366}", archive.revision()
        known = self._climates.get(key)
        if known and known[0] == revision:
            return known[1]
        span = archive.span(place.id) or (today - 1, today - 1)
        first, last = span[0], max(min(span[1], today - 1), span[0])
        tables = [(origin, archive.days(place.id, origin, first, last)) for origin in PAST]
        found = climate_of(first, merged(tables)[0])
        self._climates[key] = (revision, found)
        return found

    def _nearest(
        self, archive: WeatherArchive, field: Field, today: int
    ) -> tuple[WeatherPlace, float] | None:
        """The nearest place and its distance in km, if it is near enough.

        One with a forecast goes before a nearer one without: a station tells no tomorrow.
        """
        lon, lat = middle = centre(field.boundary)
        narrow = math.cos(math.radians(lat))

        def roughly(place: WeatherPlace) -> float:
            return math.hypot(place.lat - lat, (place.lon - lon) * narrow)

        near: list[tuple[WeatherPlace, float]] = []
        for place in sorted(archive.places(), key=roughly):
            away = distance_m(middle, (place.lon, place.lat)) / 1000
            if away > self._settings.weather_max_km:
                break
            if _forecast_lives(archive, place.id, today):
                return place, away
            near.append((place, away))
        return near[0] if near else None

    def _clock_is_wrong(self, as_of: date) -> bool:
        """Whether ``as_of`` is the today of a clock that woke up before this code was written."""
        utc_s = self._now().utc_s
        return utc_s < clock.BUILT_UTC_S and abs(day_of(as_of) - utc_s // DAY_S) <= 1

    def _opened(self) -> WeatherArchive | None:
        """The archive, once there is one: it is often filled by another process."""
        with self._lock:
            if self._archive is None and (self._home / ARCHIVE).is_file():
                self._archive = WeatherArchive(self._home / ARCHIVE)
            return self._archive


def _forecast_lives(archive: WeatherArchive, place: str, today: int) -> bool:
    kept = archive.forecasts(place, (today + 1) * DAY_S - 1, 1)
    issued = kept[0].issued if kept else None
    return issued is not None and today - issued.utc_s // DAY_S <= DEAD_DAYS


def _days(
    archive: WeatherArchive,
    place: WeatherPlace,
    used: Weather | None,
    readings: Readings,
    climate: Climate,
    shift: float,
    today: int,
    first: int,
    last: int,
) -> tuple[tuple[DayWeather, ...], int]:
    """The days asked for, and of how many past ones nobody measured or forecast the rain."""
    size, past = last - first + 1, np.arange(first, last + 1) < today
    tables: list[tuple[Origin, Floats]] = [
        (origin, np.where(past[:, None], archive.days(place.id, origin, first, last), np.nan))
        for origin in PAST
    ]
    if used is not None:
        ahead = np.full((size, tables[0][1].shape[1]), np.nan)
        for row, day in zip(table_of(used.days), used.days, strict=True):
            if max(today, first) <= day.day <= last:
                ahead[day.day - first] = row
        tables.append((Origin.FORECAST, ahead))
    gauge = np.full_like(tables[0][1], np.nan)
    gauge[:, RAIN] = readings.rain(first, last, merged(tables)[0][:, RAIN].tolist())
    figures, whence = merged([(Origin.GAUGE, gauge), *tables])
    bridge(figures, whence)
    missing = int(np.isnan(figures[past, RAIN]).sum())
    usual = climate.days(first, last)
    usual[past, CHANCE] = np.nan  # of a day that is over there is no chance any more
    holes = np.isnan(figures) & ~np.isnan(usual)
    figures[holes] = usual[holes]
    whence[holes] = ORIGINS.index(Origin.CLIMATOLOGY)
    straighten(figures, whence)
    return days_of(first, shifted(figures, shift), whence), missing


def _steps(kept: list[Weather], today: int, last: int, shift: float) -> tuple[StepWeather, ...]:
    """Steps of the latest forecast, before it those of earlier ones; those ahead only if fresh."""
    found: dict[int, StepWeather] = {}
    for weather in reversed(kept):
        issued = weather.issued.utc_s if weather.issued else 0.0
        dead = today * DAY_S - issued > (DEAD_DAYS + 1) * DAY_S
        for step in weather.steps:
            ahead = step.start_utc_s >= today * DAY_S
            if step.start_utc_s < (last + 1) * DAY_S and not (ahead and dead):
                found[step.start_utc_s] = replace(step, temp_c=step.temp_c + shift)
    newest = max(found, default=0)
    return tuple(found[at] for at in sorted(found) if at > newest - _STEPS_BACK_S)
