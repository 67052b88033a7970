"""The small language of ``shown_if``, ``calculate`` and ``check``: parsed to a tree, never run.

The same tree, as JSON, is evaluated by the tablet's script; ``tests/data/form_expressions.json``
holds cases that both must answer alike.  What makes that possible:

- an unanswered question is ``none``; numbers are IEEE doubles; texts are compared whole;
- arithmetic with anything but numbers, by zero or beyond a double gives ``none``;
- ``==`` holds between equal values of one type; ``<`` and its kin between two numbers or two
  dates (``YYYY-MM-DD``), and are false for anything else;
- ``and``, ``or``, ``not`` take only ``true`` for true and always give a boolean;
- ``round(x, n)`` is ``floor(x * 10^n + 0.5) / 10^n``.

Grammar, loosest first: ``or``; ``and``; ``not``; one comparison (``== != < <= > >= in``, where
``in`` takes a list of literals or a question with several answers); ``+ -``; ``* /``; unary ``-``;
a number, 'text', ``true``, ``false``, ``none``, a question, ``(…)``, or a call of ``if(c, a, b)``,
``round(x, n)``, ``min(…)``, ``max(…)``, ``answered(question)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

# ["const", value], ["ref", question], ["list", value …], or [operator, tree …].
Tree = list[Any]
Value = Any  # None, bool, float, str, or a list of str

MAX_CHARS = 600
MAX_DEPTH = 24
_TOKEN = re.compile(
    r"""\s*(?: (?P<number>\d+(?:\.\d+)?) | '(?P<text>[^'\n]*)' | (?P<name>[a-z][a-z0-9_]*)
    | (?P<mark>==|!=|<=|>=|[-+*/()<>,\[\]]) )""",
    re.VERBOSE | re.ASCII,
)
_LITERALS = {"true": True, "false": False, "none": None}
_COMPARE = ("==", "!=", "<", "<=", ">", ">=", "in")
_WORDS = {"and", "or", "not", "in", *_LITERALS}
_CALLS = {"if": (3, 3), "round": (2, 2), "min": (1, 12), "max": (1, 12), "answered": (1, 1)}
_MOST_DECIMALS = 6


class ExpressionError(ValueError):
    """The text is no expression: the message says why and where."""


def parse(text: str) -> Tree:
    """The tree of an expression.

    Raises:
        ExpressionError: with the place (characters from 0) in the message.
    """
    if len(text) > MAX_CHARS:
        raise ExpressionError(f"longer than {MAX_CHARS} characters")
    return _Parser(text).whole()


def references(tree: Tree) -> Iterator[str]:
    """The questions that an expression asks for, as often as it does."""
    if tree[0] == "ref":
        yield tree[1]
    elif tree[0] not in ("const", "list"):
        for part in tree[1:]:
            yield from references(part)


def comparisons(tree: Tree) -> Iterator[tuple[str, Value]]:
    """The pairs (question, literal) that are compared, for finding misspelt choices."""
    if tree[0] in ("const", "list", "ref"):
        return
    if tree[0] in ("==", "!=", "in"):
        for one, other in ((tree[1], tree[2]), (tree[2], tree[1])):
            if one[0] == "ref" and other[0] in ("const", "list"):
                yield from ((one[1], literal) for literal in other[1:])
    for part in tree[1:]:
        yield from comparisons(part)


class _Parser:
    """One pass, one token ahead."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def whole(self) -> Tree:
        tree = self._any()
        if self._kind() != "end":
            raise self._refuse("nothing more was expected")
        return tree

    def _kind(self) -> str:
        return self._tokens[self._at][0]

    def _value(self) -> str:
        return self._tokens[self._at][1]

    def _refuse(self, why: str) -> ExpressionError:
        _, value, place = self._tokens[self._at]
        return ExpressionError(f"{why}, at {place}: {value!r}")

    def _take(self, *values: str) -> str | None:
        """The next token if it is one of these marks or words."""
        if self._kind() in ("mark", "name") and self._value() in values:
            self._at += 1
            return self._tokens[self._at - 1][1]
        return None

    def _expect(self, mark: str) -> None:
        if self._take(mark) is None:
            raise self._refuse(f"{mark} is expected")

    def _any(self) -> Tree:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refuse("nested too deeply")
        tree = self._chain(lambda: self._chain(self._not, "and"), "or")
        self._depth -= 1
        return tree

    def _chain(self, part: Callable[[], Tree], *marks: str) -> Tree:
        tree = part()
        # A long chain leans to one side: its depth is bounded like that of parentheses.
        for _ in range(MAX_DEPTH):
            mark = self._take(*marks)
            if mark is None:
                return tree
            tree = [mark, tree, part()]
        raise self._refuse("too long a chain")

    def _not(self) -> Tree:
        if self._take("not"):
            return ["not", self._deeper(self._not)]
        return self._comparison()

    def _deeper(self, part: Callable[[], Tree]) -> Tree:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refuse("nested too deeply")
        tree = part()
        self._depth -= 1
        return tree

    def _comparison(self) -> Tree:
        left = self._sum()
        mark = self._take(*_COMPARE)
        if mark is None:
            return left
        return [mark, left, self._members() if mark == "in" else self._sum()]

    def _members(self) -> Tree:
        if not self._take("["):
            if self._kind() != "name" or self._value() in _WORDS:
                raise self._refuse("a list or a question is expected")
            return self._question()
        members = [self._literal()]
        while self._take(","):
            members.append(self._literal())
        self._expect("]")
        return ["list", *members]

    def _question(self) -> Tree:
        tree = self._atom()
        if tree[0] != "ref":
            raise self._refuse("a question is expected")
        return tree

    def _literal(self) -> Value:
        sign = -1.0 if self._take("-") else 1.0
        tree = self._atom()
        if tree[0] != "const" or (sign < 0 and not isinstance(tree[1], float)):
            raise self._refuse("a list holds plain values")
        return tree[1] * sign if isinstance(tree[1], float) else tree[1]

    def _sum(self) -> Tree:
        return self._chain(lambda: self._chain(self._unary, "*", "/"), "+", "-")

    def _unary(self) -> Tree:
        if self._take("-"):
            return ["-", ["const", 0.0], self._deeper(self._unary)]
        return self._atom()

    def _atom(self) -> Tree:
        kind, value, _ = self._tokens[self._at]
        if self._take("("):
            tree = self._any()
            self._expect(")")
            return tree
        if kind not in ("number", "text", "name") or value in _WORDS - set(_LITERALS):
            raise self._refuse("a value is expected")
        self._at += 1
        if kind != "name":
            return ["const", float(value) if kind == "number" else value]
        if value in _LITERALS:
            return ["const", _LITERALS[value]]
        return self._call(value) if self._take("(") else ["ref", value]

    def _call(self, name: str) -> Tree:
        if name not in _CALLS:
            raise self._refuse(f"no function is called {name}")
        parts = [self._any()]
        while self._take(","):
            parts.append(self._any())
        self._expect(")")
        least, most = _CALLS[name]
        if not least <= len(parts) <= most:
            raise self._refuse(f"{name} takes {least} to {most} values")
        if name == "round" and parts[1] not in [["const", float(n)] for n in range(7)]:
            raise self._refuse(f"round to 0 to {_MOST_DECIMALS} places")
        if name == "answered" and parts[0][0] != "ref":
            raise self._refuse("answered takes a question")
        return [name, *parts]


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    place = 0
    text = text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            raise ExpressionError(f"not understood, at {place}: {text[place : place + 12]!r}")
        yield found.lastgroup, found.group(found.lastgroup), found.start(found.lastgroup)
        place = found.end()
    yield "end", "", place


def show(tree: Tree) -> str:
    """The expression as text again, with every parenthesis written: `parse` gives the same tree."""
    operator, *parts = tree
    if operator == "const":
        return _literal(parts[0])
    if operator == "ref":
        return str(parts[0])
    if operator == "list":
        return f"[{', '.join(map(_literal, parts))}]"
    if operator in _CALLS:
        return f"{operator}({', '.join(map(show, parts))})"
    if operator == "not":
        return f"(not {show(parts[0])})"
    return f"({show(parts[0])} {operator} {show(parts[1])})"


def _literal(value: Value) -> str:
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, float):
        return f"{value:.17f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
    return next(word for word, meant in _LITERALS.items() if meant is value)
