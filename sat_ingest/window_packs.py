"""Window packs: the windows of all fields of a node in one file, cut where bandwidth is cheap.

Layout: mark, stacks, index, tail.  A stack is up to 32 windows of one field (`sat_ingest.codec`,
quantised to the step that the index states); the index says which days and scenes it holds and how
long it is.  Whoever made the file may be hostile: the tail and every size are held against the
length of the file, and against the grids, before anything is inflated.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import numpy as np
import zstandard

from field_data.errors import PersonError, PublisherError
from field_data.files import replacing
from field_data.types import Field
from sat_ingest import codec
from sat_ingest.archive import Archive, outline_key
from sat_ingest.grid import MAX_PIXELS, Grid, field_grid
from sat_ingest.windows import Window

# 0.001 of reflectance, a fifth of what Sentinel-2's products claim to be good for.
QUANTUM = 10
_MARK = b"GHALLA-WINDOWS-1"
_TAIL = struct.Struct("<I16s")
# Read as JSON it takes up to thirty times as much memory: whoever made it may mean just that.
_MOST_INDEX = 8 << 20
_MOST_PIXELS = 1 << 20
_MOST_STACK = 32
_MOST_NAME = 200
_MOST_FIELDS = 100_000
_LAST_DAY = 100_000
_UTM = frozenset({*range(32601, 32661), *range(32701, 32761)})


@dataclass(frozen=True, slots=True)
class Stack:
    """Windows of one field in one piece of the file; ``days`` since 1970-01-01."""

    at: int
    bytes: int
    days: tuple[int, ...]
    scenes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PackedField:
    """A field of a pack, on the grid of its boundary when the pack was cut; ``hidden``: days
    since 1970-01-01 on which clouds hid it."""

    id: str
    grid: Grid
    stacks: tuple[Stack, ...]
    hidden: tuple[int, ...] = ()


@dataclass(slots=True)
class PackWriter:
    """Writes a pack field by field into ``file``, which must be at its start; `close` ends it."""

    file: IO[bytes]
    quantum: int = QUANTUM
    windows: int = 0
    _fields: list[dict[str, Any]] = field(default_factory=list)
    _scenes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.file.write(_MARK)

    def add(self, windows: Iterable[Window], hidden: Sequence[int] = ()) -> None:
        """All windows of one field, in any order; nothing happens when there are none.

        ``hidden``: days on which clouds hid it.

        Raises:
            ValueError: several fields or grids.
        """
        ordered = sorted(windows, key=lambda w: (w.day, w.scene))
        if not ordered:
            return
        first = ordered[0]
        if any((w.field, w.grid) != (first.field, first.grid) for w in ordered):
            raise ValueError("windows of several fields or grids")
        grid = first.grid
        entry = [grid.epsg, grid.left, grid.top, grid.height, grid.width]
        stacks = [self._stack(each) for each in _stacks(ordered)]
        told = {"hidden": list(hidden)} if hidden else {}
        self._fields.append({"id": first.field, "grid": entry, "stacks": stacks} | told)
        self.windows += len(ordered)

    def close(self) -> None:
        """Write the index and the tail.

        Raises:
            PersonError: ``pack_too_large``: more than any node would read.
        """
        index = {"quantum": self.quantum, "scenes": list(self._scenes), "fields": self._fields}
        text = json.dumps(index, separators=(",", ":")).encode()
        names = [*self._scenes, *(each["id"] for each in self._fields)]
        if len(text) > _MOST_INDEX or any(len(name) > _MOST_NAME for name in names):
            raise PersonError("pack_too_large", "too much for one pack: take fewer fields or days")
        packed = zstandard.ZstdCompressor(level=19, write_checksum=True).compress(text)
        self.file.write(packed)
        self.file.write(_TAIL.pack(len(packed), _MARK))

    def _stack(self, windows: Sequence[Window]) -> dict[str, Any]:
        bands = {name: np.stack([w.bands[name] for w in windows]) for name in windows[0].bands}
        data = codec.encode(bands, np.stack([w.scl for w in windows]), self.quantum)
        self.file.write(data)
        scenes = [self._scenes.setdefault(w.scene, len(self._scenes)) for w in windows]
        return {"bytes": len(data), "days": [w.day for w in windows], "scenes": scenes}


def write_pack(
    path: Path,
    archive: Archive,
    fields: Iterable[Field],
    quantum: int = QUANTUM,
    days: tuple[int, int] = (0, _LAST_DAY),
) -> int:
    """Cut what an archive keeps of fields on ``days`` (first and last) into a file.

    How many windows that are.

    Raises:
        PersonError: ``no_scenes`` when there are none; KeeperError: ``disk_full``, the archive's.
    """
    first, last = days
    with replacing(path) as file:
        writer = PackWriter(file, quantum)
        for each in fields:
            hidden = archive.hidden(each.id, outline_key(each.boundary))
            windows = archive.windows(each.id, first, last)
            writer.add(windows, [day for day in hidden if first <= day <= last])
        if not writer.windows:
            raise PersonError("no_scenes", "none of these fields has a scene in these days")
        writer.close()
    return writer.windows


def _stacks(ordered: Sequence[Window]) -> Iterator[list[Window]]:
    """Runs of windows with the same bands, short enough to be inflated on a small machine."""
    pixels = ordered[0].grid.height * ordered[0].grid.width
    most = max(min(_MOST_STACK, _MOST_PIXELS // pixels), 1)
    for _, group in groupby(ordered, lambda w: tuple(w.bands)):
        run = list(group)
        yield from (run[i : i + most] for i in range(0, len(run), most))


class PackSource:
    """A pack as a `sat_ingest.windows.WindowSource`; its index is checked when it is opened.

    Raises:
        PublisherError: ``pack_damaged``, or ``pack_newer`` for one of a later layout.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        try:
            index, end = _index(file)
            self.quantum = _whole(index["quantum"], 1, 1000)
            self.fields = _fields(index, end)
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
            struct.error,
        ) as error:
            raise PublisherError("pack_damaged", f"not a window pack: {error}") from error

    def windows(
        self, fields: Sequence[Field], since: int, until: int, bands: Sequence[str]
    ) -> Iterator[Window]:
        """Windows of the fields whose boundary still has the grid of the pack.

        Raises:
            PublisherError: ``window_damaged``.
        """
        for known in self.matching(fields):
            for window in self.all_of(known):
                if since <= window.day <= until:
                    wanted = {n: window.bands[n] for n in bands if n in window.bands}
                    yield Window(known.id, window.day, window.scene, known.grid, wanted, window.scl)

    def matching(self, fields: Sequence[Field]) -> list[PackedField]:
        """Those of the pack's fields that are among ``fields``, with the same grid."""
        grids = {}
        for each in fields:
            try:
                grids[each.id] = field_grid(each.boundary)
            except PersonError:  # too large to have windows
                continue
        return [each for each in self.fields if grids.get(each.id) == each.grid]

    def all_of(self, packed: PackedField) -> Iterator[Window]:
        """Every window of one field of the pack, with all its bands.

        Raises:
            PublisherError: ``window_damaged``.
        """
        for stack in packed.stacks:
            shape = (len(stack.days), packed.grid.height, packed.grid.width)
            self._file.seek(stack.at)
            bands, scl = codec.decode(self._file.read(stack.bytes), shape, self.quantum)
            for i, (day, scene) in enumerate(zip(stack.days, stack.scenes, strict=True)):
                planes = {name: plane[i] for name, plane in bands.items()}
                yield Window(packed.id, day, scene, packed.grid, planes, scl[i])


