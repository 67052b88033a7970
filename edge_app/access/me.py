"""``GET /api/v1/me``: who a program is logged in as, and what its forms must send along."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from edge_app.access.guard import CSRF_HEADER, csrf_token, current_session, the_person

blueprint = Blueprint("me", __name__)


@blueprint.get("/api/v1/me")
def me() -> Response:
    """Id, name, role and language; ``csrf`` goes back in the header that ``csrf_header`` names."""
    person, session = the_person(), current_session()
    return jsonify(
        {
            "id": person.id,
            "name": person.name,
            "role": person.role,
            "lang": person.lang,
            "device": session.device if session else "",
            "csrf": csrf_token(),
            "csrf_header": CSRF_HEADER,
        }
    )
