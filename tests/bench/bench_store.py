"""What it costs to keep one more document: our store beside TinyDB's own file storage.

``python -m tests.bench.bench_store [--json]``.  Everything in one run, turn by turn, as ratios:
those travel between machines, milliseconds do not.  Bytes are those of ``/proc/self/io``:
``write_bytes``, which the process made the file system send to the disk (pages of 4 kB), and
``wchar``, which it gave to ``write``; our checkpoints are among them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from tinydb import TinyDB, where

from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.ids import new_id
from field_data.photos import PhotoStore
from field_data.types import Diagnosis, Instant, PhotoVerdict, Status, Timing, Trust

SIZES = (1_000, 10_000, 50_000, 100_000)
AT = 50_000  # where both are compared
WARM_UP = 300
TURNS = 400
TURNS_JSON = 5  # one insert at 50 000 takes TinyDB's file storage seconds
BARE = 20_000
IO = ("write_bytes", "wchar")


@dataclass(frozen=True, slots=True)
class Inserts:
    """Inserts of one document into ``documents``, durably: milliseconds and bytes of each."""

    store: str
    documents: int
    median_ms: float
    p95_ms: float
    write_bytes: float
    wchar: float


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure beside what it should be: at least or at most ``limit``."""

    name: str
    figure: float
    at_least: bool
    limit: float

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit


def document(n: int) -> dict[str, Any]:
    """About 600 bytes, as a ground-truth record has."""
    return {
        "seq": n,
        "crop": ("TRZAX", "OLVEU", "LYPES")[n % 3],
        "condition": ("PUCCST", "healthy")[n % 2],
        "severity": n % 10,
        "lon": -9 + n % 1000 / 200,
        "lat": 30 + n % 777 / 200,
        "note": "x" * (n * 37 % 700),
        "photos": [f"{n:064x}"],
    }


def median_ms(work: Callable[[], object], times: int) -> float:
    """Median milliseconds of one call."""
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        spent.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(spent)


def fill(table: Any, size: int) -> Callable[[], object]:
    """Fill a table with ``size`` documents; the answer inserts one more, durably."""
    table.insert_multiple(document(n) for n in range(size))
    return lambda: table.insert(document(size))


