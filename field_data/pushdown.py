"""Which part of a TinyDB query an index can answer: the only place that looks inside a query."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from enum import StrEnum

from tinydb.queries import QueryInstance

FieldPath = tuple[str, ...]

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Beyond this a float in the document may equal an integer that SQLite reads as its neighbour.
_EXACT = 2**53


def field_path(dotted: str) -> FieldPath:
    """``"at.trust"`` → ``("at", "trust")``; `ValueError` for names that are not plain ASCII words.

    SQLite compares the text of keys as written in the JSON, so only those are safe.
    """
    path = tuple(dotted.split("."))
    if not all(map(_FIELD.fullmatch, path)):
        raise ValueError(f"cannot index {dotted!r}")
    return path


def json_field(path: FieldPath) -> str:
    """The SQL expression; index and query must be the same text for SQLite to use the index."""
    return f"json_extract(body,'$.{'.'.join(path)}')"


def narrowing(cond: object, indexed: Container[FieldPath]) -> tuple[str, list[str | int]]:
    """A WHERE clause that keeps every row for which ``cond`` can hold, and its values.

    It may keep more: the caller asks ``cond`` again.  Empty if no index helps.
    """
    usable = sorted({test for test in _equalities(cond) if test[0] in indexed}, key=repr)
    if not usable:
        return "", []
    clauses = " AND ".join(f"{json_field(path)}=?" for path, _ in usable)
    return f" WHERE {clauses}", [value for _, value in usable]


def _equalities(cond: object) -> Iterator[tuple[FieldPath, str | int]]:
    """The ``==`` tests that must hold whenever ``cond`` holds."""
    if isinstance(cond, QueryInstance):
        yield from _walk(cond._hash)


def _walk(shape: object) -> Iterator[tuple[FieldPath, str | int]]:
    # TinyDB describes a query by nested tuples so that it can be hashed: the seam is private, and
    # a shape that is not known only means that no index is used.
    match shape:
        case ("==", tuple() as path, (str() | int()) as value) if _bindable(value):
            yield path, value
        case ("and", frozenset() as parts):
            for part in parts:
                yield from _walk(part)


def _bindable(value: str | int) -> bool:
    """Whether ``=`` in SQL finds at least what ``==`` finds in Python.

    Not None (SQL's NULL equals nothing), not floats (SQLite may read the last digit otherwise),
    not text that SQLite cuts (NUL) or refuses (lone surrogates), not classes with an ``==`` of
    their own.
    """
    if type(value) in (bool, int):
        return abs(int(value)) <= _EXACT
    if type(value) is str or isinstance(value, StrEnum):
        return "\0" not in value and _encodes(value)
    return False


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
