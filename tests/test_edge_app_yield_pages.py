"""What farmers and agents see of a field's yield, and what they say of its seasons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from edge_app import pictures
from edge_app.languages import LANGS
from field_data.people import Role
from field_data.types import Field
from sat_ingest.archive import ARCHIVE
from tests.people import Staff
from tests.skies import spring
from tests.yielding import forecasting, grown, harvested, wheat_field

MAY = date(2025, 6, 2)


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path) as opened:
        forecasting(opened, MAY)
        yield opened


@pytest.fixture
def field(staff: Staff) -> Field:
    made = wheat_field(staff)
    grown(staff, made, dict.fromkeys(range(2021, 2025), 0.6) | {2025: 0.8}, until=MAY)
    return made


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html))


def read(staff: Staff, path: str, role: Role = Role.AGENT) -> str:
    answer = staff.client(role).get(path)
    assert answer.status_code == 200, path
    return answer.get_data(as_text=True)


def send(staff: Staff, field: Field, path: str = "seasons", **form: str) -> tuple[int, str]:
    said = {"crop": "TRZAX", "unit": "q/ha"} | form
    answer = staff.client(Role.AGENT).post(f"/en/staff/field/{field.id}/{path}", data=said)
    return answer.status_code, answer.get_data(as_text=True)


def test_an_agent_adds_a_season_and_the_forecast_counts_in_sacks(
    staff: Staff, field: Field
) -> None:
    page = read(staff, f"/en/staff/field/{field.id}/yield")
    assert "This season looks better than usual." in text(page)
    assert "Say the crop and the usual yield" in page
    assert 'class="balance"' in page
    assert 'class="sacks"' not in page
    status, _ = send(staff, field, usual="20", sown="2024-11-20", variety="Faiza")
    assert status == 303
    [season] = staff.ground.registry.seasons(field.id)
    assert (season.usual_t_ha, season.sown, season.variety) == (2.0, date(2024, 11, 20), "Faiza")
    page = read(staff, f"/en/staff/field/{field.id}/yield")
    said = re.search(r"We expect (\d+) to (\d+) quintals a hectare, most likely (\d+)", text(page))
    assert said is not None
    low, high, middle = map(int, said.groups())
    assert low < middle < high
    assert page.count('class="sure"') == low
    assert page.count('class="likely"') == middle - low
    assert page.count('class="possible"') == high - middle
    assert "as its farmer says" in page
    assert "Not validated at field level" in page
    assert "Not for credit, insurance or tax" in page


def test_a_usual_yield_in_the_wrong_unit_is_asked_back(staff: Staff, field: Field) -> None:
    status, page = send(staff, field, usual="25", unit="t/ha")
    assert status == 400
    assert "25 q/ha, which is 2.5 t/ha" in page
    assert staff.ground.registry.seasons(field.id) == []
    answer = re.search(r'name="as" value="([^"]+)"', page)
    assert answer is not None
    assert send(staff, field, usual="25", unit="t/ha", **{"as": answer.group(1)})[0] == 303
    [season] = staff.ground.registry.seasons(field.id)
    assert season.usual_t_ha == 2.5
    for wrong in ({"usual": "many"}, {"sown": "1850-01-01"}, {"sown": "x"}, {"crop": ""}):
        assert send(staff, field, **wrong)[0] == 400
    assert send(staff, field, usual="25", unit="sacks")[0] == 400


def test_a_season_is_corrected_and_taken_back(staff: Staff, field: Field) -> None:
    send(staff, field, usual="20", sown="2024-11-20")
    [season] = staff.ground.registry.seasons(field.id)
    path = f"seasons/{season.id}"
    assert send(staff, field, path, usual="2,5", unit="t/ha", harvested="2025-06-10")[0] == 303
    [after] = staff.ground.registry.seasons(field.id)
    assert (after.id, after.usual_t_ha, after.sown) == (season.id, 2.5, None)
    status, page = send(staff, field, path, sown="2025-06-11", harvested="2025-06-10")
    assert (status, "harvest lies before the sowing" in page) == (400, True)
    assert send(staff, field, path, retire="1")[0] == 303
    assert staff.ground.registry.seasons(field.id) == []
    other = wheat_field(staff, "other", 1)
    assert send(staff, other, path, usual="30")[0] == 404


def test_a_farmer_sees_the_yield_by_a_link_until_it_is_taken_back(
    staff: Staff, field: Field
) -> None:
    send(staff, field, usual="20")
    agent, card = staff.client(Role.AGENT), f"/fr/staff/field/{field.id}/card"
    assert "svg" in agent.get(card).get_data(as_text=True)
    assert agent.post(card).status_code == 303
    link = re.search(r"http://localhost(/fr/yield/[^<]+)</bdi>", agent.get(card).text)
    assert link is not None
    phone = staff.stranger()
    page = phone.get(link.group(1))
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
    assert 'class="sacks"' in page.text
    corner = f"{field.boundary[0][0]:.3f}"
    assert not any(secret in page.text for secret in (field.id, field.farm, corner))
    assert phone.get("/fr/yield/AAAAAAAAAAAAAAAAAAAAAA").status_code == 404
    assert phone.get(f"/fr/yield/{field.id}").status_code == 404
    assert agent.post(card, data={"take": "1"}).status_code == 303
    assert phone.get(link.group(1)).status_code == 404


def test_the_link_of_a_nameless_field_tells_nothing_of_its_id(staff: Staff) -> None:
    field = wheat_field(staff, "", 2)
    token = staff.ground.links.give(field.id)
    assert field.id[:6] not in staff.stranger().get(f"/fr/yield/{token}").text


def test_harvests_scores_and_what_was_set_aside_are_told(staff: Staff, field: Field) -> None:
    send(staff, field, usual="20")
    read(staff, f"/en/staff/field/{field.id}/yield")
    harvested(staff.ground, field, 2024, 25.0, unit="tonne")
    harvested(staff.ground, field, 2025, 2.2)
    forecasting(staff, date(2025, 7, 1))
    page = text(read(staff, f"/en/staff/field/{field.id}/yield"))
    assert "This season is harvested. It gave 22 quintals a hectare." in page
    assert "it held" in page
    assert "higher than any field gives" in page
    assert "is it 25 q/ha, which is 2.5 t/ha?" in page
    skill = text(read(staff, "/en/staff/yields/skill", Role.AGRONOMIST))
    assert "that takes 30 harvests with a forecast, from 3 seasons" in skill
    assert "last forecast · harvests: 1 error" in skill
    assert staff.client(Role.AGENT).get("/en/staff/yields/skill").status_code == 403
    assert "Bled 1" in read(staff, "/en/staff/yields")


@pytest.mark.parametrize("lang", LANGS)
def test_the_pages_are_whole_in_every_language(staff: Staff, field: Field, lang: str) -> None:
    send(staff, field, usual="20", sown="2024-11-20")
    harvested(staff.ground, field, 2024, 2.2)
    bare = wheat_field(staff, "bare", 1)
    token = staff.ground.links.give(field.id)
    paths = [f"staff/field/{f.id}/{p}" for f in (field, bare) for p in ("yield", "seasons", "card")]
    paths += [f"staff/field/{field.id}", "staff/yields", "staff/yields/skill"]
    for path in (*paths, f"yield/{token}"):
        page = read(staff, f"/{lang}/{path}", Role.KEEPER)
        assert "style=" not in page, path
        assert "%(" not in page, path
        assert "&lt;" not in page, path


def test_a_damaged_archive_stops_no_page(staff: Staff, field: Field) -> None:
    send(staff, field, usual="20")
    (staff.home / ARCHIVE).write_bytes(b"no database" * 100)
    page = read(staff, f"/en/staff/field/{field.id}/yield")
    assert "No satellite picture of this field has arrived yet" in page


def test_without_leaflet_the_map_is_a_list_of_fields(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = wheat_field(staff)
    spring(staff, [field] * 2)
    monkeypatch.setitem(staff.app.jinja_env.globals, "has_map", lambda: False)
    page = read(staff, "/en/staff/map")
    assert ("leaflet" in page, "Bled 1" in page) == (False, True)
    assert (pictures.STATIC / pictures.MAP_SCRIPT).name == "leaflet.js"
