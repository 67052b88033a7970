"""Many events: from threads and processes at once, and many of them kept."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from field_data.document_store import DocumentStore
from field_data.events import EventLog
from field_data.photos import PhotoStore
from tests.test_field_data_events import draft

EACH = 20
THREADS = 3

# One process of several: its threads append, and print what numbers they got.
APPEND = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from field_data.document_store import DocumentStore
from field_data.events import EventLog
from field_data.photos import PhotoStore
from tests.test_field_data_events import draft
home, threads, each = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with DocumentStore(home / "store.db") as store:
    log = EventLog(store, "node-1", PhotoStore(home / "photos"))
    def append(_):
        return [log.append(draft()).event for _ in range(each)]
    with ThreadPoolExecutor(threads) as pool:
        for events in pool.map(append, range(threads)):
            for event in events:
                print(event.seq, event.id)
"""


def test_threads_of_processes_number_without_gap_or_double(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", APPEND, str(tmp_path), str(THREADS), str(EACH)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = [
        line.split() for each in running for line in each.communicate(timeout=120)[0].splitlines()
    ]
    assert [each.returncode for each in running] == [0, 0, 0]
    told = {int(seq): id for seq, id in printed}
    assert sorted(told) == list(range(1, 3 * THREADS * EACH + 1))
    with DocumentStore(tmp_path / "store.db") as store:
        log = EventLog(store, "node-1", PhotoStore(tmp_path / "photos"))
        assert {event.seq: event.id for event in log.since(0)} == told


def test_the_same_event_from_many_threads_at_once_is_kept_once(tmp_path: Path) -> None:
    with DocumentStore(tmp_path / "store.db") as store, ThreadPoolExecutor(8) as pool:
        log = EventLog(store, "node-1", PhotoStore(tmp_path / "photos"))
        mine = draft()
        receipts = list(pool.map(lambda _: log.append(mine), range(24)))
        assert sorted(receipt.replayed for receipt in receipts) == [False] + [True] * 23
        assert log.last_seq() == 1


@pytest.mark.parametrize("page", [1000, 777])
def test_pages_cover_everything_once(tmp_path: Path, page: int) -> None:
    with DocumentStore(tmp_path / "store.db") as store:
        log = EventLog(store, "node-1", PhotoStore(tmp_path / "photos"))
        with store.transaction():
            ids = [log.append(draft()).event.id for _ in range(3000)]
        found: list[str] = []
        seq = 0
        while events := log.since(seq, page):
            assert len(events) <= page
            found += [event.id for event in events]
            seq = events[-1].seq
        assert found == ids
