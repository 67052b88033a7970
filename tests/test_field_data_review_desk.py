"""Reviews over a real store: races, corrections, who looks now, and what an erasure leaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.errors import PersonError
from field_data.events import Draft, EventLog, Kind
from field_data.ids import new_id
from field_data.people import Person, Role
from field_data.photos import PhotoStore
from field_data.review_desk import Leases, ReviewDesk
from field_data.review_queue import Shares, Why
from field_data.reviews import (
    Label,
    State,
    Verdict,
    body_of,
)
from field_data.types import Diagnosis, Status
from tests.fakes import AT
from tests.reviewing import keep, person, plant, review

LATE: Label = ("LYPES", "PHYTIN")
EARLY: Label = ("LYPES", "ALTESO")


@dataclass
class Place:
    """A desk with everything it stands on."""

    home: Path
    now: float = 0.0
    store: DocumentStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = DocumentStore(self.home / "store.sqlite")
        photos = PhotoStore(self.home / "photos")
        self.log = DiagnosisLog(self.store, photos)
        self.events = EventLog(self.store, "node", photos)
        leases = Leases(clock=lambda: self.now)
        self.desk = ReviewDesk(self.store, self.log, self.events, Shares(0.0, 1.0), leases)

    def plant(self, status: Status = Status.UNCERTAIN, **more: object) -> Diagnosis:
        return keep(self.log, plant(status, **more))  # type: ignore[arg-type]

    def due(self, who: Person) -> list[str]:
        return [item.id for item in self.desk.due(who)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.store.close()


def refused(error: pytest.ExceptionInfo[PersonError]) -> str:
    return error.value.code


ANN, BEN = person(), person()
EVA, IDA = person(Role.AGRONOMIST), person(Role.AGRONOMIST)


class TestRounds:
    def test_two_differ_and_an_agronomist_decides(self, place: Place) -> None:
        made = place.plant()
        first = place.desk.submit(made.id, ANN, LATE)
        assert (first.round, first.blind, first.verdict) == (1, True, Verdict.CONFIRM)
        assert place.due(ANN) == []
        assert place.due(BEN) == [made.id]
        second = place.desk.submit(made.id, BEN, EARLY)
        assert (second.round, second.blind, second.verdict) == (2, True, Verdict.CORRECT)
        assert place.desk.outcome(made.id).state is State.DISPUTED
        assert place.due(person()) == []
        assert place.due(EVA) == [made.id]
        third = place.desk.submit(made.id, EVA, EARLY, informed=True)
        assert (third.round, third.blind) == (3, False)
        assert place.desk.outcome(made.id).label == EARLY
        assert place.desk.queue() == []
        assert place.log.get(made.id) == made  # the diagnosis itself is as it was

    def test_only_the_disputed_is_decided_and_only_by_an_agronomist(self, place: Place) -> None:
        made = place.plant()
        with pytest.raises(PersonError) as early:
            place.desk.submit(made.id, EVA, LATE, informed=True)
        place.desk.submit(made.id, ANN, LATE)
        place.desk.submit(made.id, EVA, EARLY)
        with pytest.raises(PersonError) as agent:
            place.desk.submit(made.id, BEN, LATE, informed=True)
        with pytest.raises(PersonError) as blind:
            place.desk.submit(made.id, IDA, LATE)
        with pytest.raises(PersonError) as twice:
            place.desk.submit(made.id, EVA, LATE, informed=True)
        codes = [refused(each) for each in (early, agent, blind, twice)]
        assert codes == ["reviewed_enough"] * 3 + ["reviewed_by_you"]
        assert place.desk.submit(made.id, IDA, LATE, informed=True).round == 3

    def test_who_may_not_and_what_is_not_there(self, place: Place) -> None:
        made, without = place.plant(), place.plant(consent=None)
        for who in (person(Role.FARMER), person(active=False)):
            with pytest.raises(PersonError) as stranger:
                place.desk.submit(made.id, who, LATE)
            assert refused(stranger) == "not_a_reviewer"
        for id in (without.id, "gone"):
            with pytest.raises(PersonError) as gone:
                place.desk.submit(id, ANN, LATE)
            assert refused(gone) == "unknown_diagnosis"

    def test_of_two_at_the_same_moment_one_is_first(self, place: Place) -> None:
        made = place.plant()
        people = [person() for _ in range(6)]
        ready = threading.Barrier(len(people))
        said: list[int | str] = []

        def answer(who: Person) -> None:
            ready.wait()
            try:
                said.append(place.desk.submit(made.id, who, LATE).round)
            except PersonError as error:
                said.append(error.code)

        threads = [threading.Thread(target=answer, args=(who,)) for who in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, said)) == ["1", "2", *["reviewed_enough"] * 4]
        assert len(place.events.about(made.id)) == 2

    def test_one_person_sending_twice_is_one_review(self, place: Place) -> None:
        made = place.plant()
        place.desk.submit(made.id, ANN, LATE)
        with pytest.raises(PersonError) as again:
            place.desk.submit(made.id, ANN, LATE)
        assert refused(again) == "reviewed_by_you"


class TestCorrections:
    def test_a_correction_supersedes_and_is_not_blind(self, place: Place) -> None:
        made = place.plant()
        first = place.desk.submit(made.id, ANN, EARLY)
        later = place.desk.correct(made.id, ANN, LATE)
        assert (later.round, later.blind, later.correction) == (1, False, True)
        [old, new] = place.events.about(made.id)
        assert (old.id, new.supersedes) == (first.id, first.id)
        assert place.desk.outcome(made.id).label == LATE
        assert place.desk.correct(made.id, ANN, LATE) == later  # nothing new to say
        assert len(place.events.about(made.id)) == 2
        with pytest.raises(PersonError) as other:
            place.desk.correct(made.id, BEN, LATE)
        assert refused(other) == "not_reviewed_by_you"

    def test_my_latest_words_latest_first(self, place: Place) -> None:
        one, two = place.plant(), place.plant()
        place.desk.submit(one.id, ANN, LATE)
        place.desk.submit(two.id, ANN, LATE)
        place.desk.submit(two.id, BEN, None)
        place.desk.correct(one.id, ANN, None)
        mine = [(case.diagnosis.id, said.label) for case, said in place.desk.mine(ANN.id)]
        assert mine == [(one.id, None), (two.id, LATE)]


class TestWhoLooksNow:
    def test_what_one_looks_at_is_not_offered_to_another(self, place: Place) -> None:
        one, two = place.plant(), place.plant()
        assert place.desk.leases.take(one.id, ANN.id)
        assert not place.desk.leases.take(one.id, BEN.id)
        assert place.due(BEN) == [two.id]
        assert one.id in place.due(ANN)
        place.now = 599.0
        assert place.desk.leases.take(one.id, ANN.id)  # claimed longer
        place.now = 1198.0
        assert place.due(BEN) == [two.id]
        place.now = 1199.0
        assert set(place.due(BEN)) == {one.id, two.id}
        assert place.desk.leases.take(one.id, BEN.id)
        assert not place.desk.leases.take(one.id, ANN.id)

    def test_going_on_gives_the_plant_before_back(self, place: Place) -> None:
        one, two = place.plant(), place.plant()
        place.desk.leases.take(one.id, ANN.id)
        place.desk.leases.take(two.id, ANN.id)
        assert place.desk.leases.of_others(BEN.id) == {two.id}
        place.desk.submit(two.id, ANN, LATE)
        assert set(place.due(BEN)) == {one.id, two.id}

    def test_only_one_of_many_gets_it(self) -> None:
        leases, got = Leases(), []
        ready = threading.Barrier(8)

        def take(name: str) -> None:
            ready.wait()
            got.append(leases.take("plant", name))

        threads = [threading.Thread(target=take, args=(f"p{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(got) == 1


class TestAskedAndErased:
    def test_what_was_asked_leaves_the_list_when_somebody_has_looked(self, place: Place) -> None:
        made = place.plant(Status.CONFIDENT)
        place.log.ask_agent(made.id)
        [item] = place.desk.queue()
        assert item.why is Why.ASKED
        place.desk.submit(made.id, ANN, None)
        assert place.log.asked() == []
        assert [item.why for item in place.desk.queue()] == [Why.SECOND]

    def test_an_erased_diagnosis_is_nowhere(self, place: Place) -> None:
        made = place.plant()
        place.desk.submit(made.id, ANN, LATE)
        place.log.forget([made.id])
        assert list(place.desk.cases()) == []
        assert place.desk.queue() == []
        assert place.desk.mine(ANN.id) == []
        assert place.desk.case(made.id) is None
        assert place.desk.item(made.id) is None
        assert place.desk.outcome(made.id).state is State.OPEN

    def test_an_erased_review_says_nothing(self, place: Place) -> None:
        made = place.plant()
        said = place.desk.submit(made.id, ANN, LATE)
        place.events.erase([said.id])
        assert place.desk.outcome(made.id).state is State.OPEN
        assert [item.round for item in place.desk.queue()] == [1]

    def test_an_event_of_another_hand_cannot_take_a_word_back(self, place: Place) -> None:
        made = place.plant()
        first = place.desk.submit(made.id, ANN, LATE)
        forged = Draft(
            new_id(), Kind.REVIEW, made.id, BEN.id, AT,
            body_of(review(BEN.id, EARLY, 2)), supersedes=first.id,
        )  # fmt: skip
        place.events.append(forged)
        assert place.desk.outcome(made.id).state is State.DISPUTED

    def test_one_plant_waits_for_what_the_queue_says(self, place: Place) -> None:
        rare, doubt = place.plant(Status.CONFIDENT), place.plant()
        found = {item.id: item for item in place.desk.queue()}
        assert found[rare.id].why is Why.RARE
        assert {id: place.desk.item(id) for id in found} == found
        assert set(found) == {rare.id, doubt.id}