def io_bytes() -> dict[str, int]:
    """What this process has written until now."""
    pairs = (line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return {name: int(value) for name, value in pairs if name in IO}


@dataclass(slots=True)
class Turns:
    """Measures one insert after another; `of` gives the figures."""

    insert: Callable[[], object]
    spent_ms: list[float]
    written: dict[str, int]

    def take(self) -> None:
        """One more."""
        before, begin = io_bytes(), time.perf_counter()
        self.insert()
        self.spent_ms.append((time.perf_counter() - begin) * 1e3)
        for name, value in io_bytes().items():
            self.written[name] += value - before[name]

    def of(self, store: str, documents: int) -> Inserts:
        """The figures of all turns."""
        each = {name: value / len(self.spent_ms) for name, value in self.written.items()}
        p95 = statistics.quantiles(self.spent_ms, n=20)[-1]
        return Inserts(store, documents, statistics.median(self.spent_ms), p95, **each)


@cache
def measured() -> tuple[Inserts, ...]:
    """Ours by size, then TinyDB's file storage, then 20 kB and one fsync."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ours = {}
        for size in SIZES:
            store = stack.enter_context(DocumentStore(Path(folder, f"{size}.db")))
            store.index("t", "crop")
            ours[size] = Turns(fill(store.table("t"), size), [], dict.fromkeys(IO, 0))
        file = stack.enter_context(TinyDB(Path(folder, "all.json")))
        theirs = Turns(fill(file.table("t"), AT), [], dict.fromkeys(IO, 0))
        for turns in ours.values():  # until SQLite's log has its length, as on a node that runs
            for _ in range(WARM_UP):
                turns.insert()
        bare = Turns(bare_write(Path(folder, "bare"), stack), [], dict.fromkeys(IO, 0))
        os.sync()
        # Turn by turn: the speed of the disk changes from second to second.
        for turn in range(TURNS):
            bare.take()
            for size in SIZES:
                ours[size].take()
            if turn % (TURNS // TURNS_JSON) == 0:
                theirs.take()
    return (
        *(ours[size].of("rows", size) for size in SIZES),
        theirs.of("one JSON file", AT),
        bare.of("bare write", 0),
    )


def bare_write(path: Path, stack: ExitStack) -> Callable[[], object]:
    """Writes what our log takes for one document over what is there, and makes it durable.

    No store that answers only when the document is on the disk can be faster.
    """
    file = stack.enter_context(path.open("w+b", buffering=0))
    file.write(bytes(BARE))
    os.fsync(file.fileno())

    def write() -> None:
        os.pwrite(file.fileno(), os.urandom(BARE), 0)
        os.fsync(file.fileno())

    return write


def goals(looked_up_ms: float) -> list[Goal]:
    """What the store promises, with the figures of this run."""
    *rows, theirs, _ = measured()
    ours = {each.documents: each for each in rows}
    mine = ours[AT]
    p95 = [each.p95_ms for each in ours.values()]
    return [
        Goal("times faster at 50 000", theirs.median_ms / mine.median_ms, True, 1000),
        Goal("times fewer bytes to the disk", theirs.write_bytes / mine.write_bytes, True, 1000),
        Goal("times fewer bytes given to write", theirs.wchar / mine.wchar, True, 1000),
        Goal("p95 of 100 000 by that of 1 000", p95[-1] / p95[0], False, 2),
        Goal("ms to find one of 50 000 by an index", looked_up_ms, False, 10),
    ]


def record_ms(photos: int, times: int = 40) -> float:
    """Milliseconds to keep a diagnosis with ``photos`` new photos of 100 kB, durably."""
    bare = Diagnosis(
        id="",
        at=Instant(0.0, Trust.UNKNOWN),
        status=Status.POOR_PHOTO,
        crop=None,
        candidates=(),
        alert=False,
        model=None,
        photos=tuple(PhotoVerdict(f"{n}.jpg") for n in range(photos)),
        timing=Timing(0.0, 0.0, 0.0),
    )

    def jpeg() -> bytes:
        return b"\xff\xd8\xff\xda\x00\x02" + new_id().encode().ljust(100_000, b"x") + b"\xff\xd9"

    with tempfile.TemporaryDirectory() as folder, DocumentStore(Path(folder, "db")) as store:
        log = DiagnosisLog(store, PhotoStore(Path(folder, "photos")))
        return median_ms(
            lambda: log.record(replace(bare, id=new_id()), {n: jpeg() for n in range(photos)}),
            times,
        )


def read_ms() -> tuple[float, float]:
    """Milliseconds to find one document in 50 000: by an index, by looking at all."""
    with tempfile.TemporaryDirectory() as folder, DocumentStore(Path(folder, "db")) as store:
        store.index("t", "seq")
        table = store.table("t")
        table.insert_multiple(map(document, range(AT)))
        looked_up = median_ms(lambda: table.search(where("seq") == 5_000), 40)
        return looked_up, median_ms(lambda: table.search(where("photos") == ["5"]), 3)


def figures() -> dict[str, Any]:
    """All of it, for programs."""
    looked_up, scanned = read_ms()
    return {
        "inserts": [asdict(each) for each in measured()],
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals(looked_up)],
        "most_times_faster": measured()[-2].median_ms / measured()[-1].median_ms,
        "record_ms": {photos: record_ms(photos) for photos in (0, 1, 6)},
        "find_ms": {"index": looked_up, "all": scanned},
    }


def printed(found: dict[str, Any]) -> str:
    """The same for people."""
    lines = [f"{'store':<15}{'documents':>10}{'median ms':>12}{'p95 ms':>10}{'kB to disk':>14}"]
    for each in found["inserts"]:
        figures = f"{each['median_ms']:>12.2f}{each['p95_ms']:>10.2f}"
        bytes = f"{each['write_bytes'] / 1000:>14.1f}"
        lines.append(f"{each['store']:<15}{each['documents']:>10}{figures}{bytes}")
    for goal in found["goals"]:
        wanted = f"{'at least' if goal['at_least'] else 'at most'} {goal['limit']:g}"
        word = "met" if goal["met"] else "MISSED"
        lines.append(f"{goal['name']}: {goal['figure']:.2f} ({wanted}: {word})")
    most = f"{found['most_times_faster']:.0f} times faster than TinyDB's storage"
    lines.append(f"the bare write, as fast as anything durable here can be: {most}")
    for photos, ms in found["record_ms"].items():
        lines.append(f"record a diagnosis, {photos} photos kept: {ms:.1f} ms")
    lines.append(f"find one of 50 000 by looking at all: {found['find_ms']['all']:.0f} ms")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures for programs")
    found = figures()
    print(json.dumps(found, indent=2) if parser.parse_args(arguments).json else printed(found))


if __name__ == "__main__":
    main()
