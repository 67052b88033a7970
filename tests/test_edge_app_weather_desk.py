"""The weather of a field: whose figure counts, how old it may be, and what nobody knows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
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
from field_data.weather import DAY_FIGURES, DayWeather, Origin, StepWeather, Weather, WeatherPlace
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


def test_an_old_forecast_is_said_and_a_dead_one_is_not_used(farm: Farm) -> None:
    assert DAY_FIGURES[:3] == ("tmin_c", "tmax_c", "rain_mm")
    farm.archive.put(forecast(T - 12))
    past = np.full((800, len(DAY_FIGURES)), np.nan)
    past[:, :3] = 8.0, 20.0, 2.0
    farm.archive.put_days(PLACE, Origin.REANALYSIS, T - 812, past)
    states = []
    for age in (3, 4, 7, 8):
        told = farm.desk.of(farm.field, date.fromordinal(TODAY.toordinal() - 12 + age),
                            past_days=0, ahead_days=1)  # fmt: skip
        assert told.weather is not None
        states.append((told.state, told.weather.days[0].rain_origin))
    assert states == [
        (State.FRESH, Origin.FORECAST),
        (State.OLD, Origin.FORECAST),
        (State.OLD, Origin.FORECAST),
        (State.CLIMATOLOGY, Origin.CLIMATOLOGY),
    ]
    assert told.climatology_years >= 2
    assert told.weather is not None
    assert told.weather.days[0].rain_mm == pytest.approx(2.0, abs=0.1)


def test_only_what_was_known_on_the_day_is_looked_at(farm: Farm) -> None:
    farm.archive.put(forecast(T - 2, rain=1.0))
    farm.archive.put(forecast(T, rain=7.0))
    farm.archive.put(Weather(PLACE, (day(T - 1, Origin.OBSERVED, 30.0),)))
    yesterday = date.fromordinal(TODAY.toordinal() - 1)
    for as_of, rain in ((yesterday, 1.0), (TODAY, 7.0)):
        told = farm.desk.of(farm.field, as_of, past_days=0, ahead_days=0)
        assert told.weather is not None
        assert told.weather.column("rain_mm") == (rain,)


def test_without_a_place_or_a_day_it_says_so(farm: Farm) -> None:
    assert farm.desk.of(farm.field, TODAY).state is State.NONE
    far = WeatherPlace("N35.0W002.0", "", 35.0, -2.0, 100.0)
    farm.archive.put(Weather(far, (day(T - 1, Origin.OBSERVED, 1.0),)))
    assert farm.desk.of(farm.field, TODAY).state is State.NONE
    assert farm.desk.of(farm.field, date(1970, 1, 2)).state is State.NO_DAY


def test_the_revision_changes_with_the_archive_and_with_what_people_say(farm: Farm) -> None:
    seen = {farm.desk.revision()}
    farm.archive.put(forecast(T))
    seen.add(farm.desk.revision())
    farm.say({"day": TODAY.isoformat(), "rain": 1.0, "days": 1})
    seen.add(farm.desk.revision())
    assert len(seen) == 3
