"""Pairing a tablet: a page with a code and its picture, and the page that the tablet opens."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, make_response, redirect, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from edge_app.access.guard import gate, ground, let_in, must_know, the_person
from edge_app.access.limits import PAIRING_S, ROLES_WITH_TABLET
from edge_app.https import secure_address, tls_files
from edge_app.staff.blueprint import blueprint as staff
from edge_app.staff.page import page
from edge_app.staff.qr import qr
from field_data.errors import BusyError, PersonError
from field_data.people import Person, Role

blueprint = Blueprint("pairing", __name__)
# The tablets' app; its first page, once a tablet is paired.
APP = "/agent/"


@staff.route("/pair", methods=["GET", "POST"])
def pair() -> AnyResponse:
    """Choose for whom (agents: for themselves), then show the code."""
    if request.method == "GET":
        return page("staff/pair.html", choice=_choice())
    person = next((each for each in _choice() if each.id == request.form.get("person")), None)
    try:
        if person is None:
            raise PersonError("unknown_person")
        must_know(request.form.get("own", ""))
        code = gate().pairing_code(the_person().id, person)
    except (PersonError, BusyError) as error:
        return page("staff/pair.html", error, choice=_choice())
    link = _tablet_address() + url_for("pairing.tablet", code=code, lang=person.lang)
    minutes = round(PAIRING_S / 60)
    return page(
        "staff/pair_code.html",
        one=person,
        code=code,
        link=link,
        picture=qr(link),
        minutes=minutes,
        trust=_trust_address(person),
    )


def _choice() -> list[Person]:
    """Whom this person may pair a tablet for."""
    me = the_person()
    if me.role is not Role.KEEPER:
        return [me]
    people = ground().people.all()
    return [each for each in people if each.active and each.role in ROLES_WITH_TABLET]


def _trust_address(person: Person) -> str | None:
    """The page, over plain http, that helps a tablet to trust this node; None without https."""
    if tls_files(current_app) is None:
        return None
    host = urlsplit(request.host_url).hostname or ""
    plain = request.host_url if not request.is_secure else f"http://{host}:{ground().settings.port}"
    return plain.rstrip("/") + url_for("staff.trust", lang=person.lang)


def _tablet_address() -> str:
    """Where tablets reach this node: over https where it is served, else as this page was."""
    settings = ground().settings
    host = urlsplit(request.host_url).hostname or ""
    secure = secure_address(current_app, host, settings)
    return secure or (settings.tablet_url or request.host_url).rstrip("/")


@staff.get("/tablet")
def trust() -> AnyResponse:
    """How a device comes to trust this node, before it is paired; its own way is open."""
    from edge_app.tls_keys import fingerprint

    files = tls_files(current_app)
    return page(
        "staff/trust.html",
        fingerprint=fingerprint(files) if files else None,
        system=_system(request.user_agent.string),
        secure=_tablet_address() + url_for("staff.trust"),
    )


def _system(agent: str) -> str:
    """Which steps are for this browser; newer ones call every Android 10, so that tells nothing."""
    if "Firefox" in agent:
        return "firefox"
    old = re.search(r"Android ([4-9])\b", agent)
    systems = {"Samsung": "samsung", "Android": "old" if old else "android", "iPhone": "ios",
               "iPad": "ios", "Windows": "windows"}  # fmt: skip
    return next((system for name, system in systems.items() if name in agent), "android")


@blueprint.get("/ghalla-ca.crt")
def authority() -> AnyResponse:
    """The certificate that tablets install; public, as every certificate is."""
    files = tls_files(current_app)
    if files is None:
        abort(404)
    response = make_response(files.ca.read_bytes())
    response.mimetype = "application/x-x509-ca-cert"
    response.headers["Content-Disposition"] = 'attachment; filename="ghalla-ca.crt"'
    return response


@blueprint.route("/agent/pair", methods=["GET", "POST"])
def tablet() -> AnyResponse:
    """What the tablet opens: asks before the code is used up, since cameras look ahead."""
    ground()
    code = request.values.get("code", "")
    person = gate().pairing_of(code) if code else None
    if request.method == "GET":
        error = PersonError("bad_code") if code and person is None else None
        return page("staff/tablet.html", error, one=person, code=code)
    try:
        _, token = gate().pair(code, request.form.get("device", "").strip())
    except PersonError as error:
        return page("staff/tablet.html", error, one=None, code=code)
    response = make_response(redirect(APP if _there(APP) else url_for("staff.home"), 303))
    let_in(response, token, tablet=True)
    return response


def _there(path: str) -> bool:
    try:
        return bool(current_app.url_map.bind(urlsplit(request.host_url).netloc).match(path))
    except HTTPException:
        return False
