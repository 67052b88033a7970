"""The real Chromium that drives the pages, and the screens it pretends to be."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
PHONE = ViewportSize(width=360, height=740)
TABLET = ViewportSize(width=1024, height=768)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def assert_sound(page: Page, about: object) -> None:
    """Nothing for axe to say of a page that is open, and it does not scroll sideways."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["violations"] == [], about
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide), about
