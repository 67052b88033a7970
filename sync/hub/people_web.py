"""Who asks: a browser's session or a program's token; and what a form must carry."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import cast

from flask import Flask, Response, abort, current_app, g, request, session
from flask.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import Unauthorized

from sync.hub.app import hub_of
from sync.hub.people import HubPerson, People
from sync.hub.people_grants import Role

_SESSION_S = 12 * 3600.0
_COOKIE = "ghalla_hub_session"
_NAME = "ghalla_people"


class _Sessions(SecureCookieSessionInterface):
    """Cookies that go over https only, where the hub is reached by https."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person who asks; ``by_token``: a program, which has no session."""

    person: HubPerson
    by_token: bool


def init_people(app: Flask) -> None:
    """Let the people of the hub of ``app`` in."""
    hub = hub_of(app)
    app.extensions[_NAME] = People(hub.database)
    # All processes of a hub read one another's sessions; the signing key itself signs none.
    secret = hub.identity.key.sign(b"ghalla hub sessions 1")
    app.session_interface = _Sessions()
    app.secret_key = hashlib.sha256(secret).digest()
    app.config.update(
        SESSION_COOKIE_NAME=_COOKIE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )


def people() -> People:
    """The people of the hub that serves the present request."""
    return cast(People, current_app.extensions[_NAME])


def let_in(person: HubPerson) -> None:
    """Begin a session; whatever the cookie held before is gone."""
    session.clear()
    session.update(
        person=person.id,
        mark=person.mark,
        at=time.time(),
        form=secrets.token_hex(16),
        id=secrets.token_hex(16),
    )


def let_out() -> None:
    """End the session, also for who copied its cookie."""
    id, at = session.get("id"), session.get("at")
    if isinstance(id, str) and isinstance(at, float):
        people().end_session(id, at + _SESSION_S)
    session.clear()


def viewer() -> Viewer | None:
    """Who asks, None for a stranger; looked up once a request."""
    if "viewer" not in g:
        g.viewer = _by_token() if request.headers.get("Authorization") else _by_session()
    return cast("Viewer | None", g.viewer)


def _by_token() -> Viewer | None:
    """``Bearer TOKEN``, or ``Basic`` with the token as password: all that GIS programs offer."""
    given = request.authorization
    if given is None:
        return None
    token = given.token if given.type == "bearer" else given.password
    person = people().of_token(token) if token and len(token) < 200 else None
    return Viewer(person, True) if person else None


def _by_session() -> Viewer | None:
    at, id, mark = session.get("at"), session.get("person"), session.get("mark")
    if not isinstance(at, float) or not 0 <= time.time() - at < _SESSION_S or not id:
        return None
    name = session.get("id")
    if not isinstance(name, str) or people().has_ended(name):
        return None
    person = people().by_id(id)
    if person is None or not hmac.compare_digest(person.mark, str(mark)):
        return None
    return Viewer(person, False)


def must_be_known(least: Role = Role.READER) -> HubPerson:
    """The person who asks; 401 for strangers, 403 for who has no grant that allows so much.

    A person without any grant is let in as a reader, and sees nothing.
    """
    found = viewer()
    if found is None:
        challenge = Response("log in, or send a token\n", 401, mimetype="text/plain")
        challenge.headers["WWW-Authenticate"] = 'Basic realm="Ghalla hub", charset="UTF-8"'
        raise Unauthorized(response=challenge)
    if least is not Role.READER and not found.person.may(least):
        abort(403)
    return found.person


def form_token() -> str:
    """What every form of this session carries; strangers' forms get one too."""
    if "form" not in session:
        session["form"] = secrets.token_hex(16)
    return str(session["form"])


def must_be_own_form() -> None:
    """Refuse a form that another site made this browser send."""
    sent, kept = request.form.get("form_token", ""), str(session.get("form", ""))
    if not kept or not hmac.compare_digest(sent.encode(), kept.encode()):
        abort(400, "this form is too old: open the page again")
