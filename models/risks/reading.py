"""A TOML table read strictly: every key is asked for once, and none may be left over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from field_data.errors import PublisherError
from models.risks.definition import Citation, Seen


class Table:
    """One table of the file called ``name``; what is wrong is a `PublisherError` of ``code``."""

    def __init__(self, content: Any, name: str, code: str = "bad_risk_model") -> None:
        self._name, self._code = name, code
        if not isinstance(content, dict):
            raise self.bad("not a table")
        self._content = content
        self._asked: set[str] = set()

    def bad(self, why: str) -> PublisherError:
        """The error to raise."""
        return PublisherError(self._code, f"{self._name}: {why}")

    def end(self) -> None:
        """Nothing may be left that nobody asked for."""
        left = sorted(set(self._content) - self._asked)
        if left:
            raise self.bad(f"unknown key {', '.join(left)}")

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._content

    def text(self, key: str, *, empty: bool = False) -> str:
        """A text; an empty one, or none at all, only where that is allowed."""
        value = self._get(key, "" if empty else None)
        if not isinstance(value, str) or not (value.strip() or empty) or len(value) > 1000:
            raise self.bad(f"{key} is a text")
        return value

    def texts(self, key: str, *, empty: bool = False) -> tuple[str, ...]:
        """A list of texts, none twice."""
        value = self._get(key, [] if empty else None)
        good = isinstance(value, list) and all(isinstance(each, str) and each for each in value)
        if not good or not (value or empty) or len(value) != len(set(value)):
            raise self.bad(f"{key} is a list of different texts")
        return tuple(value)

    def number(self, key: str, least: float, most: float) -> float:
        """A number in a range."""
        return self._number(key, self._get(key), least, most)

    def numbers(self, key: str, count: int, least: float, most: float) -> tuple[float, ...]:
        """A list of so many numbers in a range."""
        value = self._get(key)
        if not isinstance(value, list) or len(value) != count:
            raise self.bad(f"{key} is a list of {count} numbers")
        return tuple(self._number(key, each, least, most) for each in value)

    def integers(self, key: str, least: int, most: int) -> tuple[int, ...]:
        """A list of whole numbers in a range, at least one."""
        value = self._get(key)
        if not isinstance(value, list) or not value or any(type(each) is not int for each in value):
            raise self.bad(f"{key} is a list of whole numbers")
        return tuple(int(self._number(key, each, least, most)) for each in value)

    def pairs(self, key: str) -> tuple[tuple[float, float], ...]:
        """A list of pairs of numbers."""
        value = self._get(key)
        if not isinstance(value, list) or any(not _is_pair(each) for each in value):
            raise self.bad(f"{key} is a list of pairs of numbers")
        return tuple((float(a), float(b)) for a, b in value)

    def flag(self, key: str) -> bool:
        """True or false; not there is false."""
        value = self._get(key, False)
        if not isinstance(value, bool):
            raise self.bad(f"{key} is true or false")
        return value

    def one_of(self, key: str, choices: Sequence[str]) -> str:
        """One of some texts."""
        value = self.text(key)
        if value not in choices:
            raise self.bad(f"{key} is one of {', '.join(choices)}")
        return value

    def table(self, key: str) -> Table:
        """The table inside."""
        return Table(self._get(key), f"{self._name}: {key}", self._code)

    def tables(self, key: str) -> list[Table]:
        """The tables of a list; none where the key is not there."""
        value = self._get(key, [])
        if not isinstance(value, list):
            raise self.bad(f"{key} is a list of tables")
        return [
            Table(each, f"{self._name}: {key} {place}", self._code)
            for place, each in enumerate(value, 1)
        ]

    def _get(self, key: str, default: Any = None) -> Any:
        self._asked.add(key)
        value = self._content.get(key, default)
        if value is None:
            raise self.bad(f"{key} is missing")
        return value

    def _number(self, key: str, value: Any, least: float, most: float) -> float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not math.isfinite(value) or not least <= value <= most:
            raise self.bad(f"{key} is a number from {least:g} to {most:g}")
        return float(value)


def read_sources(table: Table) -> dict[str, Citation]:
    """The ``[[source]]`` tables by key: at least one, what was seen with its address."""
    found: dict[str, Citation] = {}
    for part in table.tables("source"):
        key, text, url = part.text("key"), part.text("text"), part.text("url", empty=True)
        seen = Seen(part.one_of("seen", tuple(Seen)))
        if key in found or (seen is Seen.SEEN and not url.startswith(("https://", "http://"))):
            raise part.bad("a source has a key of its own, and an address if it was seen")
        found[key] = Citation(key, text, url, seen)
        part.end()
    if not found:
        raise table.bad("no source")
    return found


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(each, int | float) and not isinstance(each, bool) for each in value)
    )
