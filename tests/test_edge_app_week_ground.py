"""The advisers of a real node in the week of a field: weather in, sentences out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from edge_app.ground import Ground
from edge_app.home import open_ground
from edge_app.node import init_home
from field_data.days import day_of
from field_data.geometry import outline
from field_data.season_advice import Topic
from field_data.types import Field
from field_data.weather import Origin, Weather
from sat_ingest.weather.archive import ARCHIVE, WeatherArchive
from tests.skies import square
from tests.test_edge_app_weather_desk import PLACE, TODAY, T, day, forecast


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[tuple[Path, Ground, Field]]:
    home = tmp_path / "home"
    init_home(home)
    with open_ground(home) as ground:
        land = ground.registry.add_farm("keeper", "a farm")
        field = ground.registry.add_field("keeper", land.id, "a field", outline(square(0)))[0]
        ground.registry.add_season("keeper", field.id, "TRZAX", sown=date(2025, 11, 20))
        yield home, ground, field
        ground.close()


def dry_and_windy(home: Path) -> None:
    with WeatherArchive(home / ARCHIVE) as archive:
        past = [
            day(T - n, Origin.OBSERVED, 0.0, tmin_c=8.0, tmax_c=24.0) for n in range(150, 0, -1)
        ]
        archive.put(Weather(PLACE, tuple(past)))
        archive.put(forecast(T, rain=0.0, gust_ms=18.0))


def test_water_pests_and_work_speak_of_a_field(farm: tuple[Path, Ground, Field]) -> None:
    home, ground, field = farm
    dry_and_windy(home)
    told = ground.week.of(field, TODAY)
    assert told.silent == ()
    topics = {item.topic for item in told.week.items}
    assert Topic.WATER in topics
    assert len(topics) >= 2
    assert all(not item.source.reviewed and item.source.text for item in told.week.items)
    assert ground.week.of(field, TODAY) is told  # not worked out again
    with WeatherArchive(home / ARCHIVE) as archive:
        archive.put(forecast(T, rain=30.0))
    assert ground.week.of(field, TODAY) is not told  # until the weather is another


def test_without_weather_the_week_says_so_and_measures_nothing_out(
    farm: tuple[Path, Ground, Field],
) -> None:
    home, ground, field = farm
    bare = ground.week.of(field, TODAY)
    assert bare.silent == ()
    assert {item.code for item in bare.week.data} == {"weather_none"}
    assert not any(item.unit for item in bare.week.items)
    with WeatherArchive(home / ARCHIVE) as archive:
        archive.put(forecast(day_of(date(2025, 3, 1))))  # of last year
    old = ground.week.of(field, TODAY)
    assert {item.code for item in old.week.data} == {"weather_climatology"}


def test_on_a_box_that_woke_up_in_1970_nothing_is_said_of_today(
    farm: tuple[Path, Ground, Field],
) -> None:
    home, ground, field = farm
    dry_and_windy(home)
    told = ground.week.of(field, date(1970, 1, 2))
    assert told.silent == ()
    assert not any(item.unit for item in told.week.items)
