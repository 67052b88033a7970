"""Fields from above in a real Chromium: nothing for axe to say, by keyboard, never an old day."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from edge_app import webassets
from edge_app.access.guard import COOKIE
from edge_app.languages import LANGS
from field_data.people import Role
from field_data.types import Field
from sat_ingest.archive import ARCHIVE, Archive, outline_key
from tests.browsers import PHONE, TABLET
from tests.people import Staff
from tests.serving import listening
from tests.skies import DAY, five_fields, spring
from tests.test_edge_app_web_browser import _MEASURE, AXE

pytestmark = pytest.mark.browser

LANDSCAPE = ViewportSize(width=740, height=360)


class View:
    """A served node with a spring on five fields, seen by an agent."""

    def __init__(self, staff: Staff, address: str, fields: list[Field]) -> None:
        self.staff, self.address, self.fields = staff, address, fields
        self.token = staff.ground.gate.open_session(staff.person(Role.AGENT), "test")

    def page(self, browser: Browser, **options: object) -> Page:
        """A page of a device on which the agent is logged in."""
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.add_cookies([{"name": COOKIE, "value": self.token, "url": self.address}])
        return context.new_page()


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    assert webassets.build_fonts(), "run npm ci first"
    with Staff(tmp_path_factory.mktemp("home")) as staff:
        fields = five_fields(staff)
        spring(staff, fields)
        with Archive(staff.home / ARCHIVE) as archive:
            archive.hide(fields[0].id, outline_key(fields[0].boundary), DAY + 33)
        outlines = staff.home / "boundaries"
        outlines.mkdir()
        line = {"type": "LineString", "coordinates": [[-5.56, 33.88], [-5.52, 33.9]]}
        shape = {"type": "Feature", "properties": {}, "geometry": line}
        told = {"type": "FeatureCollection", "features": [shape]}
        (outlines / "perimeter.geojson").write_text(json.dumps(told))
        with listening(staff.app) as address:
            yield View(staff, address, fields)


@pytest.mark.parametrize("lang", LANGS)
def test_nothing_for_axe_to_say_and_fit_for_fingers(
    view: View, browser: Browser, lang: str
) -> None:
    page = view.page(browser, viewport=PHONE, bypass_csp=True)
    page.context.add_init_script(path=AXE)
    wrong: dict[str, object] = {}
    for path in ("map", f"field/{view.fields[0].id}", f"field/{view.fields[1].id}?index=ndre"):
        page.goto(f"{view.address}/{lang}/staff/{path}")
        page.wait_for_load_state("networkidle")
        if path == "map":
            page.select_option("#before", index=3)
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
        told = page.evaluate("axe.run()")
        assert len(told["passes"]) > 10
        if told["violations"]:
            wrong[path] = [(v["id"], v["nodes"][0]["html"][:150]) for v in told["violations"]]
        for size in (PHONE, LANDSCAPE, TABLET):
            page.set_viewport_size(size)
            wide, small = page.evaluate(_MEASURE)
            if wide > size["width"] or small:
                wrong[f"{path} {size['width']}"] = [wide, small]
        page.set_viewport_size(PHONE)
    page.context.close()
    assert wrong == {}, json.dumps(wrong, indent=1, ensure_ascii=False)


def shown(page: Page) -> set[str]:
    """The days (or pairs of days) of the tiles that are on the map now."""
    sources = page.eval_on_selector_all(".leaflet-tile", "all => all.map(each => each.src)")
    return {source.split("/tiles/")[1].split("/")[1] for source in sources if "/tiles/" in source}


def settled(page: Page, day: str) -> None:
    """Wait until the map shows that day and no other."""
    for _ in range(50):
        if shown(page) == {day}:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{shown(page)}, not {day}")


def test_the_map_by_keyboard_alone(view: View, browser: Browser) -> None:
    """A day back, quickly back and forth, compared with an earlier one: never an old picture."""
    page = view.page(browser, viewport=TABLET)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(f"{view.address}/fr/staff/map")
    settled(page, "2025-05-05")
    assert page.locator(".leaflet-overlay-pane path").count() == len(view.fields) + 1
    page.focus("#when")
    page.keyboard.press("ArrowLeft")
    settled(page, "2025-04-30")
    for key in ("Home", "ArrowRight", "ArrowRight", "End", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
    settled(page, "2025-04-20")
    page.focus("#later")
    page.keyboard.press("Enter")
    settled(page, "2025-04-30")
    page.select_option("#before", "2025-04-20")
    settled(page, "2025-04-20..2025-04-30")
    assert page.locator("[data-legend=change]").is_visible()
    assert not page.locator("[data-legend=ndvi]").is_visible()
    page.focus("[data-view=before]")
    page.keyboard.press("Space")
    settled(page, "2025-04-20")
    page.focus(f"a[href$='/field/{view.fields[0].id}']")
    page.keyboard.press("Enter")
    page.wait_for_selector("svg.chart")
    assert page.locator("svg.chart .hidden").count() == 1
    assert page.locator("img.pixels").first.evaluate("image => image.naturalWidth") > 20
    page.context.close()
    assert errors == []


def test_without_javascript_there_is_a_list(view: View, browser: Browser) -> None:
    page = view.page(browser, viewport=PHONE, java_script_enabled=False)
    page.goto(f"{view.address}/ar/staff/map")
    assert not page.locator("#map").is_visible()
    page.click(f"a[href$='/field/{view.fields[0].id}']")
    assert page.locator("svg.chart").is_visible()
    page.context.close()


def test_no_word_of_the_library_is_left_in_english(view: View, browser: Browser) -> None:
    page = view.page(browser, viewport=PHONE)
    page.goto(f"{view.address}/fr/staff/map")
    titles = page.eval_on_selector_all(".leaflet-bar a", "all => all.map(each => each.title)")
    assert len(titles) == 2
    assert not {"Zoom in", "Zoom out"} & set(titles)
    page.context.close()
