"""The water of a field on a node: what is read, asked, reckoned and advised."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_app.water_outlook import Why
from field_data.days import day_of
from field_data.geometry import outline
from field_data.season_advice import AdviceItem, Confidence, Urgency
from tests.people import Staff
from tests.skies import square
from tests.watering import DAY, SOWN, FakeDesk, Watered
from tests.yielding import grown


@pytest.fixture
def bled(tmp_path: Path) -> Iterator[Watered]:
    with Staff(tmp_path) as staff:
        yield Watered(staff)


def only(watered: Watered, day: dt.date = DAY) -> AdviceItem:
    (item,) = watered.water.items(watered.field, day)
    return item


def asked(watered: Watered, day: dt.date = DAY) -> dict[str, str]:
    return {each.what: each.default for each in watered.water.of(watered.field, day).asked}


def test_a_thirsty_field_is_told_mm_cubic_metres_hours_and_turns(bled: Watered) -> None:
    bled.sown()
    bled.set_up(flow=40, turn_days=10, turn_hours=6, turn_flow=30)
    item = only(bled)
    assert (item.code, item.unit, item.form) == ("water_give", "mm", "irrigation")
    assert item.urgency >= Urgency.WEEK
    assert item.first_day == day_of(DAY)
    assert 40 < item.low <= item.amount <= item.high < 250
    facts = {key: float(item.facts[key]) for key in ("m3", "pump_hours", "turns", "net_mm")}
    assert facts["m3"] == pytest.approx(item.amount * 10 * bled.field.area_ha, abs=0.1)
    assert facts["pump_hours"] == pytest.approx(facts["m3"] / 40, abs=0.1)
    assert facts["turns"] == pytest.approx(facts["m3"] / (6 * 30 * 3.6), abs=0.1)
    assert facts["net_mm"] == pytest.approx(0.6 * item.amount, abs=0.1)
    assert item.facts["ask"] == ""
    assert item.confidence is Confidence.MEDIUM
    assert not item.source.reviewed
    assert item.evidence["et0_by"] == "penman_monteith"


def test_what_is_too_much_for_once_is_given_in_parts_and_then_nothing_for_a_while(
    bled: Watered,
) -> None:
    bled.sown()
    bled.set_up("drip")
    days = [DAY - dt.timedelta(days=n) for n in range(4, 0, -1)]
    given = []
    for day in days:
        item = only(bled, day)
        if item.code == "water_give":
            assert float(item.facts["net_mm"]) <= 40
            given.append((item.amount, float(item.facts["later_mm"])))
            bled.watered(day, item.amount, method="drip")
    later = [each for _, each in given]
    assert later == sorted(later, reverse=True)
    assert (len(later), later[0] > 60, later[-1] < 40) == (3, True, True)
    after = only(bled)
    assert after.code == "water_none_needed"
    assert math.isnan(after.amount)
    told = float(after.evidence["irrigation_30d_mm"])
    assert told == pytest.approx(sum(mm for mm, _ in given), abs=0.1)
    afterwards = [only(bled, DAY + dt.timedelta(days=n)).code for n in range(1, 30)]
    assert "water_give" in afterwards


def test_rain_that_is_on_its_way_is_waited_for(bled: Watered) -> None:
    bled.sown()
    bled.set_up()
    bled.watered(DAY - dt.timedelta(days=13), 130)
    day = next(
        DAY + dt.timedelta(days=n)
        for n in range(25)
        if only(bled, DAY + dt.timedelta(days=n)).code == "water_give"
    ) + dt.timedelta(days=4)
    assert only(bled, day).code == "water_give"
    bled.desk.rains(day, 30, 0.9, days=3)
    item = only(bled, day)
    assert item.code == "water_wait"
    assert float(item.facts["rain_mm"]) == pytest.approx(0.9 * 90, abs=1)
    bled.desk.rains(day, 30, 0.05, days=3)
    assert only(bled, day).code == "water_give"


def test_a_rainfed_field_is_told_of_its_thirst_and_given_nothing(bled: Watered) -> None:
    bled.sown()
    bled.set_up("rainfed")
    item = only(bled)
    assert item.code == "water_rainfed_stress"
    assert 20 < float(item.facts["stress_percent"]) <= 100
    assert math.isnan(item.amount)
    assert item.form == ""
    assert only(bled, dt.date(2026, 1, 20)).code == "water_none_needed"


def test_a_crop_that_ripens_is_given_nothing_however_dry_it_is(bled: Watered) -> None:
    bled.sown()
    bled.set_up()
    ripe = only(bled, SOWN + dt.timedelta(days=170))
    assert (ripe.code, ripe.facts["ripening"], ripe.urgency) == ("water_none_needed", 1, 0)
    assert float(ripe.evidence["depletion_mm"]) > float(ripe.evidence["raw_mm"])
    assert only(bled).facts["ripening"] == 0


def test_what_nobody_has_said_is_asked_and_what_is_taken_is_told(bled: Watered) -> None:
    assert asked(bled) == {"sown": "2025-11-20", "texture": "sandy_loam", "method": "rainfed"}
    bled.sown(None)
    assert asked(bled)["sown"] == "2025-11-20"
    item = only(bled)
    assert item.facts["default_texture"] == "sandy_loam"
    assert item.confidence is Confidence.LOW
    bled.sown(SOWN)
    bled.set_up("surface", None)
    unsure = bled.water.of(bled.field, DAY)
    bled.told("soil", top=0, bottom=30, by="feel", texture="clay")
    sure = bled.water.of(bled.field, DAY)
    assert asked(bled) == {}
    assert (unsure.texture, sure.texture) == ("sandy_loam", "clay")
    widths = [each.days[-1].depletion_high - each.days[-1].depletion_low for each in (unsure, sure)]
    assert widths[0] > widths[1]


def test_a_tomato_of_unknown_watering_has_the_wider_range(tmp_path: Path) -> None:
    with Staff(tmp_path) as staff:
        plot = Watered(staff, crop="LYPES")
        plot.sown(dt.date(2026, 3, 1))
        guess = only(plot, dt.date(2026, 5, 20))
        assert guess.facts["default_method"] == "surface"
        plot.set_up("surface", "sandy_loam")
        known = only(plot, dt.date(2026, 5, 20))
        assert guess.code == known.code == "water_give"
        assert guess.low < known.low


def test_irrigations_that_cannot_be_right_do_not_count(bled: Watered) -> None:
    bled.sown()
    bled.set_up()
    day = DAY - dt.timedelta(days=2)
    bled.watered(day, 40)
    plain = bled.water.of(bled.field, DAY)
    bled.watered(day, 41)  # told by two people
    bled.watered(day, 900)
    bled.watered(DAY + dt.timedelta(days=3), 30)
    odd = bled.water.of(bled.field, DAY)
    assert [each.irrigation for each in odd.days] == [each.irrigation for each in plain.days]
    assert set(asked(bled)) == {"irrigation_twice", "irrigation_too_much", "irrigation_in_future"}


def test_water_on_more_than_the_field_or_on_a_part_of_it_is_spread(bled: Watered) -> None:
    bled.sown()
    bled.set_up()
    area = bled.field.area_ha
    larger, part = DAY - dt.timedelta(days=9), DAY - dt.timedelta(days=4)
    bled.watered(larger, 0, area=3 * area, measured="m3", volume=3 * area * 300)
    bled.watered(part, 50, area=area / 2)
    outlook = bled.water.of(bled.field, DAY)
    given = {each.day: each.irrigation for each in outlook.days if each.irrigation}
    assert given == pytest.approx({day_of(larger): 30, day_of(part): 25}, abs=0.1)
    assert "irrigation_area" in asked(bled)


def test_of_two_sowings_the_later_is_taken_and_the_keeper_asked(bled: Watered) -> None:
    bled.sown(SOWN)
    bled.sown(dt.date(2025, 12, 28))
    outlook = bled.water.of(bled.field, DAY)
    assert {each.what: each.default for each in outlook.asked}["two_sowings"] == "TRZAX 2025-12-28"
    alone = dt.date(2025, 12, 10)
    assert "two_sowings" not in asked(bled, alone)


@pytest.mark.parametrize(("state", "why"), [("none", Why.NO_WEATHER), ("no_day", Why.NO_DAY)])
def test_without_weather_nothing_is_made_up(bled: Watered, state: str, why: Why) -> None:
    bled.sown()
    bled.desk.state = state
    assert bled.water.of(bled.field, DAY).why is why
    item = only(bled)
    assert (item.code, item.facts["why"]) == ("water_unknown", str(why))


def test_what_has_no_season_crop_or_end_is_said(bled: Watered, tmp_path: Path) -> None:
    bled.sown(dt.date(2024, 11, 20), harvested=dt.date(2025, 6, 10))
    assert bled.water.of(bled.field, dt.date(2025, 7, 1)).why is Why.SEASON_OVER
    bled.sown(SOWN, crop="OPUFI")
    assert bled.water.of(bled.field, DAY).why is Why.CROP_NOT_KNOWN
    with Staff(tmp_path / "other") as staff:
        bare = Watered(staff, crop="TRZAX")
        bare.field = staff.ground.registry.add_field(
            "keeper", bare.field.farm, "bare", outline(square(7)), crop=None
        )[0]
        assert bare.water.of(bare.field, DAY).why is Why.NO_SEASON


def test_a_month_without_rain_gauge_is_not_a_dry_month_and_one_without_weather_a_gap(
    bled: Watered,
) -> None:
    bled.sown()
    bled.set_up()
    today = day_of(DAY)
    whole = bled.water.of(bled.field, DAY)
    no_rain = {"rain_mm": math.nan}
    bled.desk.changes = {day: dict(no_rain) for day in range(today - 120, today - 80)}
    bled.desk.missing = 40
    holes = bled.water.of(bled.field, DAY)
    at = len(holes.days) - 11 - 82
    assert "rain" in {each.what for each in holes.asked}
    assert all(0 < each.rain < 3 for each in holes.days[at - 20 : at])  # neither zero nor made up
    assert holes.days[at].depletion_high > whole.days[at].depletion_high + 5
    none = {"tmin_c": math.nan, "tmax_c": math.nan}
    bled.desk.changes = {day: dict(none) for day in range(today - 120, today - 30)}
    assert bled.water.of(bled.field, DAY).why is Why.WEATHER_GAPS


def test_the_fields_own_ndvi_steers_and_old_temperatures_say_hargreaves(bled: Watered) -> None:
    bled.sown()
    bled.set_up()
    calendar = bled.water.of(bled.field, DAY)
    assert calendar.ndvi_share == 0
    grown(bled.staff, bled.field, {2026: 0.45}, until=DAY, every=10)
    steered = bled.water.of(bled.field, DAY)
    assert steered.ndvi_share > 0.9
    past = [each.kcb for each in steered.days if not each.ahead]
    assert past[-20] < [each.kcb for each in calendar.days if not each.ahead][-20] - 0.3
    assert any("Duchemin" in each for each in steered.sources)
    bare = {"dew_c": math.nan, "radiation_mj_m2": math.nan}
    today = day_of(DAY)
    bled.desk.changes = {day: dict(bare) for day in range(today - 400, today + 11)}
    assert bled.water.of(bled.field, DAY).et0_by == "hargreaves"


def test_an_olive_grove_needs_no_sowing_date(tmp_path: Path) -> None:
    with Staff(tmp_path) as staff:
        grove = Watered(staff, FakeDesk(), crop="OLVEU")
        grove.set_up("drip", "loam", flow=12)
        outlook = grove.water.of(grove.field, dt.date(2026, 8, 1))
        assert outlook.asked == ()
        assert len(outlook.days) == 365 + 11
        item = only(grove, dt.date(2026, 8, 1))
        assert item.code == "water_give"
        assert float(item.facts["pump_hours"]) > 0
