"""The keeper's pages: who works with this node, invitations, roles, lost devices."""

from __future__ import annotations

from flask import Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import current_session, gate, ground, looked_at, must_know, the_person
from edge_app.access.secrets import wants_passphrase
from edge_app.i18n import request_lang
from edge_app.languages import LANGS
from edge_app.staff.account import export
from edge_app.staff.blueprint import blueprint
from edge_app.staff.page import page
from edge_app.staff.qr import qr
from field_data.audit_log import Action
from field_data.errors import BusyError, GhallaError, PersonError
from field_data.people import Person, Role


@blueprint.route("/people", methods=["GET", "POST"])
def people() -> AnyResponse:
    """Everybody, and a form to add somebody, who is then invited."""
    if request.method == "GET":
        return _people()
    try:
        must_know(request.form.get("own", ""))
        person = ground().people.add(request.form.get("name", ""), _role(), _lang())
    except (PersonError, BusyError) as error:
        return _people(error)
    ground().audit.append(the_person().id, Action.PERSON_ADDED, person.id, _said(person))
    return _invitation(person)


def _people(error: GhallaError | None = None) -> Response:
    return page("staff/people.html", error, people=ground().people.all(), roles=list(Role))


@blueprint.get("/people/<id>")
def person(id: str) -> AnyResponse:
    """One person: role, devices, what can be done."""
    one = _known(id)
    if id != the_person().id:
        looked_at(id)
    return _person(one)


def _person(person: Person, error: GhallaError | None = None) -> Response:
    return page(
        "staff/person.html",
        error,
        one=person,
        roles=list(Role),
        can_log_in=ground().people.secret(person.id) is not None,
        sessions=gate().sessions.of(person.id),
        mine=person.id == the_person().id,
    )


@blueprint.post("/people/<id>/export")
def person_export(id: str) -> AnyResponse:
    """Everything about a person who asks, in one file; a stolen session does not get it."""
    one = _known(id)
    try:
        must_know(request.form.get("export-secret", ""))
    except (PersonError, BusyError) as error:
        return _person(one, error)
    return export(one.id, [])


@blueprint.post("/people/<id>/change")
def person_change(id: str) -> AnyResponse:
    """Another name or role.  A new role logs the person out; a higher one wants a new secret."""
    before = _known(id)
    try:
        name = request.form.get("name", "")
        if ground().people.rename(id, name).name != before.name:
            ground().audit.append(the_person().id, Action.PERSON_RENAMED, id)
        if _role() is not before.role:
            change_role(the_person().id, before, _role())
    except PersonError as error:
        return _person(_known(id), error)
    return redirect(url_for("staff.person", id=id), 303)


def change_role(actor: str, person: Person, role: Role) -> None:
    """Give a person another role; what they were let in with counts no longer."""
    changed = ground().people.change_role(person.id, role)
    if wants_passphrase(role) and not wants_passphrase(person.role):
        ground().people.set_secret(person.id, None)
    ground().audit.append(actor, Action.ROLE_CHANGED, person.id, _said(changed))
    gate().end_sessions(actor, person.id)


@blueprint.post("/people/<id>/invite")
def person_invite(id: str) -> AnyResponse:
    """A code to set a (new) PIN with."""
    person = _known(id)
    try:
        must_know(request.form.get("own", ""))
    except (PersonError, BusyError) as error:
        return _person(person, error)
    return _invitation(person)


def _invitation(person: Person) -> Response:
    code = gate().invite(the_person().id, person)
    link = url_for("staff.welcome", code=code, lang=person.lang, _external=True)
    return page("staff/invitation.html", one=person, code=code, link=link, picture=qr(link))


@blueprint.post("/people/<id>/active")
def person_active(id: str) -> AnyResponse:
    """Let the person in no longer, or again."""
    person, actor = _known(id), the_person().id
    try:
        if person.active:
            ground().people.deactivate(id)
            ground().audit.append(actor, Action.PERSON_DEACTIVATED, id)
            gate().end_sessions(actor, id)
        else:
            ground().people.reactivate(id)
            ground().audit.append(actor, Action.PERSON_REACTIVATED, id)
    except PersonError as error:
        return _person(person, error)
    return redirect(url_for("staff.person", id=id), 303)


@blueprint.post("/people/<id>/end")
def person_end(id: str) -> AnyResponse:
    """Log the person out: one lost device (``session``), or everywhere."""
    person, actor = _known(id), the_person().id
    if session := request.form.get("session"):
        gate().end_session(actor, person.id, session)
    else:
        here = current_session()
        gate().end_sessions(actor, person.id, but=here.id if here else None)
    return redirect(url_for("staff.person", id=id), 303)


def _known(id: str) -> Person:
    found = ground().people.get(id)
    if found is None or not found.name:
        abort(404)
    return found


def _role() -> Role:
    try:
        return Role(request.form.get("role", ""))
    except ValueError:
        raise PersonError("bad_request") from None


def _lang() -> str:
    wish = request.form.get("lang", "")
    return wish if wish in LANGS else request_lang()


def _said(person: Person) -> dict[str, str]:
    return {"role": str(person.role)}
