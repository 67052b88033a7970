"""The registry at 5,000 fields in 100,000 events, beside folding the events at every reading.

``python -m tests.bench.bench_registry``; ratios of one run, milliseconds are this machine's.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from field_data.document_store import DocumentStore
from field_data.events import EventLog, Kind
from field_data.geometry import MOROCCO
from field_data.land import field_of
from field_data.registry import Registry
from field_data.types import Field
from tests.land import box, record

FIELDS, EVENTS = 5_000, 100_000


def filled(store: DocumentStore, log: EventLog, registry: Registry) -> str:
    """Fields of a hundred farms among observations; returns the id of one field."""
    rng = random.Random(1)
    with store.transaction():
        farms = [registry.add_farm("bench", f"farm {n}").id for n in range(100)]
        subjects = []
        for n in range(FIELDS):
            place = (rng.uniform(-9, -4), rng.uniform(30, 34))
            body = {"farm": farms[n % 100], "boundary": box(200, 100, place)}
            subjects.append(registry.append(record(Kind.FIELD, body)).receipt.event.subject)
        for n in range(EVENTS - FIELDS - 100):
            log.append(record(Kind.OBSERVATION, {"n": n}, subject=subjects[n % FIELDS]))
    return subjects[FIELDS // 2]


def folded(log: EventLog, wanted: str) -> Field | None:
    """What one would do without a projection."""
    latest = {event.subject: event for event in log.of_kind(Kind.FIELD)}
    event = latest.get(wanted)
    return None if event is None else field_of(wanted, event.body, MOROCCO, event.id)[0]


def ms(action: Callable[[], object], times: int) -> float:
    """Median milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(1000 * (time.perf_counter() - start))
    return sorted(taken)[len(taken) // 2]


def main() -> None:
    """Print the figures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        DocumentStore(Path(folder) / "store.sqlite") as store,
    ):
        log = EventLog(store, "bench")
        registry = Registry(store, log)
        wanted = filled(store, log, registry)
        registry.fields()
        assert registry.field(wanted) == folded(log, wanted)
        field = registry.field(wanted)
        assert field is not None
        body = {"farm": field.farm, "boundary": field.boundary}
        one = ms(lambda: registry.field(wanted), 200)
        fold = ms(lambda: folded(log, wanted), 3)
        print(f"{FIELDS} fields in {log.last_seq()} events")
        print(
            f"field(id)      {one:8.2f} ms   folding the events {fold:8.1f} ms   {fold / one:6.0f}x"
        )
        print(f"fields(farm)   {ms(lambda: registry.fields(field.farm), 50):8.2f} ms")
        print(f"fields()       {ms(registry.fields, 5):8.2f} ms")
        print(f"check(draft)   {ms(lambda: registry.check(record(Kind.FIELD, body)), 50):8.2f} ms")
        print(f"append + keep  {ms(lambda: registry.append(record(Kind.FIELD, body)), 30):8.2f} ms")
        print(f"rebuild()      {ms(registry.rebuild, 1):8.0f} ms")


if __name__ == "__main__":
    main()
