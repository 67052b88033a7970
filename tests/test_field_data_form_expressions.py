"""The small language of forms: what it gives, and what it refuses."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_data.forms.evaluation import evaluate
from field_data.forms.expressions import (
    MAX_CHARS,
    ExpressionError,
    parse,
    references,
    show,
)

VECTORS = json.loads((Path(__file__).parent / "data" / "form_expressions.json").read_text())
NAMES = ("a", "b", "c")


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: str(case["text"]))
def test_shared_cases_hold_here_as_on_the_tablet(case: dict[str, Any]) -> None:
    tree = parse(case["text"])
    assert json.loads(json.dumps(tree)) == case["tree"]
    found = evaluate(case["tree"], VECTORS["answers"])
    assert found == case["value"]
    assert isinstance(found, bool) == isinstance(case["value"], bool)
    assert math.copysign(1, found) == 1 if found == 0 and found is not False else True


class Told:
    """An oracle: a value that answers Python's operators by the documented rules, one by one."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def _number(self, other: Told, compute: Callable[[float, float], float]) -> Told:
        both = [self.value, other.value]
        if any(type(each) not in (int, float) for each in both):
            return Told(None)
        try:
            result = compute(*map(float, both))
        except (ZeroDivisionError, OverflowError):
            return Told(None)
        return Told(None if math.isnan(result) or math.isinf(result) else result)

    def _order(self, other: Told, compare: Callable[[Any, Any], bool]) -> Told:
        kinds = {type(self.value), type(other.value)}
        return Told(kinds <= {int, float} and compare(self.value, other.value))

    def __add__(self, other: Told) -> Told:
        return self._number(other, operator.add)

    def __sub__(self, other: Told) -> Told:
        return self._number(other, operator.sub)

    def __mul__(self, other: Told) -> Told:
        return self._number(other, operator.mul)

    def __truediv__(self, other: Told) -> Told:
        return self._number(other, operator.truediv)

    def __lt__(self, other: Told) -> Told:
        return self._order(other, operator.lt)

    def __ge__(self, other: Told) -> Told:
        return self._order(other, operator.ge)

    def __eq__(self, other: object) -> Any:
        assert isinstance(other, Told)
        return Told(type(self.value) is type(other.value) and self.value == other.value)

    def __and__(self, other: Told) -> Told:
        return Told(self.value is True and other.value is True)

    def __or__(self, other: Told) -> Told:
        return Told(self.value is True or other.value is True)

    def __invert__(self) -> Told:
        return Told(self.value is not True)

    __hash__ = None  # type: ignore[assignment]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5).map(float)
ANSWERS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(NAMES, NUMBERS | st.booleans() | st.sampled_from(["x", "y", ""]))
)
LEAVES = st.sampled_from(NAMES).map(lambda name: ["ref", name]) | st.integers(0, 9).map(
    lambda number: ["const", float(number)]
)
TREES = st.recursive(
    LEAVES | st.sampled_from([["const", True], ["const", None], ["const", "x"]]),
    lambda inner: (
        st.tuples(
            st.sampled_from(["+", "-", "*", "/", "<", ">=", "==", "and", "or"]), inner, inner
        ).map(list)
        | inner.map(lambda part: ["not", part])
    ),
    max_leaves=10,
)


def oracle(tree: list[Any], answers: dict[str, Any]) -> Any:
    """Evaluate what `show` writes, with every parenthesis, by Python's own parser."""
    text = show(tree).replace(" and ", " & ").replace(" or ", " | ").replace("(not ", "(~")
    for word, value in (("'x'", "'x'"), ("true", "True"), ("none", "None")):
        text = text.replace(word, f"Told({value})")
    text = "".join(f"Told({c}.0)" if c.isdigit() else c for c in text)
    names = {name: Told(answers.get(name)) for name in NAMES}
    return eval(text, {"Told": Told}, names).value


@given(tree=TREES, answers=ANSWERS)
def test_any_expression_agrees_with_an_independent_reading(
    tree: list[Any], answers: dict[str, Any]
) -> None:
    found, expected = evaluate(tree, answers), oracle(tree, answers)
    assert type(found) is type(expected)
    assert found == expected


@given(tree=TREES)
def test_what_is_shown_is_read_back_alike(tree: list[Any]) -> None:
    text = show(tree)
    if len(text) <= MAX_CHARS:
        assert parse(text) == tree


@given(
    st.lists(st.integers(0, 20), min_size=2, max_size=8),
    st.lists(st.sampled_from(["+", "-", "*", " < ", " and ", " or "]), min_size=7, max_size=7),
)
def test_precedence_is_pythons(numbers: list[int], marks: list[str]) -> None:
    """Without parentheses, over comparisons, so that `and` and `or` meet booleans only."""
    text, compared = f"{numbers[0]}", False
    for number, mark in zip(numbers[1:], marks, strict=False):
        if mark == " < " and compared:
            mark = "+"
        elif mark in (" and ", " or "):
            mark, compared = (f" >= 7{mark}" if not compared else mark), False
        compared = compared or mark == " < "
        text += f"{mark}{number}"
    text += "" if compared else " >= 7"
    assert evaluate(parse(text), {}) is eval(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "n ==",
        "n = 3",
        "== 3",
        "(n",
        "n)",
        "n in 3",
        "n in []",
        "n in [other]",
        "n < 3 < 4",
        "__import__('os')",
        "n.real",
        "n if n else n",
        "round(n)",
        "round(n, 7)",
        "round(n, w)",
        "answered(3)",
        "open('x')",
        "'it''s",
        "'two\nlines'",
        "1e5",
        "0x10",
        "N",
        "and",
        "n; n",
        "(" * 60 + "n" + ")" * 60,
        "not " * 60 + "n",
        "-" * 60 + "n",
        "+".join(["n"] * 60),
        "n" * (MAX_CHARS + 1),
    ],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


@given(st.text(alphabet="n'w01. ()[],+-*/<>=!andortif", max_size=60))
def test_reading_never_fails_otherwise(text: str) -> None:
    try:
        tree = parse(text)
    except ExpressionError:
        return
    evaluate(tree, dict.fromkeys(references(tree), 1.0))
    assert parse(show(tree)) == tree
