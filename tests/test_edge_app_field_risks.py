"""Pests to come and work windows of a field on a node, from its archive and what people saw."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edge_app.cli import main
from edge_app.field_risks import FieldRisks
from edge_app.field_windows import FieldWindows
from edge_app.ground import Ground
from edge_app.home import open_ground
from edge_app.node import init_home
from edge_app.risk_outlook import State
from edge_app.weather_desk import WeatherDesk
from field_data.days import day_of
from field_data.errors import KeeperError
from field_data.events import Draft, Kind
from field_data.geometry import outline
from field_data.ids import new_id
from field_data.reviews import Case, Review, Verdict
from field_data.season_advice import AdviceItem, Confidence, Urgency
from field_data.types import Diagnosis, Field, Instant, Status, Timing, Trust
from field_data.weather import DayWeather, Origin, Weather, WeatherPlace
from models.risks import calendars
from models.risks.loading import shipped_models
from sat_ingest.weather.archive import ARCHIVE, WeatherArchive
from tests.skies import square
from tests.skies_of_days import steps

TODAY = date(2026, 4, 20)
T = day_of(TODAY)
PLACE = WeatherPlace("N33.9W005.5", "N33.9W005.5", 33.9, -5.5, 550.0)
HUMID = [95.0, 95.0] + [60.0] * 6


@dataclass
class Farm:
    """A home with weather since last year, its desk, and a voice to record what was seen."""

    home: Path
    ground: Ground
    desk: WeatherDesk
    field: Callable[[str], Field]
    say: Callable[..., None]

    def scouting(self, field: Field, as_of: date = TODAY) -> list[AdviceItem]:
        told = FieldRisks(self.ground.registry, self.ground.events, self.ground.reviews, self.desk)
        return list(told.items(field, as_of))

    def windows(self, field: Field, as_of: date = TODAY, **more: Any) -> list[AdviceItem]:
        told = FieldWindows(self.ground.registry, self.ground.events, self.desk, **more)
        return list(told.items(field, as_of))


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose archive holds days of 6 to 20 °C and a humid, breezy forecast of 20 April."""
    home = tmp_path_factory.mktemp("risks") / "home"
    init_home(home)
    with WeatherArchive(home / ARCHIVE) as archive:
        past = tuple(made(n, Origin.REANALYSIS) for n in range(T - 470, T))
        archive.put(Weather(PLACE, past, source="a reanalysis"))
        ahead = tuple(made(n, Origin.FORECAST) for n in range(T, T + 10))
        hourly = tuple(s for n in range(T - 9, T + 7) for s in steps(n, rh_percent=HUMID))
        issued = Instant(T * 86_400 + 6 * 3600.0, Trust.NTP)
        archive.put(Weather(PLACE, ahead, hourly, issued, "a forecast", 550.0))
    return home


def made(number: int, origin: Origin) -> DayWeather:
    return DayWeather(number, 10.0, 20.0, 0.0, wind_2m_ms=2.0, origin=origin, rain_origin=origin)


@pytest.fixture
def farm(archived: Path) -> Iterator[Farm]:
    with open_ground(archived) as ground:
        land = ground.registry.add_farm("keeper", "a farm")
        desk = WeatherDesk(
            archived, ground.registry, ground.events, now=lambda: Instant(T * 86_400.0, Trust.NTP)
        )

        def field(crop: str) -> Field:
            shape = outline(square(0))
            return ground.registry.add_field("keeper", land.id, new_id(), shape, crop=crop)[0]

        def say(field: Field, form: str, days_ago: int, **values: Any) -> None:
            body = {"form": form, "version": 1, "values": values, "place": None}
            at = Instant((T - days_ago) * 86_400.0 + 9 * 3600, values.pop("trust", Trust.TABLET))
            ground.events.append(Draft(new_id(), Kind.OBSERVATION, field.id, "agent", at, body))

        yield Farm(archived, ground, desk, field, say)
        desk.close()


def one(items: list[AdviceItem], code: str) -> AdviceItem:
    (found,) = [item for item in items if item.code == code]
    return found


def test_an_insect_is_told_weakly_by_the_date_and_better_by_a_trap(farm: Farm) -> None:
    tomato = farm.field("LYPES")
    by_date = one(farm.scouting(tomato), "scout_trap_read")
    assert (by_date.pest, by_date.card, by_date.form) == ("GNORAB", "LYPES.GNORAB", "trap_reading")
    assert by_date.facts["days_ago"] == -1
    # Seven degree-days a day: 416.7 take 60 days.
    for ago in (64, 57):
        farm.say(tomato, "trap_reading", ago, trap="tuta", days=7, count=4)
    told = one(farm.scouting(tomato), "scout_stage")
    assert told.facts == {
        "model": "tuta", "stage": "next_moths", "generation": 1, "how": "trap",
    }  # fmt: skip
    assert told.confidence is Confidence.MEDIUM
    assert told.evidence["day"] == T - 64 - 3 + 59
    assert told.first_day == T <= told.last_day  # type: ignore[operator]
    assert not told.source.reviewed
    assert "Krechemer" in told.source.text


