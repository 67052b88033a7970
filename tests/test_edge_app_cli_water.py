"""``ghalla water``: a home with weather, a field, and what its people said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_app.cli import main
from field_data.days import day_of
from field_data.types import Instant, Trust
from field_data.weather import Origin, Weather
from sat_ingest.weather.archive import ARCHIVE, WeatherArchive
from sat_ingest.weather.quanta import table_of
from tests.people import Staff
from tests.watering import DAY, MEKNES, Watered, spring

AS_OF = ("--as-of", DAY.isoformat())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Wheat watered by a pump, a year of weather and a forecast of this morning."""
    with Staff(tmp_path) as staff:
        bled = Watered(staff)
        bled.sown()
        bled.set_up("surface", "loam", flow=40)
    today = day_of(DAY)
    issued = Instant(today * 86_400 + 6 * 3600.0, Trust.NTP)
    ahead = [
        replace(spring(day), origin=Origin.FORECAST, rain_origin=Origin.FORECAST)
        for day in range(today, today + 10)
    ]
    with WeatherArchive(tmp_path / ARCHIVE) as archive:
        past = table_of(spring(day) for day in range(today - 300, today))
        archive.put_days(MEKNES, Origin.REANALYSIS, today - 300, past)
        archive.put(Weather(MEKNES, tuple(ahead), issued=issued, source="a model"))
    (tmp_path / "settings.toml").touch()
    return tmp_path


def run(home: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["water", *args, "--home", str(home)])


def said(home: Path, *args: str) -> dict[str, Any]:
    result = run(home, *args, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_the_balance_is_printed_day_by_day_with_what_to_give(home: Path) -> None:
    told = said(home, "Bled 1", *AS_OF)
    assert told["weather_state"] == "fresh"
    assert told["advice"]["verdict"] == "give"
    assert told["amount"]["pump_hours"] == pytest.approx(told["amount"]["m3"] / 40, abs=0.01)
    assert [day["ahead"] for day in told["days"]] == [False] * 10 + [True] * (
        len(told["days"]) - 10
    )
    whole = said(home, "Bled 1", *AS_OF, "--all-days")
    assert len(whole["days"]) > 150
    plain = run(home, "Bled 1", *AS_OF).output
    for words in ("give ", " m3 (", "pump: ", DAY.isoformat() + "*", "source: Allen"):
        assert words in plain


def test_it_is_drawn(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "water.png"
    assert run(home, "Bled 1", *AS_OF, "--plot", str(file)).exit_code == 0
    assert file.read_bytes()[:4] == b"\x89PNG"


def test_without_weather_or_field_it_says_why(home: Path) -> None:
    early = run(home, "Bled 1", "--as-of", "2019-05-01", "--json")
    assert (early.exit_code, json.loads(early.stdout)["why"]) == (1, "weather_gaps")
    assert run(home, "nobody").exit_code == 1
    (home / ARCHIVE).unlink()
    gone = run(home, "Bled 1", *AS_OF)
    assert (gone.exit_code, "no_weather" in gone.output) == (1, True)
