"""What tablets take along besides land and forms: the newest map, and what farmers are asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_app.agent.consent_words import PROMISE, PURPOSES, WORDING
from edge_app.languages import LANGS
from field_data.ids import new_id
from field_data.land import Decision
from field_data.people import MOST_NAME_LETTERS, Role
from sat_ingest.archive import ARCHIVE
from sat_ingest.grid import field_grid
from sat_ingest.mercator import tiles_over
from tests.people import Staff
from tests.skies import five_fields, spring

# Version -> digest of the English texts that were read under it.
READ = {"2026-1": "b1fef0ce7d699a43", "2026-2": "fc141dc69dfac247"}


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path) as made:
        yield made


def test_the_newest_map_and_where_its_tiles_are(staff: Staff) -> None:
    agent = staff.client(Role.AGENT)
    before = agent.get("/api/v1/sky")
    assert (before.get_json()["day"], before.get_json()["tiles"]) == (None, "")
    fields = five_fields(staff)
    spring(staff, fields)
    told = agent.get("/api/v1/sky").get_json()
    assert told["day"] == "2025-05-05"
    tile = next(iter(tiles_over(field_grid(fields[0].boundary), 15)))
    picture = agent.get(told["tiles"].format(z=tile.z, x=tile.x, y=tile.y))
    assert picture.data.startswith(b"\x89PNG")
    assert "max-age" in picture.headers["Cache-Control"]
    assert len(told["legend"]["colours"]) == 10
    assert "nuages" in told["clouds"]["fr"]


def test_a_tablet_that_has_the_newest_map_is_not_told_again(staff: Staff) -> None:
    agent, fields = staff.client(Role.AGENT), five_fields(staff)
    spring(staff, fields)
    tag = {"If-None-Match": agent.get("/api/v1/sky").headers["ETag"]}
    assert agent.get("/api/v1/sky", headers=tag).status_code == 304
    staff.ground.registry.retire("keeper", fields[0].id)  # not on the tiles any more
    assert agent.get("/api/v1/sky", headers=tag).status_code == 200


def test_damaged_pictures_stop_no_tablet(staff: Staff) -> None:
    five_fields(staff)
    (staff.home / ARCHIVE).parent.mkdir(exist_ok=True)
    (staff.home / ARCHIVE).write_bytes(b"no archive" * 500)
    told = staff.client(Role.AGENT).get("/api/v1/sky")
    assert (told.status_code, told.get_json()["day"]) == (200, None)
    assert staff.client(Role.FARMER).get("/api/v1/sky").status_code == 403


def test_a_changed_wording_has_another_version(staff: Staff) -> None:
    with staff.app.test_request_context("/en/"):
        texts = [str(each) for pair in PURPOSES.values() for each in pair] + [str(PROMISE)]
    assert READ[WORDING] == hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    told = staff.client(Role.AGENT).get("/api/v1/consents").get_json()
    assert told["wording"] == WORDING
    for each in told["purposes"]:
        assert {*LANGS} - {"zgh"} <= each["text"].keys()
        Decision(each["purpose"], WORDING, "fr", given=True)


def test_the_owner_whom_a_tablet_made_up_is_somebody_and_can_be_erased(staff: Staff) -> None:
    agent, keeper, owner = staff.client(Role.AGENT), staff.person(Role.KEEPER), new_id()
    author, at = staff.person(Role.AGENT).id, {"utc_s": 1_790_000_000.0, "trust": "tablet"}
    farm = staff.ground.registry.add_farm("keeper", "Ferme " + "x" * 110)

    def put(kind: str, subject: str, body: dict[str, object], supersedes: str | None) -> str:
        id = new_id()
        event = {"id": id, "kind": kind, "subject": subject, "author": author, "at": at}
        for _ in range(2):  # a reply that was cut off
            told = agent.put(
                f"/api/v1/events/{id}", json={**event, "body": body, "supersedes": supersedes}
            )
            assert told.status_code == 200, told.json
        return id

    put("farm", farm.id, {"name": farm.name, "commune": "", "owner": owner}, farm.event)
    yes = {"purpose": "photos", "wording": WORDING, "lang": "ar", "given": True}
    put("consent", owner, yes, None)
    met = staff.ground.people.get(owner)
    assert met
    assert (met.role, len(met.name) <= MOST_NAME_LETTERS, met.active) == (Role.FARMER, True, True)
    assert staff.ground.people.secret(owner) is None
    assert staff.ground.registry.allows(owner, "photos")
    staff.ground.privacy.erase(keeper.id, owner)
    assert staff.ground.registry.consents(owner) == []
    assert not staff.ground.registry.allows(owner, "photos")


@pytest.mark.parametrize(
    ("name", "wanted"), [("agent one", "agent one {code}"), ("\u200f", "{code}"), ("Aït", "Aït")]
)
def test_a_name_that_cannot_be_is_mended(staff: Staff, name: str, wanted: str) -> None:
    staff.person(Role.AGENT)
    met = staff.ground.people.meet(new_id(), name)
    assert met.name == wanted.format(code=met.code)
    assert staff.ground.people.meet(met.id, "another") == met
