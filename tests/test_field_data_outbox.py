"""What hubs have of a node, what waits, and which photos may go when they are too many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.errors import KeeperError
from field_data.events import Event, EventLog
from field_data.outbox import Outbox
from field_data.photo_quota import Kept, evictable, limit_photos, to_evict
from field_data.photo_uses import PhotoUses
from field_data.photos import PhotoStore
from tests.test_field_data_diagnoses import jpeg, one
from tests.test_field_data_events import draft

SIZE = 10_000
ONE = len(jpeg(0, SIZE))


class Home:
    """Everything that photos and events need, in one folder."""

    def __init__(self, folder: Path, store: DocumentStore) -> None:
        self.store = store
        self.photos = PhotoStore(folder / "photos")
        self.events = EventLog(store, "node-1", self.photos)
        self.outbox = Outbox(store, self.events, PhotoUses(store, self.photos))
        self.diagnoses = DiagnosisLog(store, self.photos)

    def limit(self, photos: int) -> None:
        limit_photos(self.photos, photos * ONE, self.store, self.events, self.outbox)

    def visit(self, n: int) -> Event:
        """An event with one photo of its own."""
        return self.events.append(draft(photos=(self.photos.put(jpeg(n, SIZE)).sha256,))).event


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with DocumentStore(tmp_path / "store.db") as store:
        yield Home(tmp_path, store)


def test_what_waits_is_what_is_above_the_last_acknowledged(home: Home) -> None:
    events = [home.visit(n) for n in range(4)]
    assert home.outbox.waiting("hub-1") == events
    home.outbox.acknowledge("hub-1", 2)
    home.outbox.acknowledge("hub-1", 1)  # an answer that was late
    assert home.outbox.waiting("hub-1") == events[2:]
    assert home.outbox.waiting("hub-1", limit=1) == events[2:3]
    assert home.outbox.waiting("hub-2") == events
    assert home.outbox.acknowledged_anywhere() == 2


def test_what_does_not_exist_cannot_be_acknowledged(home: Home) -> None:
    home.visit(1)
    with pytest.raises(ValueError, match="no event 2"):
        home.outbox.acknowledge("hub-1", 2)
    assert home.outbox.acknowledged("hub-1") == 0


def test_an_erased_event_is_still_to_be_told(home: Home) -> None:
    event = home.visit(1)
    home.events.erase([event.id])
    assert [(each.seq, each.erased) for each in home.outbox.waiting("hub-1")] == [(1, True)]


class TestQuota:
    def test_what_a_hub_has_goes_oldest_first(self, home: Home) -> None:
        visits = [home.visit(n) for n in range(5)]
        home.limit(5)
        home.outbox.acknowledge("hub-1", 4)
        home.outbox.acknowledge_photos("hub-1", [v.photos[0] for v in visits[1:]])
        new = home.visit(9)
        # The first was not sent, the last not acknowledged.  One goes to make room, one to spare.
        kept = [home.photos.has(v.photos[0]) for v in (*visits, new)]
        assert kept == [True, False, False, True, True, True]
        assert home.events.since(0) == [*visits, new]

    def test_when_nothing_may_go_it_says_so_and_keeps_all(self, home: Home) -> None:
        home.limit(2)
        visits = [home.visit(n) for n in range(2)]
        home.outbox.acknowledge("hub-1", 2)  # the records, not yet their photos
        with pytest.raises(KeeperError) as error:
            home.visit(3)
        assert error.value.code == "photos_full"
        assert all(home.photos.has(visit.photos[0]) for visit in visits)

    def test_a_photo_of_a_diagnosis_stays(self, home: Home) -> None:
        recorded = home.diagnoses.record(one(), {0: jpeg(1, SIZE)})
        home.diagnoses.ask_agent(recorded.id)
        photo = recorded.photos[0].sha256
        assert photo is not None
        home.events.append(draft(photos=(photo,)))
        home.outbox.acknowledge("hub-1", 1)
        home.outbox.acknowledge_photos("hub-1", [photo])
        home.limit(1)
        with pytest.raises(KeeperError):
            home.visit(2)
        assert home.photos.has(photo)

    def test_what_is_erased_or_refused_makes_room_again(self, home: Home) -> None:
        home.limit(1)
        for n in range(3):
            home.events.erase([home.visit(n).id])
        with pytest.raises(ValueError, match="JPEG"):
            home.photos.put(b"x" * ONE)
        home.visit(4)
        with pytest.raises(KeeperError):
            home.visit(5)

    def test_what_another_process_removed_is_noticed(self, home: Home, tmp_path: Path) -> None:
        home.limit(1)
        visit = home.visit(1)
        PhotoStore(tmp_path / "photos").remove(visit.photos[0])
        home.visit(2)

    def test_a_photo_sent_anew_after_its_erasure_was_not_sent(self, home: Home) -> None:
        home.limit(1)
        for _ in range(2):
            visit = home.visit(1)
            home.outbox.acknowledge("hub-1", visit.seq)
            with pytest.raises(KeeperError):
                home.visit(2)
            home.outbox.acknowledge_photos("hub-1", visit.photos)
            home.events.erase([visit.id])


KEPT = st.builds(
    Kept,
    name=st.text("ab", min_size=1, max_size=4),
    bytes=st.integers(1, 9),
    owners=st.lists(st.none() | st.integers(1, 9), max_size=3).map(tuple),
    sent=st.booleans(),
)


@given(
    st.lists(KEPT, max_size=12, unique_by=lambda p: p.name), st.integers(0, 9), st.integers(0, 60)
)
def test_the_plan_takes_what_may_go_and_no_more(
    photos: list[Kept], acknowledged: int, need: int
) -> None:
    gone = to_evict(photos, acknowledged, need)
    by_name = {photo.name: photo for photo in photos}
    went = [by_name[name] for name in gone]
    latest = [max(n or 0 for n in photo.owners) for photo in went]
    left = [p for p in photos if p.name not in gone and evictable(p, acknowledged)]
    assert all(p.sent and p.owners and None not in p.owners for p in went)
    assert all(n <= acknowledged for n in latest)
    assert latest == sorted(latest)
    assert sum(p.bytes for p in went[:-1]) < need or not went
    assert sum(p.bytes for p in went) >= need or not left
