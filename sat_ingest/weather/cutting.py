"""The weather of a place as it is packed for other nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from field_data.weather import DAY_FIGURES, DayWeather, Weather, WeatherPlace
from sat_ingest.weather.archive import PAST, WeatherArchive
from sat_ingest.weather.merging import days_of, merged

DAY_S = 86_400
# Steps of earlier days tell only how wet leaves were.
_STEP_DAYS = 7


def cut(archive: WeatherArchive, place: WeatherPlace, past_days: int) -> Weather:
    """The latest forecast of a place and the days before it, each figure of the best origin.

    A place without a forecast is told to the last day that is known of it.  Days of which nothing
    is known are left out at both ends.
    """
    latest = next(iter(archive.forecasts(place.id, math.inf, 1)), None)
    if latest is None or latest.issued is None:
        today = _end(archive, place)
        days = _known(_past(archive, place, today, past_days))
        return Weather(place, days, source=archive.source(place.id))
    today = int(latest.issued.utc_s // DAY_S)
    ahead = [day for day in latest.days if day.day >= today]
    since = (today - min(past_days, _STEP_DAYS)) * DAY_S
    return Weather(
        place,
        _known([*_past(archive, place, today, past_days), *ahead]),
        tuple(step for step in latest.steps if step.start_utc_s >= since),
        latest.issued,
        latest.source,
        latest.model_elevation_m,
    )


def _past(
    archive: WeatherArchive, place: WeatherPlace, today: int, size: int
) -> tuple[DayWeather, ...]:
    if not size:
        return ()
    first = today - size
    tables = [(origin, archive.days(place.id, origin, first, today - 1)) for origin in PAST]
    return days_of(first, *merged(tables))


def _end(archive: WeatherArchive, place: WeatherPlace) -> int:
    """The day after the last that is known, 0 for none."""
    first, last = archive.span(place.id) or (0, 0)
    tables = [(origin, archive.days(place.id, origin, first, last)) for origin in PAST]
    known = np.flatnonzero(~np.isnan(merged(tables)[0]).all(axis=1))
    return first + int(known[-1]) + 1 if known.size else 0


def _known(days: Sequence[DayWeather]) -> tuple[DayWeather, ...]:
    told = [i for i, day in enumerate(days) if _is_known(day)]
    return tuple(days[told[0] : told[-1] + 1]) if told else ()


def _is_known(day: DayWeather) -> bool:
    return not all(math.isnan(getattr(day, name)) for name in DAY_FIGURES)
