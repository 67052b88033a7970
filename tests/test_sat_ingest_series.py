"""A field's series, what is usual for it, and when somebody should go and look."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from field_data.errors import KeeperError, PersonError
from field_data.types import IndexSeries, Sight
from sat_ingest.alerts import Verdict, change_alert
from sat_ingest.archive import Archive, season_of
from sat_ingest.field_report import alike, field_report
from sat_ingest.figures import draw, read
from sat_ingest.grid import field_grid
from sat_ingest.series import against_neighbours, against_own_seasons, observed, read_series
from tests.sat_fields import GRID, scl_of, square_field, window_of

SEPTEMBER = 19_236  # 2022-09-01


def series_of(
    values: Sequence[float], name: str = "f", start: int = 20_000, step: int = 5, valid: float = 1.0
) -> IndexSeries:
    days = tuple(start + step * i for i in range(len(values)))
    sights = tuple(Sight.HIDDEN if math.isnan(v) else Sight.CLEAR for v in values)
    seen = tuple(0.0 if math.isnan(v) else valid for v in values)
    return IndexSeries(name, "ndvi", days, tuple(values), seen, sights, noise=0.02)


def neighbours(values: Sequence[float], count: int = 3, start: int = 20_000) -> list[IndexSeries]:
    return [series_of(values, f"n{i}", start) for i in range(count)]


def test_figures_are_drawn_once_and_are_those_of_the_pixels(tmp_path: Path) -> None:
    field = square_field(inset_m=2)
    assert field_grid(field.boundary) == GRID
    with Archive(tmp_path / "archive.db") as archive:
        archive.put(window_of(day=20_000, ndvi=0.6))
        archive.put(window_of(day=20_005, ndvi=0.7, cloudy=0.5))
        archive.put(replace(window_of(day=20_010), scl=np.full((24, 20), 11, np.uint8)))
        archive.put(window_of(day=20_015, cloudy=1.0))
        assert draw(archive, field) == 4
        assert draw(archive, field) == 0
        series = observed("f1", read(archive, field), "ndvi")
    assert series.days == (20_000, 20_005, 20_010, 20_015)
    assert series.sights == (Sight.CLEAR, Sight.HIDDEN, Sight.SNOW, Sight.HIDDEN)
    assert series.values[0] == pytest.approx(0.6, abs=1e-3)
    assert series.valid[0] == pytest.approx(1)
    # Half is cloud, and the cloud's margin: six of 24 rows are left, less the strip at the edge.
    assert series.valid[1] == pytest.approx((6 - 0.5) / 23, abs=0.01)
    assert all(math.isnan(v) for v in series.values[1:])


def test_figures_outlive_their_windows_but_not_their_boundary(tmp_path: Path) -> None:
    field = square_field(inset_m=2)
    with Archive(tmp_path / "archive.db", quota_bytes=6_000) as archive:
        for i in range(8):
            archive.put(window_of(day=20_000 + 5 * i))
            draw(archive, field)
        assert len(archive.days("f1")) < 8
        assert len(read(archive, field).days) == 8
        moved = square_field(inset_m=4)
        assert field_grid(moved.boundary) == GRID
        assert draw(archive, moved) == len(archive.days("f1"))
        assert len(read(archive, moved).days) == len(archive.days("f1"))
        elsewhere = square_field(grid=replace(GRID, left=GRID.left + 40), inset_m=2)
        assert draw(archive, elsewhere) == 0
        province = ((0, 50), (1, 50), (1, 51), (0, 50))
        assert draw(archive, replace(field, boundary=province)) == 0
    con = sqlite3.connect(tmp_path / "archive.db")
    with con:
        con.execute("UPDATE figures SET data=x'01'")
    con.close()
    with Archive(tmp_path / "archive.db") as archive, pytest.raises(KeeperError) as error:
        read(archive, moved)
    assert error.value.code == "archive_damaged"


def wave(day: float, height: float) -> float:
    """Green from November to May, highest in March."""
    return 0.2 + height * math.exp(-((((day - SEPTEMBER) % 365.25) - 190) ** 2) / 60**2)


def years(heights: Sequence[float]) -> IndexSeries:
    days = range(SEPTEMBER, SEPTEMBER + round(365.25 * len(heights)), 6)
    values = [wave(day, heights[int((day - SEPTEMBER) // 365.25)]) for day in days]
    return series_of(values, start=SEPTEMBER, step=6)


def test_a_dry_year_is_below_the_fields_own_years() -> None:
    reading = read_series(years([0.5, 0.55, 0.45, 0.2]))
    assert len(reading.seasons) == 4
    assert reading.curve is not None
    day = SEPTEMBER + round(3 * 365.25) + 190
    found = against_own_seasons(reading.curve, day)
    assert found.usual is not None
    assert found.usual.count == 3
    assert found.usual.median == pytest.approx(0.7, abs=0.02)
    assert found.usual.spread == pytest.approx(1.4826 * 0.05, abs=0.01)
    assert found.difference == pytest.approx(-0.3, abs=0.02)
    assert found.score < -3


def test_one_earlier_season_is_no_archive() -> None:
    reading = read_series(years([0.5, 0.2]))
    found = against_own_seasons(reading.curve, SEPTEMBER + 365 + 190)
    assert (found.usual, found.reason) == (None, "no_archive")
    assert math.isnan(found.difference)
    late = against_own_seasons(reading.curve, SEPTEMBER + 5_000)
    assert late.reason == "no_value"
    assert against_own_seasons(None, 20_000).reason == "no_value"
    assert season_of(SEPTEMBER) == season_of(SEPTEMBER + 364)


def test_neighbours_are_compared_on_the_same_day() -> None:
    mine = read_series(years([0.2])).curve
    others = [read_series(years([height])).curve for height in (0.5, 0.52, 0.48)]
    found = against_neighbours(mine, others, SEPTEMBER + 190)
    assert found.difference == pytest.approx(-0.3, abs=0.02)
    assert against_neighbours(mine, others[:1], SEPTEMBER + 190).reason == "no_neighbours"


STEADY = [0.6] * 8


def test_a_loss_of_its_own_is_an_alert() -> None:
    alert = change_alert(series_of([*STEADY, 0.35]), neighbours([*STEADY, 0.58]), 20_042)
    assert alert.raised
    assert alert.change is not None
    assert alert.change.change == pytest.approx(-0.25)
    assert alert.change.neighbours == pytest.approx(-0.02)
    assert (alert.change.before_day, alert.change.after_day) == (20_035, 20_040)
    assert not alert.change.confirmed


def test_the_next_picture_confirms_or_takes_it_back() -> None:
    around = neighbours([*STEADY, 0.58, 0.58])
    stayed = change_alert(series_of([*STEADY, 0.35, 0.36]), around, 20_046)
    assert stayed.raised
    assert stayed.change is not None
    assert stayed.change.confirmed
    back = change_alert(series_of([*STEADY, 0.35, 0.6]), around, 20_046)
    assert back.verdict is Verdict.STEADY


@pytest.mark.parametrize(
    ("mine", "around", "today", "verdict"),
    [
        ([*STEADY, 0.55], neighbours([*STEADY, 0.6]), 20_042, Verdict.STEADY),
        ([*STEADY, 0.35], neighbours([*STEADY, 0.40]), 20_042, Verdict.NEIGHBOURS_TOO),
        ([*STEADY, 0.35], neighbours([*STEADY, 0.50]), 20_042, Verdict.LOSS),
        ([*STEADY, 0.52, 0.43], neighbours([*STEADY, 0.6, 0.6]), 20_047, Verdict.LOSS),
        ([*STEADY, 0.35], neighbours([*STEADY, 0.6], count=2), 20_042, Verdict.NO_NEIGHBOURS),
        ([*STEADY, 0.35], neighbours([*STEADY, 0.6], start=19_900), 20_042, Verdict.NO_NEIGHBOURS),
        ([*STEADY, 0.35], neighbours([*STEADY, 0.6]), 20_090, Verdict.CLOUDY),
        ([*STEADY, *[math.nan] * 6, 0.3], neighbours([0.6] * 15), 20_072, Verdict.CLOUDY),
        ([0.6], neighbours(STEADY), 20_002, Verdict.TOO_FEW),
        ([math.nan] * 9, neighbours(STEADY), 20_042, Verdict.TOO_FEW),
    ],
)
def test_why_there_is_no_alert(
    mine: list[float], around: list[IndexSeries], today: int, verdict: Verdict
) -> None:
    assert change_alert(series_of(mine), around, today).verdict is verdict


def test_a_noisy_field_and_a_half_seen_one_need_more() -> None:
    fallen = [*STEADY, 0.42]
    around = neighbours([*STEADY, 0.6])
    assert change_alert(series_of(fallen), around, 20_042).raised
    noisy = replace(series_of(fallen), noise=0.06)
    assert change_alert(noisy, around, 20_042).verdict is Verdict.STEADY
    half = series_of(fallen, valid=0.5)
    assert change_alert(half, around, 20_042).verdict is Verdict.TOO_FEW


def test_what_is_not_yet_known_today_is_not_used() -> None:
    whole = series_of([*STEADY, 0.35])
    assert change_alert(whole, neighbours([*STEADY, 0.6]), 20_038).verdict is Verdict.STEADY


@pytest.fixture
def village(tmp_path: Path) -> Callable[[], Archive]:
    """Five fields in a row; the first is cut, with nobody else, on the tenth picture."""

    def opened() -> Archive:
        archive = Archive(tmp_path / "archive.db")
        with archive.transaction():
            for n in range(5):
                grid = replace(GRID, left=GRID.left + 200 * n)
                for i in range(12):
                    ndvi = 0.3 if n == 0 and i >= 10 else 0.65
                    archive.put(window_of(f"f{n}", 20_000 + 5 * i, ndvi=ndvi, grid=grid))
        return archive

    return opened


def test_the_report_of_a_field_finds_its_neighbours_by_itself(
    village: Callable[[], Archive],
) -> None:
    fields = [
        square_field(f"f{n}", replace(GRID, left=GRID.left + 200 * n), inset_m=2) for n in range(5)
    ]
    with village() as archive:
        report = field_report(archive, fields[0], fields, "ndvi", 20_056)
        assert report.alert.raised
        assert report.alert.change is not None
        assert report.alert.change.confirmed
        assert report.alert.change.compared == 4
        assert report.day == 20_055
        assert report.neighbours.difference < -0.2
        assert report.own.reason == "no_archive"
        earlier = field_report(archive, fields[0], fields, "ndvi", 20_046)
        assert not earlier.alert.raised
        other_crop = [fields[0], *(replace(each, crop="OLVEU") for each in fields[1:])]
        alone = field_report(archive, fields[0], other_crop, "ndvi", 20_056)
        assert alone.alert.verdict is Verdict.NO_NEIGHBOURS
        with pytest.raises(PersonError) as error:
            field_report(archive, replace(fields[0], id="new"), fields, "ndvi", 20_056)
        assert error.value.code == "no_scenes"
        with pytest.raises(PersonError):
            field_report(archive, fields[0], fields, "lai", 20_056)


def test_neighbours_are_near_and_of_the_same_crop() -> None:
    here = square_field("a", inset_m=2)
    near = square_field("b", replace(GRID, left=GRID.left + 4_000), inset_m=2)
    nearer = square_field("c", replace(GRID, left=GRID.left + 400), inset_m=2)
    far = square_field("d", replace(GRID, left=GRID.left + 40_000), inset_m=2)
    olives = square_field("e", replace(GRID, left=GRID.left + 600), inset_m=2, crop="OLVEU")
    assert [each.id for each in alike(here, [far, near, olives, here, nearer])] == ["c", "b"]


def test_an_index_without_its_band_is_hidden_not_wrong(tmp_path: Path) -> None:
    field = square_field(inset_m=2)
    window = window_of()
    few = replace(window, bands={n: window.bands[n] for n in ("red", "nir")}, scl=scl_of())
    with Archive(tmp_path / "archive.db") as archive:
        archive.put(few)
        draw(archive, field)
        figures = read(archive, field)
    assert observed("f1", figures, "ndvi").sights == (Sight.CLEAR,)
    assert observed("f1", figures, "ndmi").sights == (Sight.HIDDEN,)
