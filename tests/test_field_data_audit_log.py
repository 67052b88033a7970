"""The audit log: whatever is changed, left out, put in or cut off is found."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tinydb import where

from field_data import audit_log
from field_data.audit_log import HEAD_FILE, NODE, Action, AuditLog, Chain, link
from field_data.document_store import DocumentStore
from field_data.types import Instant, Trust

NOW = 1_790_000_000.0
DAY_S = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    with DocumentStore(tmp_path / "store.sqlite") as made:
        yield made


@pytest.fixture
def log(store: DocumentStore, tmp_path: Path) -> AuditLog:
    made = AuditLog(store, tmp_path)
    for number in range(5):
        made.append("actor", Action.LOGIN, f"person {number}", {"n": number})
    return made


def test_a_log_that_nobody_touched_is_sound(log: AuditLog) -> None:
    chain = log.verify()
    assert chain == Chain(5, log.latest(1)[0].hash)
    assert chain.sound
    assert log.verify(last=2).sound


Attack = Callable[[DocumentStore, AuditLog], object]


def _rechained(store: DocumentStore, log: AuditLog) -> None:
    """Who changes an entry and computes its hash anew breaks the one after it."""
    entry = replace(log.all()[1], subject="another")
    said = {key: value for key, value in asdict(entry).items() if key != "hash"}
    store.table("audit").update({"subject": "another", "hash": link(said)}, doc_ids=[2])


ATTACKS: dict[str, tuple[Attack, int]] = {
    "changed": (lambda s, _: s.table("audit").update({"actor": "x"}, doc_ids=[3]), 3),
    "details": (lambda s, _: s.table("audit").update({"details": {"n": 9}}, doc_ids=[2]), 2),
    "rechained": (_rechained, 3),
    "left out": (lambda s, _: s.table("audit").remove(doc_ids=[3]), 4),
    "beginning": (lambda s, _: s.table("audit").remove(doc_ids=[1, 2]), 3),
    "end": (lambda s, _: s.table("audit").remove(doc_ids=[5]), 5),
    "all": (lambda s, _: s.table("audit").remove(doc_ids=[1, 2, 3, 4, 5]), 5),
}


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_tampering_is_found_at_the_first_broken_entry_and_stays_found(
    name: str, log: AuditLog, store: DocumentStore
) -> None:
    attack, place = ATTACKS[name]
    attack(store, log)
    chain = log.verify()
    assert (chain.sound, chain.broken_at) == (False, place)
    log.append("actor", Action.LOGOUT)  # does not paint it over
    assert not log.verify().sound


def test_the_file_with_the_last_hash_cannot_be_dropped_or_made_up(
    log: AuditLog, tmp_path: Path
) -> None:
    for data in (None, b"", b"{", json.dumps({"seq": 4, "hash": "f" * 64}).encode(), b"[1]"):
        if data is None:
            (tmp_path / HEAD_FILE).unlink()
        else:
            (tmp_path / HEAD_FILE).write_bytes(data)
        assert not log.verify().sound
        log.append("actor", Action.LOGOUT)
        assert not log.verify().sound
    log.accept_loss(NODE)
    assert log.verify().sound
    assert log.latest(1)[0].action == Action.LOSS_ACCEPTED


def test_a_power_cut_between_entry_and_file_is_no_alarm(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(AuditLog, "_anchor", lambda *_: None)
        log.append("actor", Action.LOGIN)
        log.append("actor", Action.LOGIN)
    assert log.verify().sound
    log.append("actor", Action.LOGIN)
    assert log.verify().sound


def test_entries_from_threads_and_processes_make_one_chain(
    log: AuditLog, store: DocumentStore, tmp_path: Path
) -> None:
    other = AuditLog(store, tmp_path)

    def work(mine: AuditLog) -> None:
        for _ in range(10):
            mine.append("actor", Action.LOGIN)

    threads = [threading.Thread(target=work, args=(each,)) for each in (log, other, log)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.verify() == Chain(35, log.latest(1)[0].hash)


def test_old_entries_go_by_rule_and_the_chain_says_so(
    log: AuditLog, store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = Instant(5.0, Trust.UNKNOWN)
    monkeypatch.setattr(audit_log, "now", lambda: at)
    with DocumentStore(store._rows.path.with_name("two.sqlite")) as fresh:
        folder = store._rows.path.parent / "two"
        two = AuditLog(fresh, folder)
        two.append(NODE, Action.SETUP)  # by a clock at 1970, before those that are dated
        for day in range(4):
            at = Instant(NOW + day * DAY_S, Trust.NTP)
            two.append("actor", Action.LOGIN, str(day))
        assert two.older_than(NOW + 1.5 * DAY_S) == 3
        assert two.trim(NOW + 1.5 * DAY_S) == 3
        assert [entry.subject for entry in two.all()] == ["2", "3", ""]
        assert two.verify().sound
        assert two.trim(NOW) == 0
        fresh.table("audit").remove(where("subject") == "2")  # who goes on by hand is found
        assert not two.verify().sound
