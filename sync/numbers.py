"""Columns of numbers as few bytes: distances, fixed width, low bytes first, decimals as whole ones.

A packed column is one byte string: a byte ``width + 16 * stride``, then ``max(1, stride)`` whole
numbers as zigzag LEB128, then the planes: the lowest byte of every value, then the second … .
``stride`` 0 counts from the smallest, which stands in front.  ``stride`` s (1 or 2) is the distance
from the value s places before, as zigzag; the first s values stand in front.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from itertools import chain

from sync.cbor import LEAST, MOST, Unfit

MAX_DIGITS = 9
_STRIDES = (0, 1, 2)


def pack_ints(values: Sequence[int]) -> bytes:
    """Whole numbers of 64 bits, at least one; in the stride that takes the fewest bits."""
    ways = [(s, *_distances(values, s)) for s in _STRIDES if s < len(values)]
    stride, heads, rest = min(ways, key=lambda way: _bits(way[2]))
    width = max((value.bit_length() + 7) // 8 for value in (*rest, 1))
    planes = b"".join(value.to_bytes(width, "little") for value in rest)
    ordered = b"".join(planes[plane::width] for plane in range(width))
    return bytes([width + 16 * stride]) + b"".join(map(_varint, heads)) + ordered


def unpack_ints(data: bytes, n: int) -> list[int]:
    """The ``n`` numbers, which may be beyond 64 bits only if the bytes lie.

    Raises:
        Unfit: not a packed column of ``n`` numbers.
    """
    if not data or n < 1:
        raise Unfit("an empty column")
    width, stride = data[0] & 15, data[0] >> 4
    if stride not in _STRIDES or not 1 <= width <= 9 or stride > n:
        raise Unfit("a column packed in no known way")
    at, heads = 1, []
    for _ in range(max(1, stride)):
        head, at = _read_varint(data, at)
        heads.append(head)
    count = n - stride
    if len(data) - at != count * width:
        raise Unfit("a column of another length")
    planes = [data[at + plane * count : at + (plane + 1) * count] for plane in range(width)]
    rest = [int.from_bytes(bytes(each), "little") for each in zip(*planes, strict=True)]
    values = _summed(heads, rest, stride)
    if any(not LEAST <= value <= MOST for value in values):
        raise Unfit("a number beyond 64 bits")
    return values


def _distances(values: Sequence[int], stride: int) -> tuple[list[int], list[int]]:
    if not stride:
        least = min(values)
        return [least], [value - least for value in values]
    pairs = zip(values, values[stride:], strict=False)
    return list(values[:stride]), [_zigzag(after - before) for before, after in pairs]


def _summed(heads: list[int], rest: list[int], stride: int) -> list[int]:
    if not stride:
        return [heads[0] + value for value in rest]
    values = heads
    for value in rest:
        values.append(values[-stride] + _unzigzag(value))
    return values


def _bits(values: Iterable[int]) -> int:
    return sum(value.bit_length() for value in values)


def _zigzag(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


def _unzigzag(value: int) -> int:
    return value >> 1 if value & 1 == 0 else -(value >> 1) - 1


def _varint(value: int) -> bytes:
    rest, parts = _zigzag(value), bytearray()
    while rest > 127:
        parts.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*parts, rest])


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return _unzigzag(value), at + place + 1
    raise Unfit("a number without an end")


def decimal(value: float) -> tuple[int, int] | None:
    """``(whole, digits)`` with ``whole / 10**digits`` exactly this double, None where there is none
    with at most `MAX_DIGITS` digits and 62 bits."""
    text = repr(value)
    if "e" in text or "n" in text or text == "-0.0":
        return None
    whole, _, digits = text.partition(".")
    digits = digits.rstrip("0")
    number = int(whole + digits)
    return None if len(digits) > MAX_DIGITS or abs(number) >> 62 else (number, len(digits))


def decimals(values: Iterable[float]) -> tuple[int, list[int]] | None:
    """``(digits, wholes)`` of all values with the same digits, None where one has none."""
    found = [decimal(value) for value in values]
    if any(each is None for each in found):
        return None
    known = [each for each in found if each is not None]
    digits = max(each[1] for each in known)
    wholes = [whole * 10 ** (digits - d) for whole, d in known]
    return None if any(abs(whole) >> 62 for whole in wholes) else (digits, wholes)


def pack_floats(values: Sequence[float]) -> bytes:
    """IEEE 754 little-endian, 4 bytes each where that is the same number, else 8; in planes."""
    raw = struct.pack(f"<{len(values)}d", *values)
    width = 8
    if all(abs(value) < 3e38 and _single(value) == value for value in values):
        raw, width = struct.pack(f"<{len(values)}f", *values), 4
    return b"".join(raw[plane::width] for plane in range(width))


def unpack_floats(data: bytes, n: int) -> list[float]:
    """The ``n`` finite numbers.

    Raises:
        Unfit: another length, or a number that is not finite.
    """
    if n < 1 or len(data) not in (4 * n, 8 * n):
        raise Unfit("a column of another length")
    rows = zip(*(data[at : at + n] for at in range(0, len(data), n)), strict=True)
    code = "f" if len(data) == 4 * n else "d"
    values = list(struct.unpack(f"<{n}{code}", bytes(chain.from_iterable(rows))))
    if not all(map(math.isfinite, values)):
        raise Unfit("a number is not finite")
    return values


def _single(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])
