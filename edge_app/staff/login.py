"""Coming in and going out: login, the first keeper, invitations, logout."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import abort, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import (
    DEVICE_COOKIE,
    current_session,
    gate,
    ground,
    know_device,
    let_in,
    let_out,
    the_person,
)
from edge_app.i18n import request_lang
from edge_app.staff.blueprint import blueprint
from edge_app.staff.page import page
from field_data.audit_log import Action
from field_data.errors import BusyError, PersonError
from field_data.people import Person


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> AnyResponse:
    """Name (or code) and PIN or passphrase; a refusal shows the same page with the reason."""
    ground()
    back = _own_path(request.values.get("next", ""))
    if request.method == "GET":
        return page("staff/login.html", back=back)
    try:
        person = gate().login(
            request.form.get("login", ""),
            request.form.get("secret", ""),
            known=request.cookies.get(DEVICE_COOKIE),
        )
    except (PersonError, BusyError) as error:
        return page("staff/login.html", error, back=back)
    return _come_in(person, back)


def _come_in(person: Person, back: str = "") -> AnyResponse:
    old = current_session()
    if old is not None:
        gate().sessions.end(old.person, old.id)
    response = make_response(redirect(back or url_for("staff.home"), 303))
    let_in(response, gate().open_session(person, device_name()))
    know_device(response, person)
    return response


@blueprint.post("/logout")
def logout() -> AnyResponse:
    """End this session, here and in the store."""
    person, session = the_person(), current_session()
    if session is not None:
        gate().sessions.end(person.id, session.id)
    ground().audit.append(person.id, Action.LOGOUT, person.id)
    response = make_response(redirect(url_for("staff.login"), 303))
    let_out(response)
    return response


@blueprint.route("/setup", methods=["GET", "POST"])
def setup() -> AnyResponse:
    """Make the first keeper with the code that the node printed when it started."""
    ground()
    if not gate().needs_keeper():
        abort(404)
    if request.method == "GET":
        return page("staff/setup.html")
    form = request.form
    try:
        refuse_unlike(form.get("secret", ""), form.get("again", ""))
        name, code = form.get("name", ""), form.get("code", "")
        keeper = gate().set_up(code, name, request_lang(), form.get("secret", ""))
    except (PersonError, BusyError) as error:
        return page("staff/setup.html", error)
    return _come_in(keeper)


@blueprint.route("/welcome/<code>", methods=["GET", "POST"])
def welcome(code: str) -> AnyResponse:
    """Set a secret of one's own with an invitation."""
    ground()
    person = gate().invited(code)
    if person is None:
        return page("staff/welcome.html", PersonError("bad_code"), invited=None)
    if request.method == "GET":
        return page("staff/welcome.html", invited=person)
    try:
        refuse_unlike(request.form.get("secret", ""), request.form.get("again", ""))
        gate().accept(code, request.form.get("secret", ""))
    except (PersonError, BusyError) as error:
        return page("staff/welcome.html", error, invited=person)
    return _come_in(person)


def refuse_unlike(secret: str, again: str) -> None:
    """Raise PersonError ``not_twice`` unless a new secret was written twice the same."""
    if secret != again:
        raise PersonError("not_twice", "the two are not the same")


def device_name() -> str:
    """What to call the device in the list of sessions: browser and system, no version."""
    agent = request.user_agent.string
    systems = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")
    browsers = ("Firefox", "Edg", "Chrome", "Safari")
    found = [next((name for name in names if name in agent), "") for names in (browsers, systems)]
    return " · ".join(filter(None, found))


def _own_path(address: str) -> str:
    """An address of this node to go back to; empty for anything else."""
    parts = urlsplit(address.replace("\\", "/"))
    own = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    return address if own and not address.startswith("//") and address.isprintable() else ""
