"""The log of events: numbered once, never changed, replayed without harm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from field_data.document_store import DocumentStore
from field_data.errors import PersonError
from field_data.events import Draft, EventLog, Kind, standing
from field_data.ids import new_id
from field_data.types import Instant, Trust

AT = Instant(1_790_000_000.0, Trust.TABLET)


def draft(**changes: object) -> Draft:
    plain = Draft(new_id(), Kind.OBSERVATION, "field-1", "agent-1", AT, {"severity": 3})
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    with DocumentStore(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def log(store: DocumentStore) -> EventLog:
    return EventLog(store, "node-1")


def test_events_are_numbered_in_the_order_of_arrival(log: EventLog) -> None:
    events = [log.append(draft(subject=f"field-{n}")).event for n in range(3)]
    assert [event.seq for event in events] == [1, 2, 3]
    assert log.since(1) == events[1:]
    assert log.since(0, limit=2) == events[:2]
    assert log.last_seq() == 3
    assert {event.node for event in log.since(0)} == {"node-1"}


def test_the_same_event_twice_is_a_success_and_one_record(log: EventLog) -> None:
    first = log.append(mine := draft(photos=("ab" * 32,)))
    again = log.append(mine)
    assert not first.replayed
    assert again.replayed
    assert again.event == first.event == log.get(mine.id)
    assert log.last_seq() == 1


def test_the_same_id_with_other_content_is_refused_and_both_are_kept(
    log: EventLog, store: DocumentStore
) -> None:
    log.append(mine := draft())
    with pytest.raises(PersonError) as error:
        log.append(replace(mine, body={"severity": 4}))
    assert error.value.code == "id_taken"
    assert [event.body for event in log.since(0)] == [{"severity": 3}]
    assert [row["body"] for row in store.table("events_refused")] == [{"severity": 4}]


def test_a_correction_supersedes_and_the_first_stays(log: EventLog) -> None:
    log.append(wrong := draft())
    right = log.append(draft(body={"severity": 1}, supersedes=wrong.id)).event
    assert log.corrected(wrong.id)
    assert not log.corrected(right.id)
    assert len(log.about("field-1")) == 2
    assert standing(log.about("field-1")) == [right]


def test_what_is_not_here_cannot_be_corrected(log: EventLog) -> None:
    with pytest.raises(PersonError) as error:
        log.append(draft(supersedes=new_id()))
    assert error.value.code == "nothing_to_correct"
    assert log.last_seq() == 0


def test_an_event_joins_the_transaction_around_it(log: EventLog, store: DocumentStore) -> None:
    def failing() -> None:
        with store.transaction():
            log.append(draft())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert log.since(0) == []
    assert log.append(draft()).event.seq == 1


def test_kinds_are_found_apart(log: EventLog) -> None:
    log.append(draft())
    farm = log.append(draft(kind=Kind.FARM)).event
    assert log.of_kind(Kind.FARM) == [farm]


@pytest.mark.parametrize("id", ["", "1", "A" * 26, "../../etc/passwd"])
def test_an_event_is_named_by_an_id(id: str) -> None:
    with pytest.raises(ValueError, match="named by an id"):
        draft(id=id)
