"""The pages of a field's yield in a real Chromium: nothing for axe to say, fit for fingers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from edge_app import webassets
from edge_app.access.guard import COOKIE
from edge_app.languages import LANGS
from field_data.people import Role
from tests.browsers import PHONE, TABLET
from tests.people import Staff
from tests.serving import listening
from tests.test_edge_app_web_browser import _MEASURE, AXE
from tests.yield_screens import village

pytestmark = pytest.mark.browser


class View:
    """A served node with a story of yields, seen by its keeper."""

    def __init__(self, staff: Staff, address: str, paths: dict[str, str]) -> None:
        self.staff, self.address, self.paths = staff, address, paths
        self.token = staff.ground.gate.open_session(staff.person(Role.KEEPER), "test")

    def page(self, browser: Browser, **options: object) -> Page:
        """A page of a device on which the keeper is logged in."""
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.add_cookies([{"name": COOKIE, "value": self.token, "url": self.address}])
        return context.new_page()


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    assert webassets.build_fonts(), "run npm ci first"
    with Staff(tmp_path_factory.mktemp("home")) as staff:
        paths = village(staff)
        with listening(staff.app) as address:
            yield View(staff, address, paths)


@pytest.mark.parametrize("lang", LANGS)
def test_nothing_for_axe_to_say_and_fit_for_fingers(
    view: View, browser: Browser, lang: str
) -> None:
    page = view.page(browser, viewport=PHONE, bypass_csp=True)
    page.context.add_init_script(path=AXE)
    wrong: dict[str, object] = {}
    for name, path in view.paths.items():
        page.goto(f"{view.address}/{lang}/{path}")
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
        told = page.evaluate("axe.run()")
        assert len(told["passes"]) > 10
        if told["violations"]:
            wrong[name] = [(v["id"], v["nodes"][0]["html"][:150]) for v in told["violations"]]
        for size in (PHONE, TABLET):
            page.set_viewport_size(size)
            wide, small = page.evaluate(_MEASURE)
            if wide > size["width"] or small:
                wrong[f"{name} {size['width']}"] = [wide, small]
        page.set_viewport_size(PHONE)
    page.context.close()
    assert wrong == {}, json.dumps(wrong, indent=1, ensure_ascii=False)


def test_an_agent_answers_what_was_asked_back_with_one_tap(view: View, browser: Browser) -> None:
    page = view.page(browser, viewport=PHONE)
    page.goto(f"{view.address}/fr/{view.paths['yield-seasons']}")
    page.click("summary >> nth=-1")
    form = page.locator("form.send").last
    form.locator("[name=usual]").fill("18")
    form.locator("[name=unit]").select_option("t/ha")
    form.locator("[name=sown]").fill("2023-11-20")
    form.locator("button.button").first.click()
    page.click("button.choice >> text=18 q/ha")
    page.wait_for_selector("text=2023-11-20")
    assert "18 q/ha" in page.inner_text("main")
    page.context.close()
