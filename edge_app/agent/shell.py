"""The app's own files: one page, scripts, style, words; kept by the tablet under one version.

``/agent/v/<version>/…`` holds everything but the page and its service worker, and ``version`` is a
digest of all of it, so that scripts of two versions never meet.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, abort, make_response, render_template, url_for
from markupsafe import Markup

from edge_app.agent.texts import catalogue
from edge_app.pictures import STATIC
from field_data.errors import KeeperError

blueprint = Blueprint("agent", __name__, url_prefix="/agent")

FILES = STATIC / "agent"
# Only when a screen needs them; the tablet keeps them all the same, for the day without a network.
LATER_FILES = (
    "consent.js",
    "draw.js",
    "map.js",
    "sky.js",
    "vendor/leaflet.js",
    "vendor/leaflet.css",
)
# Served on an address of its own.
_NOT_LISTED = frozenset({"sw.js"})
# One weight and no letters of other languages' names: what the tablet keeps stays small.
_FONTS = (
    ("Ghalla Arabic", "ghalla-arabic-arabic-400.woff2", "U+0600-06FF,U+FB50-FDFF,U+FE70-FEFF"),
    ("Ghalla Tifinagh", "ghalla-tifinagh-tifinagh-400.woff2", "U+2D30-2D7F"),
)
_LIBRARIES = ("idb.js", "leaflet.js", "leaflet.css")
_VENDOR = STATIC / "vendor"
_ICONS = """
again bin bottle calendar camera check clock gallery hand home leaf lock near next person question
search send shield warning
""".split()  # noqa: SIM905
_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_CSP = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self' blob: data:",
        "style-src 'self'",
        "script-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


@blueprint.get("/")
def app() -> Response:
    """The page; the same for all people and languages, so that it can be kept."""
    if f"vendor/{_LIBRARIES[0]}" not in contents():
        raise KeeperError("app_not_built", "run npm ci and python -m edge_app.webassets")
    response = make_response(_page(version()))
    response.headers["Content-Security-Policy"] = _CSP
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/sw.js")
def worker() -> Response:
    """The service worker, which knows what to keep."""
    head = f"const VERSION = {json.dumps(version())}, FILES = {json.dumps(list(contents()))};\n"
    response = make_response(head + _lean(FILES / "sw.js").decode())
    response.mimetype = _TYPES[".js"]
    response.headers["Content-Security-Policy"] = _CSP
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/manifest.webmanifest")
def manifest() -> Response:
    """What the tablet needs to install the app."""
    icon = {"src": url_for(".file", of=version(), name="logo.svg"), "sizes": "any"}
    said = {
        "name": "Ghalla",
        "short_name": "Ghalla",
        "start_url": "/agent/",
        "scope": "/agent/",
        "id": "/agent/",
        "display": "standalone",
        "background_color": "#fdf8ef",
        "theme_color": "#1f5c3a",
        "icons": [{**icon, "type": _TYPES[".svg"], "purpose": "any maskable"}],
    }
    response = make_response(json.dumps(said))
    response.mimetype = "application/manifest+json"
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/v/<of>/<path:name>")
def file(of: str, name: str) -> Response:
    """One file of the app; of this version only, since files of two versions do not fit."""
    data = contents().get(name)
    if data is None or of != version():
        abort(404)
    response = make_response(data)
    response.mimetype = _TYPES[Path(name).suffix]
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def _page(version: str) -> str:
    own = (path.name for path in FILES.glob("*.js"))
    scripts = sorted(name for name in own if name not in {*LATER_FILES, *_NOT_LISTED})
    return render_template("agent.html", version=version, scripts=scripts, sprite=_sprite())


def contents() -> dict[str, bytes]:
    """The files of the app by name: those in `FILES`, libraries, fonts, words, shared look."""
    return _contents(_modified_ns())


def version() -> str:
    """A digest of `contents` and of the page."""
    return _version(_modified_ns())


def sizes() -> dict[str, int]:
    """Bytes of each file as they travel: compressed where that is done."""
    packed = {name: gzip.compress(data, 6, mtime=0) for name, data in contents().items()}
    return {
        name: len(contents()[name] if name.endswith((".woff2", ".png")) else data)
        for name, data in packed.items()
    }


def _modified_ns() -> int:
    """When a file was last changed: a build beside a running node is then seen."""
    files = (*FILES.iterdir(), *_VENDOR.glob("*"), STATIC / "app.css")
    return max(path.stat().st_mtime_ns for path in files)


@cache
def _contents(_modified: int) -> dict[str, bytes]:
    own = {path.name: path for path in FILES.iterdir() if path.name not in _NOT_LISTED}
    built = [_VENDOR / name for name in (*_LIBRARIES, *(font for _, font, _ in _FONTS))]
    vendor = {f"vendor/{path.name}": path for path in built if path.is_file()}
    shared = {"app.css": STATIC / "app.css", "logo.svg": STATIC / "icons" / "logo.svg"}
    files = {**own, **vendor, **shared}
    found = {name: _lean(path) for name, path in sorted(files.items())}
    return found | {"fonts.css": _font_faces(found), "texts.json": _json(catalogue())}


def _lean(path: Path) -> bytes:
    """A file as it is, our scripts without comments and indentation: a seventh of their bytes."""
    if path.parent != FILES or path.suffix != ".js":
        return path.read_bytes()
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")).encode()


def _font_faces(found: dict[str, bytes]) -> bytes:
    rules = [
        f'@font-face{{font-family:"{family}";font-display:swap;src:url("vendor/{font}") '
        f'format("woff2");unicode-range:{letters}}}'
        for family, font, letters in _FONTS
        if f"vendor/{font}" in found
    ]
    return "\n".join(rules).encode()


@cache
def _version(modified: int) -> str:
    digest = hashlib.sha256()
    for name, data in {**_contents(modified), "": _page("").encode()}.items():
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@cache
def _sprite() -> Markup:
    """The drawings that the scripts use, once in the page: ``<symbol id="i-camera">``."""
    symbols = [_symbol(name) for name in _ICONS]
    whole = Markup('<svg class="sprite" aria-hidden="true">{}</svg>')
    return whole.format(Markup("").join(symbols))


def _symbol(name: str) -> Markup:
    svg = (STATIC / "icons" / "ui" / f"{name}.svg").read_text(encoding="utf-8").strip()
    inner = svg.replace('<svg xmlns="http://www.w3.org/2000/svg" ', f'<symbol id="i-{name}" ', 1)
    return Markup(inner.replace("</svg>", "</symbol>"))  # noqa: S704
