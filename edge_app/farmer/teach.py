"""The agent's page: teach the node a condition with a few photos.  It exists where a PIN is set."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from flask_babel import LazyString
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import is_staff, with_csrf
from edge_app.advice import Card, Crop
from edge_app.farmer import problems
from edge_app.farmer.context import advice, node
from edge_app.farmer.pages import blueprint
from edge_app.farmer.uploads import FIELD, read_photos
from edge_app.farmer.words import ERRORS, REASONS
from edge_app.teaching import Lesson, Refused, new_condition, tidy_name
from field_data.errors import BusyError, GhallaError, PersonError
from field_data.types import HEALTHY
from models.local_classes import LEAST_PHOTOS

MOST_PHOTOS = 20
NEW = "new"


@blueprint.get("/teach")
def teaching() -> AnyResponse:
    """What this node was taught, and the crops that it can be taught."""
    return _overview()


@blueprint.route("/teach/<code>", methods=["GET", "POST"])
def lesson(code: str) -> AnyResponse:
    """Send photos of one condition of a crop; the same page says what became of them."""
    _only_with_pin()
    crop = advice().crop(code)
    if crop is None:
        abort(404)
    if request.method == "GET":
        return _lesson_page(crop)
    try:
        _admit()
        condition, name = _wish()
        with node().place():
            made = node().teach(crop.code, condition, name, _photos())
    except (PersonError, BusyError) as error:
        return _lesson_page(crop, error)
    return make_response(_taught(crop, made))


@blueprint.post("/teach/undo")
def undo() -> AnyResponse:
    """Take the latest change of one condition back."""
    _only_with_pin()
    try:
        _admit()
        node().restore_local(request.form.get("crop", ""), request.form.get("condition", ""))
    except PersonError as error:
        return _overview(error)
    return redirect(url_for(".teaching"), 303)


def _photos() -> Iterator[tuple[str, bytes]]:
    files = [file for file in request.files.getlist(FIELD) if file.filename]
    if not files:
        raise PersonError("no_photo")
    if len(files) > MOST_PHOTOS:
        raise PersonError("too_many_to_teach", limit=MOST_PHOTOS)
    # One at a time in memory, not the whole request.
    return (photo for file in files for photo in read_photos([file]))


def _admit() -> None:
    """Let agents, agronomists and the keeper teach who are logged in, and who knows the PIN."""
    if not (is_staff() and with_csrf()):
        node().admit(request.form.get("pin", ""))


def _only_with_pin() -> None:
    if not (node().may_be_taught() or is_staff()):
        abort(404)


def _wish() -> tuple[str, str]:
    """Condition code and name asked for: one of a card, or a new one by its name."""
    condition = request.form.get("condition", "")
    if condition != NEW:
        return condition, ""
    name = tidy_name(request.form.get("name", ""))
    if not name:
        raise PersonError("unknown_condition")
    return new_condition(name), name


def _overview(error: GhallaError | None = None) -> Response:
    _only_with_pin()
    page = render_template(
        "teach.html",
        sets=node().local_sets(),
        crops=advice().crops,
        sentence=problems.sentence(error) if error else None,
    )
    return make_response(page, problems.status_of(error) if error else 200)


def _lesson_page(crop: Crop, error: GhallaError | None = None) -> Response:
    refused = error.details.get("refused", ()) if error else ()
    page = render_template(
        "lesson.html",
        crop=crop,
        cards=_teachable(crop),
        chosen=request.form.get("condition", ""),
        new=NEW,
        name=tidy_name(request.form.get("name", "")),
        most=MOST_PHOTOS,
        least=LEAST_PHOTOS,
        sentence=problems.sentence(error) if error else None,
        refused=[_reason(each) for each in refused if isinstance(each, Refused)]
        if isinstance(refused, list)
        else [],
    )
    response = make_response(page, problems.status_of(error) if error else 200)
    if isinstance(error, BusyError):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _taught(crop: Crop, made: Lesson) -> str:
    return render_template(
        "taught.html", crop=crop, lesson=made, refused=[_reason(each) for each in made.refused]
    )


def _reason(each: Refused) -> tuple[str, LazyString]:
    return each.photo, REASONS.get(each.why, ERRORS["not_an_image"])


def _teachable(crop: Crop) -> list[Card]:
    """What cards say of the crop and the model does not know, the healthy plant first."""
    healthy = advice().card(crop.code, HEALTHY)
    cards = ([healthy] if healthy else []) + list(advice().cards_for(crop.code))
    known = node().conditions_in_model(crop.code)
    return [card for card in cards if card.condition not in known]
