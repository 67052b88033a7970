"""The head of a TIFF: where its blocks lie, read from as few bytes as possible.

Sources: TIFF 6.0 (Adobe, 1992), the BigTIFF extension, and GDAL's description of the "ghost area"
that cloud-optimised files carry behind their first eight bytes.  Only the first image is read.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from field_data.errors import PublisherError

NONE, DEFLATE, OLD_DEFLATE = 1, 8, 32946
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_GHOST = re.compile(rb"GDAL_STRUCTURAL_METADATA_SIZE=(\d{6}) bytes\n")
_MAX_TAGS, _MAX_TAG_BYTES, _MAX_SIDE, _MAX_BLOCK_BYTES = 256, 2 * 1024**2, 100_000, 64 * 1024**2

Reader = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Table:
    """A list of whole numbers in the file: its place, the code of one number, the numbers."""

    at: int
    code: str
    values: tuple[int, ...]

    def holds(self, value: int) -> bool:
        """Whether a number fits where the old one stands."""
        return 0 <= value < 1 << 8 * struct.calcsize("<" + self.code)


@dataclass(frozen=True, slots=True)
class TiffHead:
    """The first image of a TIFF.  Blocks are counted row by row, from the upper left one.

    ``row_bytes``: of one row of one block, inflated.  ``order``: "<" or ">".  ``next_at``: where
    the place of the next image is written, ``next_code`` how.  ``ghost``: bytes of the ghost area.
    """

    width: int
    height: int
    block_width: int
    block_height: int
    tiled: bool
    compression: int
    row_bytes: int
    offsets: Table
    counts: Table
    order: str
    next_at: int
    next_code: str
    ghost: int

    @property
    def across(self) -> int:
        """Blocks in a row."""
        return -(-self.width // self.block_width)

    @property
    def down(self) -> int:
        """Rows of blocks."""
        return -(-self.height // self.block_height)

    def rows_of(self, block: int) -> int:
        """Rows stored in a block: tiles are padded, the last strip is not."""
        if self.tiled:
            return self.block_height
        return min(self.block_height, self.height - block * self.block_height)

    def span(self, block: int) -> tuple[int, int]:
        """First byte of a block, and the one behind its last."""
        start = self.offsets.values[block]
        return start, start + self.counts.values[block]

    def touched(self, row: int, column: int, height: int, width: int) -> dict[int, int]:
        """Blocks under a window, each with how many of its rows must be known (from its top)."""
        found: dict[int, int] = {}
        for down in range(row // self.block_height, -(-(row + height) // self.block_height)):
            rows = min(row + height - down * self.block_height, self.block_height)
            first, stop = column // self.block_width, -(-(column + width) // self.block_width)
            found |= {down * self.across + across: rows for across in range(first, stop)}
        return found


def _bad(why: str) -> PublisherError:
    return PublisherError("bad_tiff", f"not a usable TIFF: {why}")


def read_head(read: Reader) -> TiffHead:
    """The head of a file whose bytes ``read(start, stop)`` gives; all its tags are read.

    Raises:
        PublisherError: ``bad_tiff``, also for sizes that no satellite scene has.
    """
    start = read(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None:
        raise _bad("it does not begin like one")
    version = struct.unpack(order + "H", start[2:4])[0]
    if version == 42:
        at, wide = struct.unpack(order + "I", start[4:8])[0], False
    elif version == 43 and start[4:8] == struct.pack(order + "HH", 8, 0):
        at, wide = struct.unpack(order + "Q", start[8:16])[0], True
    else:
        raise _bad(f"version {version}")
    ghost_at = 16 if wide else 8
    ghost = _GHOST.match(read(ghost_at, ghost_at + 43))
    size = 43 + int(ghost[1]) if ghost else 0
    return _head(read, order, wide, at, (ghost_at + size) if size else 0)


def _head(read: Reader, order: str, wide: bool, at: int, ghost: int) -> TiffHead:
    head, entry, code = (8, 20, "Q") if wide else (2, 12, "I")
    count = struct.unpack(order + ("Q" if wide else "H"), read(at, at + head))[0]
    if not 0 < count <= _MAX_TAGS:
        raise _bad(f"{count} tags")
    raw = read(at + head, at + head + entry * count)
    tags: dict[int, Table] = {}
    for n in range(count):
        tag, table = _tag(read, order, code, raw[n * entry :][:entry], at + head + n * entry)
        tags[tag] = table
    next_at = at + head + entry * count
    read(next_at, next_at + struct.calcsize("<" + code))
    return _checked(tags, order, next_at, code, ghost)


def _tag(read: Reader, order: str, code: str, raw: bytes, at: int) -> tuple[int, Table]:
    """One tag; its value is read even where its meaning does not matter here: GDAL will want it."""
    tag, kind = struct.unpack(order + "HH", raw[:4])
    room = struct.calcsize("<" + code)
    count = struct.unpack(order + code, raw[4 : 4 + room])[0]
    size = _SIZES.get(kind, 1) * count
    if size > _MAX_TAG_BYTES:
        raise _bad(f"tag {tag} of {size} bytes")
    inline = size <= room
    place = at + 4 + room if inline else struct.unpack(order + code, raw[4 + room :])[0]
    value = raw[4 + room :][:size] if inline else read(place, place + size)
    numbers = struct.unpack(f"{order}{count}{_CODES[kind]}", value) if kind in _CODES else ()
    return tag, Table(place, _CODES.get(kind, ""), numbers)


def _checked(
    tags: Mapping[int, Table], order: str, next_at: int, code: str, ghost: int
) -> TiffHead:
    def one(tag: int, default: int | None = None) -> int:
        values = tags[tag].values if tag in tags else ()
        if not values and default is None:
            raise _bad(f"tag {tag} is missing")
        return values[0] if values else int(default or 0)

    width, height = one(256), one(257)
    tiled = 324 in tags
    block_width = one(322) if tiled else width
    block_height = one(323) if tiled else min(one(278, height), height)
    bits, samples = one(258, 1), one(277, 1)
    if one(284, 1) != 1:
        samples = 1
    row_bytes = -(-block_width * bits * samples // 8)
    if not all(0 < side <= _MAX_SIDE for side in (width, height, block_width, block_height)):
        raise _bad(f"{width} x {height} in blocks of {block_width} x {block_height}")
    if not 0 < row_bytes * block_height <= _MAX_BLOCK_BYTES:
        raise _bad(f"blocks of {row_bytes * block_height} bytes")
    empty = Table(0, "", ())
    offsets, counts = tags.get(324 if tiled else 273, empty), tags.get(325 if tiled else 279, empty)
    found = TiffHead(
        width, height, block_width, block_height, tiled, one(259, NONE), row_bytes,
        offsets, counts, order, next_at, code, ghost,
    )  # fmt: skip
    if not found.across * found.down <= len(offsets.values) == len(counts.values):
        raise _bad(f"{len(offsets.values)} blocks")
    return found
