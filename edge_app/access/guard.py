"""The door of every request: who it comes from, and whether they may do that."""

from __future__ import annotations

from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.gate import Gate, csrf_of, same
from edge_app.access.nearness import is_local, is_loopback, plain_address
from edge_app.access.routes import FIRST_RUN, PHOTOS_IN, PUBLIC, ROUTES, SECRET, STAFF
from edge_app.appliance.layout import Layout
from edge_app.ground import Ground
from edge_app.https import secure_address
from field_data.errors import PersonError
from field_data.people import Person
from field_data.sessions import Session

COOKIE = "ghalla_session"
DEVICE_COOKIE = "ghalla_device"
CSRF_HEADER = "X-Ghalla-CSRF"
CSRF_FIELD = "csrf"
_DAY_S = 24 * 3600
_TABLET_S = 400 * _DAY_S  # the longest that browsers keep a cookie
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def init_guard(app: Flask) -> None:
    """Ask at every request of ``app``, and give the templates ``person`` and ``csrf``."""
    app.before_request(guard)
    app.jinja_env.globals.update(current_person=current_person, csrf=csrf_token, is_staff=is_staff)


def ground() -> Ground:
    """The ground truth behind the pages; 404 on a node that keeps none."""
    found = cast("Ground | None", current_app.extensions.get("ghalla_ground"))
    if found is None:
        abort(404)
    return found


def gate() -> Gate:
    """Who is let in on this node."""
    return ground().gate


def box() -> Layout | None:
    """The box around this node; None where it is no box."""
    there = cast("Ground | None", current_app.extensions.get("ghalla_ground"))
    root = there.settings.box_root if there else ""
    return Layout(Path(root)) if root else None


def is_first_run() -> bool:
    """Whether this request comes from near a box that has no keeper yet."""
    return box() is not None and is_local(request.remote_addr) and gate().needs_keeper()


def current_person() -> Person | None:
    """Who this request comes from; None for everybody who is not logged in."""
    found = _found()
    return found[0] if found else None


def current_session() -> Session | None:
    """The session of this request."""
    found = _found()
    return found[1] if found else None


def the_person() -> Person:
    """Who this request comes from, on a route that is not public."""
    person = current_person()
    if person is None:
        raise PersonError("login_needed", "log in first")
    return person


def looked_at(subject: str) -> None:
    """Write down that this person looked at private data of ``subject``, once a session and hour.

    ``subject`` is the id of a person, farm, field or record.
    """
    session = current_session()
    if session is not None:
        gate().looked_at(session, subject)


def must_know(secret: str) -> None:
    """Ask for the secret again before what a stolen session must not be able to do.

    Raises PersonError ``wrong_secret``, ``login_paused``; BusyError.
    """
    if not gate().right_secret(the_person(), secret):
        raise PersonError("wrong_secret", "this is not your PIN or passphrase")


def is_staff() -> bool:
    """Whether an agent, an agronomist or the keeper is logged in."""
    person = current_person()
    return person is not None and person.role in STAFF


def _found() -> tuple[Person, Session] | None:
    if "whose" not in g:
        there = current_app.extensions.get("ghalla_ground") is not None
        token = request.cookies.get(COOKIE)
        g.whose = gate().whose(token) if there and token else None
    return cast("tuple[Person, Session] | None", g.whose)


def csrf_token() -> str:
    """What a form of this session must send as ``csrf``; empty for who is not logged in."""
    return csrf_of(request.cookies[COOKIE]) if current_person() else ""


def with_csrf() -> bool:
    """Whether this request was made by a page of its own session."""
    sent = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
    return current_person() is not None and same(sent, csrf_token())


def guard() -> AnyResponse | None:
    """Refuse what the table of routes does not allow.

    Raises PersonError ``login_needed`` (401, for programs), ``not_allowed``, ``stale_form``,
    ``needs_https`` (403), ``too_fast`` (429).
    """
    endpoint = request.endpoint
    if endpoint is None:  # no such address: 404 or 405 as always
        return None
    _keep_pace(endpoint)
    roles = ROUTES.get(endpoint, frozenset())
    if (endpoint in SECRET or roles) and (instead := _over_https(endpoint)):
        return instead
    if roles is PUBLIC:
        return None
    if not roles:
        abort(404)
    ground()
    person = current_person()
    if person is None:
        return _ask_to_log_in()
    if person.role not in roles:
        raise PersonError("not_allowed", f"not for the role {person.role}")
    if request.method not in _SAFE and not with_csrf():
        raise PersonError("stale_form", "the form is not of this session")
    return None


def _keep_pace(endpoint: str) -> None:
    """Slow a telephone down that floods the queue; this machine itself is never too fast."""
    there = cast("Ground | None", current_app.extensions.get("ghalla_ground"))
    if there is None or request.method != "POST" or endpoint not in PHOTOS_IN:
        return
    address = plain_address(request.remote_addr)
    wait_s = 0 if is_loopback(address) else there.pace.wait_s(address)
    if wait_s:
        raise PersonError("too_fast", "too many uploads from this address", wait_s=wait_s)


def _over_https(endpoint: str) -> AnyResponse | None:
    """The way to https, for what a Wi-Fi must not overhear; None where nothing is to be done."""
    if request.is_secure or endpoint in FIRST_RUN or is_loopback(request.remote_addr):
        return None
    host = urlsplit(request.host_url).hostname or ""
    there = cast("Ground | None", current_app.extensions.get("ghalla_ground"))
    secure = secure_address(current_app, host, there.settings) if there else None
    if secure is None:
        return None
    if request.method not in _SAFE or request.path.startswith("/api/"):
        raise PersonError("needs_https", "not over plain http")
    return redirect(secure + request.full_path.rstrip("?"), 302)


def _ask_to_log_in() -> AnyResponse:
    if request.path.startswith("/api/"):
        raise PersonError("login_needed", "log in first")
    back = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("staff.login", next=back), 303)


def let_in(response: Response, token: str, *, tablet: bool = False) -> None:
    """Give the device its session, in place of any it had."""
    _set(response, COOKIE, token, _TABLET_S if tablet else None)


def know_device(response: Response, person: Person) -> None:
    """Let the device be known at the next login of that person."""
    _set(response, DEVICE_COOKIE, gate().remember_device(person.id), _TABLET_S)


def let_out(response: Response) -> None:
    """Take the session off the device."""
    response.delete_cookie(COOKIE, httponly=True, samesite="Strict", secure=request.is_secure)


def _set(response: Response, name: str, value: str, max_age: int | None) -> None:
    response.set_cookie(
        name, value, max_age=max_age, httponly=True, samesite="Strict", secure=request.is_secure
    )
