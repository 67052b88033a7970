"""The OpenAPI 3.0 document of the OGC API, made from what it serves."""

from __future__ import annotations

from typing import Any

from sync.hub.export_query import MOST, What, filters

_CORE = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf"
CONFORMANCE = (f"{_CORE}/core", f"{_CORE}/oas30", f"{_CORE}/geojson")
_JSON = "application/json"


def openapi(server: str) -> dict[str, Any]:
    """The document for the API at ``server``."""
    paths: dict[str, Any] = {
        "/": _get("landing", "Where everything is"),
        "/conformance": _get("conformance", "Which requirements are met"),
        "/api": _get("api", "This document"),
        "/collections": _get("collections", "All collections"),
    }
    for what in What:
        base = f"/collections/{what}"
        paths[base] = _get(f"{what}", f"The collection {what}")
        paths[f"{base}/items"] = _items(what)
        one = _get(f"{what}_one", f"One feature of {what}", "application/geo+json", "404")
        one["get"]["parameters"] = [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
        ]
        paths[f"{base}/items/{{id}}"] = one
    return {
        "openapi": "3.0.3",
        "info": {"title": "Ghalla hub", "version": "1.0.0",
                 "description": "OGC API – Features of a Ghalla hub"},
        "servers": [{"url": server}],
        "security": [{"token": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic",
                          "description": "Any name; the token is the password"},
            },
            "schemas": {
                "exception": {
                    "type": "object",
                    "required": ["code"],
                    "properties": {"code": {"type": "string"}, "description": {"type": "string"}},
                }
            },
        },
    }  # fmt: skip


def _get(id: str, summary: str, type: str = _JSON, *more: str) -> dict[str, Any]:
    exception = {_JSON: {"schema": {"$ref": "#/components/schemas/exception"}}}
    refusal = {"description": "refused, with the reason", "content": exception}
    found = {type: {"schema": {"type": "object"}}}
    answers: dict[str, Any] = {"200": {"description": summary, "content": found}}
    answers |= dict.fromkeys(("400", "401", *more), refusal)
    return {"get": {"operationId": id, "summary": summary, "responses": answers}}


def _items(what: What) -> dict[str, Any]:
    made = _get(f"{what}_items", f"Features of {what}", "application/geo+json")
    texts = [_query(name, {"type": "string", "maxLength": 80}, "equal to")
             for name in sorted(filters(what))]  # fmt: skip
    numbers = {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}
    box = _query("bbox", numbers, "west,south,east,north in degrees")
    made["get"]["parameters"] = [
        box | {"style": "form", "explode": False},
        _query("datetime", {"type": "string"}, "a moment, a day, or an interval a/b"),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 100},
               "how many at once"),
        _query("after", {"type": "string"}, "of a next link"),
        *texts,
    ]  # fmt: skip
    return made


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema,
            "description": description}  # fmt: skip
