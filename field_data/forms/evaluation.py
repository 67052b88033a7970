"""The value of an expression, given the answers so far: the rules of `expressions`, in code."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from field_data.forms.expressions import Tree, Value

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def evaluate(tree: Tree, answers: Mapping[str, Value]) -> Value:
    """The value of an expression; never fails on a tree that `parse` made.

    ``answers`` are normalised: numbers, texts, booleans, lists of texts; absent means ``none``.
    """
    operator = tree[0]
    if operator == "const":
        return tree[1]
    if operator == "list":
        return tree[1:]
    if operator == "ref":
        return _plain(answers.get(tree[1]))
    if operator == "round":
        return _round(evaluate(tree[1], answers), int(tree[2][1]))
    return _OPERATORS[operator](*(evaluate(part, answers) for part in tree[1:]))


def is_true(tree: Tree | None, answers: Mapping[str, Value]) -> bool:
    """Whether an optional condition holds; no condition always does."""
    return tree is None or evaluate(tree, answers) is True


def _plain(value: Value) -> Value:
    """An answer as the language sees it: every number a double, as in the browser."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _same(a: Value, b: Value) -> bool:
    return type(a) is type(b) and not isinstance(a, list) and bool(a == b)


def _ordered(compare: Callable[[Value, Value], bool]) -> Callable[[Value, Value], bool]:
    def ordered(a: Value, b: Value) -> bool:
        numbers = isinstance(a, float) and isinstance(b, float)
        return (numbers or (_is_date(a) and _is_date(b))) and compare(a, b)

    return ordered


def _is_date(value: Value) -> bool:
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def _arithmetic(compute: Callable[..., float]) -> Callable[..., float | None]:
    def computed(*parts: Value) -> float | None:
        if not all(isinstance(part, float) for part in parts):
            return None
        result = compute(*parts)
        # Adding zero turns -0.0 into 0.0, which JSON in a browser does not tell apart.
        return result + 0.0 if math.isfinite(result) else None

    return computed


def _divide(a: float, b: float) -> float:
    return a / b if b else math.nan


def _round(value: Value, places: int) -> float | None:
    if not isinstance(value, float):
        return None
    scaled = value * 10.0**places + 0.5
    return math.floor(scaled) / 10.0**places + 0.0 if math.isfinite(scaled) else None


def _member(a: Value, members: Value) -> bool:
    return isinstance(members, list) and any(_same(a, member) for member in members)


_OPERATORS: dict[str, Callable[..., Value]] = {
    "==": _same,
    "!=": lambda a, b: not _same(a, b),
    "<": _ordered(lambda a, b: a < b),
    "<=": _ordered(lambda a, b: a <= b),
    ">": _ordered(lambda a, b: a > b),
    ">=": _ordered(lambda a, b: a >= b),
    "in": _member,
    "and": lambda a, b: a is True and b is True,
    "or": lambda a, b: a is True or b is True,
    "not": lambda a: a is not True,
    "+": _arithmetic(lambda a, b: a + b),
    "-": _arithmetic(lambda a, b: a - b),
    "*": _arithmetic(lambda a, b: a * b),
    "/": _arithmetic(_divide),
    "min": _arithmetic(lambda *parts: min(parts)),
    "max": _arithmetic(lambda *parts: max(parts)),
    "if": lambda test, then, other: then if test is True else other,
    "answered": lambda a: a is not None,
}
