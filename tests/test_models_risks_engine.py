"""When stages come and on which days infection is likely, on weather one can work out by heart."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from field_data.days import day_of
from field_data.weather import DayWeather, Origin
from models.risks.beginnings import TrapReading, beginning_of
from models.risks.definition import HumidDays, RainEvent, WetSpell
from models.risks.infection import Level, hours_needed, risk_by_day
from models.risks.loading import shipped_models
from models.risks.phenology import Beginning, heat_of, stage_dates, warmth_since
from models.risks.wetness import Basis, air_of
from tests.skies_of_days import day, days, steps

MODELS = {model.id: model for model in shipped_models()}
MOTH, TUTA = MODELS["codling_moth"], MODELS["tuta"]
JAN = day_of(date(2026, 1, 1))
APRIL = day_of(date(2026, 4, 1))


def steady(count: int = 365, temp: float = 20.0, **more: Any) -> list[DayWeather]:
    """Days of one temperature: ten degree-days each for a moth that begins at 10 °C."""
    return days(JAN, count, tmin=temp, tmax=temp, **more)


# --- warmth -------------------------------------------------------------------------------------


def test_a_stage_comes_on_the_day_that_its_sum_is_reached() -> None:
    start = Beginning(APRIL, APRIL, APRIL, "trap")
    told = stage_dates(MOTH, heat_of(steady()), start)
    first, again = told[0], next(each for each in told if each.generation == 2)
    assert first.stage.id == "first_hatch"
    assert first.day == APRIL + 13  # 138.9 within the 14th day of 10 each
    assert again.day == APRIL + 72  # 588.9 + 138.9 within the 73rd
    assert warmth_since(MOTH, heat_of(steady()), APRIL, APRIL + 14) == pytest.approx(140)


def test_the_range_is_wider_the_further_ahead_and_the_weaker_the_weather() -> None:
    start = Beginning(APRIL, APRIL - 3, APRIL + 3, "trap")
    seen = stage_dates(MOTH, heat_of(steady(origin=Origin.OBSERVED)), start)
    guessed = stage_dates(MOTH, heat_of(steady(origin=Origin.CLIMATOLOGY)), start)
    for one, other in zip(seen, guessed, strict=False):
        assert one.low is not None
        assert one.day is not None
        assert one.high is not None
        assert one.low <= one.day <= one.high
        assert other.low is not None
        assert other.high is not None
        assert other.low <= one.low < one.high <= other.high
    widths = [each.high - each.low for each in seen if each.high and each.low]
    assert widths == sorted(widths)


def test_a_stage_beyond_the_days_known_has_no_date() -> None:
    told = stage_dates(TUTA, heat_of(steady(60, 12.0)), Beginning(JAN, JAN, JAN, "date"))
    assert [(each.day, each.low) for each in told] == [(None, None)]


def test_a_short_gap_is_bridged_and_a_month_without_weather_ends_the_sum() -> None:
    known = steady()
    short = [day(each.day) if each.day == APRIL + 2 else each for each in known]
    short[short.index(day(APRIL + 2))] = DayWeather(APRIL + 2)
    start = Beginning(APRIL, APRIL, APRIL, "trap")
    assert stage_dates(MOTH, heat_of(short), start)[0].day == APRIL + 13
    month = [DayWeather(e.day) if APRIL + 2 <= e.day < APRIL + 32 else e for e in known]
    assert stage_dates(MOTH, heat_of(month), start)[0].day is None
    # What was unknown before the beginning does not matter.
    winter = [DayWeather(e.day) if JAN + 9 <= e.day < JAN + 60 else e for e in known]
    assert stage_dates(MOTH, heat_of(winter), start)[0].day == APRIL + 13


def test_impossible_days_are_taken_for_unknown() -> None:
    heat = heat_of([day(JAN), day(JAN + 1, tmin=30.0, tmax=10.0), day(JAN + 2)])
    assert np.isfinite(heat.tmin).all()
    assert heat.tmin[1] == pytest.approx(8.0)


# --- beginnings ---------------------------------------------------------------------------------


def trap(at: int, count: int, kind: str = "pheromone", pest: str = "CARPPO") -> TrapReading:
    return TrapReading(at, 7, count, kind, pest)


def test_two_readings_in_a_row_with_a_catch_begin_the_count() -> None:
    stray = [trap(APRIL - 20, 2), trap(APRIL - 13, 0)]
    caught = [trap(APRIL + 4, 3), trap(APRIL + 11, 5)]
    told = beginning_of(MOTH, APRIL + 20, [*stray, *caught])
    assert (told.how, told.low, told.high) == ("trap", APRIL - 2, APRIL + 4)
    assert beginning_of(MOTH, APRIL + 20, stray).how == "date"
    # What was read later was not known.
    assert beginning_of(MOTH, APRIL + 10, [*stray, *caught]).how == "date"


def test_only_traps_for_this_pest_count() -> None:
    for kind, pest in (("pheromone", "LOBEBO"), ("pheromone", ""), ("yellow", "CARPPO")):
        readings = [trap(APRIL + 4, 3, kind, pest), trap(APRIL + 11, 3, kind, pest)]
        assert beginning_of(MOTH, APRIL + 20, readings).how == "date"
    # A kind of trap that catches one pest alone needs no name.
    readings = [trap(APRIL + 4, 3, "tuta", ""), trap(APRIL + 11, 3, "tuta", "")]
    assert beginning_of(TUTA, APRIL + 20, readings).how == "trap"


def test_planting_begins_the_count_where_it_is_later_than_the_date() -> None:
    assert beginning_of(TUTA, APRIL + 20, sown=APRIL).day == APRIL
    assert beginning_of(TUTA, APRIL + 20, sown=JAN - 30).day == JAN
    assert beginning_of(MOTH, APRIL + 20, sown=APRIL).how == "date"


def test_signs_that_come_too_early_move_the_beginning_back_and_late_ones_do_not() -> None:
    heat = heat_of(steady())
    early = beginning_of(MOTH, APRIL + 30, sightings=[APRIL + 20], heat=heat)
    assert early.how == "sighting"
    # From then to the sighting the warmth of the first hatch is there, and not a day more.
    assert warmth_since(MOTH, heat, early.day, APRIL + 20) == pytest.approx(140)
    late = beginning_of(MOTH, APRIL + 80, sightings=[APRIL + 60], heat=heat)
    assert (late.how, late.day) == ("date", day_of(date(2026, 4, 15)))


# --- infection ----------------------------------------------------------------------------------

HUTTON = MODELS["late_blight"].rule
assert isinstance(HUTTON, HumidDays)
HUMID = [95.0, 95.0] + [50.0] * 6


def levels(rule: Any, told: list[DayWeather], *more: Any) -> list[Level]:
    return [each.level for each in risk_by_day(rule, air_of(told, [s for m in more for s in m]))]


def test_hutton_wants_two_days_that_are_both_mild_and_humid() -> None:
    four = days(JAN, 4)
    humid = [steps(JAN + n, rh_percent=HUMID) for n in range(4)]
    assert levels(HUTTON, four, *humid) == [Level.SOME, Level.HIGH, Level.HIGH, Level.HIGH]
    dry = steps(JAN + 1, rh_percent=[95.0] + [50.0] * 7)
    assert levels(HUTTON, four, humid[0], dry, humid[2], humid[3]) == [
        Level.SOME, Level.NONE, Level.SOME, Level.HIGH,
    ]  # fmt: skip
    cold = steps(JAN + 1, rh_percent=HUMID, temp_c=[9.9] + [14.0] * 7)
    assert levels(HUTTON, four, humid[0], cold, humid[2], humid[3])[1] is Level.NONE


def test_rust_needs_longer_wet_when_it_is_cool() -> None:
    rule = MODELS["wheat_brown_rust"].rule
    assert isinstance(rule, WetSpell)
    assert [hours_needed(rule, t) for t in (10.0, 20.0)] == [12, 3]
    assert hours_needed(rule, 1.0) == hours_needed(rule, 33.0) == math.inf
    wet = [50.0] * 2 + [95.0] * 2 + [50.0] * 4  # six hours
    assert levels(rule, days(JAN, 1), steps(JAN, rh_percent=wet, temp_c=20.0)) == [Level.HIGH]
    assert levels(rule, days(JAN, 1), steps(JAN, rh_percent=wet, temp_c=10.0)) == [Level.NONE]
    # Wet over midnight is one spell.
    late, early = [50.0] * 6 + [95.0] * 2, [95.0] * 2 + [50.0] * 6
    night = [
        steps(JAN, rh_percent=late, temp_c=10.0),
        steps(JAN + 1, rh_percent=early, temp_c=10.0),
    ]
    assert levels(rule, days(JAN, 2), *night) == [Level.NONE, Level.HIGH]


def test_mills_bridges_short_dry_times() -> None:
    rule = MODELS["apple_scab"].rule
    assert isinstance(rule, WetSpell)
    assert hours_needed(rule, 18.0) == 6
    assert hours_needed(rule, 7.2) == 15
    two = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]  # six hours of dry between
    assert levels(rule, days(JAN, 1), steps(JAN, rain_mm=two, temp_c=18.0)) == [Level.HIGH]
    far = [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]  # nine
    assert levels(rule, days(JAN, 1), steps(JAN, rain_mm=far, temp_c=18.0)) == [Level.NONE]


def test_three_tens_wants_the_rain_on_days_that_are_not_cold() -> None:
    rule = MODELS["grape_downy_mildew"].rule
    assert isinstance(rule, RainEvent)
    warm = [day(JAN, 11.0, 20.0, 6.0), day(JAN + 1, 11.0, 20.0, 5.0), day(JAN + 2, 11.0, 20.0)]
    assert levels(rule, warm) == [Level.SOME, Level.HIGH, Level.NONE]
    cold = [day(JAN, 9.0, 20.0, 6.0), *warm[1:]]
    assert levels(rule, cold) == [Level.NONE, Level.NONE, Level.NONE]


def test_without_steps_a_day_is_worked_out_and_said_to_be() -> None:
    assert HUTTON is not None
    rainy = [day(JAN, 11.0, 16.0, 8.0), day(JAN + 1, 11.0, 16.0, 8.0)]
    rule = MODELS["late_blight"].rule
    assert isinstance(rule, HumidDays)
    told = risk_by_day(rule, air_of(rainy, []))
    assert [(each.level, each.basis) for each in told] == [
        (Level.SOME, Basis.DAILY), (Level.HIGH, Basis.DAILY),
    ]  # fmt: skip
    sunny = days(JAN, 3, tmin=11.0, tmax=26.0)
    assert levels(HUTTON, sunny) == [Level.NONE] * 3


def test_a_day_that_nobody_knows_has_no_risk_told() -> None:
    told = [day(JAN, 11.0, 16.0, 8.0), DayWeather(JAN + 1), day(JAN + 2, 11.0, 16.0, 8.0)]
    without_rain = [replace(each, rain_mm=math.nan) for each in told]
    for model in MODELS.values():
        if model.rule is not None:
            found = risk_by_day(model.rule, air_of(told, []))
            assert found[1].level is Level.UNKNOWN, model.id
            assert found[1].basis is Basis.UNKNOWN
            dry = risk_by_day(model.rule, air_of(without_rain, []))
            assert {each.level for each in dry} == {Level.UNKNOWN}, model.id