def test_a_catch_of_these_days_sends_people_to_the_plants(farm: Farm) -> None:
    tomato = farm.field("LYPES")
    farm.say(tomato, "trap_reading", 2, trap="tuta", days=7, count=21)
    told = one(farm.scouting(tomato), "scout_trap")
    assert (told.facts["count"], told.evidence["per_day"], told.form) == (21, 3.0, "scouting")
    # What hung there for another pest, was empty, or came by a clock in 1970 says nothing.
    other = farm.field("LYPES")
    farm.say(other, "trap_reading", 2, trap="yellow", days=7, count=21)
    farm.say(other, "trap_reading", 2, trap="tuta", days=7, count=0)
    farm.say(other, "trap_reading", 2, trap="tuta", days=7, count=21, trust=Trust.UNKNOWN)
    assert "scout_trap" not in [item.code for item in farm.scouting(other)]


def test_humid_mild_days_are_told_for_blight_and_a_sighting_makes_them_urgent(farm: Farm) -> None:
    potato = farm.field("SOLTU")
    told = one(farm.scouting(potato), "scout_risk")
    assert (told.pest, told.card) == ("PHYTIN", "SOLTU.PHYTIN")
    assert told.facts["phase"] == "signs"
    assert told.facts["basis"] == "steps"
    assert told.confidence is Confidence.MEDIUM  # never surer than a model that nobody reviewed
    assert told.facts["seen"] == 0
    farm.say(potato, "scouting", 5, crop="SOLTU", condition="PHYTIN", incidence=5)
    seen = one(farm.scouting(potato), "scout_risk")
    assert seen.facts["seen"] == 1
    assert seen.urgency is Urgency.NOW
    healthy = farm.field("SOLTU")
    farm.say(healthy, "scouting", 5, crop="SOLTU", condition="healthy")
    assert one(farm.scouting(healthy), "scout_risk").facts["seen"] == 0


def test_what_is_not_known_is_said(farm: Farm) -> None:
    risks = FieldRisks(farm.ground.registry, farm.ground.events, None, farm.desk)
    date_palm = farm.field("PHXDA")
    assert risks.of(date_palm, TODAY).state is State.NO_MODEL
    assert risks.items(date_palm, TODAY) == ()
    assert risks.of(replace(date_palm, crop=None), TODAY).state is State.NO_CROP
    south = tuple((lon, lat - 5) for lon, lat in date_palm.boundary)
    away = replace(farm.field("SOLTU"), boundary=south)
    assert risks.of(away, TODAY).state is State.NO_WEATHER
    assert risks.of(farm.field("SOLTU"), date(1970, 1, 1)).state is State.NO_DAY
    codes = [item.code for item in farm.windows(away)]
    assert codes[0] == "weather_none"


def test_the_first_good_hours_for_spraying_are_given_with_bees_in_mind(farm: Farm) -> None:
    told = one(farm.windows(farm.field("SOLTU")), "spray_best")
    assert told.first_day == T
    assert (told.facts["basis"], told.facts["bees"]) == ("steps", 0)
    assert (told.facts["from_hour"], told.facts["to_hour"]) == (7, 10)


def test_what_is_usual_infects_nothing(farm: Farm) -> None:
    risks = FieldRisks(farm.ground.registry, farm.ground.events, None, farm.desk)
    told = risks.of(farm.field("SOLTU"), TODAY + timedelta(days=15))
    assert told.weather_state == "climatology"
    ahead = [each.level for each in told.models[0].risk if each.day >= T + 15]
    assert {str(level.name) for level in ahead} == {"UNKNOWN"}


def test_a_model_from_memory_is_never_fair(farm: Farm) -> None:
    olive = farm.field("OLVEU")
    farm.say(olive, "trap_reading", 5, trap="fruit_fly", days=7, count=9, pest="DACUOL")
    model = next(each for each in shipped_models() if each.id == "olive_fly")
    told = FieldRisks(
        farm.ground.registry, farm.ground.events, None, farm.desk,
        [replace(model, months=tuple(range(1, 13)))],
    )  # fmt: skip
    stage = one(list(told.items(olive, TODAY)), "scout_stage")
    assert stage.facts["how"] == "trap"
    assert stage.confidence is Confidence.LOW


def test_reviewed_diagnoses_of_the_pest_make_it_urgent(farm: Farm) -> None:
    at = Instant((T - 4) * 86_400.0, Trust.NTP)
    label = ("SOLTU", "PHYTIN")
    made = Diagnosis("d1", at, Status.UNCERTAIN, "SOLTU", (), False, None, (), Timing(0, 0, 0))
    word = Review("r1", "d1", "agent", at, Verdict.CORRECT, label, 1, True)
    unsure = Review("r2", "d2", "agent", at, Verdict.CANNOT_TELL, None, 1, True)
    cases = [Case(made, False, (word,)), Case(replace(made, id="d2"), False, (unsure,))]

    class Desk:
        def cases(self) -> list[Case]:
            return cases

    risks = FieldRisks(farm.ground.registry, farm.ground.events, Desk(), farm.desk)
    told = one(list(risks.items(farm.field("SOLTU"), TODAY)), "scout_risk")
    assert told.evidence["diagnoses_21d"] == 1
    assert told.urgency is Urgency.NOW


