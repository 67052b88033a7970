"""What farmers and agents see of a week, and what one tap keeps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from edge_app.languages import LANGS
from field_data.advice_log import name_of
from field_data.events import Kind
from field_data.people import Role
from field_data.season_advice import Urgency
from field_data.types import Field
from tests.people import Staff
from tests.weeks import (
    DAY,
    TODAY,
    Told,
    advising,
    item,
    no_spraying,
    observed,
    scouting,
    watering,
)
from tests.yielding import wheat_field


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path) as opened:
        yield opened


@pytest.fixture
def field(staff: Staff) -> Field:
    return wheat_field(staff, crop="LYPES")


@pytest.fixture
def told(staff: Staff, field: Field) -> Told:
    """A week of three things, of which the desk of the node knows."""
    made = Told({field.id: [each(field=field.id) for each in (watering, scouting, no_spraying)]})
    advising(staff, made)
    return made


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html))


def read(staff: Staff, path: str, role: Role = Role.AGENT) -> str:
    answer = staff.client(role).get(path)
    assert answer.status_code == 200, path
    return answer.get_data(as_text=True)


def test_a_farmer_sees_three_pictures_three_sentences_and_why(
    staff: Staff, field: Field, told: Told
) -> None:
    token = staff.ground.links.give(field.id)
    phone = staff.stranger()
    page = phone.get(f"/en/week/{token}")
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
    said = text(page.text)
    order = ["Tomorrow: do not spray, too much wind.", "By Thursday: water 25 mm."]
    order += ["Saturday: look at the plants,"]
    assert [said.index(each) for each in order] == sorted(said.index(each) for each in order)
    assert page.text.count('class="thing') == 3
    assert "Water missing in the root zone 25 mm" in said
    assert said.count("not yet reviewed by an agronomist") == 3
    assert "A rule of these tests, 2026" in said
    assert "unheard_of" not in said  # NaN is not shown
    strips = re.findall(r'<ol class="strip".*?</ol>', page.text, re.DOTALL)
    assert [each.count('class="on"') for each in strips] == [1, 3, 1]
    assert field.id not in page.text
    assert f"/en/week/{token}" in phone.get("/en/").text
    staff.ground.links.forget([field.id])
    assert phone.get(f"/en/week/{token}").status_code == 404
    assert token not in phone.get("/en/").text


def test_what_was_said_is_kept_once_and_goes_with_the_farmer(
    staff: Staff, field: Field, told: Told
) -> None:
    ground = staff.ground
    for _ in range(3):
        ground.week.of(field)
    kept = ground.week.log.of(field.id)
    assert sorted(each.item.code for each in kept) == [
        *("scout_stage", "spray_not_wind", "water_give")
    ]
    assert [each.day for each in kept] == [DAY] * 3
    assert {each.id for each in kept} == {name_of(each) for each in told.of[field.id]}
    ground.week.of(field, TODAY - timedelta(days=300))
    assert len(ground.week.log.of(field.id)) == 3
    for forget in ground.privacy.elsewhere:
        forget([field.id])
    assert ground.week.log.of(field.id) == []


def test_after_a_week_one_tap_becomes_a_record_that_travels(
    staff: Staff, field: Field, told: Told
) -> None:
    ground = staff.ground
    token = ground.links.give(field.id)
    phone = staff.stranger()
    phone.get(f"/en/week/{token}")
    told.of[field.id] = []
    advising(staff, told, TODAY + timedelta(days=8))
    page = phone.get(f"/en/week/{token}").text
    assert "Last week we said:" in page
    assert "Nothing to do for this field this week." in page
    advice = re.search(r'name="advice" value="(\w+)"', page)
    assert advice is not None
    form = {"advice": advice.group(1), "said": "everything"}
    address = f"/en/week/{token}/answer"
    assert phone.post(address, data=form).status_code == 400
    assert phone.post(address, data=form | {"said": "no"}).status_code == 303
    assert phone.post(address, data=form | {"said": "no"}).status_code == 303  # tapped twice
    [event] = [e for e in ground.events.about(field.id) if e.kind is Kind.OBSERVATION]
    assert event.body["form"] == "advice_outcome"
    assert event.body["values"]["advice"] == advice.group(1)
    assert event.body["values"]["done"] == "no"
    second = re.search(r'name="advice" value="(\w+)"', phone.get(f"/en/week/{token}").text)
    assert second is not None
    assert second.group(1) != advice.group(1)
    # The next question is answered by an agent on the field's page.
    path = f"/en/staff/field/{field.id}/week"
    agent = staff.client(Role.AGENT)
    assert "Last week we said:" in agent.get(path).text
    done = {"advice": second.group(1), "said": "yes"}
    known = ground.week.log.get(second.group(1))
    assert known is not None
    done["said"] = "found" if known.item.topic == "scout" else "yes"
    assert agent.post(path, data=done).status_code == 303
    assert len(ground.week.known(field).answers) == 2


def test_scouting_and_watering_are_judged_by_what_agents_recorded(
    staff: Staff, field: Field, told: Told
) -> None:
    ground = staff.ground
    ground.week.of(field)
    values = {"crop": "LYPES", "stage": "bbch1", "plants": 20, "photos": ["0" * 64]}
    found = {"condition": "GNORAB", "incidence": 10, "severity": 5}
    observed(ground, field, "scouting", DAY + 5, **values, **found)
    water = {"method": "drip", "area": 1, "measured": "mm", "depth": 20 * field.area_ha}
    observed(ground, field, "irrigation", DAY + 1, day="2026-03-04", **water)
    page = text(read(staff, "/en/staff/weeks/outcomes", Role.AGRONOMIST))
    assert "Advised 1 Somebody looked 1 Found 1 Found, of those looked at 100 %" in page
    assert "Advised on average 25.0 mm Given on average 20.0 mm" in page
    assert "(median) 80 %" in page
    assert staff.client(Role.AGENT).get("/en/staff/weeks/outcomes").status_code == 403


def test_agents_see_all_fields_by_urgency_and_by_name(staff: Staff, field: Field) -> None:
    calm, dry = wheat_field(staff, "A calm one", 1), wheat_field(staff, "Dry", 2)
    advising(staff, Told({
        field.id: [scouting(field=field.id)],
        dry.id: [watering(field=dry.id, urgency=Urgency.NOW)],
        calm.id: [],
    }))  # fmt: skip
    names = [dry.name, field.name, calm.name]
    page = read(staff, "/en/staff/weeks")
    assert sorted(names, key=page.index) == names
    page = read(staff, "/en/staff/weeks?sort=name")
    assert sorted(names, key=page.index) == ["A calm one", "Bled 1", "Dry"]
    drawn = json.loads(read(staff, "/en/staff/weeks.geojson"))["features"]
    by_name = {each["properties"]["name"]: each["properties"] for each in drawn}
    assert by_name["Dry"]["urgency"] == 3
    assert by_name["Dry"]["says"] == "By Thursday: water 25 mm."
    assert staff.stranger().get("/en/staff/weeks.geojson").status_code == 303


def test_a_village_has_a_sheet_for_paper(staff: Staff, field: Field, told: Told) -> None:
    page = read(staff, "/fr/staff/weeks/sheet?commune=")
    assert "Bled 1" in page
    assert "D&#39;ici jeudi : arrosez 25 mm." in page
    assert staff.client(Role.AGENT).get("/fr/staff/weeks/sheet?commune=x").status_code == 404


def test_a_damaged_part_silences_itself_alone(staff: Staff, field: Field, told: Told) -> None:
    desk = advising(staff, told)
    broken = Told(broken=True)
    desk._advisers = {"broken": broken, "told": told}
    week = desk.of(field)
    assert (week.silent, len(week.week.items)) == (("broken",), 3)
    token = staff.ground.links.give(field.id)
    assert "A part of this box cannot be read" in staff.stranger().get(f"/en/week/{token}").text


def test_a_box_that_does_not_know_the_day_says_so_and_keeps_nothing(
    staff: Staff, field: Field, told: Told
) -> None:
    advising(staff, told, None)
    token = staff.ground.links.give(field.id)
    page = staff.stranger().get(f"/en/week/{token}")
    assert "This box does not know what day it is." in page.text
    staff.ground.week.daily()
    assert staff.ground.week.log.of(field.id) == []
    assert "does not know" not in read(staff, "/en/staff/weeks")


def test_old_weather_is_said_above_the_three(staff: Staff, field: Field, told: Told) -> None:
    told.of[field.id].append(item("weather_old", field=field.id))
    token = staff.ground.links.give(field.id)
    page = text(staff.stranger().get(f"/en/week/{token}").text)
    assert page.index("The weather forecast is old") < page.index("Tomorrow: do not spray")
    assert page.count("Why?") == 3


@pytest.mark.parametrize("lang", LANGS)
def test_the_pages_are_whole_in_every_language(
    staff: Staff, field: Field, told: Told, lang: str
) -> None:
    token = staff.ground.links.give(field.id)
    told.of[field.id] += [item("weather_old", field=field.id), item("frost_night", field=field.id)]
    paths = ["staff/weeks", f"staff/field/{field.id}/week", "staff/weeks/sheet?commune="]
    for path in (*paths, "staff/weeks/outcomes", f"week/{token}"):
        page = read(staff, f"/{lang}/{path}", Role.KEEPER)
        assert "style=" not in page, path
        assert "%(" not in page, path
        assert "&lt;span" not in page, path


def test_only_codes_that_are_known_are_looked_for_among_recordings(staff: Staff) -> None:
    for code in ("spray_not_wind", "..%2f..%2fsecret", "nothing"):
        assert staff.stranger().get(f"/ar/week/audio/{code}").status_code == 404


def test_the_day_of_these_tests_is_a_tuesday() -> None:
    assert date(2026, 3, 3).weekday() == 1
