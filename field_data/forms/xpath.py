"""The conditions of XLSForm (a little XPath) as our own expressions.

Understood: ``${question}``, ``../question``, ``.``, numbers, texts, ``= != < <= > >=``, ``and or``,
``+ - * div``, ``not(…)``, ``true()``, ``false()``, ``selected(question, 'x')``, ``if(…)``,
``round(x, n)``, ``min(…)``, ``max(…)``.  An empty text means "not answered".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from field_data.forms.expressions import Tree

_TOKEN = re.compile(
    r"""\s*(?: (?P<number>\d+(?:\.\d*)?|\.\d+) | "(?P<text>[^"]*)" | '(?P<quoted>[^']*)'
    | \$\{\s*(?P<ref>[^}\s]+)\s*\} | \.\./(?P<sibling>[\w.-]+)
    | (?P<name>[a-z][a-z-]*) | (?P<mark>!=|<=|>=|[=<>+*(),.-]) )""",
    re.VERBOSE,
)
_COMPARE = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_MAX_DEPTH = 16
_MAX_CHARS = 600


class NotUnderstood(ValueError):  # noqa: N818
    """The condition uses what our forms do not know; the message says what."""


@dataclass(frozen=True, slots=True)
class Known:
    """A question: its id in the form, the keys of its choices by name, whether it takes several."""

    id: str
    keys: Mapping[str, str]
    several: bool = False


Names = Mapping[str, Known]  # by the question's name in the workbook


def translate(text: str, names: Names, this: str = "") -> Tree:
    """The tree of a condition; ``this`` is the workbook's name of the question that ``.`` means.

    Raises:
        NotUnderstood.
    """
    if len(text) > _MAX_CHARS:
        raise NotUnderstood(f"longer than {_MAX_CHARS} characters")
    return _Reader(text, names, this).whole()


class _Reader:
    """One pass, one token ahead."""

    def __init__(self, text: str, names: Names, this: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0
        self._names = names
        self._this = this
        self._known = {known.id: known for known in names.values()}

    def whole(self) -> Tree:
        tree = self._any()
        if self._tokens[self._at][0] != "end":
            raise NotUnderstood(f"unexpected {self._tokens[self._at][1]!r}")
        return tree

    def _take(self, *values: str) -> str | None:
        kind, value = self._tokens[self._at]
        if kind in ("mark", "name") and value in values:
            self._at += 1
            return value
        return None

    def _expect(self, mark: str) -> None:
        if self._take(mark) is None:
            raise NotUnderstood(f"{mark} is expected at {self._tokens[self._at][1]!r}")

    def _any(self) -> Tree:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotUnderstood("nested too deeply")
        tree = self._chain(lambda: self._chain(self._comparison, {"and": "and"}), {"or": "or"})
        self._depth -= 1
        return tree

    def _chain(self, part: Callable[[], Tree], marks: Mapping[str, str]) -> Tree:
        tree = part()
        while mark := self._take(*marks):
            tree = [marks[mark], tree, part()]
        return tree

    def _comparison(self) -> Tree:
        left = self._sum()
        mark = self._take(*_COMPARE)
        return left if mark is None else self._compared(_COMPARE[mark], left, self._sum())

    def _compared(self, operator: str, left: Tree, right: Tree) -> Tree:
        for ref, literal in ((left, right), (right, left)):
            if ref[0] == "ref" and literal == ["const", ""]:
                answered: Tree = ["answered", ref]
                return answered if operator == "!=" else ["not", answered]
            if ref[0] == "ref" and literal[0] == "const" and self._known[ref[1]].keys:
                literal[1] = self._key(ref[1], literal[1])
        return [operator, left, right]

    def _key(self, id: str, name: object) -> str:
        keys = self._known[id].keys
        plain = f"{name:g}" if isinstance(name, float) else str(name)
        if plain not in keys:
            raise NotUnderstood(f"{id} has no choice {plain}")
        return keys[plain]

    def _sum(self) -> Tree:
        times = {"*": "*", "div": "/"}
        return self._chain(lambda: self._chain(self._unary, times), {"+": "+", "-": "-"})

    def _unary(self) -> Tree:
        if self._take("-"):
            return ["-", ["const", 0.0], self._atom()]
        return self._atom()

    def _atom(self) -> Tree:
        kind, value = self._tokens[self._at]
        if self._take("("):
            tree = self._any()
            self._expect(")")
            return tree
        if self._take("."):
            return self._ref(self._this)
        self._at += 1
        if kind == "number":
            return ["const", float(value)]
        if kind in ("text", "quoted"):
            if "'" in value or "\n" in value:
                raise NotUnderstood("a text with an apostrophe")
            return ["const", value]
        if kind in ("ref", "sibling"):
            return self._ref(value)
        if kind == "name" and self._take("("):
            return self._call(value)
        raise NotUnderstood(f"unexpected {value!r}")

    def _ref(self, name: str) -> Tree:
        if name not in self._names:
            raise NotUnderstood(f"no earlier question {name or '.'}")
        return ["ref", self._names[name].id]

    def _call(self, name: str) -> Tree:
        parts = [] if self._take(")") else [self._any()]
        while parts and self._take(","):
            parts.append(self._any())
        if parts:
            self._expect(")")
        if name in ("true", "false") and not parts:
            return ["const", name == "true"]
        if name == "not" and len(parts) == 1:
            return ["not", parts[0]]
        if name == "selected" and len(parts) == 2:
            return self._selected(*parts)
        least = {"if": 3, "round": 2, "min": 1, "max": 1}.get(name)
        if least is None or len(parts) < least:
            raise NotUnderstood(f"{name}() is not supported")
        return [name, *parts]

    def _selected(self, ref: Tree, literal: Tree) -> Tree:
        if ref[0] != "ref" or literal[0] != "const":
            raise NotUnderstood("selected() takes a question and a text")
        key: Tree = ["const", self._key(ref[1], literal[1])]
        return ["in", key, ref] if self._known[ref[1]].several else ["==", ref, key]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    text = text.strip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            raise NotUnderstood(f"unexpected {text[place : place + 12]!r}")
        yield found.lastgroup, found.group(found.lastgroup)
        place = found.end()
    yield "end", ""


def ends_of(tree: Tree, id: str, *, whole: bool) -> tuple[float | None, float | None] | None:
    """Both ends of a range of the question ``id``, when the condition is nothing else."""
    if tree[0] == "and":
        parts = [ends_of(part, id, whole=whole) for part in tree[1:]]
        if any(part is None for part in parts):
            return None
        lows = [part[0] for part in parts if part is not None and part[0] is not None]
        highs = [part[1] for part in parts if part is not None and part[1] is not None]
        ends = max(lows, default=None), min(highs, default=None)
        return None if None not in ends and ends[0] > ends[1] else ends  # type: ignore[operator]
    operator, left, right = tree if len(tree) == 3 else ("", [], [])
    if right == ["ref", id]:
        operator, left, right = _TURNED.get(operator, ""), right, left
    value = _number(right)
    if left != ["ref", id] or value is None:
        return None
    if whole and operator in ("<", ">"):
        step = -1 if operator == "<" else 1
        operator, value = f"{operator}=", value + step if value.is_integer() else value
    if operator not in (">=", "<="):
        return None
    plain = int(value) if value.is_integer() else value
    return (plain, None) if operator == ">=" else (None, plain)


def _number(tree: Tree) -> float | None:
    if len(tree) == 3 and tree[0] == "-" and tree[1] == ["const", 0.0]:
        inner = _number(tree[2])
        return None if inner is None else -inner
    is_number = len(tree) == 2 and tree[0] == "const" and isinstance(tree[1], float)
    return tree[1] if is_number else None
