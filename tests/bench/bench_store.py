"""What it costs to keep one more document: our store beside TinyDB's own file storage.

Run ``python -m tests.bench.bench_store``.  Ratios travel between machines, milliseconds do not.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from tinydb import TinyDB, where

from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.ids import new_id
from field_data.photos import PhotoStore
from field_data.types import Diagnosis, Instant, PhotoVerdict, Status, Timing, Trust

SIZES = (1_000, 10_000, 50_000)
JSON_SIZES = (1_000, 10_000)  # one insert at 50 000 takes TinyDB's file storage seconds
HEADER = ("store", "documents", "ms per insert", "times ours at 1000")


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


@cache
def measured() -> tuple[tuple[str, int, float], ...]:
    """(store, documents, ms per insert), ours first."""
    inserts: dict[tuple[str, int], Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for size in SIZES:
            ours = stack.enter_context(DocumentStore(Path(folder, f"{size}.db")))
            ours.index("t", "crop")
            inserts["rows", size] = fill(ours.table("t"), size)
        for size in JSON_SIZES:
            theirs = stack.enter_context(TinyDB(Path(folder, f"{size}.json")))
            inserts["one JSON file", size] = fill(theirs.table("t"), size)
        # Turn by turn: the speed of the disk changes from second to second.
        spent = [[median_ms(insert, 1) for insert in inserts.values()] for _ in range(15)]
    medians = map(statistics.median, zip(*spent, strict=True))
    return tuple((*key, ms) for key, ms in zip(inserts, medians, strict=True))


def rows() -> list[tuple[str, ...]]:
    """The table under `HEADER`."""
    base = measured()[0][2]
    return [(store, str(size), f"{ms:.1f}", f"{ms / base:.1f}") for store, size, ms in measured()]


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
    """Milliseconds to find one document in 10 000: by an index, by looking at all."""
    with tempfile.TemporaryDirectory() as folder, DocumentStore(Path(folder, "db")) as store:
        store.index("t", "seq")
        table = store.table("t")
        table.insert_multiple(map(document, range(10_000)))
        looked_up = median_ms(lambda: table.search(where("seq") == 5_000), 20)
        return looked_up, median_ms(lambda: table.search(where("photos") == ["5"]), 3)


def fsync_ms() -> float:
    """Milliseconds of one bare 4 kB write and fsync: the floor of anything durable here."""
    with tempfile.TemporaryFile(buffering=0) as file:

        def write() -> None:
            file.write(b"x" * 4096)
            os.fsync(file.fileno())

        return median_ms(write, 40)


def main() -> None:
    """Print all of it."""
    for row in (HEADER, *rows()):
        print(f"{row[0]:<15}{row[1]:>10}{row[2]:>15}{row[3]:>20}")
    print(f"bare write + fsync: {fsync_ms():.1f} ms")
    for photos in (0, 1, 6):
        print(f"record a diagnosis, {photos} photos kept: {record_ms(photos):.1f} ms")
    looked_up, scanned = read_ms()
    print(f"find one of 10 000: {looked_up:.2f} ms by index, {scanned:.0f} ms without")


if __name__ == "__main__":
    main()
