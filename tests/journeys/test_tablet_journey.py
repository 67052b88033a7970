"""An agent's days away from the node: log in, go out, record, come back, correct."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright

from field_data.events import standing
from tests.serving import ServedNode
from tests.tablets import Tablet, agent_of, opened, photo, records_of

pytestmark = pytest.mark.browser
COLD_START_MS = 1000
MOST_TAPS = 12


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def ready_ms(page: Page) -> float:
    """From the start of loading until the app can be used."""
    return float(page.get_attribute("html", "data-ready") or "inf")


def pair(page: Page, code: str) -> None:
    """As somebody does who scanned the code on the box's page."""
    page.goto(f"{page.url.split('/agent/')[0]}/agent/pair?code={code}")
    page.click("main form button")
    page.wait_for_selector("html[data-ready]")


def test_days_away_from_the_node(playwright: Playwright, tmp_path: Path) -> None:
    home, profile, port = tmp_path / "home", tmp_path / "profile", free_port()
    agent = agent_of(home)
    store, ground = opened(home)
    with store:
        person = ground.people.get(agent.id)
        assert person is not None
        code = ground.gate.pairing_code(agent.id, person)
    address = f"http://127.0.0.1:{port}"

    with ServedNode(home, port), Tablet(playwright, profile, address) as tablet:
        assert tablet.open().is_visible("a[href='/agent/pair']")
        pair(tablet.page, code)
        tablet.settled()
        tablet.page.wait_for_selector(".fields a:has-text('Parcelle 3')")

    # Away: the node is off, the browser starts from what the tablet keeps.
    with Tablet(playwright, profile, address) as tablet:
        page = tablet.open()
        starts_ms = [ready_ms(page)]
        for n in range(3):
            tablet.taps = 0
            tablet.visit(f"Parcelle {n + 1}", [photo(n)])
            assert tablet.taps <= MOST_TAPS
        page.wait_for_selector("#unsent[data-n='3']")
        # A draft is left half-way.
        page.evaluate("location.hash = '#/'")
        tablet.tap(".fields a:has-text('Parcelle 1')")
        tablet.tap('[data-form="scouting"]')
        tablet.choose("stage", "bbch7")
        page.wait_for_timeout(300)

    with Tablet(playwright, profile, address) as tablet:
        page = tablet.open()
        # The better of two: other tests may run beside this one.
        assert min(*starts_ms, ready_ms(page)) <= COLD_START_MS
        page.wait_for_selector("#unsent[data-n='3']")
        page.click(".draft")
        assert page.is_checked('#q-stage input[value="bbch7"]')
        assert page.input_value("#in-crop") == "LYPES"

        # Back: everything is sent by itself.
        with ServedNode(home, port):
            page.evaluate("location.hash = '#/'")
            page.evaluate("window.dispatchEvent(new Event('online'))")
            tablet.all_sent()
            page.wait_for_selector("#today .badge[data-state=node] >> nth=2")
            correct(tablet, "Parcelle 2")
        assert tablet.wrong == []

    kept = records_of(home)
    assert len(kept) == 4
    right = standing(kept)
    assert sorted(event.body["values"]["incidence"] for event in right) == [10, 10, 50]
    assert len({sha for event in kept for sha in event.photos}) == 3
    assert {event.author for event in kept} == {agent.id}


def correct(tablet: Tablet, field: str) -> None:
    """Open the record of a field, change the incidence, keep it, see both."""
    page = tablet.page
    page.click(f"#today a:has-text('{field}')")
    page.click("article button.main")
    page.wait_for_selector("form.fill .notice")
    page.click('#q-incidence [data-n="50"]')
    page.click("button.main[type=submit]")
    page.wait_for_selector(".forms")
    tablet.all_sent()
    page.click(f".rows a:has-text('{field}')")
    page.wait_for_selector("article a[href^='#/record/']")
    page.click("article a[href^='#/record/']")
    page.wait_for_selector("article .notice a[href^='#/record/']")
