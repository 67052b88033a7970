"""The first pages of a box, the portal and the certificate page in a real Chromium, and axe."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from edge_app import webassets
from edge_app.access.guard import COOKIE
from edge_app.appliance.first_run import FirstRun, keep_answers
from edge_app.appliance.layout import Layout
from edge_app.appliance.network_request import read_request
from edge_app.languages import LANGS
from edge_app.settings import Settings
from edge_app.tls_keys import make_ready
from field_data.people import Role
from tests.browsers import PHONE, TABLET
from tests.people import PASSPHRASE, Staff
from tests.serving import listening

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
# Where to leave screenshots to look at.
SCREENS = os.environ.get("GHALLA_SCREENS")
BEFORE = ("first/language", "first/place", "first/keeper", "staff/tablet")
AFTER = ("first/wifi", "first/hub", "first/done", "staff/")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Staff]:
    assert webassets.build_fonts(), "run npm ci first"
    with Staff(tmp_path / "home", Settings(box_root=str(tmp_path / "root"))) as made:
        made.ground.tls = make_ready(tmp_path / "tls", made.ground.node, [])
        yield made


def test_a_keeper_sets_a_box_up_on_a_phone_without_scripts(browser: Browser, box: Staff) -> None:
    phone = browser.new_context(viewport=PHONE, java_script_enabled=False).new_page()
    phone.set_default_timeout(60_000)
    with listening(box.app) as address:
        phone.goto(address)
        phone.get_by_role("button", name="Français").click()
        phone.fill("#name", "Aït Ali")
        phone.select_option("#region", "MA-09")
        phone.click("button.main")
        phone.fill("#name", "Zahra")
        for field in ("#secret", "#again"):
            phone.fill(field, PASSPHRASE)
        phone.click("button.main")
        assert phone.input_value("#ssid") == "Ghalla Aït Ali"
        suggested = phone.input_value("#passphrase")
        phone.click("button.main")
        phone.get_by_role("button", name="Continuer sans centre").click()
        assert suggested in phone.inner_text("main")
        phone.click("button.main")
        assert "ghalla.local" in phone.inner_text("main")
    wanted = read_request(Layout(Path(box.ground.settings.box_root)))
    assert (wanted.ssid, wanted.passphrase) == ("Ghalla Aït Ali", suggested)


@pytest.mark.parametrize("lang", LANGS)
def test_pages_are_accessible_and_fit_phone_and_tablet(
    browser: Browser, box: Staff, lang: str
) -> None:
    with listening(box.app) as address:
        context = browser.new_context(locale=lang, bypass_csp=True)
        look(context.new_page(), address, lang, [*BEFORE, "portal"])
        keeper = box.ground.gate.open_session(box.person(Role.KEEPER), "test")
        context.add_cookies([{"name": COOKIE, "value": keeper, "url": address}])
        answers = FirstRun(lang, "Aït Ali", "MA-09", "غلة Aït Ali", passphrase="abcd-efgh-ijkm")
        keep_answers(box.home, answers)
        look(context.new_page(), address, lang, list(AFTER))
        context.close()


def look(page: Page, address: str, lang: str, paths: list[str]) -> None:
    """No sideways scroll, nothing that axe finds, on both screens; a picture if wanted."""
    for path in paths:
        page.goto(f"{address}/{path}" if path == "portal" else f"{address}/{lang}/{path}")
        for kind, size in (("phone", PHONE), ("tablet", TABLET)):
            page.set_viewport_size(size)
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not page.evaluate(wide), (path, kind)
            if SCREENS:
                name = path.strip("/").replace("/", "-")
                page.evaluate("document.fonts.ready")
                page.screenshot(path=f"{SCREENS}/{name}-{lang}-{kind}.png", full_page=True)
        page.add_script_tag(path=AXE)
        found = page.evaluate("axe.run().then(run => run.violations)")
        assert found == [], (path, json.dumps(found)[:2000])
