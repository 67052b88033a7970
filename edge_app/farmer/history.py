"""The last diagnoses of this phone: their ids live in its cookie and nowhere else."""

from __future__ import annotations

import re

from flask import request
from werkzeug.wrappers import Response

COOKIE = "history"
# As many as fit into a cookie: who kept fewer could not erase the others.
KEPT = 120
_YEAR_S = 365 * 24 * 3600
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


def remembered() -> list[str]:
    """The ids in the cookie, newest first; whatever else it holds is ignored."""
    ids = request.cookies.get(COOKIE, "").split(".")
    return [id for id in ids if _ID.fullmatch(id)][:KEPT]


def remember(response: Response, id: str) -> None:
    """Put ``id`` in front; the oldest beyond KEPT falls out."""
    _write(response, [id, *(old for old in remembered() if old != id)][:KEPT])


def drop(response: Response, ids: list[str]) -> None:
    """Take ``ids`` out."""
    _write(response, [old for old in remembered() if old not in ids])


def _write(response: Response, ids: list[str]) -> None:
    if not ids:
        response.delete_cookie(COOKIE, httponly=True, samesite="Lax")
        return
    response.set_cookie(COOKIE, ".".join(ids), max_age=_YEAR_S, httponly=True, samesite="Lax")
