"""The fields whose links were opened on this phone: the home page leads back to them."""

from __future__ import annotations

import re

from flask import Response, request

from edge_app.ground import Ground
from field_data.types import Field

COOKIE = "fields"
MOST = 6
_YEAR_S = 365 * 24 * 3600
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


def remembered() -> list[str]:
    """The tokens that this phone brings, the last opened first."""
    said = request.cookies.get(COOKIE, "").split(".")
    return [token for token in said if _TOKEN.fullmatch(token)][:MOST]


def remember(response: Response, token: str) -> None:
    """Keep a link on this phone."""
    kept = [token, *(each for each in remembered() if each != token)][:MOST]
    if kept != remembered():
        response.set_cookie(COOKIE, ".".join(kept), max_age=_YEAR_S, httponly=True, samesite="Lax")


def mine(ground: Ground) -> list[tuple[str, Field]]:
    """Those that still lead somewhere."""
    known = ((token, ground.links.field(token)) for token in remembered())
    found = ((token, ground.registry.field(id)) for token, id in known if id)
    return [(token, field) for token, field in found if field is not None]
