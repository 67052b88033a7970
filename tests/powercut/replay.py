"""The disk as it is when the power fails at one place of the record: pure, but for memory."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.powercut.recorder import Entry, Flush, Mark, Write

PIECE = 4096


@dataclass(frozen=True, slots=True)
class Said:
    """What the workload had said before the cut: what it began, what it acknowledged."""

    begun: frozenset[str]
    done: frozenset[str]


@dataclass(slots=True)
class Disk:
    """Plays ``entries`` onto the bytes of an image; cuts must be asked for in growing order."""

    image: bytearray
    entries: Sequence[Entry]
    _flushed: int = field(default=0, init=False)

    def at(self, cut: int, chance: random.Random) -> bytearray:
        """The disk when the power fails just before entry ``cut``.

        Everything before the last flush is there; each piece written since by the toss of a coin.
        """
        flushed = max((n for n in range(cut) if isinstance(self.entries[n], Flush)), default=0)
        for entry in self.entries[self._flushed : flushed]:
            if isinstance(entry, Write):
                _lay(self.image, entry.offset, entry.data)
        self._flushed = max(self._flushed, flushed)
        found = bytearray(self.image)
        for entry in self.entries[flushed:cut]:
            if isinstance(entry, Write):
                for at in range(0, len(entry.data), PIECE):
                    if chance.random() < 0.5:
                        _lay(found, entry.offset + at, entry.data[at : at + PIECE])
        return found


def _lay(image: bytearray, offset: int, data: bytes) -> None:
    image[offset : offset + len(data)] = data


def said_before(entries: Sequence[Entry], cut: int) -> Said:
    """The marks before ``cut``."""
    texts = [entry.text for entry in entries[:cut] if isinstance(entry, Mark)]
    words = [text.split(" ", 1) for text in texts]
    return Said(
        frozenset(rest for verb, rest in words if verb == "begin"),
        frozenset(rest for verb, rest in words if verb == "done"),
    )


def places(entries: Sequence[Entry], cuts: int, chance: random.Random) -> list[int]:
    """Places to cut, in growing order, from the first mark to the end."""
    first = next(n for n, entry in enumerate(entries) if isinstance(entry, Mark))
    return sorted(chance.randrange(first + 1, len(entries) + 1) for _ in range(cuts))
