"""The keeper's page of what came down: what is in use, what was refused and why, the way back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from edge_app import bundle_words, webassets
from edge_app.access.guard import COOKIE
from edge_app.bundle_place import place_of
from edge_app.bundles_node import NodeBundles
from edge_app.languages import LANGS
from field_data.audit_log import Action
from field_data.errors import PublisherError
from field_data.people import Role
from sync.bundle_reports import OUTCOMES
from sync.roots import KINDS
from tests.browsers import CHROMIUM, FLAGS, PHONE, assert_sound
from tests.bundling import STRANGER, bundle, trusting
from tests.people import Staff
from tests.serving import listening

SCREENS = os.environ.get("GHALLA_SCREENS")


@pytest.fixture
def staff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Staff]:
    monkeypatch.delenv("GHALLA_SCREENS", raising=False)  # no setting of the node
    with Staff(tmp_path / "home") as made:
        yield made


def arrived(staff: Staff, folder: Path) -> NodeBundles:
    """A node with a version in use, one before it, and one that was refused."""
    trusting(staff.home)
    found = NodeBundles(staff.home, place_of(staff.home, staff.node.ground.node))
    found.take(bundle(folder, 1))
    found.confirm("advice", "souss", 1)
    found.take(bundle(folder, 2, note="Cards <of> the spring"))
    with pytest.raises(PublisherError):
        found.take(bundle(folder, 3, key=STRANGER))
    return found


def test_the_keeper_reads_what_came_and_goes_back(staff: Staff, tmp_path: Path) -> None:
    keeper = staff.client(Role.KEEPER)
    assert "roots trust" in keeper.get("/en/staff/bundles").get_data(as_text=True)
    found = arrived(staff, tmp_path)
    text = keeper.get("/en/staff/bundles").get_data(as_text=True)
    assert "on trial" in text
    assert "Cards &lt;of&gt; the spring" in text
    assert "Nobody whom this box believes has signed it." in text
    assert "bundle_untrusted" in text
    wish = {"kind": "advice", "name": "souss"}
    assert keeper.post("/en/staff/bundles/back", data=wish).status_code == 303
    assert found.slots.get("advice", "souss").active == 1
    assert staff.ground.audit.latest(1)[0].action == Action.ROLLED_BACK
    assert keeper.post("/en/staff/bundles/back", data=wish).status_code == 303
    none_left = keeper.post("/en/staff/bundles/back", data=wish)
    assert none_left.status_code == 400
    assert "no version before" in none_left.get_data(as_text=True)


@pytest.mark.parametrize("role", [Role.AGENT, Role.AGRONOMIST, Role.FARMER])
def test_it_is_for_the_keeper_alone(staff: Staff, role: Role) -> None:
    assert staff.client(role).get("/en/staff/bundles").status_code == 403
    assert staff.client(role).post("/en/staff/bundles/back").status_code == 403


@pytest.mark.parametrize("kind", ["../x", "", "model", "advice\0"])
def test_strange_words_do_nothing(staff: Staff, tmp_path: Path, kind: str) -> None:
    found = arrived(staff, tmp_path)
    data = {"kind": kind, "name": "../../trust"}
    assert staff.client(Role.KEEPER).post("/en/staff/bundles/back", data=data).status_code == 400
    assert found.slots.get("advice", "souss").active == 2


def test_a_damaged_state_is_said_and_the_page_works(staff: Staff, tmp_path: Path) -> None:
    arrived(staff, tmp_path)
    (staff.home / "bundles" / "state.json").write_bytes(b"{")
    answer = staff.client(Role.KEEPER).get("/en/staff/bundles")
    assert answer.status_code == 200
    assert "cannot be read" in answer.get_data(as_text=True)


def test_there_are_words_for_every_kind_and_outcome() -> None:
    assert set(bundle_words.KINDS) == set(KINDS)
    assert set(bundle_words.OUTCOMES) == set(OUTCOMES)
    assert bundle_words.why("") is None
    assert bundle_words.why("golden_differs") is not None


@pytest.mark.browser
def test_axe_finds_nothing_and_nothing_scrolls_sideways(staff: Staff, tmp_path: Path) -> None:
    assert webassets.build_fonts(), "run npm ci first"
    arrived(staff, tmp_path)
    token = staff.ground.gate.open_session(staff.person(Role.KEEPER), "test")
    with listening(staff.app) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport=PHONE)
        context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
        page = context.new_page()
        for lang in LANGS:
            page.goto(f"{address}/{lang}/staff/bundles")
            assert_sound(page, lang)
            if SCREENS:
                page.screenshot(path=f"{SCREENS}/bundles-{lang}.png", full_page=True)
        browser.close()
