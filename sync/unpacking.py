"""Columns of `sync.columns` read again.

What is read is counted before it is made, so that few bytes never become many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sync.cbor import ABSENT, LEAST, MOST, Unfit
from sync.columns import Code, Item, from_decimals
from sync.numbers import MAX_DIGITS, unpack_floats, unpack_ints

# Cells and letters that one segment may unfold to.
BUDGET = 8_000_000


@dataclass(slots=True)
class Read:
    """The tables that a column names, and how much more it may unfold to."""

    ids: Sequence[str]
    hashes: Sequence[str]
    budget: int = BUDGET

    def spend(self, cells: int) -> None:
        """Raises `Unfit` when it is too much."""
        self.budget -= cells
        if self.budget < 0:
            raise Unfit("it unfolds to too much")


def unpack(item: Item, n: int, read: Read) -> list[Any]:
    """The ``n`` values of a column.

    Raises:
        Unfit: no column of ``n`` values, or too much.
    """
    if isinstance(item, bytes):
        read.spend(n)
        return list(unpack_ints(item, n))
    if isinstance(item, dict):
        raise Unfit("a map where a column should be")
    if not isinstance(item, list):
        read.spend(n * _size(item))
        return [item] * n
    if not item or type(item[0]) is not int or item[0] not in _READERS:
        raise Unfit("a column of no known kind")
    read.spend(n + 1)
    return _READERS[item[0]](item[1:], n, read)


def flat_ints(item: Item, n: int, read: Read, least: int = 0, most: int = MOST) -> list[int]:
    """A column of whole numbers between ``least`` and ``most``, both included."""
    values = unpack(item, n, read)
    if any(type(value) is not int or not least <= value <= most for value in values):
        raise Unfit("a column that should hold whole numbers of a range")
    return values


def _size(value: Any) -> int:
    return 1 + len(value) if isinstance(value, str) else 1


def _parts(parts: list[Any], *types: type) -> list[Any]:
    pairs = zip(parts, types, strict=False)
    if len(parts) != len(types) or any(t not in (object, type(part)) for part, t in pairs):
        raise Unfit("a column with other parts")
    return parts


def _plain(parts: list[Any], n: int, read: Read) -> list[Any]:
    if len(parts) != n or any(map(_is_no_json, parts)):
        raise Unfit("not plain values, or another number of them")
    return parts


def _is_no_json(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_is_no_json, value.values()))
    if isinstance(value, list):
        return any(map(_is_no_json, value))
    return value is ABSENT or isinstance(value, bytes)


def _table(parts: list[Any], n: int, read: Read) -> list[Any]:
    words, places = _parts(parts, list, object)
    if not all(isinstance(word, str) for word in words):
        raise Unfit("a table of other things than words")
    values = [words[at] for at in flat_ints(places, n, read, 0, len(words) - 1)]
    read.spend(sum(map(len, values)))
    return values


def _holes(hole: Any) -> Callable[[list[Any], int, Read], list[Any]]:
    def reader(parts: list[Any], n: int, read: Read) -> list[Any]:
        mask, item = _parts(parts, bytes, object)
        flags = _flags(mask, n)
        kept = iter(unpack(item, flags.count(False), read))
        return [hole if flag else next(kept) for flag in flags]

    return reader


def _booleans(parts: list[Any], n: int, read: Read) -> list[Any]:
    return _flags(_parts(parts, bytes)[0], n)


def _flags(mask: bytes, n: int) -> list[bool]:
    if len(mask) != (n + 7) // 8:
        raise Unfit("a mask of another length")
    return [bool(mask[place >> 3] >> (place & 7) & 1) for place in range(n)]


def _decimals(code: Code) -> Callable[[list[Any], int, Read], list[Any]]:
    def reader(parts: list[Any], n: int, read: Read) -> list[Any]:
        digits, item = _parts(parts, int, object)
        if not 0 <= digits <= MAX_DIGITS:
            raise Unfit("decimals without a number of digits")
        return from_decimals(code, digits, flat_ints(item, n, read, LEAST))

    return reader


def _floats(parts: list[Any], n: int, read: Read) -> list[Any]:
    return list(unpack_floats(_parts(parts, bytes)[0], n))


def _maps(parts: list[Any], n: int, read: Read) -> list[Any]:
    keys = parts[0] if parts else None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Unfit("maps without keys")
    if len(parts) != 1 + len(keys) or len(set(keys)) != len(keys):
        raise Unfit("maps with other columns than keys")
    columns = [unpack(item, n, read) for item in parts[1:]]
    read.spend(n * sum(map(len, keys)))
    return maps(keys, columns, n)


def maps(keys: Sequence[str], columns: Sequence[Sequence[Any]], n: int) -> list[dict[str, Any]]:
    """``n`` maps from a column a key."""
    rows = zip(*columns, strict=True) if columns else ((),) * n
    return [
        {key: value for key, value in zip(keys, row, strict=True) if value is not ABSENT}
        for row in rows
    ]


def _lists(parts: list[Any], n: int, read: Read) -> list[Any]:
    sizes, item = _parts(parts, object, object)
    lengths = flat_ints(sizes, n, read)
    total = sum(lengths)
    read.spend(total)
    flat = iter(unpack(item, total, read))
    found = [[next(flat) for _ in range(length)] for length in lengths]
    if any(value is ABSENT for each in found for value in each):
        raise Unfit("a list with something absent")
    return found


def _ids(parts: list[Any], n: int, read: Read) -> list[Any]:
    places = flat_ints(_parts(parts, object)[0], n, read, 0, len(read.ids) - 1)
    read.spend(26 * n)
    return [read.ids[at] for at in places]


def _hashes(parts: list[Any], n: int, read: Read) -> list[Any]:
    places = flat_ints(_parts(parts, object)[0], n, read, 0, len(read.hashes) - 1)
    read.spend(64 * n)
    return [read.hashes[at] for at in places]


_READERS: Mapping[int, Callable[[list[Any], int, Read], list[Any]]] = {
    Code.PLAIN: _plain,
    Code.TABLE: _table,
    Code.NULLS: _holes(None),
    Code.ABSENTS: _holes(ABSENT),
    Code.BOOLEANS: _booleans,
    Code.DECIMALS: _decimals(Code.DECIMALS),
    Code.NUMBERS: _decimals(Code.NUMBERS),
    Code.FLOATS: _floats,
    Code.MAPS: _maps,
    Code.LISTS: _lists,
    Code.IDS: _ids,
    Code.HASHES: _hashes,
}