def test_an_old_forecast_is_said_and_a_dead_one_gives_no_hours(farm: Farm) -> None:
    field = farm.field("SOLTU")
    old = farm.windows(field, TODAY + timedelta(days=5))
    assert one(old, "weather_old").facts["days_ago"] == 5
    assert one(old, "spray_best").confidence is Confidence.LOW
    dead = [item.code for item in farm.windows(field, TODAY + timedelta(days=9))]
    assert dead == ["weather_climatology"]


def test_wheat_waits_for_rain_in_autumn_unless_the_soil_is_wet(farm: Farm) -> None:
    autumn = date(2025, 11, 20)
    wheat = farm.field("TRZAX")
    told = one(farm.windows(wheat, autumn), "sow_wait_rain")
    assert (told.amount, told.unit, told.facts["zone"]) == (25.0, "mm", "rainy_plains")
    assert told.evidence["rain_mm"] == 0.0

    @dataclass(frozen=True)
    class Soil:
        day: int
        depletion: float
        taw: float

    @dataclass(frozen=True)
    class Balance:
        days: tuple[Soil, ...]

    class Wet:
        def of(self, field: Field, as_of: date) -> Balance:
            return Balance((Soil(day_of(as_of), 20.0, 100.0),))

    wet = one(farm.windows(wheat, autumn, water=Wet()), "sow_window")
    assert wet.evidence["water"] == 0.8
    assert wet.confidence is Confidence.MEDIUM
    farm.ground.registry.add_season("agent", wheat.id, "TRZAX", sown=date(2025, 11, 5))
    assert not [item for item in farm.windows(wheat, autumn) if item.code.startswith("sow")]


def test_ripe_wheat_is_told_of_dry_days_until_it_is_cut(farm: Farm) -> None:
    # The zone of the test's days: April is harvest in the south alone, so the calendar is our own.
    own = farm.home / "calendars"
    own.mkdir(exist_ok=True)
    shipped = (calendars.FOLDER / "morocco.toml").read_text()
    (own / "morocco.toml").write_text(shipped.replace('from = "05-25"', 'from = "04-10"'))
    wheat = farm.field("TRZAX")
    farm.ground.registry.add_season("agent", wheat.id, "TRZAX", sown=date(2025, 11, 10))
    told = one(farm.windows(wheat, calendars=own), "harvest_window")
    assert (told.first_day, told.last_day) == (T, T + 6)
    assert "rainy_plains" in told.source.text
    before = [item.code for item in farm.windows(wheat)]
    assert "harvest_window" not in before
    season = farm.ground.registry.seasons(wheat.id)[0]
    farm.ground.registry.correct("agent", season.id, {"harvested": "2026-04-18"})
    codes = [item.code for item in farm.windows(wheat, calendars=own)]
    assert "harvest_window" not in codes
    (own / "morocco.toml").write_text("zone = 3")
    with pytest.raises(KeeperError, match="morocco"):
        farm.windows(wheat, calendars=own)
    (own / "morocco.toml").unlink()


def test_the_verbs_say_the_same_for_people_and_programs(farm: Farm) -> None:
    potato = farm.field("SOLTU")
    asked = ["--home", str(farm.home), "--as-of", TODAY.isoformat(), potato.id]
    run = CliRunner()
    told = json.loads(run.invoke(main, ["risks", *asked, "--json"]).output)
    assert told["state"] == "known"
    assert "scout_risk" in [item["code"] for item in told["items"]]
    blight = next(one for one in told["models"] if one["model"] == "late_blight")
    assert blight["risk"][-1]["level"] in ("none", "some", "high")
    words = run.invoke(main, ["risks", *asked]).output
    assert "Late blight" in words
    assert "not reviewed" in words
    windows = json.loads(run.invoke(main, ["windows", *asked, "--json"]).output)
    assert (windows["zone"], windows["weather"]) == ("rainy_plains", "fresh")
    assert "spraying" in run.invoke(main, ["windows", *asked]).output
    models = run.invoke(main, ["risks", "--models", "--json"]).output.splitlines()
    assert {json.loads(line)["id"] for line in models} >= {"tuta", "late_blight"}
    assert "Krechemer" in run.invoke(main, ["risks", "--models"]).output
    assert run.invoke(main, ["risks", "--home", str(farm.home)]).exit_code == 2
    unknown = run.invoke(main, ["risks", "--home", str(farm.home), "nowhere", "--json"])
    assert unknown.exit_code == 1
