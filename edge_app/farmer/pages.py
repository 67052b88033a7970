"""The farmer's pages: home, photo, result, cards, history, privacy, health."""

from __future__ import annotations

from io import BytesIO

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask_babel import LazyString
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import is_first_run
from edge_app.advice import Crop
from edge_app.answer import spoken_code
from edge_app.farmer import history, my_fields, problems, traps
from edge_app.farmer.context import advice, node
from edge_app.farmer.uploads import (
    CONSENT_VERSION,
    FIELD,
    MAX_PHOTOS,
    consent_of,
    read_photos,
)
from edge_app.farmer.view import ResultView
from edge_app.farmer.words import ERRORS
from edge_app.i18n import LANG_COOKIE, language_in_path, request_lang
from edge_app.languages import LANGS
from field_data.errors import BusyError, GhallaError, PersonError
from field_data.reviews import State
from field_data.types import Diagnosis

ANY = "any"
_YEAR_S = 365 * 24 * 3600

root = Blueprint("root", __name__)
blueprint = Blueprint("pages", __name__, url_prefix=f"/<any({', '.join(LANGS)}):lang>")
language_in_path(blueprint)


@root.get("/")
def start() -> AnyResponse:
    """Go to the pages in the language of this phone; on a new box, to its first keeper's."""
    if is_first_run():
        return redirect(url_for("first.start", lang=request_lang()))
    return redirect(url_for("pages.home", lang=request_lang()))


@blueprint.after_request
def _remember_lang(response: Response) -> Response:
    if request.cookies.get(LANG_COOKIE) != request_lang():
        response.set_cookie(
            LANG_COOKIE, request_lang(), max_age=_YEAR_S, httponly=True, samesite="Lax"
        )
    return response


@blueprint.get("/")
def home() -> str:
    """Pick the plant."""
    with_model = node().crops_with_model()
    known = [crop for crop in advice().crops if crop.code in with_model]
    others = [crop for crop in advice().crops if crop.code not in with_model]
    ground = current_app.extensions.get("ghalla_ground")
    return render_template(
        "home.html",
        known=known,
        others=others,
        any_crop=ANY,
        broken=_broken(),
        mine=my_fields.mine(ground) if ground else [],
    )


@blueprint.route("/photo/<code>", methods=["GET", "POST"])
def photo(code: str) -> AnyResponse:
    """Take and send photos of one plant; a refusal shows the same page with the reason."""
    crop = _crop(code)
    if request.method == "GET":
        return _photo_page(code, crop)
    try:
        with node().place():
            photos = read_photos(request.files.getlist(FIELD))
            verdict = node().diagnose(
                photos, crop.code if crop else None, consent=consent_of(request.form)
            )
    except (PersonError, BusyError) as error:
        return _photo_page(code, crop, error)
    response = redirect(url_for(".result", id=verdict.id), 303)
    history.remember(response, verdict.id)
    return response


def _photo_page(code: str, crop: Crop | None, error: GhallaError | None = None) -> Response:
    can_tell = crop is None or crop.code in node().crops_with_model()
    wait = error.retry_after_s if isinstance(error, BusyError) else None
    page = render_template(
        "photo.html",
        code=code,
        crop=crop,
        can_tell=can_tell,
        sentence=problems.sentence(error) if error else None,
        wait_s=wait,
        most=MAX_PHOTOS,
    )
    response = make_response(page, problems.status_of(error) if error else 200)
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
    return response


@blueprint.get("/result/<id>")
def result(id: str) -> str:
    """What the node thinks, and what to do."""
    view = ResultView(_diagnosis(id), advice(), node().reviewed(id))
    return render_template(
        "result.html",
        view=view,
        asked=node().asked_agent(id),
        mine=id in history.remembered(),
        broken=_broken(),
    )


def _broken() -> LazyString | None:
    """What to say while the node has no sound model at all."""
    return None if node().crops_with_model() else ERRORS["keeper"]


@blueprint.get("/result/<id>/photo/<int:number>")
def kept_photo(id: str, number: int) -> Response:
    """A kept photo; whoever holds the result's address may see it."""
    photos = _diagnosis(id).photos
    sha256 = photos[number].sha256 if number < len(photos) else None
    data = node().photo(sha256) if sha256 else None
    if data is None:
        abort(404)
    response = send_file(BytesIO(data), mimetype="image/jpeg")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/result/<id>/agent")
def ask_agent(id: str) -> AnyResponse:
    """Put this plant on the agent's list, unless somebody has looked at it already."""
    _diagnosis(id)
    if node().reviewed(id).state is State.OPEN:
        node().ask_agent(id)
    return redirect(url_for(".asked", id=id), 303)


@blueprint.get("/result/<id>/agent")
def asked(id: str) -> AnyResponse | str:
    """The code to tell the agent."""
    verdict = _diagnosis(id)
    if not node().asked_agent(id):
        return redirect(url_for(".result", id=id))
    kept = any(photo.sha256 for photo in verdict.photos)
    return render_template("asked.html", id=id, code=spoken_code(id), kept=kept)


@blueprint.get("/card/<card_id>")
def card(card_id: str) -> str:
    """One advice card."""
    found = next((card for card in advice().cards if card.id == card_id), None)
    if found is None:
        abort(404)
    crops = [crop for crop in advice().crops if crop.code in found.crops]
    return render_template("card.html", card=found, crops=crops)


@blueprint.get("/card/<card_id>/audio")
def audio(card_id: str) -> Response:
    """A person reading the card aloud."""
    file = advice().audio(card_id, request_lang())
    if file is None:
        abort(404)
    kind = "audio/ogg" if file.suffix == ".ogg" else "audio/mpeg"
    return send_file(file, mimetype=kind, conditional=True)


@blueprint.get("/crop/<code>")
def symptoms(code: str) -> str:
    """What can go wrong with a crop, by what one sees."""
    crop = advice().crop(code)
    if crop is None:
        abort(404)
    return render_template("symptoms.html", crop=crop, cards=advice().cards_for(code))


@blueprint.get("/history")
def past() -> str:
    """The answers of this phone."""
    found = ((id, node().diagnosis(id)) for id in history.remembered())
    lines = [ResultView(verdict, advice()) for _, verdict in found if verdict]
    return render_template("history.html", lines=lines)


@blueprint.post("/history/erase")
def erase() -> AnyResponse:
    """Erase one answer of this phone (``id``) or all (no ``id``), photos included."""
    mine = history.remembered()
    wish = request.form.get("id")
    ids = [id for id in mine if wish is None or id == wish]
    node().forget(ids)
    response = redirect(url_for(".past"), 303)
    history.drop(response, ids)
    return response


@blueprint.get("/privacy")
def privacy() -> str:
    """What is kept, why, how long, and how to erase it."""
    return render_template("privacy.html", version=CONSENT_VERSION)


@blueprint.get("/health")
def health() -> str:
    """How the box is, for people."""
    return render_template("health.html", parts=node().health())


blueprint.add_url_rule("/trap", "traps", traps.choose)
blueprint.add_url_rule("/trap/<kind>", "trap", traps.trap, methods=["GET", "POST"])


def _crop(code: str) -> Crop | None:
    crop = advice().crop(code)
    if crop is None and code != ANY:
        abort(404)
    return crop


def _diagnosis(id: str) -> Diagnosis:
    found = node().diagnosis(id)
    if found is None:
        abort(404)
    return found
