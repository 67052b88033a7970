"""How much memory this node may count on, and what it does without where that is little.

Decided once, at start, from the machine and from the control groups that the process is in: a node
that would be killed in the middle of a diagnosis is worth less than one that does less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_app.appliance.vitals import Roots

MIB = 1024 * 1024
# A Raspberry Pi of 1 GiB shows 900 MiB or more, one of 512 MiB less than 500.
SMALL_BYTES = 700 * MIB


@dataclass(frozen=True, slots=True)
class Means:
    """What the node may do at the same time; ``small`` says that parts are off.

    ``drawing_waits``: a map tile is drawn in a turn of the queue of diagnoses, not beside one.
    """

    small: bool
    workers: int
    queue: int
    spare_threads: int
    drawing_waits: bool
    pulls: bool


def means_of(limit: int | None, workers: int, queue: int) -> Means:
    """What ``limit`` bytes are enough for; ``workers`` and ``queue`` are the settings'."""
    if limit is None or limit >= SMALL_BYTES:
        return Means(False, workers, queue, 8, drawing_waits=False, pulls=True)
    return Means(True, 1, min(queue, 10), 4, drawing_waits=True, pulls=False)


def memory_bytes(setting_mb: int = 0, roots: Roots | None = None) -> int | None:
    """Bytes that this process may use with all others: the least of machine and control groups.

    ``setting_mb`` (megabytes of 1024 x 1024 bytes) stands for all of it; None: nobody says.
    """
    if setting_mb:
        return setting_mb * MIB
    return min(_limits(roots or Roots()), default=None)


def _limits(roots: Roots) -> Iterator[int]:
    for line in _lines(roots.proc / "meminfo"):
        if line.startswith("MemTotal:"):
            yield int(line.split()[1]) * 1024
    for line in _lines(roots.proc / "self/cgroup"):
        _, kinds, place = line.split(":", 2)
        if "memory" in kinds.split(","):
            yield from _upwards(roots.sys / "fs/cgroup/memory", place, "memory.limit_in_bytes")
        elif not kinds:
            yield from _upwards(roots.sys / "fs/cgroup", place, "memory.max", "memory.high")


def _upwards(top: Path, place: str, *names: str) -> Iterator[int]:
    """The limits of a group and of those it is in; a namespace may hide its upper part."""
    folder = top / place.strip("/")
    for each in (folder, *folder.parents):
        for name in names:
            for line in _lines(each / name):
                if line.isdecimal():  # "max" is none
                    yield int(line)
        if each == top:
            return


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
