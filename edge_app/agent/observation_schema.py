"""JSON Schemas of the bodies of observations, one a form: for programs that want to record too."""

from __future__ import annotations

from typing import Any

from field_data.forms import Form, Forms, Question, Type

Json = dict[str, Any]

_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_PLACE = {
    "type": "object",
    "required": ["lon", "lat"],
    "properties": {
        "lon": {"type": "number", "minimum": -180, "maximum": 180},
        "lat": {"type": "number", "minimum": -90, "maximum": 90},
        "accuracy_m": {"type": ["number", "null"], "minimum": 0},
    },
}


def observations(forms: Forms) -> dict[str, Json]:
    """``Observation`` and a schema ``Observation_<form>`` for each current form.

    They say what an answer looks like; which ones must be there depends on other answers, and a
    body of a form that the node does not have is kept, too.
    """
    each = {f"Observation_{form.id}": _body(form) for form in forms.current()}
    any_of = [{"$ref": f"#/components/schemas/{name}"} for name in each]
    return {**each, "Observation": {"anyOf": any_of}}


def _body(form: Form) -> Json:
    values = {q.id: _answer(q) for q in form.questions.values() if q.type is not Type.NOTE}
    return {
        "type": "object",
        "title": form.title.get("en", form.id),
        "required": ["form", "version", "values"],
        "properties": {
            "form": {"const": form.id},
            "version": {"const": form.version},
            "values": {"type": "object", "properties": values},
            "place": {"anyOf": [_PLACE, {"type": "null"}]},
        },
    }


def _answer(q: Question) -> Json:
    said = _shape(q)
    unit = f" ({q.unit})" if q.unit else ""
    return {**said, "description": f"{q.label.get('en', q.id)}{unit}"}


def _shape(q: Question) -> Json:
    low, high = q.range
    bounds = {k: v for k, v in (("minimum", low), ("maximum", high)) if v is not None}
    keys = [choice.key for choice in q.choices]
    match q.type:
        case Type.INTEGER | Type.COUNT:
            return {"type": "integer", **bounds}
        case Type.DECIMAL | Type.CALCULATED:
            return {"type": "number", **bounds}
        case Type.BOOLEAN:
            return {"type": "boolean"}
        case Type.DATE:
            return {"type": "string", "format": "date"}
        case Type.CHOICE:
            return {"type": "string", "enum": keys}
        case Type.MULTI:
            return {"type": "array", "items": {"type": "string", "enum": keys}}
        case Type.PHOTO:
            return {"type": "array", "items": _SHA256, "maxItems": int(high or 12)}
        case Type.PLACE:
            return _PLACE
        case Type.TEXT:
            return {"type": "string", "maxLength": q.max_chars}
    return {"type": "string"}
