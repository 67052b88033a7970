"""The farmer's page of one field's week: behind a link that nobody guesses, without a login."""

from __future__ import annotations

from flask import (
    Response,
    abort,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import ground
from edge_app.farmer import my_fields
from edge_app.farmer.context import advice
from edge_app.farmer.pages import blueprint
from edge_app.i18n import request_lang
from edge_app.week import words
from edge_app.week.answering import answer, choices
from edge_app.week.view import Viewer
from field_data.errors import PersonError
from field_data.types import Field

# The words and drawings of what can be tapped.
TAPS = {
    "yes": (_l("Yes, done"), "check"),
    "partly": (_l("In part"), "swap"),
    "no": (_l("No"), "stop"),
    "found": (_l("Yes, I found it"), "eye"),
    "not_found": (_l("I looked, it was not there"), "check"),
}
_WHO = "farmer"


@blueprint.get("/week/<token>")
def field_week(token: str) -> Response:
    """Three things for this week; neither where the field lies nor who owns it."""
    field = _field(token)
    view = Viewer(ground(), advice()).of(ground().week.of(field), ask=True)
    page = render_template(
        "week.html", view=view, token=token, taps=TAPS, thanked="thanks" in request.args
    )
    response = make_response(page)
    my_fields.remember(response, token)
    return response


@blueprint.post("/week/<token>/answer")
def week_answer(token: str) -> AnyResponse:
    """What became of the advice that was asked about; asked and answered once."""
    field = _field(token)
    farm = ground().registry.farm(field.farm)
    take_answer(field, (farm.owner if farm else None) or _WHO)
    return redirect(url_for(".field_week", token=token, thanks=1), 303)


@blueprint.get("/week/audio/<code>")
def week_audio(code: str) -> Response:
    """A person saying what to do."""
    known = code in words.SAYINGS
    file = advice().recording(f"week.{code}", request_lang()) if known else None
    if file is None:
        abort(404)
    kind = "audio/ogg" if file.suffix == ".ogg" else "audio/mpeg"
    return send_file(file, mimetype=kind, conditional=True)


def take_answer(field: Field, author: str) -> None:
    """Keep what this request answers, unless the question was answered meanwhile."""
    asked = ground().week.asks(field)
    if asked is None or asked.id != request.form.get("advice"):
        return
    said = request.form.get("said", "")
    if said not in choices(asked):
        abort(400)
    answer(ground().events, ground().forms, asked, said, author)


def _field(token: str) -> Field:
    id = ground().links.field(token)
    field = ground().registry.field(id) if id else None
    if field is None:
        raise PersonError("unknown_field", "no field behind that link")
    return field
