"""The staff pages in a real Chromium: the first keeper, an invitation, a tablet, and axe."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from edge_app import webassets
from edge_app.languages import LANGS
from field_data.people import Role
from tests.browsers import PHONE, TABLET
from tests.people import PASSPHRASE, PIN, Staff
from tests.serving import listening

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
# Where to leave screenshots to look at.
SCREENS = os.environ.get("GHALLA_SCREENS")


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staff]:
    with Staff(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def address(staff: Staff) -> Iterator[str]:
    assert webassets.build_fonts(), "run npm ci first"
    with listening(staff.app) as address:
        yield address


def device(browser: Browser, lang: str = "en") -> Page:
    page = browser.new_context(viewport=PHONE, locale=lang).new_page()
    page.set_default_timeout(60_000)
    return page


def qr_text(page: Page) -> str:
    """What a tablet's camera reads off the screen."""
    picture = page.locator(".qr").screenshot()
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    # OpenCV's reader fails on a code here and there at one size, not at several.
    for scale in (1.0, 2.0, 1.5, 3.0, 0.75):
        larger = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        text, _, _ = cv2.QRCodeDetector().detectAndDecode(larger)
        if text:
            return text
    return ""


def test_from_an_empty_box_to_a_paired_tablet(browser: Browser, address: str, staff: Staff) -> None:
    code = staff.ground.gate.setup_code()
    keeper = device(browser)
    keeper.goto(f"{address}/fr/staff/setup?code={code}")
    keeper.fill("#name", "Zahra")
    for field in ("#secret", "#again"):
        keeper.fill(field, PASSPHRASE)
    keeper.click("button.main")
    keeper.get_by_role("link", name="Membres").click()
    keeper.fill("#name", "Amal")
    keeper.select_option("#role", "agent")
    keeper.select_option("#lang", "fr")
    keeper.fill("#own", PASSPHRASE)
    keeper.get_by_role("button", name="Ajouter et inviter").click()
    invitation = qr_text(keeper)

    agent = device(browser)
    agent.goto(invitation)
    for field in ("#secret", "#again"):
        agent.fill(field, "٨٤٦٠٩٣")  # as an Arabic keyboard writes it
    agent.click("button.main")
    agent.get_by_role("link", name="Associer une tablette").click()
    agent.fill("#own", PIN)
    agent.get_by_role("button", name="Montrer le code").click()
    link = qr_text(agent)
    assert link.startswith(f"{address}/agent/pair?code=")

    tablet = device(browser)
    tablet.goto(link)
    assert tablet.get_by_text("Amal").is_visible()
    tablet.fill("#device", "Tablette 1")
    tablet.get_by_role("button", name="Associer").click()
    me = tablet.request.get(f"{address}/api/v1/me").json()
    assert (me["name"], me["device"]) == ("Amal", "Tablette 1")

    agent.goto(f"{address}/fr/staff/account")
    agent.get_by_role("button", name="Déconnecter partout ailleurs").click()
    assert tablet.request.get(f"{address}/api/v1/me").status == 401
    assert agent.request.get(f"{address}/api/v1/me").status == 200


@pytest.fixture(scope="module")
def pages(staff: Staff) -> tuple[str, dict[str, str]]:
    """A keeper's token, and the pages to look at by name."""
    keeper, agent = staff.person(Role.KEEPER), staff.person(Role.AGENT)
    staff.secret(Role.KEEPER)
    staff.ground.gate.open_session(agent, "Firefox · Android")
    invitation = staff.ground.gate.invite(keeper.id, agent)
    token = staff.ground.gate.open_session(keeper, "Firefox · Linux")
    code = staff.ground.gate.pairing_code(agent.id, agent)
    return token, {
        "login": "staff/login",
        "welcome": f"staff/welcome/{invitation}",
        "home": "staff/",
        "people": "staff/people",
        "person": f"staff/people/{agent.id}",
        "pair": "staff/pair",
        "account": "staff/account",
        "erase": f"staff/people/{agent.id}/erase",
        "audit": "staff/audit",
        "tablet": f"/agent/pair?code={code}",
    }


def opened(page: Page, address: str, lang: str, path: str) -> None:
    joined = "&" if "?" in path else "?"
    own = f"{path}{joined}lang={lang}" if path.startswith("/") else f"/{lang}/{path}"
    page.goto(address + own)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")


@pytest.mark.parametrize("lang", LANGS)
def test_every_page_fits_and_leaves_axe_nothing_to_say(
    browser: Browser, address: str, pages: tuple[str, dict[str, str]], lang: str
) -> None:
    token, paths = pages
    found: dict[str, object] = {}
    for viewport in (PHONE, TABLET):
        # axe is injected by the test: the page's own policy would rightly refuse it.
        context = browser.new_context(viewport=viewport, bypass_csp=True)
        context.add_init_script(path=AXE)
        context.add_cookies([{"name": "ghalla_session", "value": token, "url": address}])
        page = context.new_page()
        page.set_default_timeout(60_000)
        for name, path in {**paths, "code": "staff/pair"}.items():
            opened(page, address, lang, path)
            if name == "code":
                page.fill("#own", PASSPHRASE)
                page.click("button.main")
                page.wait_for_selector(".qr")
            wide = page.evaluate("document.documentElement.scrollWidth")
            told = page.evaluate("axe.run()")
            wrong = [f"{rule['id']}: {node['html'][:120]}" for rule in told["violations"]
                     for node in rule["nodes"]]  # fmt: skip
            if wrong or wide > viewport["width"]:
                found[f"{name} {viewport['width']}"] = [wide, *wrong]
            if SCREENS:
                file = f"staff-{name}-{lang}-{viewport['width']}.png"
                page.screenshot(path=Path(SCREENS) / file, full_page=True)
        context.close()
    assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)


def test_a_page_asks_for_nothing_elsewhere_and_runs_no_script(
    browser: Browser, address: str, pages: tuple[str, dict[str, str]]
) -> None:
    token, paths = pages
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)
    context.add_cookies([{"name": "ghalla_session", "value": token, "url": address}])
    page, asked, wrong = context.new_page(), set[str](), list[str]()
    page.on("request", lambda request: asked.add(request.url))
    page.on("console", lambda message: wrong.append(message.text))
    for path in paths.values():
        page.goto(address + (path if path.startswith("/") else f"/ar/{path}"))
    assert wrong == []
    assert all(url.startswith(address) for url in asked)
    context.close()
