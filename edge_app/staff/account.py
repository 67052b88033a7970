"""My account: another PIN, my devices, what is kept about me, and to be forgotten."""

from __future__ import annotations

from flask import Response, make_response, redirect, request, send_file, url_for
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import (
    current_session,
    gate,
    ground,
    know_device,
    let_out,
    must_know,
    the_person,
)
from edge_app.farmer import history
from edge_app.person_export import person_zip
from edge_app.staff.blueprint import blueprint
from edge_app.staff.page import page
from field_data.audit_log import Action
from field_data.errors import BusyError, GhallaError, PersonError
from field_data.people import Person


@blueprint.get("/account")
def account() -> AnyResponse:
    """What I can see and change of myself."""
    return _account()


def _account(error: GhallaError | None = None) -> Response:
    person = the_person()
    return page(
        "staff/account.html",
        error,
        one=person,
        here=current_session(),
        sessions=gate().sessions.of(person.id),
        answers=len(history.remembered()),
    )


@blueprint.post("/account/secret")
def account_secret() -> AnyResponse:
    """Another PIN or passphrase; every other device is logged out."""
    person, here, form = the_person(), current_session(), request.form
    try:
        must_know(request.form.get("old", ""))
        if form.get("secret", "") != form.get("again", ""):
            raise PersonError("not_twice")
        but = here.id if here else None
        gate().change_secret(person.id, person, form.get("secret", ""), but=but)
    except (PersonError, BusyError) as error:
        return _account(error)
    response = make_response(redirect(url_for("staff.account"), 303))
    know_device(response, person)
    return response


@blueprint.post("/account/end")
def account_end() -> AnyResponse:
    """Log out one of my devices (``session``), or all others."""
    person, here = the_person(), current_session()
    if session := request.form.get("session"):
        gate().end_session(person.id, person.id, session)
    else:
        gate().end_sessions(person.id, person.id, but=here.id if here else None)
    return redirect(url_for("staff.account"), 303)


@blueprint.post("/account/export")
def account_export() -> AnyResponse:
    """Everything that is kept about me, in one file; a stolen session does not get it."""
    try:
        must_know(request.form.get("export-secret", ""))
    except (PersonError, BusyError) as error:
        return _account(error)
    return export(the_person().id, _answers())


def _answers() -> list[str]:
    """The answers of this phone, if the person says that they are theirs."""
    return history.remembered() if request.form.get("answers") else []


def export(id: str, answers: list[str]) -> Response:
    """The ZIP of a person as a download, and its place in the audit log.

    Raises PersonError ``unknown_person``.
    """
    file = person_zip(ground(), id, answers)
    ground().audit.append(the_person().id, Action.EXPORTED, id)
    return send_file(file, "application/zip", as_attachment=True, download_name=f"{id}.zip")


@blueprint.route("/account/erase", methods=["GET", "POST"])
def account_erase() -> AnyResponse:
    """To be forgotten: says what goes, asks for the PIN, and does it."""
    person = the_person()
    if request.method == "GET":
        return _erase_page(person)
    answers = _answers()
    try:
        must_know(request.form.get("secret", ""))
        ground().privacy.erase(person.id, person.id, answers)
    except (PersonError, BusyError) as error:
        return _erase_page(person, error)
    response = page("staff/erased.html")
    history.drop(response, answers)
    let_out(response)
    return response


@blueprint.route("/people/<id>/erase", methods=["GET", "POST"])
def person_erase(id: str) -> AnyResponse:
    """The keeper forgets a person who asks for it; the keeper's own passphrase opens it."""
    person = ground().people.get(id)
    if person is None or not person.name:
        raise PersonError("unknown_person")
    if request.method == "GET":
        return _erase_page(person)
    try:
        must_know(request.form.get("secret", ""))
        ground().privacy.erase(the_person().id, id)
    except (PersonError, BusyError) as error:
        return _erase_page(person, error)
    return page("staff/erased.html")


def _erase_page(person: Person, error: GhallaError | None = None) -> Response:
    mine = person.id == the_person().id
    answers = len(history.remembered()) if mine else 0
    return page("staff/erase.html", error, one=person, mine=mine, answers=answers)
