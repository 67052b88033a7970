"""JSON from outside: weighed before it is read, and refused when it is not plain and finite."""

from __future__ import annotations

import json
import math
import re
from typing import Any, BinaryIO, NoReturn

from field_data.errors import PersonError

MAX_DEPTH = 24
_CHUNK = 64 * 1024
# Inside a string brackets mean nothing; an unfinished string reaches to the end.  Possessive, so
# that it never goes back: a line of backslashes would cost an hour, a photo half a gigabyte.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_MAX_INTEGER = 2**53 - 1


def read_body(stream: BinaryIO, declared: int | None, limit: int) -> bytes:
    """At most ``limit`` bytes of ``stream``; what says that it is longer is not read at all.

    Raises:
        PersonError: ``too_large``.
    """
    if declared is not None and declared > limit:
        raise PersonError("too_large", limit=limit)
    data = bytearray()
    while chunk := stream.read(min(_CHUNK, limit + 1 - len(data))):
        data += chunk
        if len(data) > limit:
            raise PersonError("too_large", limit=limit)
    return bytes(data)


def parse(data: bytes) -> Any:
    """The value of one JSON text (RFC 8259): no deep nesting, no double key, no number that is
    infinite or beyond 2^53, no text that is not Unicode.

    Raises:
        PersonError: ``bad_json``.
    """
    if _depth(data) > MAX_DEPTH:
        raise PersonError("bad_json", "nested too deep", depth=MAX_DEPTH)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_no_constant,
        )
        # A lone surrogate is a JSON escape but no text: no store would take it.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise PersonError("bad_json", f"not JSON that can be kept: {error}") from error
    return value


def _depth(data: bytes) -> int:
    """How deep the brackets nest, without building anything."""
    depth = deepest = 0
    for bracket in _BRACKETS.finditer(_STRING.sub(b"", data)):
        depth += 1 if bracket.group() in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > _MAX_INTEGER:
        raise ValueError("a number beyond 2^53")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number beyond all measure")
    return value


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
