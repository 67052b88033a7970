"""The HTTP API for programs: the same answer as the command line."""

from __future__ import annotations

from dataclasses import asdict
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, current_app, jsonify, request, url_for

from edge_app.answer import answer
from edge_app.appliance.layout import release_here
from edge_app.farmer.context import advice, node
from edge_app.farmer.uploads import (
    FIELD,
    MAX_PHOTO_BYTES,
    consent_of,
    read_photos,
    shown_name,
)
from edge_app.i18n import request_lang
from edge_app.languages import LANGS
from edge_app.metrics import CONTENT_TYPE, REQUESTS, node_metrics, rendered
from field_data.errors import PersonError

if TYPE_CHECKING:
    from edge_app.node import FarmNode

blueprint = Blueprint("api", __name__)


@blueprint.post("/api/v1/diagnose")
def diagnose() -> Response:
    """One plant in, JSON out; ``Content-Location`` is the page a person can read.

    The body is multipart with ``photo`` fields, or one image.  ``crop`` is an EPPO code or a
    scientific or English name, ``lang`` one of ar, fr, zgh, en; photos are kept with ``keep=1``.
    All three belong in the address; as form fields they are refused rather than overlooked.
    """
    if set(request.form) & {"crop", "keep", "lang"}:
        raise PersonError("bad_request")
    if request.args.get("lang", LANGS[0]) not in LANGS:
        raise PersonError("unknown_lang")
    with node().place():
        photos = _photos()
        verdict = node().diagnose(photos, _crop(), consent=consent_of(request.args))
    names = ", ".join(name for name, _ in photos)
    response = jsonify(answer(verdict, advice(), request_lang(), names))
    page = url_for("pages.result", lang=request_lang(), id=verdict.id)
    response.headers["Content-Location"] = page
    return response


@blueprint.get("/health")
def health() -> Response:
    """How every part is.  Always 200: a box with a broken part still serves."""
    parts = node().health()
    listed = [asdict(part) for part in parts]
    said = {"ok": all(part.ok for part in parts), "parts": listed}
    return jsonify({**said, "software": release_here()})


@blueprint.get("/metrics")
def metrics() -> Response:
    """Figures for Prometheus, for programs on this machine only: 404 for everybody else.

    What comes over https comes from here as well, and is anybody.
    """
    found = node()
    if not from_here() or not hasattr(found, "turnstile"):
        abort(404)
    figures = (*node_metrics(cast("FarmNode", found)), *current_app.extensions[REQUESTS].metrics())
    return Response(rendered(figures), content_type=CONTENT_TYPE)


def from_here() -> bool:
    """Whether a program on this machine asks, in plain http and by its own name."""
    try:
        there = ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
    name = (urlsplit(f"//{request.host}").hostname or "").lower()
    return there and request.scheme == "http" and name in ("127.0.0.1", "::1", "localhost")


def _crop() -> str | None:
    wish = request.args.get("crop", "").strip()
    if not wish:
        return None
    crop = advice().find_crop(wish)
    if crop is None:
        raise PersonError("unknown_crop", crop=wish)
    return crop.code


def _photos() -> list[tuple[str, bytes]]:
    if not request.mimetype.startswith("image/"):
        return read_photos(request.files.getlist(FIELD))
    return [(shown_name(request.args.get("name", "")), _body())]


def _body() -> bytes:
    """The whole body, which the server has received before we are called, in one piece.

    Flask's own reader gathers it in pieces of 64 kB and copies the sum: 5 ms for a large photo.
    """
    length = request.content_length or 0
    if length > MAX_PHOTO_BYTES:
        raise PersonError("photo_too_large")
    data: bytes = request.environ["wsgi.input"].read(length)
    if not data:
        raise PersonError("no_photo")
    return data
