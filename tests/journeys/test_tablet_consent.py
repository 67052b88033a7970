"""A farmer's yes and no, said to an agent far from the node, and what the node makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Playwright

from edge_app.agent.consent_words import WORDING
from field_data.events import Event, Kind
from field_data.people import Role
from tests.journeys.test_tablet_journey import free_port
from tests.serving import ServedNode
from tests.tablets import Tablet, agent_of, opened

pytestmark = pytest.mark.browser


def answer(tablet: Tablet, purpose: str, given: bool) -> None:
    """What the farmer says, and that the screen says it too."""
    button = f'[data-purpose="{purpose}"] [data-given="{str(given).lower()}"]'
    tablet.page.click(button)
    tablet.page.wait_for_selector(f"{button}[aria-pressed=true]")


def decided(home: Path) -> tuple[dict[str, bool], list[Event]]:
    """What the farmer of the one farm allows, and all their decisions; the node must not run."""
    store, ground = opened(home)
    with store:
        (farm,) = ground.registry.farms()
        assert farm.owner
        person = ground.people.get(farm.owner)
        assert person
        assert (person.role, person.name) == (Role.FARMER, "Ferme des oliviers")
        allowed = {each: ground.registry.allows(person.id, each) for each in ("photos", "location")}
        decisions = ground.registry.consents(person.id)
        assert decisions == ground.events.of_kind(Kind.CONSENT)
        return allowed, decisions


def test_a_yes_and_a_no_reach_the_node_and_a_yes_is_taken_back(
    playwright: Playwright, tmp_path: Path
) -> None:
    home, profile, port = tmp_path / "home", tmp_path / "profile", free_port()
    agent, address = agent_of(home), f"http://127.0.0.1:{port}"
    with ServedNode(home, port), Tablet(playwright, profile, address, agent.token) as tablet:
        tablet.open()
        tablet.settled()
    with Tablet(playwright, profile, address) as tablet:
        page = tablet.open()
        page.click(".fields a:has-text('Parcelle 1')")
        page.click("a[href^='#/consent/']")
        answer(tablet, "photos", given=True)
        page.click(".langs [lang=ar]")
        page.wait_for_selector("html[lang=ar] [data-purpose=location]")
        answer(tablet, "location", given=False)
        with ServedNode(home, port):
            page.evaluate("window.dispatchEvent(new Event('online'))")
            tablet.all_sent()
        assert page.is_visible('[data-purpose="photos"] [data-given="true"][aria-pressed=true]')
        allowed, decisions = decided(home)
        assert allowed == {"photos": True, "location": False}
        said = [(each.body["purpose"], each.body["given"], each.body["lang"]) for each in decisions]
        assert said == [("photos", True, "fr"), ("location", False, "ar")]
        assert {each.body["wording"] for each in decisions} == {WORDING}
        assert {each.author for each in decisions} == {agent.id}

        answer(tablet, "photos", given=False)
        with ServedNode(home, port):
            page.evaluate("window.dispatchEvent(new Event('online'))")
            tablet.all_sent()
        allowed, decisions = decided(home)
        assert allowed == {"photos": False, "location": False}
        assert decisions[-1].supersedes == decisions[0].id
        assert not page.query_selector(".count.bad")
        assert tablet.wrong == []
