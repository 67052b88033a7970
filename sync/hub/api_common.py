"""What the addresses for programs share: parameters, refusals, links."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, json, jsonify, request
from werkzeug.exceptions import HTTPException

from field_data.errors import GhallaError, NetworkError, PersonError
from sync.hub.export_query import What, bad, filters
from sync.hub.people_web import must_be_known

GEOJSON = "application/geo+json"


def guarded(blueprint: Blueprint) -> None:
    """Nobody unknown comes in, and every refusal is JSON with a code and a reason."""
    blueprint.before_request(_known)
    blueprint.after_request(_not_kept)
    blueprint.register_error_handler(GhallaError, _refused)
    blueprint.register_error_handler(HTTPException, _http)


def _known() -> None:
    must_be_known()


def _not_kept(response: Response) -> Response:
    """No cache keeps what an erasure could then not reach."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _refused(error: GhallaError) -> tuple[Response, int]:
    status = (
        400 if isinstance(error, PersonError) else 503 if isinstance(error, NetworkError) else 500
    )
    answer = problem(error.code, str(error))
    if status == 503:
        answer.headers["Retry-After"] = "60"
    return answer, status


def _http(error: HTTPException) -> Response | tuple[Response, int]:
    if error.response is not None:  # a challenge: 401
        return error.response  # type: ignore[return-value]
    return problem(error.name.lower().replace(" ", "_"), error.description or ""), error.code or 500


def problem(code: str, description: str) -> Response:
    """The exception document of OGC API – Common."""
    return jsonify({"code": code, "description": description})


def what_of(name: str) -> What | None:
    """The table of that name, None for no such."""
    return next((each for each in What if each == name), None)


def parameters(known: Collection[str]) -> dict[str, str]:
    """The parameters of the request.

    Raises:
        PersonError: ``bad_parameter`` for one that is unknown here or given twice.
    """
    given = request.args.to_dict(flat=False)
    strange = sorted(given.keys() - {*known, "f"})
    if strange:
        raise bad(
            f"unknown here: {', '.join(strange)[:200]}; known are: {', '.join(sorted(known))}"
        )
    twice = sorted(key for key, values in given.items() if len(values) > 1)
    if twice:
        raise bad(f"given twice: {', '.join(twice)}")
    if given.get("f", ["json"])[0] not in ("json", "geojson"):
        raise bad("f is json: there is no other form here")
    return {key: values[0] for key, values in given.items()}


def asked_of(what: What, *more: str) -> dict[str, str]:
    """The parameters that choose rows of a table, and ``more``."""
    return parameters({*filters(what), "bbox", "datetime", *more})


def address(path: str, query: Mapping[str, Any] | None = None) -> str:
    """An absolute address of this hub."""
    tail = urlencode({k: v for k, v in (query or {}).items() if v not in (None, "")})
    return f"{request.url_root.rstrip('/')}{path}" + (f"?{tail}" if tail else "")


def as_json(plain: Any, mimetype: str = "application/json") -> Response:
    """JSON under another type than its own."""
    return Response(json.dumps(plain), mimetype=mimetype)
