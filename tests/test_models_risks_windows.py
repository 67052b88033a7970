"""Spraying, frost, heat, chergui, sowing and harvest on weather one can work out by heart."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import pytest

from field_data.days import day_of
from field_data.weather import Origin
from models.risks.calendars import Harvesting, Sowing, Span, load_calendars, rule_for
from models.risks.extremes import Danger, afternoon_rh, alerts
from models.risks.field_work import Sow, harvesting, sowing
from models.risks.spraying import SprayDay, Why, spray_days, wet_bulb_c
from models.risks.sun import sun_hours
from models.risks.wetness import Basis
from models.risks.work_rules import work_rules
from tests.skies_of_days import NAN, SETTAT, day, days, steps, weather

RULES = work_rules()
MAY = day_of(date(2026, 5, 4))


def spray(*, told: Any = None, **more: Any) -> SprayDay:
    """The verdict on one day in May with these steps."""
    known = weather([told or day(MAY)], steps(MAY, **more) if more else [])
    return spray_days(known, MAY, MAY, RULES.spray)[0]


# --- spraying -----------------------------------------------------------------------------------


def test_the_wet_bulb_is_the_one_that_its_author_prints() -> None:
    assert wet_bulb_c(20.0, 50.0) == pytest.approx(13.7, abs=0.05)


def test_the_sun_is_up_for_half_a_day_at_the_equinox() -> None:
    rise, sets = sun_hours(51.5, 0.0, day_of(date(2026, 3, 20)))
    assert (sets - rise) / 3600 == pytest.approx(12.0, abs=0.15)
    noon = datetime.fromtimestamp((rise + sets) / 2, UTC)
    assert noon.hour == 12
    assert noon.minute == pytest.approx(7, abs=2)


def test_a_gentle_breeze_on_a_mild_dry_day_is_the_time_to_spray() -> None:
    told = spray(wind_10m_ms=3.0)
    assert told.why is None
    assert told.basis is Basis.STEPS
    # Not in the first hour after sunrise, and before the bees come out.
    rise, _ = sun_hours(SETTAT.lat, SETTAT.lon, MAY)
    assert told.start_utc_s + 5400 >= rise + 3600
    assert not told.bees


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"wind_10m_ms": 6.0}, Why.WIND),
        ({"wind_10m_ms": 1.0}, Why.INVERSION),
        ({"temp_c": 33.0, "rh_percent": 50.0}, Why.HEAT),
        ({"temp_c": 26.0, "rh_percent": 15.0}, Why.HEAT),
        ({"rh_percent": 97.0}, Why.DAMP),
        ({"rain_mm": 0.5}, Why.RAIN),
        ({"wind_10m_ms": 6.0, "rain_mm": 0.5}, Why.RAIN),
    ],
)
def test_what_forbids_spraying_is_named(more: dict[str, float], why: Why) -> None:
    assert spray(**more).why is why


def test_rain_within_six_hours_washes_off_what_was_sprayed() -> None:
    evening = [0.0] * 6 + [4.0, 4.0]  # from 18 o'clock on
    told = spray(rain_mm=evening)
    assert told.why is None
    assert told.start_utc_s + told.hours * 3600 + 6 * 3600 <= MAY * 86_400 + 18 * 3600
    assert spray(rain_mm=[0.0] * 3 + [4.0, 0.0, 0.0, 4.0, 0.0]).why is Why.RAIN


def test_without_steps_a_day_may_be_refused_but_never_recommended() -> None:
    assert spray(told=day(MAY, rain=5.0)).why is Why.RAIN
    assert spray(told=day(MAY, wind_2m_ms=5.0)).why is Why.WIND
    for told in (day(MAY), day(MAY, wind_2m_ms=2.0), day(MAY, rain=NAN)):
        verdict = spray(told=told)
        assert (verdict.why, verdict.basis) == (Why.UNKNOWN, Basis.DAILY)
    # Steps without wind are none.
    assert spray(wind_10m_ms=NAN).why is Why.UNKNOWN


# --- what hurts ---------------------------------------------------------------------------------


def told_of(crop: str, *told: Any, before: int = 12) -> list[tuple[Danger, int, int]]:
    first = told[0].day
    known = weather([*days(first - before, before, tmax=20.0), *told])
    found = alerts(known, crop, first, first + 9, RULES)
    return [(each.danger, each.first - first, each.last - first) for each in found]


def test_days_of_frost_in_a_row_are_one_alert_for_a_crop_that_it_hurts() -> None:
    march = day_of(date(2026, 3, 10))
    cold = [day(march, -1.0), day(march + 1, -2.0), day(march + 2, 4.0), day(march + 3, 0.0)]
    assert told_of("TRZAX", *cold) == [(Danger.FROST, 0, 1), (Danger.FROST, 3, 3)]
    assert told_of("TRZAX", day(day_of(date(2026, 1, 10)), -1.0)) == []  # tillers bear it
    assert told_of("LYPES", day(march, 1.5)) == [(Danger.FROST, 0, 0)]


def test_what_is_usual_is_no_alert() -> None:
    march = day_of(date(2026, 3, 10))
    assert told_of("TRZAX", day(march, -3.0, origin=Origin.CLIMATOLOGY)) == []


def test_chergui_is_hot_and_dry_and_heat_is_hot() -> None:
    dry, damp = day(MAY, 20.0, 38.0, dew_c=3.0), day(MAY, 20.0, 38.0, dew_c=18.0)
    assert afternoon_rh(dry) < 15 < afternoon_rh(damp)
    assert told_of("TRZAX", dry) == [(Danger.CHERGUI, 0, 0)]
    assert told_of("TRZAX", damp) == [(Danger.HEAT, 0, 0)]


def test_without_a_dew_point_chergui_is_heat_that_comes_of_a_sudden() -> None:
    assert told_of("TRZAX", day(MAY, 20.0, 38.0)) == [(Danger.CHERGUI, 0, 0)]
    hot = weather(days(MAY - 12, 22, tmin=20.0, tmax=38.0))
    assert [each.danger for each in alerts(hot, "TRZAX", MAY, MAY + 3, RULES)] == [Danger.HEAT]


# --- sowing and harvest -------------------------------------------------------------------------

WINTER = Sowing(("TRZAX",), Span((11, 1), (1, 5)), (12, 15), 20.0, 10, "usage")
NOV = day_of(date(2026, 11, 20))


def fallen(mm: float, **more: Any) -> Any:
    """Twenty days before and ten after the 20th of November, with rain on one."""
    told = days(NOV - 20, 31)
    told[15] = day(NOV - 5, rain=mm, **more)
    return weather(told)


@pytest.mark.parametrize(
    ("mm", "water", "say"),
    [
        (25.0, NAN, Sow.NOW),
        (12.0, NAN, Sow.WAIT_RAIN),
        (0.0, 0.7, Sow.NOW),
        (25.0, 0.1, Sow.WAIT_RAIN),
    ],
)
def test_wheat_waits_for_rain_and_soil_water_knows_better(
    mm: float, water: float, say: Sow
) -> None:
    told = sowing(WINTER, fallen(mm), NOV, water)
    assert told is not None
    assert (told.say, told.best) == (say, True)
    assert told.rain_mm == mm


def test_the_calendar_crosses_the_new_year_and_ends() -> None:
    january, february = day_of(date(2027, 1, 3)), day_of(date(2027, 1, 20))
    late, over = (sowing(WINTER, None, at, NAN) for at in (january, february))
    assert late is not None
    assert over is not None
    assert (late.say, late.best, late.last) == (Sow.WAIT_RAIN, False, day_of(date(2027, 1, 5)))
    assert over.say is Sow.TOO_LATE
    assert sowing(WINTER, None, day_of(date(2026, 6, 1)), NAN) is None


def test_usual_rain_has_not_fallen() -> None:
    told = sowing(
        WINTER, weather(days(NOV - 20, 31, rain=5.0, rain_origin=Origin.CLIMATOLOGY)), NOV, NAN
    )
    assert told is not None
    assert told.say is Sow.WAIT_RAIN
    assert math.isnan(told.rain_mm)


def test_harvest_wants_dry_days_and_hears_of_rain() -> None:
    rule = rule_for(load_calendars()[0].zones[2].harvest, "TRZAX")
    assert isinstance(rule, Harvesting)
    june = day_of(date(2026, 6, 1))
    told = days(june, 8)
    told[3] = day(june + 3, rain=9.0)
    found = harvesting(rule, weather(told), june, RULES.harvest)
    assert found is not None
    assert (found.dry_first, found.dry_last) == (june, june + 2)
    assert (found.rain_day, found.rain_mm) == (june + 3, 9.0)
    wet = harvesting(rule, weather(days(june, 8, rain_chance=0.8)), june, RULES.harvest)
    assert wet is not None
    assert wet.dry_first is None
    usual = weather(days(june, 8, rain_origin=Origin.CLIMATOLOGY))
    assert harvesting(rule, usual, june, RULES.harvest) is None
    assert harvesting(rule, weather(days(june - 150, 8)), june - 150, RULES.harvest) is None
