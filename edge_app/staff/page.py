"""One way to answer with a staff page."""

from __future__ import annotations

from flask import Response, make_response, render_template

from edge_app.farmer import problems
from field_data.errors import BusyError, GhallaError


def page(template: str, error: GhallaError | None = None, **values: object) -> Response:
    """A page, with what went wrong in words and as its status."""
    wait_s = error.details.get("wait_s") if error else None
    if isinstance(error, BusyError):
        wait_s = error.retry_after_s
    said = problems.sentence(error) if error else None
    text = render_template(template, sentence=said, wait_s=wait_s, **values)
    response = make_response(text, problems.status_of(error) if error else 200)
    if wait_s:
        response.headers["Retry-After"] = str(wait_s)
    return response
