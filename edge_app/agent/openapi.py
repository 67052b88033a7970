"""The HTTP API as an OpenAPI 3.1 document, made from what enforces it: forms, kinds, limits."""

from __future__ import annotations

from typing import Any

from edge_app.agent.drafts import MAX_PHOTOS, MAX_UTC_S, TABLET_KINDS, TABLET_TRUSTS
from edge_app.agent.intake import MAX_PHOTO_BYTES
from edge_app.agent.observation_schema import observations
from edge_app.farmer.words import TRAPS
from edge_app.languages import LANGS
from field_data.forms import Forms
from field_data.types import Trust

Json = dict[str, Any]

_ID = {"type": "string", "pattern": "^[a-z2-7]{26}$"}
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_SEQ = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
_REFUSED = {
    400: "Not understood.",
    401: "Nobody is logged in.",
    403: "Not for this role, not of this session, or another person's record.",
    404: "Not here.",
    406: "No answer in that format.",
    409: "The id is taken by another record; both are kept.",
    413: "Larger than is read.",
    415: "A body of a kind that is not read.",
    422: "Cannot be kept as it is: `problems` says what to mend.",
    429: "Too many from this address: come back after `Retry-After`.",
    503: "Come back after `Retry-After`, or the keeper must act (disk full …).",
}


