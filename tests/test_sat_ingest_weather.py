"""Weather from services, stations and the archive: units, doubts, budgets, and what stays known."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from field_data.days import day_of
from field_data.errors import KeeperError, PersonError, PublisherError
from field_data.types import Instant, Trust
from field_data.weather import DAY_FIGURES, DayWeather, Origin, Weather, WeatherPlace
from sat_ingest.ranges import Budget, Patience, Ranges
from sat_ingest.weather.archive import WeatherArchive
from sat_ingest.weather.asking import Pulled, Span, pull_weather, requests
from sat_ingest.weather.cells import cell_of
from sat_ingest.weather.climate import climate_of
from sat_ingest.weather.merging import RAIN, bridge, merged, straighten
from sat_ingest.weather.quality import Doubt, sound_days
from sat_ingest.weather.quanta import table_of
from sat_ingest.weather.reading import read_answer
from sat_ingest.weather.sources import find_source, source_from, source_names
from sat_ingest.weather.stations import read_station
from tests.range_server import Fault, RangeServer
from tests.weather_service import SOURCE, Spoil, at, one_place, service, week

TODAY = 20_600
NOW = Instant(TODAY * 86_400 + 30_000.0, Trust.NTP)
UNKNOWN = Instant(1000.0, Trust.UNKNOWN)
CELLS = [cell_of(-5.5 + n / 10, 33.9) for n in range(5)]
FAST = Patience(attempts=3, base_s=0.001, read_s=2, connect_s=2)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[WeatherArchive]:
    with WeatherArchive(tmp_path / "weather.sqlite") as opened:
        yield opened


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    with RangeServer(tmp_path) as running:
        running.pages["/v1/forecast"] = service(TODAY)
        yield running


def pull(
    server: RangeServer, archive: WeatherArchive, limit: int | None = None, now: Instant = NOW
) -> Pulled:
    """Pull five cells, two a request."""
    ranges = Ranges(Budget(limit), patience=FAST)
    try:
        return pull_weather(ranges, at(server.url("v1/forecast")), CELLS, archive, now)
    finally:
        ranges.close()


def read(spoil: Spoil = lambda _said: None, now: Instant = NOW) -> tuple[Weather, list[Doubt]]:
    """One answer, spoilt on the way."""
    said = one_place(33.9, -5.5, TODAY)
    spoil(said)
    return read_answer(SOURCE, json.dumps(said).encode(), CELLS[:1], now)[0]


class TestService:
    def test_an_answer_becomes_days_and_steps_in_our_units(self) -> None:
        weather, doubts = read()
        assert doubts == []
        assert (weather.days[0].day, len(weather.days)) == (TODAY - 7, 22)
        wet = weather.on(TODAY + 3)
        assert wet is not None
        assert (wet.rain_mm, wet.rain_chance) == (48.0, 0.4)
        assert wet.dew_c == pytest.approx(6.3)
        # FAO-56, equation 47: 4 m/s at 10 m are 2.99 at 2 m.
        assert wet.wind_2m_ms == pytest.approx(2.99, abs=0.005)
        assert weather.place.elevation_m == weather.model_elevation_m == 512.0
        assert weather.issued == NOW
        fallen = sum(s.rain_mm for s in weather.steps)
        # A local day begins and ends inside a step of UTC, and the steps at both ends are whole.
        assert fallen == pytest.approx(48.0)
        assert all(step.start_utc_s % (3 * 3600) == 0 for step in weather.steps)
        assert len(weather.steps) == 22 * 8 - 1
        assert {step.cloud for step in weather.steps} == {0.25}

    def test_a_unit_that_differs_is_converted(self) -> None:
        def american(said: dict[str, Any]) -> None:
            daily, units = said["daily"], said["daily_units"]
            units["temperature_2m_max"] = "°F"
            daily["temperature_2m_max"] = [c * 1.8 + 32 for c in daily["temperature_2m_max"]]
            units["precipitation_sum"] = "inch"
            daily["precipitation_sum"] = [mm / 25.4 for mm in daily["precipitation_sum"]]

        plain, (changed, doubts) = read()[0], read(american)
        assert doubts == []
        assert changed.column("tmax_c") == pytest.approx(plain.column("tmax_c"))
        assert changed.column("rain_mm") == pytest.approx(plain.column("rain_mm"))

    def test_a_unit_nobody_knows_or_that_is_wrongly_named_is_no_figure(self) -> None:
        def wrong(said: dict[str, Any]) -> None:
            said["daily_units"]["precipitation_sum"] = "cubits"
            said["daily"]["temperature_2m_max"] = [295.0] * 22  # kelvin, called °C

        weather, doubts = read(wrong)
        assert Doubt("unknown_unit", "rain_mm", 22) in doubts
        assert Doubt("wrong_unit", "tmax_c", 22) in doubts
        assert all(map(math.isnan, weather.column("rain_mm") + weather.column("tmax_c")))
        assert not any(map(math.isnan, weather.column("tmin_c")))

    def test_what_is_no_number_is_unknown_and_counted(self) -> None:
        def holes(said: dict[str, Any]) -> None:
            rain = said["daily"]["precipitation_sum"]
            rain[0], rain[1], rain[2], rain[3] = None, "wet", -999.0, True

        weather, doubts = read(holes)
        assert [math.isnan(mm) for mm in weather.column("rain_mm")[:5]] == [True] * 4 + [False]
        assert doubts == [Doubt("no_number", "rain_mm", 2)]

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda said: said.pop("daily"),
            lambda said: said.update(latitude=12.0),
            lambda said: said.update(utc_offset_seconds=10**9),
            lambda said: said["daily"]["time"].pop(),
            lambda said: said["daily"]["time"].reverse(),
            lambda said: said["hourly"]["time"].__setitem__(3, 1e300),
            lambda said: said["daily"].update(precipitation_sum=[1.0]),
            lambda said: said["daily"].update(time=[2**70]),
            lambda said: said.update(daily="sunny"),
        ],
    )
    def test_an_answer_that_is_none_is_refused_whole(self, spoil: Spoil) -> None:
        with pytest.raises(PublisherError) as caught:
            read(spoil)
        assert caught.value.code == "bad_weather_answer"

    @pytest.mark.parametrize("data", [b"", b"[]", b"[" * 100_000, b"NaN", b'{"error":true}'])
    def test_what_is_no_answer_at_all_is_refused(self, data: bytes) -> None:
        with pytest.raises(PublisherError) as caught:
            read_answer(SOURCE, data, CELLS[:1], NOW)
        assert caught.value.code == "bad_weather_answer"

    def test_a_node_that_woke_up_in_1970_takes_the_day_from_the_service(self) -> None:
        weather, _ = read(now=UNKNOWN)
        assert weather.issued == Instant(TODAY * 86_400.0, Trust.UNKNOWN)

    def test_a_reanalysis_by_days_is_read(self) -> None:
        source = find_source("power")
        days = {"20240228": 1.0, "20240229": -999.0, "20240301": 3.5}
        names = [*source.daily.values()]
        said: dict[str, Any] = {
            "geometry": {"coordinates": [-5.5, 33.9, 600.0]},
            "properties": {"parameter": {name: dict(days) for name in names}},
            "parameters": {name: {"units": "mm/day"} for name in names},
        }
        said["parameters"]["T2M_MAX"] = {"units": "C"}
        ((weather, doubts),) = read_answer(source, json.dumps(said).encode(), CELLS[:1], NOW)
        assert weather.days[0].day == day_of(date(2024, 2, 28))
        assert weather.days[1].day + 1 == day_of(date(2024, 3, 1))
        assert repr(weather.column("rain_mm")) == "(1.0, nan, 3.5)"
        assert weather.days[0].tmax_c == 1.0
        assert weather.issued is None
        assert {d.figure for d in doubts if d.reason == "unknown_unit"} >= {"tmin_c", "wind_2m_ms"}


class TestPull:
    def test_places_are_fetched_and_kept_and_not_again_that_morning(
        self, server: RangeServer, archive: WeatherArchive
    ) -> None:
        first = pull(server, archive)
        assert (first.fetched, first.fresh, first.stopped) == (5, 0, "")
        assert [each.status for each in server.asked] == [200, 200, 200]
        assert {place.id for place in archive.places()} == {cell.id for cell in CELLS}
        assert pull(server, archive).fresh == 5
        assert len(server.asked) == 3

    def test_a_service_learns_cells_only(self) -> None:
        place = cell_of(-5.543217, 33.886543)
        (url,) = requests(SOURCE, [place], None)
        assert (place.lat, place.lon, place.id) == (33.9, -5.5, "N33.9W005.5")
        assert "latitude=33.9&longitude=-5.5&" in url
        assert "886543" not in url

    def test_a_bad_link_costs_another_try(
        self, server: RangeServer, archive: WeatherArchive
    ) -> None:
        server.faults.append(Fault("status"))
        server.faults.append(Fault("cut", after=100))
        assert pull(server, archive).fetched == 5
        assert len(server.asked) == 5

    def test_a_pull_that_was_cut_goes_on_where_it_was(
        self, server: RangeServer, archive: WeatherArchive
    ) -> None:
        size = len(pull_once(server))
        stopped = pull(server, archive, limit=size * 2 + 31_000)
        assert stopped.stopped == "sat_budget_spent"
        assert 0 < stopped.fetched < 5
        assert stopped.bytes <= size * 2 + 31_000
        rest = pull(server, archive)
        assert (rest.fresh, rest.fetched) == (stopped.fetched, 5 - stopped.fetched)

    def test_nonsense_keeps_what_came_before(
        self, server: RangeServer, archive: WeatherArchive
    ) -> None:
        asked = []

        def page(path: str, body: bytes) -> Any:
            asked.append(path)
            return service(TODAY)(path, body) if len(asked) == 1 else {"error": True}

        server.pages["/v1/forecast"] = page
        told = pull(server, archive)
        assert (told.stopped, told.fetched) == ("bad_weather_answer", 2)
        assert len(archive.places()) == 2

    def test_years_of_the_past_are_asked_for_in_parts(self) -> None:
        source = find_source("era5")
        urls = [*requests(source, CELLS[:1], Span(date(1995, 1, 1), date(2024, 12, 31)))]
        assert len(urls) == 3
        assert "start_date=1995-01-01&end_date=2004-12-31" in urls[0]
        assert "end_date=2024-12-31" in urls[2]

    def test_the_past_needs_days_and_a_forecast_has_none(
        self, server: RangeServer, archive: WeatherArchive
    ) -> None:
        with pytest.raises(PublisherError):
            pull_weather(Ranges(), find_source("era5"), CELLS, archive, NOW)


def pull_once(server: RangeServer) -> bytes:
    return json.dumps([one_place(33.9, -5.5, TODAY)] * 2).encode()


class TestSources:
    def test_shipped_sources_are_sound(self) -> None:
        assert source_names() == ["era5", "open-meteo", "power"]
        for name in source_names():
            assert find_source(name).credit

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "title = [",
            'title="a"\nkind="oracle"\ncredit=""\nurl="http://a"\norigin="forecast"\nforecast_days=1',
            'title="a"\nkind="power"\ncredit=""\nurl="file:///etc"\norigin="reanalysis"',
            'title="a"\nkind="power"\ncredit=""\nurl="http://a"\norigin="forecast"',
            'title="a"\nkind="power"\ncredit=""\nurl="http://a"\norigin="reanalysis"\n[daily]\nmood="x"',
            'title="a"\nkind="power"\ncredit=""\nurl="http://a"\norigin="reanalysis"\nspeed=1',
        ],
    )
    def test_a_source_that_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(PublisherError) as caught:
            source_from(text)
        assert caught.value.code == "bad_weather_source"


class TestQuality:
    def doubts(self, **columns: list[float]) -> tuple[dict[str, list[float]], set[tuple[str, str]]]:
        size = len(next(iter(columns.values())))
        table = np.full((size, len(DAY_FIGURES)), np.nan)
        for name, values in columns.items():
            table[:, DAY_FIGURES.index(name)] = values
        good, doubts = sound_days(table)
        kept = {name: good[:, DAY_FIGURES.index(name)].tolist() for name in columns}
        return kept, {(each.reason, each.figure) for each in doubts}

    def test_impossible_values_are_unknown(self) -> None:
        kept, doubts = self.doubts(
            rain_mm=[0.0, -3.0, 900.0, 12.0], tmax_c=[20.0, 71.0, 22.0, 23.0]
        )
        assert repr(kept["rain_mm"]) == "[0.0, nan, nan, 12.0]"
        assert repr(kept["tmax_c"]) == "[20.0, nan, 22.0, 23.0]"
        assert doubts == {("impossible", "rain_mm"), ("impossible", "tmax_c")}

    def test_a_minimum_above_the_maximum_takes_both(self) -> None:
        kept, doubts = self.doubts(tmin_c=[9.0, 25.0, 8.0], tmax_c=[20.0, 21.0, 19.0])
        assert repr(kept) == "{'tmin_c': [9.0, nan, 8.0], 'tmax_c': [20.0, nan, 19.0]}"
        assert ("tmin_above_tmax", "tmin_c") in doubts

    def test_a_stuck_instrument_is_not_believed_but_a_dry_summer_is(self) -> None:
        kept, doubts = self.doubts(tmax_c=[30.0] * 6 + [31.0], rain_mm=[0.0] * 7)
        assert repr(kept["tmax_c"]) == "[nan, nan, nan, nan, nan, nan, 31.0]"
        assert kept["rain_mm"] == [0.0] * 7
        assert doubts == {("stuck", "tmax_c")}

    def test_a_column_in_another_unit_is_not_believed_at_all(self) -> None:
        kept, doubts = self.doubts(radiation_mj_m2=[210.0, 30.0, 180.0, 250.0])  # W/m²
        assert all(map(math.isnan, kept["radiation_mj_m2"]))
        assert doubts == {("wrong_unit", "radiation_mj_m2")}


class TestStation:
    def test_blanks_are_missing_and_never_zero(self) -> None:
        told = read_station(b"date,tavg,tmin,tmax,prcp\n2001-01-01,9,4,14,\n2001-01-03,9,,14,0.0\n")
        assert repr(told.figures[:, RAIN].tolist()) == "[nan, nan, 0.0]"
        assert told.missing == {"tmin_c": 2, "tmax_c": 1, "rain_mm": 2}
        assert told.ignored == ("tavg",)

    def test_a_spanish_file_is_read(self) -> None:
        text = (
            'fecha;tmin;tmax;prec;velmedia\n"2001-01-01";-1,5;10,2;Ip;2,0\n2001-01-02;0;9,0;3,4;\n'
        )
        told = read_station(text.encode("latin-1"))
        assert told.figures[0, :3].tolist() == [-1.5, 10.2, 0.0]
        assert told.figures[1, RAIN] == 3.4
        assert told.figures[0, DAY_FIGURES.index("wind_2m_ms")] == pytest.approx(1.496, abs=0.001)

    def test_wind_of_meteostat_is_in_kilometres(self) -> None:
        told = read_station(b"date,tmin,tmax,wspd,wpgt\n2001-01-01,4,14,36,72\n")
        assert told.figures[0, DAY_FIGURES.index("gust_ms")] == pytest.approx(20.0)

    def test_what_is_no_number_or_twice_is_counted(self) -> None:
        told = read_station(b"date,prcp\n2001-01-01,1e999\n2001-01-01,2\nnever,3\n2001-01-02,x\n")
        assert repr(told.figures[:, RAIN].tolist()) == "[2.0, nan]"
        assert set(told.doubts) == {Doubt("day_twice", "day", 1), Doubt("no_number", "rain_mm", 1)}

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x00\xff" * 100,
            b"date,mood\n2001-01-01,good\n",
            b"prcp\n1\n",
            b"date,prcp\n",
            b"date,prcp\n0001-01-01,1\n2001-01-01,2\n",
            b'date,prcp\n"' + b"a" * 200_000,
        ],
    )
    def test_what_is_no_daily_file_is_refused(self, data: bytes) -> None:
        with pytest.raises(PersonError) as caught:
            read_station(data)
        assert caught.value.code == "bad_weather_file"


class TestArchive:
    def test_days_over_new_year_and_leap_day_come_back(self, archive: WeatherArchive) -> None:
        first = day_of(date(2023, 12, 1))
        size = 500
        table = np.full((size, len(DAY_FIGURES)), np.nan)
        table[:, RAIN] = np.arange(size) / 10
        archive.put_days(CELLS[0], Origin.OBSERVED, first, table)
        found = archive.days(CELLS[0].id, Origin.OBSERVED, first - 3, first + size + 2)
        assert np.isnan(found[:3]).all()
        assert np.isnan(found[-3:]).all()
        assert found[3:-3, RAIN].tolist() == pytest.approx(table[:, RAIN].tolist())

    def test_what_is_known_is_not_lost_to_a_gap_or_an_older_forecast(
        self, archive: WeatherArchive
    ) -> None:
        new = week(1)
        old = replace(new, issued=Instant(new.issued.utc_s - 3 * 86_400, Trust.NTP))  # type: ignore[union-attr]
        old = replace(old, days=tuple(replace(day, rain_mm=77.0) for day in old.days))
        archive.put(new)
        archive.put(old)
        first, last = new.days[0].day, new.days[-1].day
        found = archive.days(new.place.id, Origin.FORECAST, first, last)[:, RAIN]
        assert found.tolist() == pytest.approx([round(mm, 1) for mm in new.column("rain_mm")])
        kept = archive.forecasts(new.place.id, 1e12)
        assert [each.issued for each in kept] == [new.issued, old.issued]
        gap = replace(new, days=tuple(replace(day, rain_mm=math.nan) for day in new.days))
        archive.put(gap)
        assert not np.isnan(archive.days(new.place.id, Origin.FORECAST, first, last)[:, RAIN]).any()

    def test_old_forecasts_go_but_the_last_one(self, archive: WeatherArchive) -> None:
        first = week(1)
        for day in range(5):
            archive.put(week(1, 20_563 + 20 * day))
        assert archive.tidy(1e12) == 4
        assert len(archive.forecasts(first.place.id, 1e12)) == 1

    def test_what_a_bundle_brought_is_taken_back(self, archive: WeatherArchive) -> None:
        archive.put(week(1), "one")
        archive.put(week(1, 20_570), "two")
        before = archive.revision()
        assert archive.forget("two") == 1
        assert archive.revision() != before
        assert archive.issued(week(1).place.id) == week(1).issued.utc_s  # type: ignore[union-attr]

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "weather.sqlite"
        path.write_bytes(b"no database at all" * 100)
        with pytest.raises(KeeperError) as caught:
            WeatherArchive(path)
        assert caught.value.code == "store_damaged"

    def test_a_row_that_was_changed_is_named(self, tmp_path: Path) -> None:
        import sqlite3

        path = tmp_path / "weather.sqlite"
        with WeatherArchive(path) as opened:
            opened.put(week(1))
            opened.check()
        with sqlite3.connect(path) as con:
            con.execute("UPDATE years SET data = x'0011'")
        con.close()
        with WeatherArchive(path) as opened, pytest.raises(KeeperError) as caught:
            opened.check()
        assert caught.value.code == "archive_damaged"


class TestMerging:
    def table(self, *rows: tuple[float, float, float]) -> Any:
        return table_of([DayWeather(i, *row) for i, row in enumerate(rows)])

    def test_minimum_and_maximum_come_from_one_source(self) -> None:
        station = self.table((15.0, math.nan, 1.0), (9.0, 19.0, math.nan))
        model = self.table((4.0, 12.0, 2.0), (5.0, 15.0, 2.0))
        figures, whence = merged([(Origin.OBSERVED, station), (Origin.REANALYSIS, model)])
        assert figures[:, :3].tolist() == [[4.0, 12.0, 1.0], [9.0, 19.0, 2.0]]
        assert whence[0, 0] == whence[1, RAIN]

    def test_short_gaps_are_bridged_and_rain_never_made_up(self) -> None:
        nan = math.nan
        rows = [
            (4.0, 10.0, 0.0),
            (nan, nan, nan),
            (8.0, 16.0, 0.0),
            (8.0, 16.0, nan),
            (8.0, 16.0, 9.0),
        ]
        figures, whence = merged([(Origin.OBSERVED, self.table(*rows))])
        bridge(figures, whence)
        assert figures[1, :3].tolist() == [6.0, 13.0, 0.0]
        assert math.isnan(figures[3, RAIN])

    def test_a_long_gap_is_left(self) -> None:
        rows = [(4.0, 10.0, 0.0), *[(math.nan,) * 3] * 4, (8.0, 16.0, 0.0)]
        figures, whence = merged([(Origin.OBSERVED, self.table(*rows))])
        bridge(figures, whence)
        assert np.isnan(figures[1:5, :3]).all()

    def test_what_was_filled_in_never_crosses(self) -> None:
        figures, whence = merged(
            [(Origin.OBSERVED, self.table((20.0, 28.0, 0.0), (21.0, 15.0, 0.0)))]
        )
        whence[1, 1] = 5
        straighten(figures, whence)
        assert figures[1, :2].tolist() == [21.0, 29.0]


class TestClimate:
    def test_a_day_of_the_year_is_the_mean_of_its_neighbours_in_all_years(self) -> None:
        first = day_of(date(2010, 1, 1))
        days = np.arange(first, day_of(date(2019, 12, 31)) + 1)
        table = np.full((len(days), len(DAY_FIGURES)), np.nan)
        wave = 20 - 8 * np.cos(2 * np.pi * (days - first - 15) / 365.25)
        table[:, 0], table[:, 1] = wave - 6, wave + 6
        table[:, RAIN] = np.where(days % 10 == 0, 10.0, 0.0)
        found = climate_of(first, table)
        assert found.years == 10
        told = found.days(day_of(date(2026, 1, 16)), day_of(date(2026, 1, 16)))[0]
        assert told[1] == pytest.approx(18.0, abs=0.3)
        assert told[RAIN] == pytest.approx(1.0, abs=0.15)
        assert told[DAY_FIGURES.index("rain_chance")] == pytest.approx(0.1, abs=0.02)
        # 29 February has a climate, and the year ends where it begins.
        assert not np.isnan(found.days(day_of(date(2024, 2, 29)), day_of(date(2024, 2, 29)))[0, 1])
        assert abs(found.means[364, 1] - found.means[0, 1]) < 0.2

    def test_too_little_is_no_climate(self) -> None:
        table = np.full((10, len(DAY_FIGURES)), 10.0)
        found = climate_of(day_of(date(2024, 5, 1)), table)
        assert found.years == 0
        assert np.isnan(found.means).all()


def test_places_have_ids_by_their_middle_wherever_they_are() -> None:
    assert [cell_of(lon, lat).id for lon, lat in [(-9.55, 30.42), (3.04, -0.01), (0.0, 51.48)]] == [
        "N30.4W009.6",
        "N00.0E003.0",
        "N51.5E000.0",
    ]
    assert isinstance(cell_of(-5.5, 33.9), WeatherPlace)
