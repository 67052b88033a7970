"""The trap pages: pick the kind of trap, send one photo, read the count.

Nothing is kept: the annotated photo goes back inside the page and is then gone.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from flask import Response, abort, g, make_response, render_template, request
from werkzeug.datastructures import FileStorage

from edge_app.farmer import problems
from edge_app.farmer.context import advice, node
from edge_app.farmer.uploads import FIELD, read_photos
from edge_app.farmer.words import TRAPS
from edge_app.trap_answer import trap_card
from field_data.errors import BusyError, GhallaError, PersonError
from models.counting import CountReading


def choose() -> str:
    """Pick the kind of trap."""
    return render_template("trap.html", traps=TRAPS)


def trap(kind: str) -> Response:
    """Take one photo of such a trap; the answer comes back at once."""
    if kind not in TRAPS:
        abort(404)
    if request.method == "GET":
        return _photo_page(kind)
    try:
        with node().place():
            reading = node().count(_one(request.files.getlist(FIELD)), kind)
    except (PersonError, BusyError) as error:
        return _photo_page(kind, error)
    return _result_page(reading)


def _one(files: Iterable[FileStorage]) -> bytes:
    photos = read_photos(files)
    if len(photos) > 1:
        raise PersonError("one_trap_photo")
    return photos[0][1]


def _photo_page(kind: str, error: GhallaError | None = None) -> Response:
    wait = error.retry_after_s if isinstance(error, BusyError) else None
    page = render_template(
        "trap_photo.html",
        kind=kind,
        words=TRAPS[kind],
        sentence=problems.sentence(error) if error else None,
        wait_s=wait,
    )
    response = make_response(page, problems.status_of(error) if error else 200)
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
    return response


def _result_page(reading: CountReading) -> Response:
    # The page's policy then lets this one picture in; see edge_app.web.
    g.picture_inside = reading.picture is not None
    inside = base64.b64encode(reading.picture).decode() if reading.picture else None
    page = render_template(
        "trap_result.html",
        reading=reading,
        words=TRAPS[reading.trap],
        card=trap_card(reading.trap, advice()) if reading.count else None,
        picture=inside,
    )
    return make_response(page)
