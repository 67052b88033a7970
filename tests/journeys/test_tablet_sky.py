"""Fields from above on a tablet: fetched near the node, shown without it, gone with the person."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Playwright

from field_data.people import Role
from field_data.types import Field
from sat_ingest.archive import ARCHIVE, Archive
from sat_ingest.ramps import RAMPS
from tests.journeys.test_tablet_journey import free_port
from tests.serving import ServedNode
from tests.skies import DAY, seen
from tests.tablets import Tablet, agent_of, opened

pytestmark = pytest.mark.browser
LEAST_GREEN, MOST_GREEN = 0.1, 0.85
_WHOLE = """async () => {
  const base = document.querySelector("script[type=module]").src;
  const { meta } = await import(new URL("db.js", base));
  return (await meta("sky"))?.said.day;
}"""
_KEPT = "async () => (await (await caches.open('sky-tiles')).keys()).map(({ url }) => url)"


def seen_on(home: Path, day: int, ndvi: float) -> None:
    """All fields of a node that does not run, alike on one day."""
    store, ground = opened(home)
    with store:
        fields: list[Field] = ground.registry.fields()
    with Archive(home / ARCHIVE) as archive:
        for field in fields:
            archive.put(seen(field, day, ndvi))


def kept(page: Page) -> list[str]:
    """Addresses of the tiles on the tablet; does not make the cache."""
    there = page.evaluate("caches.has('sky-tiles')")
    return list(page.evaluate(_KEPT)) if there else []


def taken_along(page: Page, day: str) -> None:
    """Wait until the map of that day is whole on the tablet, and no other."""
    for _ in range(100):
        tiles = kept(page)
        if page.evaluate(_WHOLE) == day and tiles and all(day in tile for tile in tiles):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{kept(page)}, not {day} alone")


def colours(page: Page) -> set[tuple[int, int, int]]:
    """Colours of the map that cover more than a hundredth of it."""
    page.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(page.locator(".map").screenshot())).convert("RGB")
    counted = picture.getcolors(picture.width * picture.height) or []
    return {rgb for n, rgb in counted if n > picture.width * picture.height / 100}  # type: ignore[misc]


def green(ndvi: float) -> tuple[int, int, int]:
    """What the legend says of a value."""
    red, green, blue = bytes.fromhex(RAMPS["ndvi"].colour(ndvi)[1:])
    return red, green, blue


def open_map(tablet: Tablet) -> Page:
    """The screen with the map, when the picture's legend is there."""
    tablet.page.evaluate("location.hash = '#/map'")
    tablet.page.wait_for_selector("figure .ramp")
    return tablet.page


def near(found: set[tuple[int, int, int]], wanted: tuple[int, int, int]) -> bool:
    """Sixteen bits of reflectance make a value a little uncertain, and so its colour."""
    return any(all(abs(a - b) <= 3 for a, b in zip(rgb, wanted, strict=True)) for rgb in found)


def test_the_map_goes_along_into_the_field(playwright: Playwright, tmp_path: Path) -> None:
    home, profile, port = tmp_path / "home", tmp_path / "profile", free_port()
    agent, address = agent_of(home), f"http://127.0.0.1:{port}"
    seen_on(home, DAY, LEAST_GREEN)
    with ServedNode(home, port), Tablet(playwright, profile, address, agent.token) as tablet:
        tablet.open()
        taken_along(tablet.page, "2025-03-01")

    with Tablet(playwright, profile, address) as tablet:
        tablet.open()
        page = open_map(tablet)
        assert near(colours(page), green(LEAST_GREEN))
        assert page.get_attribute("figure time", "datetime") == "2025-03-01"
        page.click("main button[aria-pressed=true]")
        assert not near(colours(page), green(LEAST_GREEN))
        page.click("main button[aria-pressed=false]")
        seen_on(home, DAY + 5, MOST_GREEN)
        with ServedNode(home, port):
            page.evaluate("window.dispatchEvent(new Event('online'))")
            taken_along(page, "2025-03-06")
        page.reload()
        page.wait_for_selector("html[data-ready]")
        shown = colours(open_map(tablet))
        assert near(shown, green(MOST_GREEN))
        assert not near(shown, green(LEAST_GREEN))
        assert tablet.wrong == []


def test_the_map_goes_with_the_person(playwright: Playwright, tmp_path: Path) -> None:
    home, profile, port = tmp_path / "home", tmp_path / "profile", free_port()
    agent, address = agent_of(home), f"http://127.0.0.1:{port}"
    seen_on(home, DAY, LEAST_GREEN)
    store, ground = opened(home)
    with store:
        second = ground.people.add("Agent Deux", Role.AGENT, "fr")
        token = ground.gate.open_session(second, "tablet")
        again = ground.gate.open_session(second, "tablet")
    with ServedNode(home, port), Tablet(playwright, profile, address, agent.token) as tablet:
        page = tablet.open()
        taken_along(page, "2025-03-01")
        tablet.context.route("**/api/v1/sky*", lambda route: route.abort())
        tablet.let_in(token)  # without passing by the login
        page.evaluate("window.dispatchEvent(new Event('online'))")
        page.wait_for_function("async () => !(await caches.has('sky-tiles'))")
        tablet.context.unroute("**/api/v1/sky*")
        tablet.open()
        taken_along(page, "2025-03-01")
        page.goto(f"{address}/fr/staff/")
        page.click("form[action$='/logout'] button")
        page.wait_for_url("**/staff/login")
        page.wait_for_function("async () => !(await caches.has('sky-tiles'))")
        tablet.let_in(again)
        tablet.open()
        taken_along(page, "2025-03-01")
        tablet.let_in("0" * 43)  # ended on the node
        tablet.open()
        page.wait_for_selector("#state.signin")
        assert kept(page) == []


def test_never_more_tiles_than_a_tablet_can_hold(playwright: Playwright, tmp_path: Path) -> None:
    home, profile = tmp_path / "home", tmp_path / "profile"
    agent = agent_of(home)
    seen_on(home, DAY, LEAST_GREEN)
    with (
        ServedNode(home) as node,
        Tablet(playwright, profile, node.address, agent.token) as tablet,
    ):
        page = tablet.open()
        taken_along(page, "2025-03-01")
        first = kept(page)
        page.evaluate(
            """async (url) => { for (let n = 0; n < 605; n++)
                 await (await fetch(`${url}&n=${n}`)).arrayBuffer(); }""",
            first[0],
        )
        now = kept(page)
        assert len(now) == 600
        assert not {*first} & {*now}
        assert now[-1].endswith("n=604")
