"""The page of what waits for the hub, in a real Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ViewportSize

from edge_app import webassets
from edge_app.access.guard import COOKIE
from edge_app.languages import LANGS
from edge_app.settings import Settings
from field_data.people import Role
from field_data.uplinks import Uplink
from tests.browsers import PHONE, TABLET
from tests.people import Staff
from tests.serving import listening
from tests.test_edge_app_web_browser import _MEASURE, AXE

pytestmark = pytest.mark.browser

NARROW = ViewportSize(width=360, height=740)
SCREENS = os.environ.get("GHALLA_SCREENS")


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staff]:
    assert webassets.build_fonts(), "run npm ci first"
    with Staff(tmp_path_factory.mktemp("home"), Settings(hub_monthly_mb=50)) as made:
        yield made


@pytest.fixture(scope="module")
def address(staff: Staff) -> Iterator[str]:
    with listening(staff.app) as address:
        yield address


def much_to_tell(staff: Staff) -> None:
    """A node with records and photos that wait, one held back, two set aside, a broken link."""
    hub = Uplink(staff.ground.store, "hub-1")
    said = {"reason": "link_failed", "detail": "the link to the hub failed: timed out"}
    hub.keep(
        url="https://hub.onca.example.org", organisation="ONCA", region="Fès-Meknès",
        heard_s=1_790_000_000.0, last={"at_s": 1_790_090_000.0, **said},
        month="2026-11", month_bytes=31_400_000,
    )  # fmt: skip
    for number in range(7):
        staff.ground.registry.add_farm("keeper", f"Farm {number}")
    staff.ground.outbox.acknowledge("hub-1", 2)
    staff.ground.outbox.hold("hub-1", {1: "unknown_form", 2: "refused:damaged"})
    hub.leave(2, ["a" * 64, "b" * 64])
    hub.progress(next(p for p in hub.parcels() if p.rendition == "view"))


@pytest.mark.parametrize("lang", LANGS)
def test_the_page_fits_and_leaves_axe_nothing_to_say(
    browser: Browser, address: str, staff: Staff, lang: str
) -> None:
    token = staff.ground.gate.open_session(staff.person(Role.KEEPER), "test")
    context = browser.new_context(viewport=PHONE, bypass_csp=True)
    context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
    context.add_init_script(path=AXE)
    page = context.new_page()
    store = staff.ground.store
    for full in (False, True):
        if full and not len(store.table("uplinks")):
            much_to_tell(staff)
        if not full and len(store.table("uplinks")):
            continue  # the other languages see the full page alone
        page.goto(f"{address}/{lang}/staff/sync")
        told = page.evaluate("axe.run()")
        assert len(told["passes"]) > 10
        assert [(v["id"], v["nodes"][0]["html"][:150]) for v in told["violations"]] == []
        for size in (PHONE, TABLET, NARROW):
            page.set_viewport_size(size)
            wide, small = page.evaluate(_MEASURE)
            assert wide <= size["width"], (lang, size)
            assert small == [], (lang, size)
            if SCREENS and full:
                file = f"staff-sync-{lang}-{size['width']}.png"
                page.screenshot(path=Path(SCREENS) / file, full_page=True)
    context.close()
