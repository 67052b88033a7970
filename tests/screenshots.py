"""Take the pictures in ``docs/screens``: ``python -m tests.screenshots``.

Real pages in a real Chromium, the fonts of this build only; the diagnoses shown are made up.
"""

from __future__ import annotations

import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from waitress.server import create_server

from edge_app.advice import load_advice
from edge_app.languages import LANGS
from edge_app.web import create_app
from tests.browsers import CHROMIUM, FLAGS, PHONE, TABLET
from tests.fakes import FakeNode, one_of_each

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
                page.evaluate("document.fonts.ready")
                page.screenshot(path=OUT / f"{name}-{lang}-{kind}.png")
                page.close()


def overview(names: tuple[str, ...]) -> None:
    """``overview.png``: the phone pictures, a row a page, a column a language."""
    gap, (width, height) = 12, (PHONE["width"], PHONE["height"])
    sheet = Image.new("RGB", (len(LANGS) * (width + gap), len(names) * (height + gap)), "white")
    for y, name in enumerate(names):
        for x, lang in enumerate(LANGS):
            with Image.open(OUT / f"{name}-{lang}-phone.png") as picture:
                sheet.paste(picture, (x * (width + gap), y * (height + gap)))
    sheet.save(OUT / "overview.png", optimize=True)


def main() -> None:
    """Serve, shoot, stop."""
    OUT.mkdir(parents=True, exist_ok=True)
    node = FakeNode()
    shown = one_of_each()
    paths = {"home": "/", "photo": "/photo/LYPES"}
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
