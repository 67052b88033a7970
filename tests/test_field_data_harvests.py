"""What a field gave, out of the observations on it; units are asked back, nothing is guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from field_data.errors import PersonError
from field_data.events import Event, Kind
from field_data.forms.checking import check
from field_data.forms.library import shipped_forms
from field_data.harvests import Harvest, How, harvests_of
from field_data.ids import new_id
from field_data.types import Field, Instant, Trust
from field_data.yields import Unit, number_in, usual_t_ha

FORMS = shipped_forms()
RING = ((-5.0, 34.0), (-4.99, 34.0), (-4.99, 34.01), (-5.0, 34.0))
FIELD = Field("f1", "farm", RING, "TRZAX", area_ha=2.0)
JUNE = Instant(datetime(2025, 6, 10, tzinfo=UTC).timestamp(), Trust.TABLET)


def event(form: str, at: Instant, **values: Any) -> Event:
    """An observation as `check_observation` leaves it: with what the form works out."""
    photo = {"photo": ["0" * 64]} if form == "crop_cut" else {}
    checked = check(
        FORMS.get(form) or pytest.fail(form), {"crop": "TRZAX"} | photo | values, None, None
    )
    body = {"form": form, "version": 1, "values": checked.values, "place": None}
    return Event(new_id(), Kind.OBSERVATION, "f1", "agent", at, body, received=at)


def brought_in(quintals: float, area: float = 2.0, day: str = "2025-06-20", **more: Any) -> Event:
    given: dict[str, Any] = {
        "day": day,
        "area": area,
        "quantity": quintals,
        "unit": "quintal",
        "moisture": 14,
    }
    return event("harvest", JUNE, **(given | more))


def squares(kg: float, plots: int = 4, at: Instant = JUNE, **more: Any) -> Event:
    given: dict[str, Any] = {"plots": plots, "plot_area": 1, "weighed": "grain", "fresh_kg": kg}
    return event("crop_cut", at, **(given | {"moisture_by": "meter", "meter": 14} | more))


def only(*events: Event) -> Harvest:
    found = harvests_of(FIELD, events)
    assert found.aside == ()
    assert len(found.kept) == 1
    return found.kept[0]


def aside(*events: Event) -> list[str]:
    found = harvests_of(FIELD, events)
    assert found.kept == ()
    return [each.reason for each in found.aside]


def test_a_declared_harvest_is_at_standard_moisture_and_belongs_to_the_year_it_ends() -> None:
    found = only(brought_in(50))
    assert (found.t_ha, found.season_year, found.how) == (2.5, 2025, How.DECLARED)
    assert found.sd_t_ha == pytest.approx(0.25)
    moist = only(brought_in(50, moisture=22.6))
    assert moist.t_ha == pytest.approx(2.25)
    unknown = only(brought_in(50, moisture=None))
    assert (unknown.t_ha, unknown.sd_t_ha > found.sd_t_ha) == (2.5, True)
    assert only(brought_in(50, day="2025-09-02")).season_year == 2025


def test_wheat_cut_late_belongs_to_the_season_it_was_sown_for() -> None:
    """Above the snow line wheat is cut in September; nobody cuts in autumn what was just sown."""
    september = Instant(datetime(2025, 9, 4, tzinfo=UTC).timestamp(), Trust.TABLET)
    for late in (brought_in(40, day="2025-09-03"), squares(1.0, at=september)):
        assert only(late).season_year == 2025


def test_more_squares_are_less_noisy_and_the_forms_day_counts() -> None:
    few, many = only(squares(1.0, 4)), only(squares(4.0, 16))
    assert (few.t_ha, few.how, few.day.isoformat()) == (2.5, How.CUT, "2025-06-10")
    assert many.t_ha == 2.5
    assert 0.15 < many.sd_t_ha < few.sd_t_ha < 0.6
    both = only(squares(1.0), squares(1.2))
    assert both.t_ha == pytest.approx(2.72, abs=0.05)  # the smaller figure has the smaller noise
    assert both.sd_t_ha < few.sd_t_ha


def test_a_harvest_of_the_field_beats_squares_and_contradiction_is_said() -> None:
    near = only(squares(1.0), brought_in(46))
    assert (near.t_ha, near.how, near.contradicted) == (2.3, How.DECLARED, False)
    far = only(squares(4.0, 16), brought_in(16))
    assert (far.t_ha, far.contradicted) == (0.8, True)
    part = only(squares(4.0, 16), brought_in(12, area=0.5))
    assert part.how is How.BOTH
    assert part.t_ha == pytest.approx(2.46, abs=0.05)


def test_parts_are_added_up_and_the_same_harvest_said_twice_is_no_surer() -> None:
    parts = only(brought_in(20, area=1.0), brought_in(30, area=1.0, day="2025-06-28"))
    assert (parts.t_ha, parts.day.isoformat(), len(parts.events)) == (2.5, "2025-06-28", 2)
    once, twice = only(brought_in(50)), only(brought_in(50), brought_in(50))
    assert (twice.t_ha, twice.sd_t_ha) == (once.t_ha, once.sd_t_ha)
    apart = only(brought_in(40), brought_in(80))
    assert apart.contradicted
    assert apart.sd_t_ha > 0.5


def test_what_cannot_be_right_is_set_aside_with_the_reason() -> None:
    assert aside(brought_in(50, crop="HORVX")) == ["other_crop"]
    assert aside(squares(5, weighed="plants")) == ["not_grain"]
    assert aside(squares(1, at=Instant(100.0, Trust.UNKNOWN))) == ["no_date"]
    assert aside(brought_in(200, area=8.0)) == ["area_too_large"]
    assert aside(brought_in(0.5)) == ["too_low"]
    body = {"form": "harvest", "version": 9, "values": {"crop": "TRZAX"}, "unchecked": "unknown"}
    newer = Event(new_id(), Kind.OBSERVATION, "f1", "agent", JUNE, body)
    assert aside(newer) == ["unchecked"]


def test_a_field_that_gave_nothing_gave_nothing() -> None:
    assert only(brought_in(0)).t_ha == 0


def test_quintals_typed_as_tonnes_are_asked_back() -> None:
    [set_aside] = harvests_of(FIELD, [brought_in(50, unit="tonne")]).aside
    assert (set_aside.reason, set_aside.t_ha) == ("too_high", 25.0)
    assert [(m.value, m.unit, m.t_ha) for m in set_aside.meant] == [(25.0, Unit.Q_HA, 2.5)]
    [outlier] = harvests_of(FIELD, [brought_in(330, area=1.0)]).aside
    assert outlier.reason == "too_high"


@pytest.mark.parametrize(
    ("value", "unit", "meant"),
    [
        (25, Unit.T_HA, [(Unit.Q_HA, 2.5)]),
        (2500, Unit.T_HA, [(Unit.KG_HA, 2.5)]),
        (2.5, Unit.Q_HA, [(Unit.T_HA, 2.5)]),
        (25, Unit.KG_HA, [(Unit.Q_HA, 2.5)]),
        (0.2, Unit.T_HA, []),
    ],
)
def test_a_usual_yield_in_the_wrong_unit_is_asked_back(
    value: float, unit: Unit, meant: list[tuple[Unit, float]]
) -> None:
    with pytest.raises(PersonError) as refused:
        usual_t_ha(value, unit, "TRZAX")
    assert refused.value.code == "yield_unlikely"
    told: Any = refused.value.details["meant"]
    assert [(each.unit, each.t_ha) for each in told] == meant


def test_numbers_are_read_as_people_type_them() -> None:
    assert [number_in(text) for text in ("2,5", " 25 ", "٢٫٥", "2.5")] == [2.5, 25, 2.5, 2.5]
    for text in ("", "nan", "inf", "25 q", "1e999"):
        with pytest.raises(PersonError, match="no number"):
            number_in(text)
    assert usual_t_ha(25, Unit.Q_HA, "TRZAX") == usual_t_ha(2500, Unit.KG_HA, "TRZAX") == 2.5
    assert usual_t_ha(80, Unit.T_HA, "LYPES") == 80
