"""The pages of the week in a real Chromium: nothing for axe to say, fit for fingers, light."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Response

from edge_app import webassets
from edge_app.access.guard import COOKIE
from edge_app.languages import LANGS
from field_data.people import Role
from tests.browsers import PHONE, TABLET
from tests.people import Staff
from tests.serving import listening
from tests.test_edge_app_web_browser import _MEASURE, AXE
from tests.week_screens import village

pytestmark = pytest.mark.browser
MOST_BYTES = 60_000


class View:
    """A served node with weeks, seen by its keeper."""

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
        page.goto(f"{view.address}/{lang}/{path}", wait_until="networkidle")
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


@pytest.mark.parametrize("lang", LANGS)
def test_the_farmers_page_is_light(view: View, browser: Browser, lang: str) -> None:
    page = view.page(browser, viewport=PHONE)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(f"{view.address}/{lang}/{view.paths['week-farmer']}", wait_until="networkidle")
    page.evaluate("document.fonts.ready")
    sizes = {each.url: each.request.sizes() for each in answers}
    weight = sum(s["responseBodySize"] + s["responseHeadersSize"] for s in sizes.values())
    page.context.close()
    assert 5_000 < weight < MOST_BYTES, sizes


def test_the_map_shows_every_field_and_a_tap_answers_the_question(
    view: View, browser: Browser
) -> None:
    page = view.page(browser, viewport=TABLET)
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto(f"{view.address}/en/staff/weeks", wait_until="networkidle")
    page.wait_for_selector("#map path")
    assert page.locator("#map path").count() == 8  # an outline and a dot each
    assert faults == []
    page.goto(f"{view.address}/en/{view.paths['week-farmer']}")
    asked = page.locator("[name=advice]").get_attribute("value")
    page.locator("button.choice").first.click()
    page.wait_for_selector("text=Thank you.")
    [field] = [f for f in view.staff.ground.registry.fields() if f.name == "Bled Lhaj"]
    assert [each.advice for each in view.staff.ground.week.known(field).answers] == [asked]
    page.context.close()
