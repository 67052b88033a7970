"""Every refusal and failure as a page in the phone's language, or as JSON for a program."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask, Response, current_app, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from edge_app import bundle_words, review_words, sky_words, yield_staff_words
from edge_app.access import words as access_words
from edge_app.farmer import words
from edge_app.i18n import without_markup
from field_data.errors import BusyError, GhallaError, PersonError

STATUSES = {
    "photo_too_large": 413,
    "unknown_diagnosis": 404,
    "login_needed": 401,
    "wrong_login": 401,
    "not_allowed": 403,
    "stale_form": 403,
    "unknown_person": 404,
    "unknown_field": 404,
    "unknown_season": 404,
    "login_paused": 429,
    "too_fast": 429,
    "needs_https": 403,
    "being_set_up": 409,
    "only_near": 403,
    "not_a_reviewer": 403,
    "reviewed_by_you": 409,
    "reviewed_enough": 409,
}
ERRORS = (
    words.ERRORS
    | access_words.ERRORS
    | review_words.ERRORS
    | sky_words.ERRORS
    | bundle_words.ERRORS
    | yield_staff_words.ERRORS
)
_CODES = {403: "cross_site", 404: "not_found", 413: "too_large"}


def init_problems(app: Flask) -> None:
    """Catch everything that a request of ``app`` can raise."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(GhallaError, refusal)
    app.register_error_handler(Exception, _unexpected)


def status_of(error: GhallaError) -> int:
    """A status of the 400s for what the person can mend, else 503."""
    return STATUSES.get(error.code, 400) if isinstance(error, PersonError) else 503


def refusal(error: GhallaError) -> Response:
    """The page or JSON for ``error``; a busy node says when to come back."""
    if not isinstance(error, PersonError | BusyError):
        current_app.logger.error("%s: %s", error.code, error)
    wait = error.retry_after_s if isinstance(error, BusyError) else error.details.get("wait_s")
    wait = wait if isinstance(wait, int) else None
    code = error.code if error.code in ERRORS else "keeper"
    response = _say(status_of(error), code, wait)
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        return make_response(error.get_response())
    code = _CODES.get(status, "bad_request" if status < 500 else "internal")
    response = _say(status, code)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response


def _unexpected(error: Exception) -> Response:
    current_app.logger.exception("unexpected error")
    return _say(500, "internal")


def sentence(error: GhallaError) -> str:
    """What to tell the phone; a code we have no words for is the keeper's business."""
    return str(ERRORS.get(error.code, ERRORS["keeper"]))


def _say(status: int, code: str, wait_s: int | None = None) -> Response:
    sentence = str(ERRORS[code])
    if request.path.startswith("/api/"):
        return problem(status, code, sentence)
    page = render_template("problem.html", code=code, sentence=sentence, wait_s=wait_s)
    return make_response(page, status)


def problem(
    status: int, code: str, title: str, details: Mapping[str, object] | None = None
) -> Response:
    """RFC 9457 problem details: ``code`` is stable, ``title`` for people, ``problems`` what is
    wrong where.  ``error`` and ``message`` repeat two of them for older programs.
    """
    title = without_markup(title)
    said = {
        "type": f"urn:ghalla:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "problems": dict(details or {}).get("problems", []),
        "details": {key: value for key, value in (details or {}).items() if key != "problems"},
        "error": code,
        "message": title,
    }
    response = make_response(jsonify(said), status)
    response.mimetype = "application/problem+json"
    return response