def document(forms: Forms) -> Json:
    """The whole document; observations are described by the current forms."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ghalla node",
            "version": "1",
            "summary": "Diagnoses for programs, and all that the agents' tablets use.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "ghalla_session"},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-Ghalla-CSRF"},
            },
            "schemas": _schemas(forms),
        },
    }


def _paths() -> Json:
    return {
        "/api/v1/me": {"get": _get("Who is logged in, and the token that changes need.", "Me")},
        "/api/v1/node": {"get": _get("Which node this is and what time it has.", "Node")},
        "/api/v1/forms": {"get": _get("The newest version of every form.", "Forms", tag=True)},
        "/api/v1/vocabulary": {"get": _get("Crops and conditions.", "Vocabulary", tag=True)},
        "/api/v1/land": {"get": _get("Farms, fields and seasons.", "Land", 403, tag=True)},
        "/api/v1/consents": {"get": _get("What is read to farmers.", "Consents", 403, tag=True)},
        "/api/v1/sky": {"get": _get("The newest map from above.", "Sky", 403, tag=True)},
        "/api/v1/photos/{sha256}": _photos(),
        "/api/v1/events/{id}": {"put": _put_event()},
        "/api/v1/events": {"get": _events()},
        "/api/v1/import": {"post": _import()},
        "/api/v1/count": {"post": _count()},
        "/api/v1/diagnose": {"post": _diagnose()},
        "/health": {"get": _get("How every part of the node is.", "Health", public=True)},
    }


def _get(summary: str, schema: str, *refused: int, tag: bool = False, public: bool = False) -> Json:
    answers = _answers(schema, *refused, *([] if public else [400, 401]))
    if tag:
        answers["304"] = {"description": "What the sender has (`If-None-Match`) is the newest."}
    said = {"summary": summary, "parameters": [] if public else [_LANG], "responses": answers}
    return said if public else {**said, "security": [{"session": []}]}


def _change(summary: str, body: Json, schema: str, *refused: int, kind: str) -> Json:
    return {
        "summary": summary,
        "security": [{"session": [], "csrf": []}],
        "parameters": [_LANG],
        "requestBody": {"required": True, "content": {kind: {"schema": body}}},
        "responses": _answers(schema, 400, 401, 403, 413, 422, 503, *refused),
    }


def _answers(schema: str, *refused: int) -> Json:
    content = {"application/json": {"schema": _ref(schema)}}
    good = {"200": {"description": "Done.", "content": content}}
    problem = {"application/problem+json": {"schema": _ref("Problem")}}
    bad = {str(c): {"description": _REFUSED[c], "content": problem} for c in sorted({*refused})}
    return good | bad


def _photos() -> Json:
    jpeg = {"type": "string", "format": "binary", "maxLength": MAX_PHOTO_BYTES}
    put = _change("Keep a JPEG without metadata.", jpeg, "PhotoKept", 404, kind="image/jpeg")
    get = _get("A kept photo.", "PhotoKept", 403, 404, 422)
    get["responses"]["200"]["content"] = {"image/jpeg": {"schema": {"type": "string"}}}
    return {"parameters": [_in_path("sha256", _SHA256)], "put": put, "get": get}


def _put_event() -> Json:
    body = _ref("Draft")
    said = _change("Keep one record.", body, "Receipt", 404, 409, kind="application/json")
    return {**said, "parameters": [_in_path("id", _ID), _LANG]}


def _events() -> Json:
    said = _get("Records in order.", "Events", 403)
    mine = {"type": "integer", "enum": [0, 1]}
    said["parameters"] = [_LANG, _in_query("after", _SEQ), _in_query("mine", mine)]
    return said


def _import() -> Json:
    text = {"type": "string", "description": "JSON Lines, see docs/tablet.md"}
    return _change("Keep what is in a tablet's file.", text, "Imported", kind="text/plain")


def _count() -> Json:
    photo = {"type": "string", "format": "binary"}
    said = _change("Count insects on a trap.", photo, "Count", kind="image/jpeg")
    trap = _in_query("trap", {"type": "string", "enum": list(TRAPS)})
    return {**said, "parameters": [_LANG, trap]}


def _diagnose() -> Json:
    photo = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {"photo": {"type": "array", "items": photo}}}
    content = {"image/jpeg": {"schema": photo}, "multipart/form-data": {"schema": form}}
    said = {
        "summary": "One plant in one to six photos; the answer with its candidates.",
        "parameters": [
            _LANG,
            _in_query("crop", {"type": "string"}),
            _in_query("keep", {"type": "string", "enum": ["1"]}),
        ],
        "requestBody": {"required": True, "content": content},
        "responses": _answers("Diagnosis", 400, 403, 413, 429, 503),
    }
    return said


def _in_path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema}


_LANG = _in_query("lang", {"type": "string", "enum": list(LANGS), "description": "Of sentences."})


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: Json, optional: Json | None = None, *, open: bool = False) -> Json:
    return {
        "type": "object",
        "required": sorted(required),
        "properties": required | (optional or {}),
        "additionalProperties": open,
    }


def _schemas(forms: Forms) -> Json:
    text, many = {"type": "string"}, {"type": "array", "items": {"type": "object"}}
    number = {"type": ["integer", "null"]}
    trusts = {"type": "string", "enum": [str(trust) for trust in Trust]}
    instant = _object({"utc_s": {"type": "number"}, "trust": trusts})
    states = {"type": "string", "enum": ["node", "hub", "erased"]}
    kept = {"seq": _SEQ, "node": _ID, "state": states}
    return {
        "Me": _object({"id": text, "name": text, "role": text, "lang": text, "device": text,
                       "csrf": text, "csrf_header": text}),
        "Node": _object({"id": _ID, "time": instant}),
        "Forms": _object({"forms": many}),
        "Vocabulary": _object({"crops": many}),
        "Land": _object({"farms": many, "fields": many, "seasons": many}),
        "Consents": _consents(),
        "Sky": _sky(),
        "PhotoKept": _object({"sha256": _SHA256, "bytes": {"type": "integer"},
                              "replayed": {"type": "boolean"}}),
        "Draft": _draft(),
        "Receipt": _object({"id": _ID, **kept, "replayed": {"type": "boolean"}, "warnings": many}),
        "Event": _object({**_said(), **kept, "received": instant, "at": instant}),
        "Events": _object({"events": {"type": "array", "items": _ref("Event")},
                           "erased": {"type": "array", "items": _ID}, "next": _SEQ,
                           "more": {"type": "boolean"}}),
        "Imported": _object({"items": many, "refused": {"type": "integer"}}),
        "Diagnosis": _object({"status": text, "crop": {}, "candidates": many}, open=True),
        "Count": _object({"trap": text, "status": text, "count": number}, open=True),
        "Health": _object({"ok": {"type": "boolean"}, "parts": many}),
        "Problem": _object({"type": text, "title": text, "status": {"type": "integer"},
                            "code": text, "problems": many, "details": {"type": "object"}},
                           {"error": text, "message": text}),
        **observations(forms),
    }  # fmt: skip


# A text: language -> words.
_WORDS: Json = {"type": "object", "additionalProperties": {"type": "string"}}


def _consents() -> Json:
    one = _object({"purpose": {"type": "string"}, "title": _WORDS, "text": _WORDS})
    purposes = {"type": "array", "items": one}
    return _object({"wording": {"type": "string"}, "purposes": purposes, "promise": _WORDS})


def _sky() -> Json:
    text, number = {"type": "string"}, {"type": "number"}
    day = {"type": ["string", "null"], "description": "The newest; null: there is no picture."}
    tiles = {"type": "string", "description": "Address with {z}, {x}, {y} (EPSG:3857), or empty."}
    colours = {"type": "array", "items": {"type": "string", "pattern": "^#[0-9a-f]{6}$"}}
    legend = _object({"low": number, "high": number, "colours": colours})
    told = {"title": _WORDS, "clouds": _WORDS, "source": _WORDS}
    return _object({"index": text, "day": day, "tiles": tiles, "legend": legend, **told})


def _said() -> Json:
    kinds = {"type": "string", "enum": [str(kind) for kind in TABLET_KINDS]}
    photos = {"type": "array", "items": _SHA256, "maxItems": MAX_PHOTOS, "uniqueItems": True}
    subject = {"type": "string", "pattern": "^([a-z2-7]{26})?$"}
    return {
        "id": _ID,
        "kind": kinds,
        "subject": subject,
        "author": _ID,
        "body": {"type": "object"},
        "photos": photos,
        "supersedes": {"anyOf": [_ID, {"type": "null"}]},
    }


def _draft() -> Json:
    said = _said()
    later = {name: said.pop(name) for name in ("photos", "supersedes")}
    moment = {"type": "number", "minimum": -MAX_UTC_S, "maximum": MAX_UTC_S}
    trusts = {"type": "string", "enum": [str(trust) for trust in TABLET_TRUSTS]}
    said["at"] = _object({"utc_s": moment, "trust": trusts})
    said["body"] = {"anyOf": [_ref("Observation"), {"type": "object"}]}
    return _object(said, later)
