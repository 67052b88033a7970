"""What may stand in a record: plain JSON, not too deep and not too large."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from field_data.errors import PersonError

MAX_DEPTH = 16
MAX_BYTES = 256 * 1024


def plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as JSON gives it back: tuples become lists, keys become text.

    Raises:
        PersonError: ``too_deep`` for more than `MAX_DEPTH` levels of braces and brackets,
            ``too_large`` for more than `MAX_BYTES` of JSON, ``not_json`` for what JSON cannot say
            (NaN and infinity among it).
    """
    _refuse_depth(record, MAX_DEPTH)
    try:
        text = json.dumps(record, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PersonError("not_json", f"the record is not plain JSON: {error}") from error
    if len(text) > MAX_BYTES:
        message = f"the record has {len(text)} bytes, {MAX_BYTES} are allowed"
        raise PersonError("too_large", message, bytes=len(text), allowed=MAX_BYTES)
    return cast(dict[str, Any], json.loads(text))


def _refuse_depth(value: object, levels: int) -> None:
    if not isinstance(value, (Mapping, list, tuple)):
        return
    if not levels:
        raise PersonError("too_deep", f"more than {MAX_DEPTH} levels", allowed=MAX_DEPTH)
    for inner in value.values() if isinstance(value, Mapping) else value:
        _refuse_depth(inner, levels - 1)
