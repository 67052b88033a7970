"""Which keys a form's tables have, and what each may hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from field_data.forms.definition import CHOSEN, LANGS, NUMBERS, Type

MAX_WIRE = 65_535
MAX_VERSION = 2**31 - 1
_NEEDED = frozenset(LANGS) - {"zgh"}
_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
_KEY = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_RESERVED = frozenset({"and", "or", "not", "in", "true", "false", "none"})
FILLERS = ("trap_counter",)

_Test = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    """A text with nothing to trim."""
    return isinstance(value, str) and bool(value.strip()) and value == value.strip()


def _is_texts(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) >= _NEEDED
        and set(value) <= set(LANGS)
        and all(map(is_text, value.values()))
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value)) and value not in _RESERVED


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def _is_whole(low: int, high: int) -> _Test:
    return lambda value: type(value) is int and low <= value <= high


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_range(value: Any) -> bool:
    """Two numbers, lower first; ``""`` stands for an open end."""
    if not isinstance(value, list) or len(value) != 2 or value == ["", ""]:
        return False
    ends = [end for end in value if end != ""]
    return all(map(_is_number, ends)) and ends == sorted(ends)


def is_bool(value: Any) -> bool:
    """True or false."""
    return isinstance(value, bool)


def is_list(value: Any) -> bool:
    """A list with something in it."""
    return isinstance(value, list) and bool(value)


def _is_words(value: Any) -> bool:
    return is_list(value) and all(map(is_text, value))


Shape = Mapping[str, _Test]
FORM: Shape = {"id": _is_id, "version": _is_whole(1, MAX_VERSION), "title": _is_texts}
FORM_MORE: Shape = {
    "section": is_list,
    "check": is_list,
    "sources": _is_words,
    "choices": lambda value: isinstance(value, dict),
}
SECTION: Shape = {"id": _is_id, "title": _is_texts, "question": is_list}
QUESTION: Shape = {
    "id": _is_id,
    "type": lambda value: value in list(Type),
    "label": _is_texts,
}
QUESTION_MORE: Shape = {
    "hint": _is_texts,
    "required": is_bool,
    "unit": is_text,
    "range": _is_range,
    "unusual": _is_range,
    "max_chars": _is_whole(1, 5000),
    "choice": is_list,
    "choices": is_text,
    "shown_if": is_text,
    "calculate": is_text,
    "prefill": is_text,
    "of": _is_words,
    "filled_by": FILLERS.__contains__,
    "private": is_bool,
}
CHOICE: Shape = {"key": _is_key, "wire": _is_whole(1, MAX_WIRE), "label": _is_texts}
CHECK: Shape = {"id": _is_id, "that": is_text, "message": _is_texts, "refuse": is_bool}
# Which keys make sense for which types; the others may have none of them.
ONLY: Mapping[str, frozenset[Type]] = {
    "range": NUMBERS - {Type.CALCULATED} | {Type.PHOTO},
    "unusual": NUMBERS,
    "unit": NUMBERS,
    "max_chars": frozenset({Type.TEXT}),
    "choice": CHOSEN,
    "choices": CHOSEN,
    "calculate": frozenset({Type.CALCULATED}),
    "prefill": frozenset(Type) - {Type.CALCULATED, Type.NOTE, Type.PHOTO, Type.PLACE},
    "of": frozenset({Type.CONDITION, Type.COUNT}),
    "filled_by": frozenset({Type.COUNT}),
    "required": frozenset(Type) - {Type.CALCULATED, Type.NOTE},
    "private": frozenset(Type) - {Type.NOTE},
}
