"""Take the pictures of a field's yield in ``docs/screens``: ``python -m tests.yield_screens``.

Fields, pictures and harvests are made up; the model is the shipped one.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from datetime import date
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, sync_playwright
from waitress.server import create_server

from edge_app import webassets
from edge_app.access.guard import COOKIE
from field_data.people import Role
from models.yield_model import YieldModel
from tests.browsers import CHROMIUM, FLAGS, PHONE, TABLET
from tests.people import Staff
from tests.sky_screens import slim
from tests.yielding import forecasting, grown, harvested, wheat_field

OUT = Path(__file__).parents[1] / "docs" / "screens"
PEAKS = {2019: 0.6, 2020: 0.52, 2021: 0.66, 2022: 0.48, 2023: 0.58, 2024: 0.55, 2025: 0.68}
MONTHS = (date(2025, 3, 1), date(2025, 4, 1), date(2025, 5, 1), date(2025, 6, 2))


def village(staff: Staff) -> dict[str, str]:
    """A field with a story, and one of which no yield is known; paths of the pages by name."""
    model = YieldModel.load()
    forecasting(staff, MONTHS[0], model)
    field, bare = wheat_field(staff, "Bled Lhaj"), wheat_field(staff, "Aïn Chems", 1, "TRZDU")
    for each in (field, bare):
        grown(staff, each, PEAKS, until=MONTHS[-1])
    staff.ground.registry.add_season(
        "agent", field.id, "TRZAX", sown=date(2024, 11, 18), usual_t_ha=2.2
    )
    for year, t_ha in ((2023, 2.3), (2024, 1.9)):
        harvested(staff.ground, field, year, t_ha)
    harvested(staff.ground, bare, 2020, 26.0, unit="tonne")
    for day in MONTHS:
        forecasting(staff, day, model)
        staff.ground.forecasts.outlook(field, day)
    token = staff.ground.links.give(field.id)
    return {
        "yield-farmer": f"yield/{token}",
        "yield-agent": f"staff/field/{field.id}/yield",
        "yield-relative": f"staff/field/{bare.id}/yield",
        "yield-seasons": f"staff/field/{field.id}/seasons",
        "yield-card": f"staff/field/{field.id}/card",
        "yield-list": "staff/yields",
        "yield-skill": "staff/yields/skill",
    }


def shoot(
    browser: Browser, address: str, token: str, paths: dict[str, str], out: Path, *, all: bool
) -> None:
    """The farmer's and the agent's page on a phone; with ``all`` every page, on a tablet too."""
    sizes = {"phone": PHONE} | ({"tablet": TABLET} if all else {})
    for lang in ("ar", "fr", "zgh", "en") if all else ("ar", "fr"):
        for name, path in paths.items():
            if all or name in ("yield-farmer", "yield-agent"):
                for kind, size in sizes.items():
                    file = out / f"{name}-{lang}{f'-{kind}' if all else ''}.png"
                    _one(browser, f"{address}/{lang}/{path}", token, size, file)


def _one(browser: Browser, url: str, token: str, size: ViewportSize, file: Path) -> None:
    context = browser.new_context(viewport=size)
    context.add_cookies([{"name": COOKIE, "value": token, "url": url}])
    page = context.new_page()
    page.goto(url)
    page.evaluate("document.fonts.ready")
    page.screenshot(path=file, full_page=True)
    slim(file)
    context.close()


def main() -> None:
    """Make a node, serve, shoot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--all", action="store_true", help="every page, on a tablet too")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    webassets.build_fonts()
    with tempfile.TemporaryDirectory() as home, Staff(Path(home)) as staff:
        paths = village(staff)
        token = staff.ground.gate.open_session(staff.person(Role.KEEPER), "screens")
        server = create_server(staff.app, host="127.0.0.1", port=0, threads=4)
        threading.Thread(target=server.run, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            address = f"http://127.0.0.1:{server.effective_port}"
            shoot(browser, address, token, paths, args.out, all=args.all)
            browser.close()
        server.close()


if __name__ == "__main__":
    main()
