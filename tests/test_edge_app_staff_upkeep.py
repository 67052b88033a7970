"""The keeper's page of updates and backups: how they are, and what it may ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from edge_app import upkeep_words, webassets
from edge_app.access.guard import COOKIE
from edge_app.appliance import backup_keys
from edge_app.appliance.backup import Backups
from edge_app.appliance.backup_keys import kept_key
from edge_app.appliance.requests import take_request
from edge_app.languages import LANGS
from field_data.audit_log import Action
from field_data.people import Role
from tests.browsers import PHONE, assert_sound
from tests.little_boxes import LittleBox
from tests.people import PASSPHRASE, Staff
from tests.serving import listening
from tests.test_edge_app_staff_bundles import SCREENS

WORDS = "seven dry figs and a well"
CHOSEN = {"own": PASSPHRASE, "secret": WORDS, "again": WORDS}


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LittleBox:
    monkeypatch.delenv("GHALLA_SCREENS", raising=False)  # no setting of the node
    monkeypatch.setattr(backup_keys, "_LOG_N", 4)
    made = LittleBox(tmp_path / "box").make()
    (made.layout.home / "store.sqlite").unlink()
    return made


@pytest.fixture
def staff(box: LittleBox) -> Iterator[Staff]:
    with Staff(box.layout.home) as made:
        yield made


def text_of(staff: Staff, lang: str = "en") -> str:
    answer = staff.client(Role.KEEPER).get(f"/{lang}/staff/upkeep")
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_the_keeper_sees_an_update_and_goes_back(staff: Staff, box: LittleBox) -> None:
    assert "Go back" not in text_of(staff)
    (box.layout.box / "update").mkdir(exist_ok=True)
    said = {"active": "1.2.0", "previous": "0.1.0", "candidate": "1.3.0", "probed": True,
            "trial": False, "starts": 0, "seen": 3, "newest": "1.3.0", "digest": "",
            "refused": {}, "schema": 1}  # fmt: skip
    (box.layout.box / "update/state.json").write_text(json.dumps(said))
    last = {"code": "update_waits", "version": "1.3.0", "reason": "sync", "at_s": 1.9e9}
    (box.layout.box / "update/last.json").write_text(json.dumps(last))
    text = text_of(staff)
    assert "waits until the box is not sending" in text
    assert "Use the new Ghalla now" in text
    post = staff.client(Role.KEEPER).post
    assert post("/en/staff/upkeep/update", data={"verb": "back"}).status_code == 303
    assert "begins in a moment" in text_of(staff)
    assert take_request(box.layout, "update") == {"verb": "back"}
    assert Action.ROLLED_BACK in [each.action for each in staff.ground.audit.latest(5)]
    assert post("/en/staff/upkeep/update", data={"verb": "install"}).status_code == 303
    assert take_request(box.layout, "update") == {"verb": "install"}
    post("/en/staff/upkeep/update", data={"verb": "rm -rf /"})
    assert take_request(box.layout, "update") == {}
    (box.layout.box / "update/state.json").write_text("{")
    assert "cannot be read" in text_of(staff)


def test_the_keeper_chooses_a_passphrase_and_asks_for_a_backup(
    staff: Staff, box: LittleBox, tmp_path: Path
) -> None:
    staff.secret(Role.KEEPER)
    post = staff.client(Role.KEEPER).post
    assert "nobody has chosen its passphrase" in text_of(staff)
    for wrong in ({"own": "guessed wrongly"}, {"again": "another"},
                  {"secret": "short", "again": "short"}):  # fmt: skip
        answer = post("/en/staff/upkeep/passphrase", data=CHOSEN | wrong)
        assert answer.status_code in (400, 401, 403)
        assert kept_key(box.layout.home) is None
    chosen = post("/en/staff/upkeep/passphrase", data=CHOSEN)
    assert chosen.status_code == 303, chosen.get_data(as_text=True)
    key = kept_key(box.layout.home)
    assert key
    assert backup_keys.unlock(key.stanzas, WORDS, None).raw == key.raw
    assert WORDS not in str([e.details for e in staff.ground.audit.latest(5)])
    assert post("/en/staff/upkeep/backup").status_code == 303
    assert take_request(box.layout, "backup") == {}
    stick = tmp_path / "stick"
    stick.mkdir()
    Backups(box.layout.home, stick).create()
    assert "went well" in text_of(staff)
    (box.layout.box / "backup").mkdir()
    said = json.dumps({"code": "stick_full", "at_s": 1.9e9})
    (box.layout.box / "backup/last.json").write_text(said)
    assert "The stick is full" in text_of(staff)
    assert "The last backup that went well" in text_of(staff)


@pytest.mark.parametrize("role", [Role.AGENT, Role.AGRONOMIST, Role.FARMER])
def test_it_is_for_the_keeper_alone(staff: Staff, role: Role) -> None:
    assert staff.client(role).get("/en/staff/upkeep").status_code == 403
    for part in ("update", "backup", "passphrase"):
        assert staff.client(role).post(f"/en/staff/upkeep/{part}").status_code == 403


def test_a_node_that_is_no_box_says_so(tmp_path: Path) -> None:
    with Staff(tmp_path / "home") as staff:
        assert "not installed as a box" in text_of(staff)
        answer = staff.client(Role.KEEPER).post("/en/staff/upkeep/backup")
        assert "not installed as a box" in answer.get_data(as_text=True)


def test_every_code_has_words() -> None:
    assert upkeep_words.updated("release_crashed") == upkeep_words.updated("release_unhealthy")
    assert upkeep_words.updated("bundle_untrusted") is not None
    assert upkeep_words.saved("anything") is not None


@pytest.mark.browser
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    staff: Staff, box: LittleBox, browser: Browser
) -> None:
    assert webassets.build_fonts(), "run npm ci first"
    said = {"active": "1.2.0", "previous": "0.1.0+0a1b2c3d", "candidate": "1.3.0", "probed": True,
            "trial": False, "starts": 0, "seen": 3, "newest": "1.3.0", "digest": "",
            "refused": {}, "schema": 1}  # fmt: skip
    (box.layout.box / "update/state.json").write_text(json.dumps(said))
    last = {"code": "release_unhealthy", "version": "1.3.0", "at_s": 1.9e9,
            "reason": "it did not answer within 180 s"}  # fmt: skip
    (box.layout.box / "update/last.json").write_text(json.dumps(last))
    backup_keys.set_passphrase(box.layout.home, WORDS)
    token = staff.ground.gate.open_session(staff.person(Role.KEEPER), "test")
    with listening(staff.app) as address:
        context = browser.new_context(viewport=PHONE)
        context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
        page = context.new_page()
        for lang in LANGS:
            page.goto(f"{address}/{lang}/staff/upkeep")
            page.locator("details summary").last.click()
            assert_sound(page, lang)
            if SCREENS:
                page.screenshot(path=f"{SCREENS}/upkeep-{lang}.png", full_page=True)
        context.close()
