"""Refusals of the API as RFC 9457 problem details, with a sentence in the person's language."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

MIMETYPE = "application/problem+json"


def problem(status: int, code: str, title: str, **details: object) -> Response:
    """``code`` is stable, ``title`` is for people; ``problems`` lists what is wrong where.

    ``error`` and ``message`` say the same once more, for programs written before problem details.
    """
    said: dict[str, Any] = {
        "type": f"urn:ghalla:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "details": {key: value for key, value in details.items() if key != "problems"},
        "problems": details.get("problems", []),
        "error": code,
        "message": title,
    }
    response = jsonify(said)
    response.status_code = status
    response.mimetype = MIMETYPE
    return response
