"""``ghalla weather``: pulled, packed, carried to another node, imported and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from edge_app.home import open_ground
from edge_app.settings import Settings
from edge_app.weather_health import weather_part
from field_data import clock
from field_data.days import day_of
from field_data.errors import PersonError, PublisherError
from field_data.geometry import outline
from field_data.weather import Weather
from sat_ingest.weather import sources
from sat_ingest.weather.archive import ARCHIVE, WeatherArchive
from sat_ingest.weather.packs import encode_pack
from tests.bundling import bundle, trusting
from tests.range_server import RangeServer
from tests.skies import square
from tests.test_edge_app_cli import ghalla, said
from tests.weather_service import service, week

TODAY = date(2026, 4, 20)
T = day_of(TODAY)
CELL = "N33.9W005.5"


class Hands:
    """A clock that a time server answered, which a test may set."""

    def __init__(self, folder: Path) -> None:
        self.utc_s = T * 86_400 + 30_000.0
        self.synchronized = folder / "synchronized"
        self.synchronized.touch()

    def clock(self) -> clock.Clock:
        return clock.Clock(lambda: self.utc_s, self.synchronized)


@pytest.fixture
def hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hands:
    made = Hands(tmp_path)
    monkeypatch.setattr(clock, "_system", made.clock())
    return made


@pytest.fixture
def home(tmp_path: Path, hands: Hands) -> Path:
    return home_at(tmp_path / "home")


def home_at(path: Path) -> Path:
    """A home that trusts a publisher, with one field in the cell `CELL`."""
    trusting(path)
    assert ghalla("init", "--home", path).exit_code == 0
    with open_ground(path) as ground:
        farm = ground.registry.add_farm("keeper", "Farm")
        ground.registry.add_field("keeper", farm.id, "Plot", outline(square(0)))
    return path


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[list[str]]:
    """A service of weather, with its source at ``tmp_path / "service.toml"``; what it was asked."""
    heard: list[str] = []
    answer = service(T)

    def listening(path: str, body: bytes) -> Any:
        heard.append(path)
        return answer(path, body)

    text = (Path(sources.__file__).parent / "open-meteo.toml").read_text(encoding="utf-8")
    with RangeServer(tmp_path) as server:
        server.pages["/v1/forecast"] = listening
        url = server.url("v1/forecast")
        source = text.replace("https://api.open-meteo.com/v1/forecast", url)
        (tmp_path / "service.toml").write_text(source, encoding="utf-8")
        yield heard


def weather(issued_day: int = T, rain: float = 3.0, place: str = CELL) -> Weather:
    """A week at Meknes with that rain on the day it was issued, and a little more on others."""
    made = week(1, issued_day)
    days = tuple(replace(day, rain_mm=rain + abs(day.day - issued_day) / 10) for day in made.days)
    where = replace(made.place, id=place, lat=33.9, lon=-5.5)
    return replace(made, place=where, days=days)


def shown(home: Path, *more: str) -> dict[str, Any]:
    result = ghalla("weather", "show", "--home", home, "Plot", "--json", *more)
    return dict(json.loads(result.stdout))


def error_of(*words: str | Path) -> tuple[int, str]:
    result = ghalla("weather", *words, "--json")
    return result.exit_code, said(result)[0]["error"]


def test_weather_is_pulled_packed_and_shown_on_another_node(
    home: Path, tmp_path: Path, asked: list[str]
) -> None:
    source = ("--source", tmp_path / "service.toml")
    [told] = said(ghalla("weather", "pull", "--home", home, *source, "--json"))
    assert (told["fetched"], told["fresh"], told["stopped"]) == (1, 0, "")
    [told] = said(ghalla("weather", "pull", "--home", home, *source, "--json"))
    assert (told["fetched"], told["fresh"], told["bytes"]) == (0, 1, 0)
    [query] = [parse_qs(urlsplit(path).query) for path in asked]
    assert (query["latitude"], query["longitude"]) == (["33.9"], ["-5.5"])  # never the field's own

    pack = tmp_path / "week.ghy"
    [packed] = said(ghalla("weather", "pack", "--home", home, "--out", pack, "--json"))
    assert packed["places"] == 1
    assert packed["bytes"] == pack.stat().st_size <= 2000
    other = home_at(tmp_path / "other")
    [taken] = said(ghalla("weather", "import", "--home", other, pack, "--json"))
    assert (taken["places"], taken["days"]) == (1, 22)
    here, there = shown(home), shown(other)
    assert here["state"] == there["state"] == "fresh"
    assert there["days"] == here["days"]
    assert {day["day"]: day["rain_mm"] for day in there["days"]}["2026-04-23"] == 48.0
    plain = ghalla("weather", "show", "--home", other, "Plot").stdout
    assert "The forecast is fresh." in plain
    assert "Open-Meteo" in plain


def test_a_budget_stops_a_pull_cleanly(home: Path, tmp_path: Path, asked: list[str]) -> None:
    source = ("--home", home, "--source", tmp_path / "service.toml", "--json")
    spent = ghalla("weather", "pull", *source, "--max-bytes", "100")
    assert (spent.exit_code, said(spent)[0]["stopped"]) == (0, "sat_budget_spent")
    assert said(spent)[0]["fetched"] == 0


def test_a_service_that_is_gone_is_told_and_nothing_is_lost(
    home: Path, tmp_path: Path, asked: list[str]
) -> None:
    source = tmp_path / "service.toml"
    pulling = ("weather", "pull", "--home", home, "--source", source, "--json")
    assert ghalla(*pulling).exit_code == 0
    text = source.read_text(encoding="utf-8").replace("/v1/forecast", "/gone")
    source.write_text(text, encoding="utf-8")
    [told] = said(gone := ghalla(*pulling, "--at", "31.6,-8.0"))
    assert (gone.exit_code, told["fetched"], told["fresh"]) == (1, 0, 1)
    assert told["stopped"]
    assert shown(home)["state"] == "fresh"


def test_status_counts_what_is_kept(home: Path, hands: Hands) -> None:
    assert error_of("status", "--home", home) == (1, "no_weather")
    with WeatherArchive(home / ARCHIVE) as archive:
        archive.put(weather())
    hands.utc_s += 2 * 86_400
    [told] = said(ghalla("weather", "status", "--home", home, "--json"))
    assert (told["places"], told["forecasts"], told["issued"]) == (1, 1, TODAY.isoformat())
    assert told["issued_days_ago"] == 2.1
    assert "places" in ghalla("weather", "status", "--home", home).stdout


def test_days_that_a_station_left_blank_are_never_dry(home: Path, tmp_path: Path) -> None:
    """Every third day has no rain written: it comes out unknown, and is counted."""
    csv = tmp_path / "meknes.csv"
    days = [date.fromordinal(TODAY.toordinal() - n) for n in range(24, 0, -1)]
    lines = [f"{day},{9 + n % 4},{20 + n % 5},{'' if n % 3 == 0 else 2 + n / 10}"
             for n, day in enumerate(days)]  # fmt: skip
    csv.write_text("date,tmin,tmax,prcp\n" + "\n".join(lines) + "\n", encoding="utf-8")
    where = ("--at", "33.9,-5.5", "--elevation", "550")
    [told] = said(ghalla("weather", "import", "--home", home, csv, *where, "--json"))
    assert (told["place"], told["days"], told["missing"]["rain_mm"]) == ("meknes", 24, 8)
    seen = shown(home, "--past-days", "24", "--ahead-days", "0")
    assert (seen["state"], seen["missing_rain_days"]) == ("climatology", 8)
    read = {day["day"]: (day["rain_mm"], day["rain_origin"]) for day in seen["days"]}
    for n, day in enumerate(days):
        rain, origin = read[day.isoformat()]
        if n % 3:
            assert (rain, origin) == (pytest.approx(2 + n / 10), "observed")
        else:  # sixteen days are too few to say what is usual
            assert rain is None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["pull"], "no_weather_source"),
        (["pull", "--source", "nowhere"], "unknown_weather_source"),
        (["pull", "--source", "open-meteo", "--at", "north"], "bad_place"),
        (["pull", "--source", "era5", "--since", "2026-04-02", "--until", "2026-04-01"],
         "bad_dates"),
        (["pack", "--out", "week.zip"], "bad_name"),
        (["pack", "--out", "week.ghy"], "no_weather"),
        (["import", "nothing.ghy"], "no_pack"),
        (["import", "nothing.csv", "--at", "33,-5", "--elevation", "5"], "no_such_file"),
    ],
)  # fmt: skip
def test_wrong_words(home: Path, words: list[str], code: str) -> None:
    exit_code, error = error_of(words[0], "--home", home, *words[1:])
    assert error == code
    assert exit_code == (4 if code == "unknown_weather_source" else 1)


def test_a_bundle_brings_weather_into_the_archive_and_can_be_taken_back(
    home: Path, tmp_path: Path
) -> None:
    for version, rain in ((1, 3.0), (2, 8.0)):  # of yesterday and of today
        files = {"week.ghy": encode_pack([weather(T - 2 + version, rain)])}
        made = bundle(tmp_path, version, "weather", "meknes", files=files)
        taken = ghalla("bundle", "install", "--home", home, made)
        assert taken.exit_code == 0, taken.output
        assert shown(home, "--past-days", "0")["days"][0]["rain_mm"] == (3.1, 8.0)[version - 1]
    [listed] = said(ghalla("bundle", "status", "--home", home, "--json"))
    assert (listed["bundles"][0]["version"], listed["bundles"][0]["trial"]) == (2, False)
    back = ghalla("bundle", "rollback", "--home", home, "weather", "meknes")
    assert back.exit_code == 0, back.output
    told = shown(home, "--past-days", "0")
    assert (told["days"][0]["rain_mm"], told["issued_days_ago"]) == (3.1, 1.0)


def test_a_bundle_that_is_no_weather_changes_nothing(home: Path, tmp_path: Path) -> None:
    good = encode_pack([weather()])
    hot = weather()
    hot = replace(hot, days=tuple(replace(day, tmax_c=290.0) for day in hot.days))
    wrong = [
        ({"week.ghy": b"no pack"}, "bad_weather_pack"),
        ({"week.ghy": good[:-3]}, "bad_weather_pack"),
        ({"a.ghy": good, "b.ghy": b""}, "bad_weather_pack"),
        ({"week.ghy": good, "run.sh": b"x"}, "bundle_other_file"),
        ({"more/week.ghy": good}, "bundle_other_file"),
        ({"week.ghy": encode_pack([hot])}, "weather_impossible"),
        ({"week.ghy": encode_pack([weather(T + 30)])}, "weather_from_the_future"),
    ]
    for version, (files, code) in enumerate(wrong, 1):
        made = bundle(tmp_path, version, "weather", "meknes", files=files)
        result = ghalla("bundle", "install", "--home", home, made, "--json")
        assert (result.exit_code, said(result)[0]["error"]) == (4, code)
    assert not (home / ARCHIVE).exists()


def test_health_says_how_old_the_weather_is(home: Path, hands: Hands) -> None:
    named = Settings(weather_source="open-meteo")
    assert weather_part(home, Settings()).ok  # nobody asked for any
    part = weather_part(home, named)
    assert (part.ok, part.code) == (False, "no_weather")
    with WeatherArchive(home / ARCHIVE) as archive:
        archive.put(weather())
    assert weather_part(home, named).code == "ok"
    hands.utc_s += 8 * 86_400
    part = weather_part(home, named)
    assert (part.ok, part.code) == (False, "weather_old")
    assert "2026-04-20" in part.detail
    hands.synchronized.unlink()
    hands.utc_s = 86_400.0  # a clock at 1970 cannot tell
    assert weather_part(home, named).ok
    (home / ARCHIVE).write_bytes(b"no database at all" * 100)
    part = weather_part(home, named, whole=True)
    assert (part.ok, part.code) == (False, "store_damaged")


def test_errors_have_the_classes_that_say_whose_they_are(tmp_path: Path) -> None:
    from edge_app.weather_packs import check_pack

    with pytest.raises(PersonError):
        check_pack(tmp_path / "nothing.ghy")
    (tmp_path / "bad.ghy").write_bytes(b"")
    with pytest.raises(PublisherError):
        check_pack(tmp_path / "bad.ghy")
