"""The weather of a field: whose figure counts, how old it may be, and what nobody knows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from edge_app.home import open_ground
from edge_app.node import init_home
from edge_app.settings import Settings
from edge_app.weather_desk import State, WeatherDesk
from field_data.days import day_of
from field_data.events import Draft, Kind
from field_data.geometry import outline
from field_data.ids import new_id
from field_data.types import Field, Instant, Trust
from field_data.weather import DayWeather, Origin, StepWeather, Weather, WeatherPlace
from sat_ingest.weather.archive import ARCHIVE, WeatherArchive
from tests.skies import square

TODAY = date(2026, 4, 20)
T = day_of(TODAY)
PLACE = WeatherPlace("N33.9W005.5", "N33.9W005.5", 33.9, -5.5, 550.0)


def day(n: int, origin: Origin, rain: float = math.nan, **more: float) -> DayWeather:
    """A day whose rain has the same origin."""
    figures = {"tmin_c": 8.0, "tmax_c": 20.0, "wind_2m_ms": 2.0, **more}
    return DayWeather(n, rain_mm=rain, origin=origin, rain_origin=origin, **figures)


def forecast(issued_day: int, rain: float = 1.0, ahead: int = 10, **more: float) -> Weather:
    """A forecast with two days before and steps of each day."""
    days = tuple(
        day(n, Origin.FORECAST, rain, **more) for n in range(issued_day - 2, issued_day + ahead)
    )
    steps = tuple(
        StepWeather(n.day * 86_400 + 3 * 3600 * k, temp_c=15.0, rain_mm=0.1, origin=Origin.FORECAST)
        for n in days
        for k in range(8)
    )
    issued = Instant(issued_day * 86_400 + 6 * 3600.0, Trust.NTP)
    return Weather(PLACE, days, steps, issued, "a model", 550.0)


@dataclass
class Farm:
    """A home with a field, its archive and its desk."""

    archive: WeatherArchive
    desk: WeatherDesk
    field: Field
    say: Callable[..., None]


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    """A field at Meknes, seven kilometres from the middle of its cell."""
    home = tmp_path / "home"
    init_home(home)
    with open_ground(home) as ground, WeatherArchive(home / ARCHIVE) as archive:
        land = ground.registry.add_farm("keeper", "a farm")
        field = ground.registry.add_field("keeper", land.id, "a field", outline(square(0)))[0]

        def say(values: dict[str, Any], at_day: int = T, **more: Any) -> None:
            body = {"form": "rain_gauge", "version": 1, "values": values, "place": None}
            at = Instant(at_day * 86_400.0 + 7 * 3600, Trust.TABLET)
            ground.events.append(
                Draft(new_id(), Kind.OBSERVATION, field.id, "agent", at, body, **more)
            )

        desk = WeatherDesk(home, ground.registry, ground.events, Settings(), now=clock_at(T))
        yield Farm(archive, desk, field, say)
        desk.close()


def clock_at(day: float) -> Callable[[], Instant]:
    return lambda: Instant(day * 86_400 + 40_000.0, Trust.NTP)


def test_the_most_trusted_figure_of_a_day_counts(farm: Farm) -> None:
    farm.archive.put(
        Weather(
            PLACE,
            (
                day(T - 5, Origin.REANALYSIS, 5.0),
                day(T - 4, Origin.REANALYSIS, 4.0),
                day(T - 3, Origin.REANALYSIS, 3.0),
            ),
        )
    )
    farm.archive.put(
        Weather(PLACE, (day(T - 4, Origin.OBSERVED, 9.0), day(T - 3, Origin.OBSERVED, 9.0)))
    )
    farm.archive.put(forecast(T))
    farm.say({"day": str(date.fromordinal(TODAY.toordinal() - 3)), "rain": 21.0, "days": 1})
    told = farm.desk.of(farm.field, TODAY, past_days=5, ahead_days=3)
    assert told.state is State.FRESH
    assert told.weather is not None
    assert told.weather.column("rain_mm") == (5.0, 9.0, 21.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    whence = [each.rain_origin for each in told.weather.days]
    assert whence[:4] == [Origin.REANALYSIS, Origin.OBSERVED, Origin.GAUGE, Origin.FORECAST]
    assert told.weather.days[2].origin is Origin.OBSERVED  # the gauge says nothing of warmth
    assert 3 < told.distance_km < 6
    assert told.issued_days_ago == 0


@pytest.mark.parametrize(
    ("issued", "state", "origin"),
    [
        (T, State.FRESH, Origin.FORECAST),
        (T - 3, State.FRESH, Origin.FORECAST),
        (T - 4, State.OLD, Origin.FORECAST),
        (T - 7, State.OLD, Origin.FORECAST),
        (T - 8, State.CLIMATOLOGY, Origin.NONE),
        (T - 365, State.CLIMATOLOGY, Origin.NONE),
    ],
)
def test_a_forecast_grows_old_and_is_then_left_alone(
    farm: Farm, issued: int, state: State, origin: Origin
) -> None:
    farm.archive.put(forecast(issued, ahead=15))
    told = farm.desk.of(farm.field, TODAY, past_days=3, ahead_days=3)
    assert told.state is state
    assert told.weather is not None
    assert told.weather.days[-1].origin is origin
    assert told.weather.issued is None or state is not State.CLIMATOLOGY


def test_what_is_usual_stands_in_and_says_so(farm: Farm) -> None:
    for year in (2022, 2023, 2024, 2025):
        first = day_of(date(year, 1, 1))
        days = tuple(day(first + n, Origin.OBSERVED, 2.0, tmin_c=5.0) for n in range(365))
        farm.archive.put(Weather(PLACE, days))
    told = farm.desk.of(farm.field, TODAY, past_days=2, ahead_days=4)
    assert told.state is State.CLIMATOLOGY
    assert told.climatology_years >= 4
    assert told.missing_rain_days == 2
    assert told.weather is not None
    ahead = told.weather.days[-1]
    assert (ahead.origin, ahead.rain_origin) == (Origin.CLIMATOLOGY, Origin.CLIMATOLOGY)
    assert ahead.tmin_c == pytest.approx(5.0, abs=0.2)
    assert math.isnan(told.weather.days[0].rain_chance)


def test_a_day_that_is_missing_is_bridged_and_a_week_is_not(farm: Farm) -> None:
    days = [day(T - n, Origin.OBSERVED, 0.0, tmax_c=20.0 + n) for n in range(20, 0, -1)]
    holes = {T - 15, *range(T - 10, T - 3)}
    for each in days:
        if each.day not in holes:
            farm.archive.put(Weather(PLACE, (each,)))
    told = farm.desk.of(farm.field, TODAY, past_days=20, ahead_days=0).weather
    assert told is not None
    one = told.on(T - 15)
    assert one is not None
    assert one.origin is Origin.BRIDGED
    assert one.tmax_c == pytest.approx(35.0, abs=0.5)
    middle = told.on(T - 7)
    assert middle is not None
    assert math.isnan(middle.tmax_c)
    assert math.isnan(middle.rain_mm)


def test_as_of_an_earlier_day_only_what_was_known_then_is_told(farm: Farm) -> None:
    farm.archive.put(forecast(T - 6, rain=1.0))
    farm.archive.put(forecast(T, rain=7.0))
    farm.archive.put(Weather(PLACE, tuple(day(n, Origin.OBSERVED, 3.0) for n in range(T - 9, T))))
    then = farm.desk.of(farm.field, date.fromordinal(TODAY.toordinal() - 5), past_days=2)
    assert then.weather is not None
    assert then.weather.column("rain_mm")[:4] == (3.0, 3.0, 1.0, 1.0)
    assert then.issued_days_ago == 1


def test_without_a_place_near_or_a_day_there_is_no_weather(farm: Farm, tmp_path: Path) -> None:
    assert farm.desk.of(farm.field, TODAY).state is State.NONE
    far = WeatherPlace("far", "far", 30.0, -9.0, 100.0)
    farm.archive.put(Weather(far, (day(T, Origin.OBSERVED, 0.0),)))
    assert farm.desk.of(farm.field, TODAY).state is State.NONE
    with open_ground(tmp_path / "home") as ground:
        woken = WeatherDesk(
            tmp_path / "home",
            ground.registry,
            ground.events,
            now=lambda: Instant(9e4, Trust.UNKNOWN),
        )
        assert woken.of(farm.field, date(1970, 1, 2)).state is State.NO_DAY
        woken.close()


def test_a_place_with_a_forecast_goes_before_a_nearer_station(farm: Farm) -> None:
    station = WeatherPlace("station", "a station", 33.92, -5.55, 550.0)
    farm.archive.put(Weather(station, (day(T - 1, Origin.OBSERVED, 9.0),)))
    alone = farm.desk.of(farm.field, TODAY, past_days=1, ahead_days=1)
    assert alone.weather is not None
    assert alone.weather.place.id == "station"
    farm.archive.put(forecast(T))
    told = farm.desk.of(farm.field, TODAY, past_days=1, ahead_days=1)
    assert told.state is State.FRESH
    farm.archive.put(forecast(T))
    later = date.fromordinal(TODAY.toordinal() + 20)
    old = farm.desk.of(farm.field, later, past_days=1, ahead_days=1)
    assert old.weather is not None
    assert old.weather.place.id == "station"
