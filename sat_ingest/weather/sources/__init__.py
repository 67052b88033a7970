"""Where weather comes from, one TOML file each; a keeper may write one of their own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from field_data.errors import PublisherError
from field_data.weather import DAY_FIGURES, STEP_FIGURES, Origin

KINDS = frozenset({"open_meteo", "power"})
# A day's wind may be told at 10 m.
_DAILY = {*DAY_FIGURES, "wind_10m_ms"}
_FIGURES = {"daily": _DAILY, "means": _DAILY, "hourly": {*STEP_FIGURES}}
_KEYS = frozenset(
    {"title", "kind", "credit", "url", "origin", "past_days", "forecast_days", "places", "query"}
    | _FIGURES.keys()
)
_MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class WeatherSource:
    """A service: where it is, and what it calls our figures.

    ``past_days`` and ``forecast_days`` of a forecast; ``places`` in one request at most; ``means``
    are means of the hours of a day.
    """

    title: str
    kind: str
    credit: str
    url: str
    origin: Origin
    daily: Mapping[str, str]
    hourly: Mapping[str, str]
    means: Mapping[str, str]
    query: Mapping[str, str]
    past_days: int = 0
    forecast_days: int = 0
    places: int = 1


def source_names() -> list[str]:
    """Names of the sources that come with Ghalla."""
    names = (each.name for each in resources.files(__name__).iterdir())
    found = (name.removesuffix(".toml") for name in names if name.endswith(".toml"))
    return sorted(set(found) - {"station"})


def find_source(name: str) -> WeatherSource:
    """The source of a name, or of a TOML file.

    Raises:
        PublisherError: ``bad_weather_source``, ``unknown_weather_source``.
    """
    if name in source_names():
        return source_from(_shipped(name))
    path = Path(name)
    if path.suffix != ".toml" or not path.is_file():
        known = ", ".join(source_names())
        message = f"no weather source {name!r}; known are {known}, or the path of a .toml file"
        raise PublisherError("unknown_weather_source", message)
    with path.open(encoding="utf-8", errors="replace") as file:
        return source_from(file.read(_MOST_BYTES))


def station_columns() -> dict[str, tuple[str, str]]:
    """Columns of daily files: name in small letters to figure and unit; figure ``day`` has none."""
    said = tomllib.loads(_shipped("station"))
    columns = said["columns"]
    found = dict.fromkeys(columns.pop("day"), ("day", ""))
    for figure, each in columns.items():
        found |= dict.fromkeys(each["names"], (figure, each["unit"]))
    return found | {name: (figure, unit) for name, (figure, unit) in said["other_units"].items()}


def source_from(text: str) -> WeatherSource:
    """A source out of TOML, read strictly.

    Raises:
        PublisherError: ``bad_weather_source``.
    """
    try:
        return _source(tomllib.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PublisherError("bad_weather_source", f"no weather source: {error!r}") from error


def _source(said: dict[str, Any]) -> WeatherSource:
    if unknown := said.keys() - _KEYS:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    if said["kind"] not in KINDS or urlsplit(said["url"]).scheme not in {"http", "https"}:
        raise ValueError("unknown kind, or no web address")
    tables = {name: _table(name, said.get(name, {})) for name in _FIGURES}
    numbers = {key: said.get(key, 0) for key in ("past_days", "forecast_days")}
    if not all(type(n) is int and 0 <= n <= 92 for n in numbers.values()):
        raise ValueError("past_days and forecast_days are 0 to 92")
    origin, places = Origin(said["origin"]), said.get("places", 1)
    if (origin is Origin.FORECAST) != (numbers["forecast_days"] > 0):
        raise ValueError("a forecast has forecast_days, and nothing else has")
    if type(places) is not int or not 1 <= places <= 100:
        raise ValueError("places are 1 to 100")
    return WeatherSource(
        title=str(said["title"]),
        kind=said["kind"],
        credit=str(said["credit"]),
        url=said["url"],
        origin=origin,
        query={key: str(value) for key, value in said.get("query", {}).items()},
        places=places,
        daily=tables["daily"],
        hourly=tables["hourly"],
        means=tables["means"],
        past_days=numbers["past_days"],
        forecast_days=numbers["forecast_days"],
    )


def _table(kind: str, said: Mapping[str, Any]) -> dict[str, str]:
    if wrong := said.keys() - _FIGURES[kind]:
        raise ValueError(f"{kind} names no figures of ours: {sorted(wrong)}")
    if not all(isinstance(name, str) and name for name in said.values()):
        raise ValueError("a figure is called by a name")
    return dict(said)


def _shipped(name: str) -> str:
    return (resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8")
