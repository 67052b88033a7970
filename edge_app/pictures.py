"""Drawings and other static files as the templates use them.

Icons are put into the page itself: a page of thirty icons is then one request, and they need no
JavaScript and take the colour of the text around them.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, url_for
from markupsafe import Markup

from edge_app.advice import Crop

STATIC = Path(__file__).parent / "static"
VENDOR_CSS = "vendor/fonts.css"
# Libraries come from npm when a node is built; without this one the map is a list of fields.
MAP_SCRIPT = "vendor/leaflet.js"


def init_pictures(app: Flask) -> None:
    """Give the templates ``icon``, ``crop_icon``, ``asset``, ``has_fonts`` and ``has_map``."""
    app.jinja_env.globals.update(
        icon=icon,
        crop_icon=crop_icon,
        asset=asset,
        has_fonts=(STATIC / VENDOR_CSS).is_file,
        has_map=(STATIC / MAP_SCRIPT).is_file,
    )


def icon(name: str) -> Markup:
    """The drawing ``icons/ui/<name>.svg``; decoration, so screen readers skip it."""
    return _drawing(f"ui/{name}")


def crop_icon(crop: Crop | None) -> Markup:
    """The drawing of a crop, or of any plant."""
    name = f"crops/{Path(crop.icon).stem}" if crop else "ui/plant"
    return _drawing(name if (STATIC / "icons" / f"{name}.svg").is_file() else "ui/plant")


def asset(name: str) -> str:
    """The address of a static file; it changes with the content, so it may be cached for ever."""
    return url_for("static", filename=name, v=_digest(name, (STATIC / name).stat().st_mtime_ns))


@cache
def _drawing(name: str) -> Markup:
    svg = (STATIC / "icons" / f"{name}.svg").read_text(encoding="utf-8").strip()
    return Markup(svg.replace("<svg ", '<svg class="icon" aria-hidden="true" ', 1))  # noqa: S704


@cache
def _digest(name: str, _modified_ns: int) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
