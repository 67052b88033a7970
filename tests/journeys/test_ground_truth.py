"""From an empty box to reviewed, corrected, exported and erased: every role, in real browsers."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright

from edge_app.health import STORE
from field_data.events import Kind, standing
from tests.browsers import PHONE
from tests.builders import leaf_jpeg
from tests.journeys.test_tablet_journey import correct, free_port
from tests.people import PASSPHRASE
from tests.serving import ServedNode
from tests.tablets import Agent, Tablet, agent_of, opened, photo, records_of

pytestmark = pytest.mark.browser


def become_keeper(page: Page, link: str) -> None:
    page.goto(link)
    page.fill("#name", "Zahra")
    for field in ("#secret", "#again"):
        page.fill(field, PASSPHRASE)
    page.click("button.main")


def tablet_link(page: Page, address: str, agent: Agent) -> str:
    page.goto(f"{address}/fr/staff/pair")
    page.select_option("#person", agent.id)
    page.fill("#own", PASSPHRASE)
    page.click("button.main")
    return page.inner_text(".code ~ .small bdi, .code + .small bdi").strip()


def review(page: Page, address: str) -> str:
    """Look at the plant that waits, call it late blight; what the node had said is shown then."""
    page.goto(f"{address}/fr/staff/review")
    page.click("a.button.main")
    assert page.locator(".shots img").count() == 1
    page.click('button[name=condition][value="PHYTIN"]')
    return page.inner_text("main")


def exported(page: Page, address: str, agent: Agent) -> dict[str, bytes]:
    page.goto(f"{address}/fr/staff/people/{agent.id}")
    form = page.locator(f"form[action$='{agent.id}/export']")
    page.click("details:has(#export-secret) summary")
    page.fill("#export-secret", PASSPHRASE)
    with page.expect_download() as download:
        form.locator("button").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def erase(page: Page, address: str, agent: Agent) -> None:
    page.goto(f"{address}/fr/staff/people/{agent.id}/erase")
    page.fill("#secret", PASSPHRASE)
    page.click("main form .button.bad")


def test_ground_truth_from_an_empty_box_to_an_erased_person(
    playwright: Playwright, browser: Browser, tmp_path: Path
) -> None:
    home, profile, port = tmp_path / "home", tmp_path / "profile", free_port()
    agent = agent_of(home)
    address = f"http://127.0.0.1:{port}"
    keeper = browser.new_context(viewport=PHONE, locale="fr", accept_downloads=True).new_page()
    keeper.set_default_timeout(60_000)

    with ServedNode(home, port) as node, Tablet(playwright, profile, address) as tablet:
        become_keeper(keeper, node.setup[0])
        tablet.page.goto(tablet_link(keeper, address, agent))
        tablet.page.click("main form button")
        tablet.page.wait_for_selector("html[data-ready]")
        tablet.settled()

    with Tablet(playwright, profile, address) as tablet:  # the node is off
        tablet.open()
        for n in range(3):
            tablet.visit(f"Parcelle {n + 1}", [photo(n)])

    with Tablet(playwright, profile, address) as tablet:  # closed and opened again
        page = tablet.open()
        page.wait_for_selector("#unsent[data-n='3']")
        with ServedNode(home, port, GHALLA_REVIEW_SAMPLE_PERCENT="100") as node:
            page.evaluate("window.dispatchEvent(new Event('online'))")
            tablet.all_sent()
            correct(tablet, "Parcelle 2")
            asked = node.diagnose(leaf_jpeg(), "crop=LYPES&lang=fr&keep=1")
            assert "Mildiou" in review(keeper, address)
            _, _, result = node.request("GET", str(asked["page"]))
            assert "Mildiou" in result.decode()
            files = exported(keeper, address, agent)
            erase(keeper, address, agent)
            assert page.request.get(f"{address}/api/v1/me").status == 401
        assert tablet.wrong == []

    told = b"".join(data for name, data in files.items() if name.endswith(".json"))
    assert b"Agent Un" in told
    assert told.count(b'"scouting"') >= 4
    kept = records_of(home)
    assert [each.body["values"]["incidence"] for each in standing(kept)] in (
        [10, 10, 50],
        [10, 50, 10],
    )
    store, ground = opened(home)
    with store:  # a pseudonym stays with the records; whose it was, nobody can tell any more
        gone = ground.people.get(agent.id)
        assert gone is not None
        assert (gone.name, gone.active) == ("", False)
        assert ground.audit.verify().sound
    assert len(records_of(home, Kind.REVIEW)) == 1
    for path in home.glob(f"{STORE}*"):
        assert b"Agent Un" not in path.read_bytes(), path