def _index(file: IO[bytes]) -> tuple[Any, int]:
    """The index and where the stacks end."""
    size = file.seek(0, io.SEEK_END)
    if size < len(_MARK) + _TAIL.size:
        raise ValueError("too short")
    file.seek(0)
    mark = file.read(len(_MARK))
    file.seek(size - _TAIL.size)
    length, ending = _TAIL.unpack(file.read(_TAIL.size))
    if mark != _MARK:
        if mark[:-1] == _MARK[:-1]:
            raise PublisherError("pack_newer", "the pack was cut by a newer Ghalla")
        raise ValueError("another kind of file")
    end = size - _TAIL.size - length
    if ending != _MARK or end < len(_MARK) or length > _MOST_INDEX:
        raise ValueError("the end is missing")
    file.seek(end)
    return json.loads(codec.inflated(file.read(length), _MOST_INDEX)), end


def _fields(index: Any, end: int) -> tuple[PackedField, ...]:
    scenes = [_name(each) for each in index["scenes"]]
    entries = index["fields"]
    if len(entries) > _MOST_FIELDS:
        raise ValueError(f"{len(entries)} fields")
    at, found = len(_MARK), []
    for entry in entries:
        grid, stacks = _grid(entry["grid"]), []
        for each in entry["stacks"]:
            stack = _stack_of(each, at, scenes, grid)
            stacks.append(stack)
            at += stack.bytes
        hidden = tuple(_whole(day, 0, _LAST_DAY) for day in entry.get("hidden", ()))
        found.append(PackedField(_name(entry["id"]), grid, tuple(stacks), hidden))
    if at != end:
        raise ValueError("the stacks do not fill the file")
    if len({each.id for each in found}) != len(found):
        raise ValueError("a field twice")
    return tuple(found)


def _stack_of(entry: Any, at: int, scenes: Sequence[str], grid: Grid) -> Stack:
    days = tuple(_whole(day, 0, _LAST_DAY) for day in entry["days"])
    names = tuple(scenes[_whole(each, 0, len(scenes) - 1)] for each in entry["scenes"])
    pixels = grid.height * grid.width
    if not 0 < len(days) <= max(min(_MOST_STACK, _MOST_PIXELS // pixels), 1):
        raise ValueError(f"{len(days)} windows in a stack")
    if len(days) != len(names):
        raise ValueError("not one scene a day")
    most = codec.most_bytes((len(days), grid.height, grid.width))
    return Stack(at, _whole(entry["bytes"], 1, most), days, names)


def _grid(numbers: Any) -> Grid:
    epsg, left, top, height, width = (_whole(each, -(10**8), 10**8) for each in numbers)
    if epsg not in _UTM or min(height, width) < 1 or height * width > MAX_PIXELS:
        raise ValueError("a grid that no field has")
    return Grid(epsg, left, top, height, width)


def _whole(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{str(value)[:20]} is not from {low} to {high}")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_NAME or not value.isprintable():
        raise ValueError("a name that is none")
    return value
