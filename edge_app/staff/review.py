"""People look at what the plant doctor said: first at the photos alone, then at its answer."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from flask import Response, abort, redirect, render_template, request, send_file, url_for
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as AnyResponse

from edge_app import review_words
from edge_app.access.guard import ground, the_person
from edge_app.advice import Card, Crop, localise
from edge_app.answer import candidate_name, spoken_code
from edge_app.farmer.context import advice, node
from edge_app.i18n import request_lang, spoken
from edge_app.review_figures import counts
from edge_app.staff.blueprint import blueprint
from edge_app.staff.home import ENTRIES, Entry
from edge_app.staff.page import page
from field_data.errors import PersonError
from field_data.people import Person, Role
from field_data.review_desk import ReviewDesk
from field_data.review_queue import (
    Item,
    Why,
    may_review,
    position,
    reviewable,
)
from field_data.reviews import (
    Case,
    Label,
    Review,
    last_words,
)
from field_data.types import HEALTHY, Candidate

CANNOT_TELL, OTHER = "cannot_tell", "other"
# What comes next is picked out of this many: were the first always the most urgent, the place in
# the list would tell a reviewer what the model fears.
BATCH = 10
_FIRST_BUTTONS = 8
_MINE = 50

ENTRIES.append(Entry("staff.review", _l("Look at plants"), "eye"))


@dataclass(frozen=True, slots=True)
class Choice:
    """One button: ``value`` is what the form sends."""

    value: str
    name: Markup
    sci: str


@dataclass(frozen=True, slots=True)
class Told:
    """A review that was made, beside what the model had said; both ready to show."""

    case: Case
    code: str
    crop: Crop | None
    mine: Markup | None
    model: Markup | None
    alike: bool


def desk() -> ReviewDesk:
    """The reviews of this node."""
    return ground().reviews


@blueprint.get("/review")
def review() -> str:
    """What waits, by reason and for this person, and the answer just given."""
    person, cases = the_person(), list(desk().cases())
    items = desk().queue(cases)
    waits, ends = counts(items, cases)
    mine = desk().due(person, items)
    return render_template(
        "staff/review.html",
        person=person,
        waits=[(review_words.WHY[why], number) for why, number in waits.items() if number],
        ends=[(review_words.STATES[state], number) for state, number in ends.items() if number],
        lines=[_line(item) for item in _batch(mine)],
        due=len(mine),
        told=_told_after(person),
        sees_figures=person.role in (Role.AGRONOMIST, Role.KEEPER),
    )


@blueprint.get("/review/next")
def review_next() -> AnyResponse:
    """Go to the next plant that nobody else looks at just now; home when there is none."""
    person, after = the_person(), request.args.get("after")
    for item in _batch(desk().due(person)):
        if desk().leases.take(item.id, person.id):
            return redirect(url_for(".review_plant", id=item.id, after=after), 303)
    return redirect(url_for(".review", after=after), 303)


@blueprint.route("/review/plant/<id>", methods=["GET", "POST"])
def review_plant(id: str) -> AnyResponse:
    """One plant: photos and crop, nothing else, until the person has chosen."""
    person = the_person()
    case = _case(id)
    if _own(case, person):
        return redirect(url_for(".review_change", id=id), 303)
    item = desk().item(id)
    if request.method == "GET":
        if item is None or not may_review(person, item):
            return page("staff/review_done.html", PersonError("reviewed_enough"))
        return _plant(case, person, item, free=desk().leases.take(id, person.id))
    try:
        informed = request.form.get("informed") == "1"
        desk().submit(id, person, _chosen(), informed=informed)
    except PersonError as error:
        if error.code == "no_choice" and item is not None:
            return _plant(case, person, item, free=True, error=error)
        return page("staff/review_done.html", error)
    return redirect(url_for(".review_next", after=id), 303)


@blueprint.route("/review/plant/<id>/change", methods=["GET", "POST"])
def review_change(id: str) -> AnyResponse:
    """Change one's own answer, now beside the model's."""
    person, case = the_person(), _case(id)
    own = _own(case, person)
    if own is None:
        return redirect(url_for(".review_plant", id=id), 303)
    if request.method == "GET":
        return _plant(case, person, None, own=own)
    try:
        desk().correct(id, person, _chosen())
    except PersonError as error:
        return _plant(case, person, None, own=own, error=error)
    return redirect(url_for(".review_mine"), 303)


@blueprint.get("/review/plant/<id>/photo/<int:number>")
def review_photo(id: str, number: int) -> Response:
    """A kept photo of a plant, whole, for those who may review."""
    photos = _case(id).diagnosis.photos
    sha256 = photos[number].sha256 if number < len(photos) else None
    data = ground().photos.get(sha256) if sha256 else None
    if data is None:
        abort(404)
    response = send_file(BytesIO(data), mimetype="image/jpeg")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/review/mine")
def review_mine() -> str:
    """The latest answers of this person, each with the model's and a way to change it."""
    made = desk().mine(the_person().id)[:_MINE]
    return render_template("staff/review_mine.html", lines=[_told(*each) for each in made])


