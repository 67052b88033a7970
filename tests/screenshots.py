"""Take the pictures in ``docs/screens``: ``python -m tests.screenshots``.

Real pages in a real Chromium, the fonts of this build only; the diagnoses shown are made up.
"""

from __future__ import annotations

import io
import threading
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, sync_playwright
from waitress.server import create_server

from edge_app.advice import load_advice
from edge_app.languages import LANGS
from edge_app.pin import PinGuard
from edge_app.web import create_app
from field_data.local_sets import LocalSet
from field_data.types import TrapCount
from models.annotate import annotated
from models.counting import CountReading
from tests.browsers import CHROMIUM, FLAGS, PHONE, TABLET
from tests.builders import encoded, trap_pixels
from tests.fakes import AT, FakeNode, one_of_each, trap_reading

OUT = Path(__file__).parents[1] / "docs" / "screens"
KINDS = {"result": "confident", "not-sure": "uncertain", "alert": "alert", "no-model": "no_model"}


def shoot(browser: Browser, address: str, paths: dict[str, str]) -> None:
    """Every page in every language on a phone; home and result on a tablet too."""
    for lang in LANGS:
        for name, path in paths.items():
            screens = {"phone": PHONE} | ({"tablet": TABLET} if name in ("home", "result") else {})
            for kind, size in screens.items():
                page = browser.new_page(viewport=size)
                page.goto(f"{address}/{lang}{path}")
                if name == "trap-result":
                    send_trap(page)
                page.evaluate("document.fonts.ready")
                picture = Image.open(io.BytesIO(page.screenshot()))
                save(picture, OUT / f"{name}-{lang}-{kind}.png")
                page.close()


def send_trap(page: Page) -> None:
    """Send a photo from the trap page that is open: its answer has no address of its own."""
    photo = FilePayload(name="trap.jpg", mimeType="image/jpeg", buffer=encoded(trap_pixels()))
    page.set_input_files("#gallery", photo)
    page.click("button.main")
    page.wait_for_selector("figure.counted")


def counted_trap() -> CountReading:
    """What a counter that finds every dark blob would say of a drawn trap."""
    trap = trap_pixels(moths=20)
    # The median takes away noise and the grid, which is one pixel wide.
    moths = cv2.inRange(cv2.medianBlur(trap, 5), np.zeros(3), np.full(3, 160.0))
    found = cv2.connectedComponentsWithStats(cv2.dilate(moths, np.ones((5, 5))))[2][1:]
    # Where two lines of the grid cross, something small is left.
    boxes = found[found[:, cv2.CC_STAT_AREA] > 120, :4].astype(np.float32)
    count = len(boxes)
    picture = annotated(np.ascontiguousarray(trap[..., ::-1]), boxes, str(count))
    return trap_reading(
        count=TrapCount("GNORAB-ADULT", count, count - 3, count + 3), picture=picture
    )


def taught() -> LocalSet:
    """Eight photos of a rust that the model does not know."""
    return LocalSet("TRZAX", "PUCCST", "", 1, AT, tuple(f"{n:064x}" for n in range(8)))


def save(picture: Image.Image, file: Path) -> None:
    """A PNG of 128 colours: enough for these pages, and half as heavy."""
    picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)


def overview(names: tuple[str, ...]) -> None:
    """``overview.png``: the phone pictures, a row a page, a column a language."""
    gap, (width, height) = 12, (PHONE["width"], PHONE["height"])
    sheet = Image.new("RGB", (len(LANGS) * (width + gap), len(names) * (height + gap)), "white")
    for y, name in enumerate(names):
        for x, lang in enumerate(LANGS):
            with Image.open(OUT / f"{name}-{lang}-phone.png") as picture:
                sheet.paste(picture, (x * (width + gap), y * (height + gap)))
    save(sheet, OUT / "overview.png")


def main() -> None:
    """Serve, shoot, stop."""
    OUT.mkdir(parents=True, exist_ok=True)
    node = FakeNode()
    node.next_count, node.sets, node.pin = counted_trap(), [taught()], PinGuard("241311")
    shown = one_of_each()
    paths = {"home": "/", "photo": "/photo/LYPES", "teach": "/teach", "trap": "/trap"}
    paths |= {"trap-photo": "/trap/tuta", "trap-result": "/trap/tuta"}
    paths |= {name: f"/result/{node.put(shown[kind])}" for name, kind in KINDS.items()}
    server = create_server(create_app(node, load_advice()), host="127.0.0.1", port=0, threads=4)
    threading.Thread(target=server.run, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        shoot(browser, f"http://127.0.0.1:{server.effective_port}", paths)
        browser.close()
    server.close()
    overview(("home", "result", "not-sure", "no-model"))


if __name__ == "__main__":
    main()
