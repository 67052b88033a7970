"""Take the pictures of the week in ``docs/screens``: ``python -m tests.week_screens``.

Fields and advice are made up.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, sync_playwright

from edge_app import webassets
from edge_app.access.guard import COOKIE
from field_data.people import Role
from field_data.season_advice import Urgency
from tests.browsers import CHROMIUM, FLAGS, PHONE, TABLET
from tests.people import Staff
from tests.serving import listening
from tests.sky_screens import slim
from tests.weeks import DAY, TODAY, Told, advising, item, no_spraying, scouting, watering
from tests.yielding import wheat_field

OUT = Path(__file__).parents[1] / "docs" / "screens"


def village(staff: Staff) -> dict[str, str]:
    """Four fields with a week each; paths of the pages by name."""
    registry = staff.ground.registry
    registry.add_farm("keeper", "a farm", commune="Aït Ali")
    named = [("Bled Lhaj", "LYPES"), ("Aïn Chems", "OLVEU"), ("Kdim", "TRZAX"), ("Calme", "TRZDU")]
    fields = [wheat_field(staff, name, at, crop) for at, (name, crop) in enumerate(named)]
    one, two, three, _ = (field.id for field in fields)
    told = Told({
        one: [watering(field=one), scouting(field=one), no_spraying(field=one),
              item("frost_night", field=one, first_day=DAY, last_day=DAY)],
        two: [item("water_none_needed", field=two, urgency=Urgency.NONE),
              scouting(field=two, pest="DACUOL", card="OLVEU.DACUOL"),
              item("spray_best", field=two, first_day=DAY + 1, last_day=DAY + 1,
                   facts={"from_hour": 6, "to_hour": 9})],
        three: [item("water_rainfed_stress", field=three),
                item("harvest_rain_coming", field=three, first_day=DAY + 2, last_day=DAY + 2,
                     urgency=Urgency.SOON),
                item("weather_old", field=three)],
    })  # fmt: skip
    advising(staff, told, TODAY - timedelta(days=8)).all()  # so that a question is due
    advising(staff, told)
    token = staff.ground.links.give(one)
    return {
        "week-farmer": f"week/{token}",
        "week-list": "staff/weeks",
        "week-agent": f"staff/field/{two}/week",
        "week-sheet": "staff/weeks/sheet?commune=A%C3%AFt+Ali",
        "week-outcomes": "staff/weeks/outcomes",
    }


def _one(browser: Browser, url: str, token: str, size: ViewportSize, file: Path) -> None:
    context = browser.new_context(viewport=size)
    context.add_cookies([{"name": COOKIE, "value": token, "url": url}])
    page = context.new_page()
    page.goto(url, wait_until="networkidle")
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
    sizes = {"phone": PHONE} | ({"tablet": TABLET} if args.all else {})
    with tempfile.TemporaryDirectory() as home, Staff(Path(home)) as staff:
        paths = village(staff)
        token = staff.ground.gate.open_session(staff.person(Role.KEEPER), "screens")
        with listening(staff.app) as address, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for lang in ("ar", "fr", "zgh", "en"):
                for name, path in paths.items():
                    if not args.all and name not in ("week-farmer", "week-list"):
                        continue
                    for kind, size in sizes.items():
                        file = args.out / f"{name}-{lang}{f'-{kind}' if args.all else ''}.png"
                        _one(browser, f"{address}/{lang}/{path}", token, size, file)
            browser.close()


if __name__ == "__main__":
    main()
