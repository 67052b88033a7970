"""A column of JSON values as one CBOR item that says by itself how it is written.

A plain scalar stands for a column of that one value throughout; bytes are a packed column of whole
numbers (`sync.numbers`); a list ``[code, …]`` is one of `Code`.  What is read is counted before it
is made, so that few bytes never become many.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from field_data.ids import is_id
from sync.cbor import ABSENT, LEAST, MOST, Unfit, dump
from sync.numbers import (
    MAX_DIGITS,
    decimal,
    decimals,
    pack_floats,
    pack_ints,
    unpack_floats,
    unpack_ints,
)

Item = Any
ID_BYTES, HASH_BYTES = 16, 32
# A level of JSON is up to three of CBOR, and `sync.cbor.MAX_DEPTH` holds all of them.
_DEEPEST = 20
_HEX = frozenset("0123456789abcdef")
# Cells and letters that one segment may unfold to.
BUDGET = 8_000_000


class Code(IntEnum):
    """How a column is written that is neither one scalar nor whole numbers; see wire-format.md."""

    PLAIN = 0
    TABLE = 1
    NULLS = 2
    ABSENTS = 3
    BOOLEANS = 4
    DECIMALS = 5
    NUMBERS = 6
    FLOATS = 7
    MAPS = 8
    LISTS = 9
    IDS = 10
    HASHES = 11
    OTHER = 12


@dataclass(slots=True)
class Pool:
    """Ids (16 bytes) and hashes (32 bytes) that columns name by their place, each kept once."""

    ids: dict[str, int] = field(default_factory=dict)
    hashes: dict[str, int] = field(default_factory=dict)

    def id(self, text: str) -> int:
        """The place of an id."""
        return self.ids.setdefault(text, len(self.ids))

    def hash(self, text: str) -> int:
        """The place of a hash."""
        return self.hashes.setdefault(text, len(self.hashes))

    def raw(self) -> tuple[list[bytes], list[bytes]]:
        """Both tables as bytes."""
        return [id_bytes(text) for text in self.ids], [bytes.fromhex(text) for text in self.hashes]


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


def id_bytes(text: str) -> bytes:
    """The 16 bytes of an id that `names_bytes`."""
    return base64.b32decode(text.upper() + "======")


def id_text(raw: bytes) -> str:
    """The id of 16 bytes, as `field_data.ids.new_id` writes it."""
    return base64.b32encode(raw).decode().rstrip("=").lower()


def names_bytes(text: str) -> bool:
    """Whether ``text`` is an id of exactly 16 bytes: its last letter has two bits to spare."""
    return is_id(text) and text[-1] in "aeimquy4"


def is_hash(text: str) -> bool:
    """Whether ``text`` is a SHA-256 in lower-case hex."""
    return len(text) == 2 * HASH_BYTES and _HEX.issuperset(text)


# --- writing -------------------------------------------------------------------------------------


def pack(values: Sequence[Any], pool: Pool, depth: int = 0) -> Item:
    """A column of JSON values, `ABSENT` among them.

    Raises:
        ValueError: A value that cannot travel: not JSON, not finite, not Unicode, beyond 64 bits,
            too deep.
    """
    if depth > _DEEPEST:
        raise ValueError("too many levels")
    kinds = {type(value) for value in values}
    for code, hole in ((Code.ABSENTS, ABSENT), (Code.NULLS, None)):
        if type(hole) in kinds and len(kinds) > 1:
            kept = [value for value in values if value is not hole]
            return [code, _mask(value is hole for value in values), pack(kept, pool, depth)]
    if not values or kinds <= {type(None)} or kinds <= {type(ABSENT)}:
        return values[0] if values else None
    if kinds == {dict}:
        return _pack_maps(values, pool, depth)
    if kinds == {list}:
        lengths = pack([len(value) for value in values], pool)
        return [
            Code.LISTS,
            lengths,
            pack([one for value in values for one in value], pool, depth + 1),
        ]
    if kinds & {dict, list}:
        return [Code.PLAIN, *(_checked(value, depth) for value in values)]
    return _pack_scalars(values, kinds, pool)


def _pack_maps(values: Sequence[Mapping[str, Any]], pool: Pool, depth: int) -> Item:
    keys = list(dict.fromkeys(key for value in values for key in value))
    columns = (pack([each.get(key, ABSENT) for each in values], pool, depth + 1) for key in keys)
    return [Code.MAPS, [_checked(key) for key in keys], *columns]


def _pack_scalars(values: Sequence[Any], kinds: set[type], pool: Pool) -> Item:
    for value in values:
        _checked(value)
    if kinds == {str}:
        return _pack_texts(values, pool)
    if len({strict(value) for value in values}) == 1:
        return _pack_one(values[0])
    if kinds == {bool}:
        return [Code.BOOLEANS, _mask(values)]
    if kinds == {int}:
        return pack_ints(values)
    if kinds <= {int, float}:
        return _pack_numbers(values, kinds)
    return [Code.PLAIN, *values]


def _pack_one(value: Any) -> Item:
    """A scalar that all are; 12.3 is shorter as a whole number of tenths."""
    found = decimal(value) if type(value) is float else None
    short = value if found is None else [Code.DECIMALS, found[1], found[0]]
    return short if len(dump(short)) < len(dump(value)) else value


def _pack_texts(values: Sequence[str], pool: Pool) -> Item:
    if all(map(names_bytes, values)):
        return [Code.IDS, pack([pool.id(value) for value in values], pool)]
    if all(map(is_hash, values)):
        return [Code.HASHES, pack([pool.hash(value) for value in values], pool)]
    places: dict[str, int] = {}
    indexes = [places.setdefault(value, len(places)) for value in values]
    if len(places) == 1:
        return values[0]
    if 4 * len(places) > 3 * len(values):
        return [Code.PLAIN, *values]
    return [Code.TABLE, list(places), pack_ints(indexes)]


def _pack_numbers(values: Sequence[int | float], kinds: set[type]) -> Item:
    found = decimals(float(value) for value in values)
    if found is None:
        return [Code.FLOATS, pack_floats(values)] if kinds == {float} else [Code.PLAIN, *values]
    digits, wholes = found
    code = Code.DECIMALS if kinds == {float} else Code.NUMBERS
    back = from_decimals(code, digits, wholes)
    if [strict(value) for value in back] != [strict(value) for value in values]:
        return [Code.PLAIN, *values]
    return [code, digits, pack_ints(wholes) if len(set(wholes)) > 1 else wholes[0]]


def from_decimals(code: int, digits: int, wholes: Sequence[int]) -> list[int | float]:
    """``wholes / 10**digits``; as `Code.NUMBERS` those without a fraction are whole numbers."""
    scale = 10**digits
    if code == Code.NUMBERS:
        return [whole // scale if whole % scale == 0 else whole / scale for whole in wholes]
    return [whole / scale for whole in wholes]


def _checked(value: Any, depth: int = 0) -> Any:
    """The value if it can travel."""
    kind = type(value)
    if depth > _DEEPEST:
        raise ValueError("too many levels")
    if kind is dict:
        return {_checked(key): _checked(inner, depth + 1) for key, inner in value.items()}
    if kind is list:
        return [_checked(inner, depth + 1) for inner in value]
    if kind is str:
        value.encode()
    elif kind is int and not LEAST <= value <= MOST:
        raise ValueError("a number beyond 64 bits")
    elif kind is float and not math.isfinite(value):
        raise ValueError("a number is not finite")
    elif value is not None and kind not in (bool, int, float):
        raise ValueError(f"{kind.__name__} is not JSON")
    return value


def strict(value: Any) -> tuple[type, Any]:
    """The scalar as something equal for values of one type alone; 0.0 and -0.0 are two."""
    return type(value), repr(value) if type(value) is float else value


def _mask(bits: Any) -> bytes:
    flags = list(bits)
    return sum(1 << place for place, bit in enumerate(flags) if bit).to_bytes(
        (len(flags) + 7) // 8, "little"
    )


# --- reading -------------------------------------------------------------------------------------


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
