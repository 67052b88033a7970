"""The weather of a field in a terminal, and for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from edge_app.weather_desk import FieldWeather, State
from field_data.days import date_of
from field_data.weather import DAY_FIGURES, STEP_FIGURES, DayWeather, Origin

STATES = {
    State.FRESH: "The forecast is fresh.",
    State.OLD: "The forecast is more than three days old.",
    State.CLIMATOLOGY: "No forecast of this week: what is usual on these days instead.",
    State.NONE: "No place with weather is near this field: ghalla weather pull, or import.",
    State.NO_DAY: "Nobody knows what day it is: the clock of this box is wrong.",
}
_COLUMNS = (
    ("tmin", "tmin_c", 1),
    ("tmax", "tmax_c", 1),
    ("rain", "rain_mm", 1),
    ("wind2", "wind_2m_ms", 1),
    ("gust", "gust_ms", 1),
    ("sun", "radiation_mj_m2", 1),
    ("chance", "rain_chance", 2),
)


def lines(told: FieldWeather) -> Iterator[str]:
    """What a person reads."""
    yield STATES[told.state]
    if told.weather is None:
        return
    place = told.weather.place
    yield f"{place.name or place.id}, {told.distance_km:.0f} km away, {place.elevation_m:.0f} m"
    if math.isfinite(told.issued_days_ago):
        yield f"Forecast made {told.issued_days_ago:.0f} days before."
    if told.shifted_c:
        yield f"Temperatures moved by {told.shifted_c:+.1f} °C for the height of the field."
    if told.missing_rain_days:
        yield f"On {told.missing_rain_days} days nobody measured the rain: the usual mean instead."
    yield f"What is usual rests on {told.climatology_years} years."
    yield "day        " + "".join(f"{name:>8}" for name, _, _ in _COLUMNS) + "  from (rain from)"
    yield from map(_line, told.weather.days)
    if told.weather.source:
        yield told.weather.source


def _line(day: DayWeather) -> str:
    cells = (_cell(getattr(day, figure), digits) for _, figure, digits in _COLUMNS)
    rain = f" ({day.rain_origin})" if day.rain_origin is not day.origin else ""
    return f"{date_of(day.day)} {''.join(cells)}  {day.origin}{rain}"


def _cell(value: float, digits: int) -> str:
    return f"{'?' if math.isnan(value) else f'{value:.{digits}f}':>8}"


def as_plain(told: FieldWeather) -> dict[str, Any]:
    """For programs: null for what nobody knows."""
    said: dict[str, Any] = {
        "state": told.state.value,
        "distance_km": _number(told.distance_km),
        "issued_days_ago": _number(told.issued_days_ago),
        "missing_rain_days": told.missing_rain_days,
        "climatology_years": told.climatology_years,
        "shifted_c": round(told.shifted_c, 2),
    }
    if told.weather is None:
        return said | {"place": None, "days": [], "steps": []}
    place = told.weather.place
    return said | {
        "place": {"id": place.id, "name": place.name, "elevation_m": place.elevation_m},
        "source": told.weather.source,
        "days": [_day(day) for day in told.weather.days],
        "steps": [
            {"start_utc_s": step.start_utc_s}
            | {name: _number(getattr(step, name)) for name in STEP_FIGURES}
            for step in told.weather.steps
        ],
    }


def _day(day: DayWeather) -> dict[str, Any]:
    said: dict[str, Any] = {"day": date_of(day.day).isoformat()}
    said |= {name: _number(getattr(day, name)) for name in DAY_FIGURES}
    return said | {"origin": _origin(day.origin), "rain_origin": _origin(day.rain_origin)}


def _origin(origin: Origin) -> str:
    return origin.value


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)