def _case(id: str) -> Case:
    case = desk().case(id)
    if case is None or not reviewable(case.diagnosis):
        abort(404)
    return case


def _own(case: Case, person: Person) -> Review | None:
    return next((r for r in reversed(case.reviews) if r.author == person.id), None)


def _batch(items: list[Item]) -> list[Item]:
    """The next few, in an order that says nothing about them."""
    return sorted(items[:BATCH], key=lambda item: position(item.id, "batch"))


def _line(item: Item) -> tuple[Item, int, Crop | None, str, bool]:
    """Item, first photo, crop, code, whether the farmer asked: nothing that the model said."""
    diagnosis = item.case.diagnosis
    crop = advice().crop(diagnosis.crop) if diagnosis.crop else None
    return item, _kept(item.case)[0], crop, spoken_code(item.id), item.case.asked


def _kept(case: Case) -> list[int]:
    return [place for place, photo in enumerate(case.diagnosis.photos) if photo.sha256]


def _plant(
    case: Case,
    person: Person,
    item: Item | None,
    *,
    own: Review | None = None,
    free: bool = True,
    error: PersonError | None = None,
) -> Response:
    wish = request.values.get("crop") or (own.label[0] if own and own.label else None)
    crop = advice().crop(wish or case.diagnosis.crop or "")
    buttons = _choices(crop) if crop else []
    deciding = item is not None and item.why is Why.DISPUTED
    return page(
        "staff/review_plant.html",
        error,
        id=case.diagnosis.id,
        at=case.diagnosis,
        photos=_kept(case),
        crop=crop,
        crops=advice().crops,
        buttons=buttons[:_FIRST_BUTTONS],
        more=buttons[_FIRST_BUTTONS:],
        other=OTHER,
        cannot_tell=CANNOT_TELL,
        code=spoken_code(case.diagnosis.id),
        asked=case.asked,
        free=free,
        differ=[_named(review.label) for review in last_words(case.reviews)] if deciding else [],
        told=_told(case, own) if own else _told_after(person),
        own=own,
    )


def _choices(crop: Crop) -> list[Choice]:
    """What can be chosen for a crop: the cards, most important first, then what people taught."""
    healthy = advice().card(crop.code, HEALTHY)
    cards: list[Card] = [*([healthy] if healthy else []), *advice().cards_for(crop.code)]
    found = {card.condition: card.sci if card.condition != HEALTHY else "" for card in cards}
    found |= {each.condition: "" for each in node().local_sets() if each.crop == crop.code}
    named = ((code, _named((crop.code, code)), sci) for code, sci in found.items())
    return [Choice(code, name, sci) for code, name, sci in named if name]


def _chosen() -> Label | None:
    """What the form says.  Raises PersonError ``no_choice`` for what no button sends."""
    condition, crop = request.form.get("condition", ""), advice().crop(request.form.get("crop", ""))
    if condition == CANNOT_TELL:
        return None
    if crop is None or condition not in {OTHER, *(each.value for each in _choices(crop))}:
        raise PersonError("no_choice", "nothing was chosen")
    return crop.code, None if condition == OTHER else condition


def _named(label: Label | None) -> Markup | None:
    """A label in the language of the page; None for "cannot tell"."""
    if label is None:
        return None
    crop, condition = label
    if condition is None:
        return escape(review_words.NOT_LISTED)
    names = {(s.crop, s.condition): s.name for s in node().local_sets()}
    local = Candidate(crop, condition, 0.0, local_name=names.get((crop, condition), ""))
    return spoken(candidate_name(local, advice(), request_lang()))


def crop_and_name(label: Label) -> Markup:
    """A label with its crop before it."""
    crop = advice().crop(label[0])
    name = spoken(localise(crop.name, request_lang())) if crop else escape(label[0])
    return Markup("{}: {}").format(name, _named(label))


def _told_after(person: Person) -> Told | None:
    """What this person has just said of the plant before, if they did."""
    case = desk().case(request.args.get("after", ""))
    own = _own(case, person) if case else None
    return _told(case, own) if case and own else None


def _told(case: Case, own: Review) -> Told:
    diagnosis = case.diagnosis
    top = diagnosis.top
    model = spoken(candidate_name(top, advice(), request_lang())) if top else None
    crop = own.label[0] if own.label else diagnosis.crop
    return Told(
        case,
        spoken_code(diagnosis.id),
        advice().crop(crop) if crop else None,
        _named(own.label),
        model,
        top is not None and own.label == (top.crop, top.condition),
    )
