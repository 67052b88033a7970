"""The web application: farmer pages and the HTTP API on one node."""

from __future__ import annotations

import gzip
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, request

from edge_app import staff
from edge_app.access import guard, me
from edge_app.advice import Advice
from edge_app.agent import api as tablet
from edge_app.agent import api_events as _events  # noqa: F401 (adds its routes to the others)
from edge_app.agent import api_sky as _api_sky  # noqa: F401 (and these)
from edge_app.agent import shell
from edge_app.farmer import api, pages, portal, problems
from edge_app.farmer import teach as _  # noqa: F401 (adds the teaching page to the others)
from edge_app.farmer import week as _week  # noqa: F401 (that of a field's week)
from edge_app.farmer import yields as _yields  # noqa: F401 (and that of a field's yield)
from edge_app.farmer.helpers import init_helpers
from edge_app.farmer.uploads import MAX_REQUEST_BYTES
from edge_app.i18n import init_i18n
from edge_app.metrics import REQUESTS, Requests
from edge_app.pictures import init_pictures
from edge_app.seam import Node
from edge_app.vocabulary import CardVocabulary

_COMPRESSED = ("text/html", "text/css", "text/javascript", "image/svg+xml", "application/json")
_SMALL_BYTES = 600
_SECURITY = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            *(
                f"{kind} 'self'"
                for kind in (
                    "img-src",
                    "style-src",
                    "script-src",
                    "font-src",
                    "media-src",
                    "connect-src",
                    "form-action",
                )
            ),
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    # Not "no-referrer": with it browsers send "Origin: null" on our own forms, which are then
    # indistinguishable from another site's.  Other sites are told nothing either way.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def create_app(node: Node, advice: Advice, catalogues: Sequence[Path] = ()) -> Flask:
    """The WSGI application for ``node``, speaking ``advice``; it holds no state of its own.

    ``catalogues``: folders of translations that stand for our own where they say something.
    """
    app = Flask(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_PARTS=64,
        SEND_FILE_MAX_AGE_DEFAULT=365 * 24 * 3600,
    )
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions["ghalla_node"], app.extensions["ghalla_advice"] = node, advice
    app.extensions["ghalla_vocabulary"] = CardVocabulary(advice)
    app.extensions["ghalla_ground"] = getattr(node, "ground", None)
    app.extensions[REQUESTS] = getattr(node, "requests", None) or Requests()
    app.before_request(_begin)
    init_i18n(app, catalogues)
    init_pictures(app)
    init_helpers(app)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(pages.root)
    app.register_blueprint(api.blueprint)
    app.register_blueprint(me.blueprint)
    app.register_blueprint(staff.blueprint)
    app.register_blueprint(staff.sky.tiles)
    app.register_blueprint(staff.pairing.blueprint)
    app.register_blueprint(staff.first.blueprint)
    app.register_blueprint(portal.blueprint)
    app.register_blueprint(shell.blueprint)
    app.register_blueprint(tablet.blueprint)
    problems.init_problems(app)
    portal.init_portal(app)
    staff.first.init_first(app)
    app.before_request(_refuse_other_sites)
    guard.init_guard(app)
    app.after_request(_finish)
    app.after_request(_count)
    return app


def _refuse_other_sites() -> None:
    """Refuse a POST that another site makes this phone send.

    Sec-Fetch-Site does not exist on plain http, Origin and Referer do; a program sends none.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    source = request.headers.get("Origin") or request.headers.get("Referer")
    try:
        foreign = source is not None and urlsplit(source).netloc != request.host
    except ValueError:  # no address at all
        foreign = True
    if foreign or site not in ("same-origin", "none"):
        abort(403)


def _begin() -> None:
    g.begun = time.perf_counter()


def _count(response: Response) -> Response:
    """Count the request by what it is for, never by its address."""
    spent_s = time.perf_counter() - g.get("begun", time.perf_counter())
    part = (request.endpoint or "none").partition(".")[0]
    current_app.extensions[REQUESTS].note(part, response.status_code, spent_s)
    return response


def _finish(response: Response) -> Response:
    for name, value in _SECURITY.items():
        response.headers.setdefault(name, value)  # the tablets' app has a policy of its own
    if g.get("picture_inside"):
        policy = _SECURITY["Content-Security-Policy"].replace("img-src", "img-src data:")
        response.headers["Content-Security-Policy"] = policy
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return _compress(response)


def _compress(response: Response) -> Response:
    if response.mimetype not in _COMPRESSED or response.status_code != 200:
        return response
    response.headers.add("Vary", "Accept-Encoding")
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return response
    response.direct_passthrough = False
    body = response.get_data()
    if len(body) < _SMALL_BYTES:
        return response
    # mtime=0: the same page gives the same bytes.
    response.set_data(gzip.compress(body, 6, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    return response
