"""From weather, a field and its season to three sentences, with the very advisers of a node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_app.cli import main
from field_data.days import day_of
from field_data.types import Field, Instant, Trust
from field_data.weather import DayWeather, Origin, StepWeather, Weather, WeatherPlace
from sat_ingest.weather.archive import ARCHIVE, WeatherArchive
from tests.people import Staff
from tests.weeks import instant
from tests.yielding import wheat_field

TODAY = date(2026, 6, 9)
DAY = day_of(TODAY)
MEKNES = WeatherPlace("N33.9W005.5", "Meknes", 33.9, -5.5, 550.0)


def summer(day: int, origin: Origin) -> DayWeather:
    """A hot dry day."""
    figures = {"tmin_c": 17.0, "tmax_c": 33.0, "dew_c": 12.0, "wind_2m_ms": 2.5}
    figures |= {"radiation_mj_m2": 27.0, "rain_mm": 0.0}
    return DayWeather(day, origin=origin, rain_origin=origin, **figures)


def windy(start: int) -> StepWeather:
    """Three hours of strong wind."""
    figures = {"temp_c": 24.0, "rh_percent": 50.0, "wind_10m_ms": 11.0, "gust_ms": 16.0}
    return StepWeather(start, rain_mm=0.0, cloud=0.1, origin=Origin.FORECAST, **figures)


def weather(issued: int) -> tuple[Weather, Weather]:
    """The days before, reanalysed, and a forecast of ten days with wind."""
    past = tuple(summer(day, Origin.REANALYSIS) for day in range(issued - 200, issued))
    ahead = tuple(summer(day, Origin.FORECAST) for day in range(issued, issued + 10))
    steps = tuple(windy(issued * 86_400 + n * 10_800) for n in range(40))
    at = Instant(issued * 86_400 + 18_000.0, Trust.NTP)
    return Weather(MEKNES, past, source="made up"), Weather(MEKNES, ahead, steps, at, "made up")


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path) as opened:
        yield opened


@pytest.fixture
def field(staff: Staff) -> Field:
    """Tomatoes sown in April, watered by drip."""
    made = wheat_field(staff, "Bled 1", crop="LYPES")
    staff.ground.registry.add_season("keeper", made.id, "LYPES", sown=date(2026, 4, 10))
    return made


def on(staff: Staff, day: int, trust: Trust = Trust.NTP) -> None:
    """Let the node's clock say a day."""
    staff.ground.forecasts._now = lambda: Instant(instant(day).utc_s, trust)


def arrived(staff: Staff, issued: int) -> None:
    with WeatherArchive(staff.home / ARCHIVE) as archive:
        for each in weather(issued):
            archive.put(each)


def page_of(staff: Staff, field: Field, lang: str = "en") -> str:
    token = staff.ground.links.give(field.id)
    answer = staff.stranger().get(f"/{lang}/week/{token}")
    assert answer.status_code == 200
    return answer.text


def test_weather_a_field_and_its_season_become_three_sentences(staff: Staff, field: Field) -> None:
    on(staff, DAY)
    arrived(staff, DAY)
    page = page_of(staff, field)
    assert page.count('class="thing') == 3
    assert "water " in page
    assert "look " in page or "hang a trap" in page
    assert "do not spray, too much wind" in page
    assert "Tell the agent what soil it is" in page
    staff.ground.daily()
    kept = {each.item.topic for each in staff.ground.week.log.of(field.id)}
    assert {"water", "scout"} <= kept
    asked = ["advise", "Bled 1", "--home", str(staff.home), "--as-of", TODAY.isoformat()]
    said = json.loads(CliRunner().invoke(main, [*asked, "--json"]).output)
    wanted = {"what", "when", "amount", "unit", "confidence", "evidence", "source", "reviewed"}
    assert all(wanted <= set(each) for each in said["items"])
    water = next(each for each in said["items"] if each["topic"] == "water")
    assert (water["what"], water["unit"], water["reviewed"]) == ("water_give", "mm", False)
    assert water["low"] <= water["amount"] <= water["high"]
    words = CliRunner().invoke(main, [*asked, "--lang", "fr"]).output
    assert "ne traitez pas, trop de vent" in words


def test_without_weather_for_a_month_the_years_before_speak_and_it_is_said(
    staff: Staff, field: Field
) -> None:
    arrived(staff, DAY - 30)
    on(staff, DAY)
    page = page_of(staff, field)
    assert "There is no new forecast" in page
    assert "too much wind" not in page


def test_an_old_forecast_is_said_to_be_old(staff: Staff, field: Field) -> None:
    arrived(staff, DAY - 5)
    on(staff, DAY)
    assert "The weather forecast is old" in page_of(staff, field)


def test_a_place_outside_the_pack_has_no_weather_and_the_page_says_so(
    staff: Staff, field: Field
) -> None:
    far = WeatherPlace("S", "Far", 29.0, -10.0, 10.0)
    with WeatherArchive(staff.home / ARCHIVE) as archive:
        archive.put(Weather(far, weather(DAY)[0].days))
    on(staff, DAY)
    page = page_of(staff, field)
    assert "There is no weather for this place" in page
    assert "the weather is not known" in page


def test_a_clock_in_1970_gives_no_advice_and_breaks_nothing(staff: Staff, field: Field) -> None:
    arrived(staff, DAY)
    on(staff, 0, Trust.UNKNOWN)
    assert "This box does not know what day it is" in page_of(staff, field)
    staff.ground.daily()
    assert staff.ground.week.log.of(field.id) == []


def test_a_damaged_weather_archive_stops_no_page(staff: Staff, field: Field) -> None:
    (staff.home / ARCHIVE).write_bytes(b"no database" * 500)
    on(staff, DAY)
    assert "A part of this box cannot be read" in page_of(staff, field)


def test_verbs_print_outcomes_the_log_and_a_sheet(staff: Staff, field: Field) -> None:
    on(staff, DAY)
    arrived(staff, DAY)
    staff.ground.week.of(field)
    run, home = CliRunner(), ["--home", str(staff.home)]
    told = json.loads(run.invoke(main, ["advise", "outcomes", *home, "--json"]).output)
    assert told["water"] == {"advised": 1, "followed": 0, "advised_mm": None, "given_mm": None,
                             "median_ratio": None}  # fmt: skip
    log = run.invoke(main, ["advise", "log", "Bled 1", *home, "--json"]).output.splitlines()
    first = json.loads(log[0])
    assert (len(log), first["said_on"], len(first["inputs"])) == (3, "2026-06-09", 64)
    out = staff.home / "sheet.pdf"
    asked = ["advise", "sheet", *home, "--as-of", "2026-06-09", "--lang", "ar", "-o", str(out)]
    done = run.invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert out.read_bytes().startswith(b"%PDF")
    assert run.invoke(main, [*asked, "--commune", "nowhere"]).exit_code == 1
