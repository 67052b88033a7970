"""One remote TIFF of which only the blocks that somebody needs are here, as a file of its own.

Beside each other lie ``NAME.tif`` (a sparse file that any program opens), ``NAME.head`` (the
remote's own header, written once) and ``NAME.held`` (which bytes and rows can be trusted).

What the network brought lies where it lies in the remote file.  A DEFLATE block of which only the
first rows were fetched is not a stream that a reader accepts: its rows are deflated again, followed
by zeros, into a slot behind the end of the remote file, and the local header points there.  Blocks
of which nothing is here point behind the end of everything: reading them is an error, never a
picture.  Images behind the first one (overviews) are cut off.

Data are made durable before ``NAME.held`` names them, and a slot is disowned before it is written
again: after ``kill -9`` or a power cut nothing half-written is trusted.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from rasterio.io import DatasetReader

from field_data.errors import PublisherError
from field_data.files import disk_full_named, write_atomic
from sat_ingest.ranges import Ranges, Remote
from sat_ingest.tiff_head import DEFLATE, OLD_DEFLATE, Table, TiffHead, read_head

# The head of a 10980 x 10980 scene ends before 2.4 kB (blocks of 1024) or 5.3 kB (of 512).
FIRST_READ = 6 * 1024
_MAX_HEAD_READS = 8
# Two ranges nearer than this are one: a request costs about as much.
_GAP = 1024
# Below this a block is fetched whole.
_SMALL = 16 * 1024
_CHECKPOINT = 256 * 1024

Span = tuple[int, int]
Pixels = tuple[int, int, int, int]  # row, column, height, width


class _MissingError(Exception):
    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.span = (start, stop)


def merged(spans: Iterable[Span], gap: int = 0) -> list[Span]:
    """Spans of bytes (first, behind the last) in order, joined where nearer than ``gap``."""
    joined: list[Span] = []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined


def held_until(held: Iterable[Span], start: int, stop: int) -> int:
    """How far the bytes from ``start`` are held without a gap, at most ``stop``."""
    for first, behind in held:
        if first <= start < behind:
            return min(behind, stop)
    return start


def inflated_rows(prefix: bytes, row_bytes: int, rows: int) -> bytes:
    """The first ``rows`` rows of a DEFLATE block, or as many whole ones as ``prefix`` tells.

    Rows stay as the predictor left them: it works along each row alone (TIFF 6.0, section 14).

    Raises:
        PublisherError: ``cog_damaged``.
    """
    try:
        data = zlib.decompressobj().decompress(prefix, rows * row_bytes)
    except zlib.error as error:
        raise PublisherError("cog_damaged", f"a damaged block: {error}") from error
    return data[: len(data) // row_bytes * row_bytes]


def guessed_bytes(size: int, rows: int, wanted: int, have: int = 0, have_rows: int = 0) -> int:
    """How many bytes of a block of ``size`` hold its first ``wanted`` of ``rows`` rows, likely.

    From the average row of the whole block, or of the part that is here; with a margin, since a
    second request costs more than 3 % of a block.
    """
    if have_rows:
        guess = have + int(have / have_rows * (wanted - have_rows) * 1.05)
    else:
        guess = int(size * wanted / rows * 1.03) + 1024
    return min(size, max(guess, have) + 1024)


class SparseCog:
    """The local part of the TIFF at ``url``.  One process at a time (`block_store` sees to it)."""

    def __init__(
        self,
        stem: Path,
        url: str,
        ranges: Ranges,
        make_room: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Open what is here, or fetch the header.

        Raises:
            PublisherError: ``bad_tiff`` or one of `Ranges.fetch`'s; NetworkError; KeeperError.
        """
        self.url, self._ranges, self._make_room = url, ranges, make_room
        self.path, self._head_path, self._held_path = names(stem)
        self._pieces: dict[int, bytes] = {}
        self._held: list[Span] = []
        self._rows: dict[int, list[int]] = {}  # block → rows that can be read, bytes of its slot
        self._read_notes()
        with disk_full_named(self.path):
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self.head = self._find_head()
            self._patch()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> SparseCog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def remote(self) -> Remote:
        """The file of which this is a part."""
        if self._remote is None:
            raise ValueError("nothing is known of the remote file yet")
        return self._remote

    def ensure(self, windows: Iterable[Pixels]) -> None:
        """Fetch what windows (row, column, height, width, inside the image) still lack.

        Raises:
            As `Ranges.fetch`; ``PublisherError("cog_truncated" | "cog_damaged")``.  What arrived
            before is kept, and is not fetched again.
        """
        wanted: dict[int, int] = {}
        for window in windows:
            for block, rows in self.head.touched(*window).items():
                wanted[block] = max(rows, wanted.get(block, 0))
        lacking = {b: rows for b, rows in wanted.items() if not self._has(b, rows)}
        self._check_inside(lacking)
        while lacking:
            spans = {block: self._span(block, rows) for block, rows in lacking.items()}
            self._fetch(spans.values())
            self._settle(lacking, spans)
            lacking = {b: rows for b, rows in lacking.items() if not self._has(b, rows)}

    @contextmanager
    def opened(self) -> Iterator[DatasetReader]:
        """The file, opened by rasterio; only what `ensure` was asked for may be read.

        Rows below the held ones of a block read as 0, blocks not held as an error.
        """
        with rasterio.open(self.path, driver="GTiff", sharing=False) as dataset:
            yield dataset

    def has(self, window: Pixels) -> bool:
        """Whether a window (row, column, height, width) can be read now."""
        return all(self._has(b, rows) for b, rows in self.head.touched(*window).items())

    def strips(self) -> list[Pixels]:
        """The held parts of blocks as windows: more pixels than any field has, for statistics."""
        head, found = self.head, []
        for block, (rows, _) in sorted(self._rows.items()):
            down, across = divmod(block, head.across)
            row, column = down * head.block_height, across * head.block_width
            height = min(rows, head.height - row)
            found.append((row, column, height, min(head.block_width, head.width - column)))
        return found

    # -- what is held ---------------------------------------------------------------------------

    def _has(self, block: int, rows: int) -> bool:
        empty = self.head.counts.values[block] == 0
        return empty or self._rows.get(block, [0])[0] >= rows

    def _read_notes(self) -> None:
        """What is here, by its notes; nothing, where they are damaged or of another file."""
        self._remote: Remote | None = None
        try:
            self._take_notes(_json(self._head_path), _json(self._held_path))
        except (KeyError, TypeError, ValueError, AttributeError):
            self._remote, self._pieces, self._held, self._rows = None, {}, [], {}
        if self._remote is None:
            forget(self.path)

    def _take_notes(self, head: Any, held: Any) -> None:
        if head is None or head["url"] != self.url or not self.path.exists():
            return
        self._pieces = {int(at): base64.b64decode(text) for at, text in head["pieces"]}
        self._held = [(at, at + len(piece)) for at, piece in self._pieces.items()]
        if held is not None:
            spans = [(int(start), int(stop)) for start, stop in held["held"]]
            self._held = merged([*self._held, *spans])
            self._rows = {
                int(block): [int(rows), int(size)] for block, (rows, size) in held["rows"].items()
            }
        self._remote = Remote(int(head["size"]), head["validator"])

    def _write_held(self) -> None:
        os.fsync(self._file)
        noted = {"held": self._held, "rows": self._rows}
        write_atomic(self._held_path, json.dumps(noted, separators=(",", ":")).encode())

    def _find_head(self) -> TiffHead:
        for _ in range(_MAX_HEAD_READS):
            try:
                head = read_head(self._piece)
            except _MissingError as missing:
                self._fetch_piece(*missing.span)
            else:
                if not head.offsets.holds(self.remote.size):
                    raise PublisherError("bad_tiff", f"{self.url} is too long for its kind")
                self._head_found(head)
                return head
        raise PublisherError("bad_tiff", f"the header of {self.url} is scattered")

    def _piece(self, start: int, stop: int) -> bytes:
        for at, piece in self._pieces.items():
            if at <= start and stop <= at + len(piece):
                return piece[start - at : stop - at]
        raise _MissingError(held_until(merged(self._held), start, stop), stop)

    def _fetch_piece(self, start: int, stop: int) -> None:
        if self._remote and stop > self._remote.size:
            raise PublisherError("cog_truncated", f"{self.url} ends inside its header")
        stop = max(stop, start + FIRST_READ)
        parts: list[bytes] = []
        fetch = self._ranges.fetch
        self._remote = fetch(
            self.url, start, stop, lambda _, data: parts.append(data), self._remote
        )
        piece = b"".join(parts)
        before = next((at for at in self._pieces if at + len(self._pieces[at]) == start), start)
        self._pieces[before] = self._pieces.get(before, b"") + piece
        self._held = merged([*self._held, (start, start + len(piece))])

    def _head_found(self, head: TiffHead) -> None:
        if self._head_path.exists():
            return
        noted = {
            "url": self.url,
            "size": self.remote.size,
            "validator": self.remote.validator,
            "pieces": [[at, base64.b64encode(p).decode()] for at, p in self._pieces.items()],
        }
        with disk_full_named(self.path):
            os.ftruncate(self._file, 0)
            for at, piece in self._pieces.items():
                os.pwrite(self._file, piece, at)
            os.ftruncate(self._file, self._end(head))
            os.fsync(self._file)
        write_atomic(self._head_path, json.dumps(noted).encode())

    # -- fetching -------------------------------------------------------------------------------

    def _check_inside(self, blocks: Iterable[int]) -> None:
        if any(self.head.span(block)[1] > self.remote.size for block in blocks):
            raise PublisherError("cog_truncated", f"{self.url} ends before its blocks do")

    def _span(self, block: int, rows: int) -> Span:
        """The bytes of a block to hold before its first ``rows`` rows can be tried."""
        start, stop = self.head.span(block)
        size, total = stop - start, self.head.rows_of(block)
        if self.head.compression not in {DEFLATE, OLD_DEFLATE} or size <= _SMALL or rows >= total:
            return start, stop
        have, known = self._inflated(block, rows)
        if known >= rows:
            return start, start + have
        guess = guessed_bytes(size, total, rows, have, known)
        # Nearly all of it, or no place for a slot: then all of it.
        if guess > 0.95 * size or self._end(self.head) == self.remote.size:
            return start, stop
        return start, start + guess

    def _inflated(self, block: int, rows: int) -> Span:
        start, stop = self.head.span(block)
        have = held_until(self._held, start, stop) - start
        if have == 0:
            return 0, 0
        prefix = os.pread(self._file, have, start)
        return have, len(inflated_rows(prefix, self.head.row_bytes, rows)) // self.head.row_bytes

    def _fetch(self, spans: Iterable[Span]) -> None:
        lacking = [(held_until(self._held, start, stop), stop) for start, stop in spans]
        asked = merged(lacking, _GAP)
        if asked:
            self._make_room(2 * sum(stop - start for start, stop in asked))
        for start, stop in asked:
            self._fetch_span(start, stop)

    def _fetch_span(self, start: int, stop: int) -> None:
        noted = reached = start

        def keep(at: int, data: bytes) -> None:
            nonlocal noted, reached
            with disk_full_named(self.path):
                os.pwrite(self._file, data, at)
            reached = at + len(data)
            if reached - noted >= _CHECKPOINT:
                self._hold(noted, reached)
                noted = reached

        try:
            self._ranges.fetch(self.url, start, stop, keep, self._remote)
        finally:
            if reached > noted:
                self._hold(noted, reached)

    def _hold(self, start: int, stop: int) -> None:
        self._held = merged([*self._held, (start, stop)])
        self._write_held()

    # -- making it readable ---------------------------------------------------------------------

    def _settle(self, wanted: Mapping[int, int], spans: Mapping[int, Span]) -> None:
        """Whole blocks become readable where they lie, first rows through a slot."""
        written = {}
        for block, rows in wanted.items():
            if spans[block] == self.head.span(block):
                self._check_whole(block)
                written[block] = [self.head.rows_of(block), 0]
            elif self._inflated(block, rows)[1] >= rows:
                written[block] = [rows, self._fill_slot(block, rows)]
        self._rows |= written
        self._patch()
        self._write_held()

    def _check_whole(self, block: int) -> None:
        if self.head.compression in {DEFLATE, OLD_DEFLATE}:
            rows = self.head.rows_of(block)
            if self._inflated(block, rows)[1] < rows:
                raise PublisherError("cog_damaged", f"a block of {self.url} ends too early")

    def _slot(self, block: int) -> int:
        return self.remote.size + block * _slot_size(self.head)

    def _end(self, head: TiffHead) -> int:
        """Behind the last slot, or the remote file where slots do not fit; nothing lies there."""
        slots = head.across * head.down * _slot_size(head) if _has_slots(head) else 0
        end = self.remote.size + slots
        return end if head.offsets.holds(end) else self.remote.size

    def _fill_slot(self, block: int, rows: int) -> int:
        if self._rows.pop(block, None):
            self._write_held()
        start, stop = self.head.span(block)
        prefix = os.pread(self._file, held_until(self._held, start, stop) - start, start)
        known = inflated_rows(prefix, self.head.row_bytes, rows)
        missing = self.head.rows_of(block) - rows
        padded = zlib.compress(known + bytes(missing * self.head.row_bytes), 1)
        with disk_full_named(self.path):
            os.pwrite(self._file, padded, self._slot(block))
        return len(padded)

    def _patch(self) -> None:
        """Write the header that the held blocks need; it follows from what is noted alone."""
        head, end = self.head, self._end(self.head)
        offsets, counts = [], []
        for block, (offset, count) in enumerate(
            zip(head.offsets.values, head.counts.values, strict=True)
        ):
            rows, slot = self._rows.get(block, (0, 0))
            place = self._slot(block) if slot else offset if rows or not count else end
            offsets.append(place)
            counts.append(slot or count)
        with disk_full_named(self.path):
            self._write_table(head.offsets, offsets)
            self._write_table(head.counts, counts)
            nothing = bytes(struct.calcsize("<" + head.next_code))
            os.pwrite(self._file, nothing, head.next_at)
            if head.ghost:  # it promises an order that slots do not keep
                start = 16 if head.next_code == "Q" else 8
                os.pwrite(self._file, bytes(head.ghost - start), start)

    def _write_table(self, table: Table, values: list[int]) -> None:
        packed = struct.pack(f"{self.head.order}{len(values)}{table.code}", *values)
        os.pwrite(self._file, packed, table.at)


def _slot_size(head: TiffHead) -> int:
    size = head.row_bytes * head.block_height
    return size + size // 1000 + 64  # zlib's own bound is 0.03 % and 13 bytes


def _has_slots(head: TiffHead) -> bool:
    return head.compression in {DEFLATE, OLD_DEFLATE} and head.counts.holds(_slot_size(head))


def forget(path: Path) -> None:
    """Remove the part of one remote file, what vouches for it first."""
    for each in reversed(names(path)):
        each.unlink(missing_ok=True)


def names(stem: Path) -> tuple[Path, Path, Path]:
    """The three files of one remote file: pixels, header, what is held."""
    return stem.with_suffix(".tif"), stem.with_suffix(".head"), stem.with_suffix(".held")


def _json(path: Path) -> Any:
    """A note, or None where there is none; `write_atomic` leaves no halves."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
