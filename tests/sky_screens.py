"""Take the pictures of the map and of a field in ``docs/screens``: ``python -m tests.sky_screens``.

Four fields on the real patch at Kortrijk of the public satellite set, two years of scenes pulled.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rasterio.warp import transform
from waitress.server import create_server

from edge_app import webassets
from edge_app.access.guard import COOKIE
from field_data.geometry import outline
from field_data.people import Role
from field_data.types import Field
from sat_ingest.archive import ARCHIVE, Archive
from sat_ingest.figures import draw
from sat_ingest.pull import SCENES, Puller, Wish
from tests.browsers import CHROMIUM, FLAGS, PHONE
from tests.people import Staff
from tests.sat_catalogues import SAT_SET

OUT = Path(__file__).parents[1] / "docs" / "screens"
EPSG, CORNERS = 32631, ((501380, 5629660), (501690, 5629660), (501380, 5629350), (501690, 5629350))
SIDE_M = 290
SINCE, UNTIL = 17_379, 18_261  # 2017-08-01, 2019-12-31
SHOWN = 0.8  # of the way along the slider


def four_fields(staff: Staff) -> list[Field]:
    """Squares of 290 m in the four quarters of the patch."""
    registry = staff.ground.registry
    farm = registry.add_farm("keeper", "Kortrijk")
    fields = []
    for number, (west, north) in enumerate(CORNERS, start=1):
        xs = [west, west + SIDE_M, west + SIDE_M, west, west]
        ys = [north - SIDE_M, north - SIDE_M, north, north, north - SIDE_M]
        ring = [
            list(point)
            for point in zip(*transform(f"EPSG:{EPSG}", "EPSG:4326", xs, ys)[:2], strict=True)
        ]
        name = f"Kortrijk {number}"
        fields += [registry.add_field("keeper", farm.id, name, outline(ring), crop="ZEAMX")[0]]
    return fields


def pull(staff: Staff, fields: list[Field]) -> None:
    """What ``ghalla scenes pull`` does."""
    catalogue = str(SAT_SET / "stac" / "catalog.json")
    with Archive(staff.home / ARCHIVE) as archive:
        Puller(staff.home / SCENES, archive, 0.0).pull(Wish(catalogue, SINCE, UNTIL), fields)
        for field in fields:
            draw(archive, field)


def shoot(browser: Browser, address: str, token: str, field: str, out: Path) -> None:
    """The map and the field, Arabic and French, on a phone."""
    context = browser.new_context(viewport=PHONE)
    context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
    page = context.new_page()
    for lang in ("ar", "fr"):
        page.goto(f"{address}/{lang}/staff/map")
        page.wait_for_load_state("networkidle")
        page.evaluate(f"""() => {{ const day = document.getElementById("when");
            day.value = Math.floor(day.max * {SHOWN}); day.dispatchEvent(new Event("input")); }}""")
        page.wait_for_timeout(800)
        page.screenshot(path=out / f"map-{lang}.png", full_page=True)
        page.goto(f"{address}/{lang}/staff/field/{field}")
        page.screenshot(path=out / f"field-{lang}.png", full_page=True)
    context.close()


def slim(path: Path) -> None:
    """256 colours: a third of the bytes, and nobody sees it."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    assert path.stat().st_size < 150_000, path
    assert np.ptp(np.array(small)) > 50


def main() -> None:
    """Make a node, pull, serve, shoot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    out: Path = parser.parse_args().out
    webassets.build_fonts()
    with tempfile.TemporaryDirectory() as home, Staff(Path(home)) as staff:
        fields = four_fields(staff)
        pull(staff, fields)
        token = staff.ground.gate.open_session(staff.person(Role.AGENT), "screens")
        server = create_server(staff.app, host="127.0.0.1", port=0, threads=4)
        threading.Thread(target=server.run, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            address = f"http://127.0.0.1:{server.effective_port}"
            shoot(browser, address, token, fields[0].id, out)
            browser.close()
        server.close()
    for name in ("map-ar", "map-fr", "field-ar", "field-fr"):
        slim(out / f"{name}.png")


if __name__ == "__main__":
    main()
