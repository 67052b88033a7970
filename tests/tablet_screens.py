"""Take pictures of every screen of the agents' app: ``python -m tests.tablet_screens OUT``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

from edge_app import webassets
from edge_app.languages import LANGS
from tests.browsers import PHONE, TABLET
from tests.serving import ServedNode
from tests.tablets import Tablet, agent_of, photo

SIZES = {"phone": PHONE, "tablet": TABLET, "landscape": ViewportSize(width=740, height=360)}


def screens_of(tablet: Tablet) -> dict[str, str]:
    """Name -> address of every screen, after a visit was recorded and two were begun."""
    page = tablet.page
    tablet.visit("Parcelle 1", [photo(1)])
    tablet.all_sent()
    places = {"home": "#/", "map": "#/map", "draw": "#/draw", "tablet": "#/more"}
    places |= {"records": "#/records", "refused": "#/refused"}
    for form in ("scouting", "crop_cut"):
        page.evaluate("location.hash = '#/'")
        page.click(".fields a:has-text('Parcelle 2')")
        places["field"] = page.evaluate("location.hash")
        page.click(f'[data-form="{form}"]')
        page.wait_for_selector("form.fill")
        places[form] = page.evaluate("location.hash")
    page.evaluate("location.hash = '#/records'")
    places["record"] = page.get_attribute(".rows a", "href") or ""
    return places


def shoot(tablet: Tablet, out: Path) -> None:
    """Every screen in every language and size, as ``<screen>-<language>-<size>.png``."""
    page, places = tablet.page, screens_of(tablet)
    for lang in LANGS:
        page.click(f".langs [lang={lang}]")
        for size, viewport in SIZES.items():
            page.set_viewport_size(viewport)
            for name, place in places.items():
                page.evaluate("p => { location.hash = '#/gone'; location.hash = p; }", place)
                page.wait_for_timeout(300)
                page.screenshot(path=out / f"{name}-{lang}-{size}.png")


def main() -> None:
    """Serve, record, shoot, stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    webassets.compile_catalogues()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        agent = agent_of(Path(folder) / "home")
        with (
            ServedNode(agent.home) as node,
            Tablet(playwright, Path(folder) / "profile", node.address, agent.token) as tablet,
        ):
            tablet.open()
            tablet.settled()
            shoot(tablet, out)


if __name__ == "__main__":
    main()
