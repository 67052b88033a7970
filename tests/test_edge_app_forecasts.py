"""The yield forecast of a field: an honest number, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_app.forecast_maths import Outlook, State
from edge_app.forecast_skill import LEAST_PAIRS, by_horizon, running, scores, skill
from field_data import clock
from field_data.days import date_of, day_of
from field_data.forecast_log import Kept
from field_data.harvests import Harvest, How
from field_data.people import Role
from field_data.types import (
    Evidence,
    Field,
    Instant,
    LevelSource,
    ModelRef,
    Trust,
    YieldForecast,
)
from models.yield_model import YieldModel
from sat_ingest.archive import ARCHIVE, Archive
from tests.people import Staff
from tests.skies import seen
from tests.yielding import (
    forecasting,
    grown,
    harvested,
    instant,
    squares_cut,
    wheat_field,
    yield_model,
)

YEARS = {2020: 0.6, 2021: 0.65, 2022: 0.55, 2023: 0.6, 2024: 0.6}
MAY = date(2025, 6, 2)
_NO_EVIDENCE, _MODEL = Evidence(1, 5, 5), ModelRef("wheat_yield", "1", "a" * 64)


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path) as opened:
        forecasting(opened, MAY)
        yield opened


@pytest.fixture
def field(staff: Staff) -> Field:
    return wheat_field(staff)


@pytest.fixture
def season(staff: Staff, field: Field) -> Field:
    """Five seasons as usual, and one that is greener."""
    grown(staff, field, YEARS | {2025: 0.72}, until=MAY)
    return field


def outlook(staff: Staff, field: Field, as_of: date = MAY) -> Outlook:
    return staff.ground.forecasts.outlook(field, as_of)


def forecast(staff: Staff, field: Field, as_of: date = MAY) -> YieldForecast:
    told = outlook(staff, field, as_of)
    assert told.state is State.FORECAST
    assert told.forecast is not None
    return told.forecast


def usual(staff: Staff, field: Field, t_ha: float, crop: str = "TRZAX") -> None:
    staff.ground.registry.add_season(
        "agent", field.id, crop, sown=date(2024, 11, 20), usual_t_ha=t_ha
    )


def width(said: YieldForecast) -> float:
    assert said.t_ha_p90 is not None
    assert said.t_ha_p10 is not None
    return said.t_ha_p90 - said.t_ha_p10


def test_without_a_local_yield_only_better_or_worse_is_said(staff: Staff, season: Field) -> None:
    said = forecast(staff, season)
    assert (said.t_ha_p50, said.level_t_ha, said.level_source) == (None, None, LevelSource.NONE)
    assert 0.02 < said.relative < 0.2
    assert said.relative_p10 < 0 < said.relative_p90
    assert said.drivers[0].name == "early_spring"
    assert (said.evidence.archive_seasons, said.evidence.harvests) == (5, 0)


def test_the_usual_yield_gives_tonnes_and_harvests_narrow_the_range(
    staff: Staff, season: Field
) -> None:
    usual(staff, season, 2.0)
    declared = forecast(staff, season)
    assert (declared.level_source, declared.level_t_ha) == (LevelSource.DECLARED, 2.0)
    assert declared.t_ha_p50 == pytest.approx(2.2, abs=0.25)
    widths = [width(declared)]
    for year in (2022, 2023, 2024):
        harvested(staff.ground, season, year, 2.0)
        widths.append(width(forecast(staff, season)))
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.85 * widths[0]
    learnt = forecast(staff, season)
    assert (learnt.level_source, learnt.evidence.harvests) == (LevelSource.HARVESTS, 3)
    assert learnt.level_t_ha == pytest.approx(2.0, abs=0.2)


def test_fields_around_give_a_level_that_is_less_sure_than_ones_own(
    staff: Staff, season: Field
) -> None:
    other = wheat_field(staff, "Bled 2", 1)
    for year in (2022, 2023, 2024):
        harvested(staff.ground, other, year, 1.5)
    around = forecast(staff, season)
    assert (around.level_source, around.evidence.harvests) == (LevelSource.PLACE, 3)
    assert 1.4 < (around.level_t_ha or 0) < 2.3
    for year in (2022, 2023, 2024):
        harvested(staff.ground, season, year, 1.5)
    assert width(forecast(staff, season)) < width(around)


def test_the_harvest_of_the_season_itself_is_never_in_its_forecast(
    staff: Staff, season: Field
) -> None:
    usual(staff, season, 2.0)
    before = forecast(staff, season)
    harvested(staff.ground, season, 2025, 6.0)
    assert forecast(staff, season) == before
    assert outlook(staff, season, date(2025, 6, 20)).state is State.OVER


def test_what_lies_after_the_horizon_changes_nothing(staff: Staff, season: Field) -> None:
    usual(staff, season, 2.0)
    april = date(2025, 5, 10)
    before = forecast(staff, season, april)
    assert before.horizon == "04"
    with Archive(staff.home / ARCHIVE) as archive:
        for day in (date(2025, 5, 3), date(2025, 5, 20), date(2026, 4, 1)):
            archive.put(replace(seen(season, day_of(day), 0.05), scene="later"))
    assert forecast(staff, season, april) == before


def test_each_month_that_ended_has_a_forecast(staff: Staff, season: Field) -> None:
    days = [date(2025, 2, 27), date(2025, 2, 28), date(2025, 4, 1), date(2025, 4, 30), MAY]
    assert outlook(staff, season, days[0]).state is State.TOO_EARLY
    assert [forecast(staff, season, d).horizon for d in days[1:]] == ["02", "03", "04", "05"]
    spans = [forecast(staff, season, d) for d in days[1:]]
    widths = [each.relative_p90 - each.relative_p10 for each in spans]
    assert widths == sorted(widths, reverse=True)


def test_no_crop_another_crop_and_no_model_are_said(staff: Staff, season: Field) -> None:
    bare = wheat_field(staff, "bare", 2, None)
    assert outlook(staff, bare).state is State.NO_CROP
    assert outlook(staff, wheat_field(staff, "maize", 3, "ZEAMX")).state is State.OTHER_CROP
    staff.ground.registry.add_season("agent", season.id, "HORVX", sown=date(2024, 11, 1))
    told = outlook(staff, season)
    assert (told.state, told.crop, told.forecast) == (State.OTHER_CROP, "HORVX", None)
    staff.ground.forecasts._model = None
    staff.ground.forecasts._load = lambda: YieldModel.load(staff.home / "nowhere")
    assert outlook(staff, season).state is State.NO_MODEL
    forecasts = staff.ground.forecasts
    forecasts._load = yield_model
    assert outlook(staff, season).state is State.NO_MODEL  # not read again at every look
    forecasts.daily()
    assert outlook(staff, season).state is not State.NO_MODEL


def test_a_season_that_nobody_saw_is_no_number(staff: Staff, field: Field) -> None:
    usual(staff, field, 2.0)
    assert outlook(staff, field).state is State.NO_SCENES
    with Archive(staff.home / ARCHIVE) as archive:
        archive.put(seen(field, day_of(date(2025, 3, 1)), 0.6))
    told = outlook(staff, field)
    assert (told.state, told.clear_dates, told.seen) == (State.TOO_FEW, 1, date(2025, 3, 1))


def test_a_field_that_never_turned_green_has_no_forecast(staff: Staff, field: Field) -> None:
    usual(staff, field, 2.0)
    grown(staff, field, YEARS | {2025: 0.18}, until=MAY)
    assert outlook(staff, field).state is State.NOT_GREEN


def test_clouds_all_spring_take_the_forecast_back_to_when_it_was_seen(
    staff: Staff, field: Field
) -> None:
    usual(staff, field, 2.0)
    grown(staff, field, YEARS)
    grown(staff, field, {2025: 0.6}, until=MAY, cloudy_since=date(2025, 3, 10))
    told = outlook(staff, field)
    assert told.forecast is not None
    assert (told.forecast.horizon, told.wanted) == ("03", "05")
    other = wheat_field(staff, "hidden", 1)
    usual(staff, other, 2.0)
    grown(staff, other, YEARS)
    grown(staff, other, {2025: 0.6}, until=MAY, cloudy_since=date(2025, 1, 10))
    assert outlook(staff, other).state is State.CLOUDY


def test_an_archive_of_one_season_compares_nothing(staff: Staff, field: Field) -> None:
    grown(staff, field, {2025: 0.72}, until=MAY)
    assert outlook(staff, field).state is State.NO_ARCHIVE
    usual(staff, field, 2.0)
    alone = forecast(staff, field)
    assert (alone.relative, alone.drivers, alone.evidence.archive_seasons) == (0, (), 0)
    grown(staff, field, YEARS)
    assert width(forecast(staff, field)) < width(alone)


def test_missing_months_make_the_range_wider(staff: Staff, season: Field) -> None:
    whole = forecast(staff, season)
    late = wheat_field(staff, "late", 1)
    grown(staff, late, YEARS)
    grown(staff, late, {2025: 0.72}, since=date(2025, 2, 10), until=MAY)
    part = forecast(staff, late)
    assert part.evidence.clear_dates < whole.evidence.clear_dates
    assert part.relative_p90 - part.relative_p10 > whole.relative_p90 - whole.relative_p10


def test_a_season_outside_the_training_is_wider(staff: Staff, field: Field) -> None:
    bright = wheat_field(staff, "bright", 1)
    grown(staff, field, dict.fromkeys(YEARS, 0.28) | {2025: 0.3}, until=MAY)
    grown(staff, bright, dict.fromkeys(YEARS, 0.28) | {2025: 0.95}, until=MAY)
    inside, outside = forecast(staff, field), forecast(staff, bright)
    assert outside.relative_p90 - outside.relative > 1.1 * (inside.relative_p90 - inside.relative)


def test_the_same_inputs_are_one_row_and_a_new_model_is_another(
    staff: Staff, season: Field
) -> None:
    usual(staff, season, 2.0)
    first = forecast(staff, season)
    forecast(staff, season, MAY + timedelta(days=3))
    [kept] = staff.ground.forecasts.of(season)
    assert kept.forecast == first
    assert kept.made == instant(MAY)
    harvested(staff.ground, season, 2024, 2.4)
    forecast(staff, season)
    assert len(staff.ground.forecasts.of(season)) == 2
    staff.ground.forecasts.daily()
    assert len(staff.ground.forecasts.of(season)) == 2


def test_a_clock_that_woke_up_in_1970_takes_the_last_picture_for_today(
    staff: Staff, season: Field
) -> None:
    staff.ground.forecasts._now = lambda: Instant(0.0, Trust.UNKNOWN)
    told = staff.ground.forecasts.outlook(season)
    assert told.as_of == date(2025, 6, 2)
    empty = wheat_field(staff, "empty", 1)
    assert staff.ground.forecasts.outlook(empty).state is State.NO_DAY


def test_a_clock_that_nothing_vouches_for_is_believed_unless_a_picture_is_later(
    staff: Staff, season: Field
) -> None:
    later = clock.BUILT_UTC_S + 40 * 86_400
    staff.ground.forecasts._now = lambda: Instant(later, Trust.UNKNOWN)
    assert staff.ground.forecasts.outlook(season).as_of == date(2026, 2, 10)
    staff.ground.forecasts._now = lambda: Instant(clock.BUILT_UTC_S, Trust.UNKNOWN)
    seen_later = replace(season, id="later")
    staff.ground.forecasts._sky.series = lambda *_: SimpleNamespace(days=[20_600])  # type: ignore[assignment,method-assign]
    assert staff.ground.forecasts.today(seen_later) == date_of(20_600)


def test_the_harvest_scores_what_was_said_before_it(staff: Staff, season: Field) -> None:
    usual(staff, season, 2.0)
    for day in (date(2025, 3, 1), date(2025, 4, 2), MAY):
        forecasting(staff, day)
        forecast(staff, season, day)
    squares_cut(staff.ground, season, 2025, 2.3)
    forecasting(staff, date(2025, 7, 1))
    forecasts = staff.ground.forecasts
    found = scores(forecasts.of(season), forecasts.harvests(season).kept)
    assert [(s.forecast.horizon, s.foresight) for s in found] == [("02", True), ("03", True)]
    assert all(s.inside for s in found)
    told = outlook(staff, season, date(2025, 7, 1))
    assert told.harvest is not None
    assert told.harvest.t_ha == pytest.approx(2.3)


def pair(n: int, year: int, p50: float, gave: float, *, late: bool = False) -> tuple[Kept, Harvest]:
    said = YieldForecast(
        f"f{n}", "TRZAX", year, "05", date(year, 6, 1), p50 - 0.5, p50, p50 + 0.5, 0.0, -0.1, 0.1,
        2.0, LevelSource.HARVESTS, _NO_EVIDENCE, (), _MODEL,
    )  # fmt: skip
    made = instant(date(year + 1 if late else year, 6, 1))
    kept = Kept(f"{n}-{year}", made, said)
    harvest = Harvest(f"f{n}", "TRZAX", year, gave, 0.1, How.DECLARED, date(year, 6, 20), ())
    return kept, harvest


def test_a_node_calls_itself_validated_only_with_pairs_of_several_seasons() -> None:
    few = [pair(n, 2025, 2.4, 2.2 if n % 2 else 3.0) for n in range(LEAST_PAIRS)]
    one_year = running(scores([k for k, _ in few], [h for _, h in few]))
    assert (one_year.n, one_year.coverage, one_year.validated) == (LEAST_PAIRS, 0.5, False)
    assert one_year.rmse_t_ha == pytest.approx(((0.2**2 + 0.6**2) / 2) ** 0.5)
    assert one_year.usual_rmse_t_ha == pytest.approx(((0.2**2 + 1.0**2) / 2) ** 0.5)
    more = few + [pair(n, year, 2.4, 2.4) for n in range(3) for year in (2023, 2024)]
    assert running(scores([k for k, _ in more], [h for _, h in more])).validated
    late = [pair(n, 2023, 2.4, 2.4, late=True) for n in range(3)]
    scored = scores([k for k, _ in late], [h for _, h in late])
    assert (len(scored), running(scored).n, by_horizon(scored)["05"].n) == (3, 0, 0)
    assert skill([]).validated is False


def test_erasing_a_person_erases_forecasts_and_links_of_their_land(staff: Staff) -> None:
    ground = staff.ground
    owner = staff.person(Role.FARMER)
    mine = ground.registry.add_farm("keeper", "theirs", owner=owner.id)
    field = wheat_field(staff)
    ground.registry.correct("keeper", field.id, {"farm": mine.id})
    other = wheat_field(staff, "other", 1)
    for each in (field, other):
        usual(staff, each, 2.0)
        grown(staff, each, {2024: 0.6, 2025: 0.6}, until=MAY)
        forecast(staff, each)
        ground.links.give(each.id)
    token = ground.links.of(field.id) or ""
    ground.privacy.erase("keeper", owner.id)
    assert (ground.forecasts.log.of(field.id), ground.links.field(token)) == ([], None)
    assert len(ground.forecasts.log.all()) == 1
    assert ground.links.of(other.id) is not None


def test_the_summer_crop_before_ends_no_season_of_wheat(staff: Staff, season: Field) -> None:
    registry = staff.ground.registry
    registry.add_season(
        "agent", season.id, "CUMME", sown=date(2024, 5, 1), harvested=date(2024, 9, 20)
    )
    registry.add_season("agent", season.id, "TRZAX", sown=date(2024, 11, 20))
    assert forecast(staff, season).season_year == 2025


def test_wheat_cut_in_september_leaves_the_new_season_open(staff: Staff, season: Field) -> None:
    registry = staff.ground.registry
    registry.add_season(
        "agent", season.id, "TRZAX", sown=date(2023, 11, 1), harvested=date(2024, 9, 3)
    )
    registry.add_season("agent", season.id, "TRZAX", sown=date(2024, 11, 20))
    assert forecast(staff, season).season_year == 2025


def test_older_harvests_say_less_of_what_is_usual(staff: Staff) -> None:
    told = {}
    for place, years in enumerate(((2015, 2016), (2023, 2024))):
        other = wheat_field(staff, f"Bled {place}", 40 * place)
        grown(staff, other, YEARS | {2025: 0.6}, until=MAY)
        usual(staff, other, 2.0)
        for year in years:
            harvested(staff.ground, other, year, 4.0)
        told[place] = forecast(staff, other).level_t_ha or 0.0
    assert 2.0 < told[0] < told[1]


def test_what_a_harvest_teaches_of_the_usual_yield_is_the_same_in_every_month(
    staff: Staff, season: Field
) -> None:
    usual(staff, season, 2.0)
    harvested(staff.ground, season, 2024, 3.0)
    levels = {forecast(staff, season, date(2025, month, 5)).level_t_ha for month in (3, 4, 5)}
    assert len(levels) == 1
