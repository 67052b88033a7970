"""The real Chromium that drives the pages, and the screens it pretends to be."""

from __future__ import annotations

import shutil

from playwright.sync_api import ViewportSize

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
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
