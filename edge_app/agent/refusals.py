"""What the tablets' API says when it refuses: RFC 9457 problem details in the person's language."""

from __future__ import annotations

from flask import Blueprint, Response

from edge_app.agent.words import RECORD_REFUSED, REFUSALS
from edge_app.farmer import problems
from field_data.errors import GhallaError, PersonError

STATUSES = problems.STATUSES | {
    "id_taken": 409,
    "not_yours": 403,
    "too_large": 413,
    "photo_too_large": 413,
    "bad_json": 400,
    "bad_query": 400,
    "unknown_lang": 400,
    "unknown_trap": 400,
    "not_an_export": 400,
}
_OTHERWISE = 422


def init_refusals(blueprint: Blueprint) -> None:
    """Let the routes of ``blueprint`` refuse what people can mend in their own words."""
    blueprint.register_error_handler(PersonError, _refused)


def _refused(error: GhallaError) -> Response:
    words = REFUSALS.get(error.code) or problems.ERRORS.get(error.code, RECORD_REFUSED)
    status = STATUSES.get(error.code, _OTHERWISE)
    return problems.problem(status, error.code, str(words), error.details)
