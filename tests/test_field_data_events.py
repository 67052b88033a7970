"""The log of events: numbered once, never changed, replayed without harm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.errors import PersonError
from field_data.events import MOST_REFUSED, Draft, EventLog, Kind, standing
from field_data.ids import new_id
from field_data.photos import PhotoStore
from field_data.types import Instant, Trust
from tests.test_field_data_diagnoses import jpeg

AT = Instant(1_790_000_000.0, Trust.TABLET)


def draft(**changes: object) -> Draft:
    plain = Draft(new_id(), Kind.OBSERVATION, "field-1", "agent-1", AT, {"severity": 3})
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    with DocumentStore(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def photos(tmp_path: Path) -> PhotoStore:
    return PhotoStore(tmp_path / "photos")


@pytest.fixture
def log(store: DocumentStore, photos: PhotoStore) -> EventLog:
    return EventLog(store, "node-1", photos)


def test_events_are_numbered_in_the_order_of_arrival(log: EventLog) -> None:
    events = [log.append(draft(subject=f"field-{n}")).event for n in range(3)]
    assert [event.seq for event in events] == [1, 2, 3]
    assert log.since(1) == events[1:]
    assert log.since(0, limit=2) == events[:2]
    assert log.last_seq() == 3
    assert {event.node for event in log.since(0)} == {"node-1"}


def test_the_same_event_twice_is_a_success_and_one_record(
    log: EventLog, photos: PhotoStore
) -> None:
    kept = photos.put(jpeg(1)).sha256
    first = log.append(mine := draft(photos=(kept,), body={"place": (1, 2.5), "é": None}))
    again = log.append(mine)
    assert not first.replayed
    assert again.replayed
    assert again.event == first.event == log.get(mine.id)
    assert log.last_seq() == 1


def test_the_same_id_with_other_content_is_refused_and_both_are_kept(
    log: EventLog, store: DocumentStore
) -> None:
    log.append(mine := draft())
    for _ in range(2):  # a tablet tries again and again: that is one refused record
        with pytest.raises(PersonError) as error:
            log.append(replace(mine, body={"severity": 4}))
        assert error.value.code == "id_taken"
    assert [event.body for event in log.since(0)] == [{"severity": 3}]
    assert [row["body"] for row in store.table("events_refused")] == [{"severity": 4}]


def test_a_tablet_that_never_says_the_same_twice_does_not_fill_the_disk(
    log: EventLog, store: DocumentStore
) -> None:
    log.append(mine := draft())
    for n in range(2 * MOST_REFUSED):
        with pytest.raises(PersonError, match="already called"):
            log.append(replace(mine, body={"try": n}))
    kept = [row["body"]["try"] for row in store.table("events_refused").all()]
    assert kept == list(range(MOST_REFUSED))


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


def test_a_photo_must_be_here_before_its_event(log: EventLog, photos: PhotoStore) -> None:
    here, absent = photos.put(jpeg(1)).sha256, "ab" * 32
    with pytest.raises(PersonError) as error:
        log.append(mine := draft(photos=(here, absent)))
    assert error.value.code == "photo_missing"
    assert error.value.details["photos"] == [absent]
    assert log.get(mine.id) is None
    with pytest.raises(ValueError, match="SHA-256"):
        draft(photos=("../../etc/passwd",))


def test_the_photos_of_an_event_are_not_tidied_away(
    log: EventLog, store: DocumentStore, photos: PhotoStore
) -> None:
    used, unused = photos.put(jpeg(1)).sha256, photos.put(jpeg(2)).sha256
    log.append(draft(photos=(used,)))
    DiagnosisLog(store, photos).tidy()
    assert photos.has(used)
    assert not photos.has(unused)


def deep(levels: int) -> dict[str, object]:
    body: dict[str, object] = {}
    for _ in range(levels):
        body = {"in": [body]}
    return body


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("too_deep", deep(9)),
        ("too_deep", deep(100_000)),
        ("too_large", {"text": "x" * 300_000}),
        ("not_json", {"weight": float("nan")}),
        ("not_json", {"what": object()}),
    ],
)
def test_a_body_that_is_too_much_is_refused(
    log: EventLog, code: str, body: dict[str, object]
) -> None:
    with pytest.raises(PersonError) as error:
        log.append(draft(body=body))
    assert error.value.code == code
    assert log.last_seq() == 0


def test_an_ordinary_body_may_be_nested(log: EventLog) -> None:
    assert log.append(draft(body=deep(7))).event.body == deep(7)


class TestErasure:
    @pytest.fixture
    def shared(self, photos: PhotoStore) -> str:
        return photos.put(jpeg(1)).sha256

    @pytest.fixture
    def own(self, photos: PhotoStore) -> str:
        return photos.put(jpeg(2)).sha256

    def test_leaves_the_number_and_no_content(
        self, log: EventLog, photos: PhotoStore, shared: str, own: str
    ) -> None:
        log.append(mine := draft(photos=(shared, own), body={"note": "secret"}))
        other = log.append(draft(photos=(shared,))).event
        assert log.erase([mine.id, new_id()]) == [mine.id]
        left = log.get(mine.id)
        assert left is not None
        assert (left.erased, left.seq, left.kind, left.body, left.photos) == (
            *(True, 1, mine.kind, {}, ()),
        )
        assert (left.subject, left.author) == ("", "")
        assert log.since(0) == [left, other]
        assert log.about("field-1") == log.of_kind(Kind.OBSERVATION) == [other]
        assert (photos.has(own), photos.has(shared)) == (False, True)

    def test_does_not_come_back_from_a_tablet(
        self, log: EventLog, photos: PhotoStore, store: DocumentStore, own: str
    ) -> None:
        log.append(mine := draft(photos=(own,)))
        log.erase([mine.id])
        for again in (mine, replace(mine, body={"severity": 9})):
            receipt = log.append(again)
            assert receipt.replayed
            assert receipt.event.erased
            assert receipt.event.body == {}
        assert log.last_seq() == 1
        assert store.table("events_refused").all() == []

    @pytest.mark.parametrize("named", [0, 1, 2])
    def test_takes_the_corrections_and_what_they_corrected(self, log: EventLog, named: int) -> None:
        first = log.append(draft()).event
        second = log.append(draft(supersedes=first.id)).event
        third = log.append(draft(supersedes=second.id)).event
        chain = [first.id, second.id, third.id]
        assert sorted(log.erase([chain[named]])) == sorted(chain)
        assert standing(log.about("field-1")) == []

    def test_takes_a_correction_that_comes_later(self, log: EventLog, own: str) -> None:
        log.append(mine := draft())
        log.erase([mine.id])
        late = draft(supersedes=mine.id, body={"note": "secret"}, photos=(own,))
        receipts = [log.append(late) for _ in range(2)]
        assert [receipt.replayed for receipt in receipts] == [False, True]
        assert all(receipt.event.erased and receipt.event.body == {} for receipt in receipts)
        assert log.about("field-1") == []

    def test_takes_what_was_refused_under_that_id(
        self, log: EventLog, store: DocumentStore
    ) -> None:
        log.append(mine := draft())
        with pytest.raises(PersonError):
            log.append(replace(mine, body={"note": "secret"}))
        log.erase([mine.id])
        assert store.table("events_refused").all() == []

    def test_leaves_nothing_to_read_in_the_files(
        self, log: EventLog, store: DocumentStore, tmp_path: Path
    ) -> None:
        events = [draft(body={"note": f"secret {n} " * 700}, subject=f"p-{n}") for n in range(20)]
        for event in events:
            log.append(event)
        assert b"secret 7" in everything(tmp_path)
        with store.transaction():  # the log is emptied once the outermost block has ended
            log.erase(event.id for event in events)
            log.append(draft(kind=Kind.ERASURE, body={"events": [event.id for event in events]}))
        assert b"secret" not in everything(tmp_path)
        assert b"p-7" not in everything(tmp_path)


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("id", ["", "1", "A" * 26, "../../etc/passwd"])
def test_an_event_is_named_by_an_id(id: str) -> None:
    with pytest.raises(ValueError, match="named by an id"):
        draft(id=id)
