"""Where reviews are made: the queue over what is kept, who looks at what now, and what was said."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from field_data.clock import now
from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.errors import PersonError
from field_data.events import Draft, EventLog, Kind
from field_data.ids import new_id
from field_data.people import Person
from field_data.review_queue import (
    REVIEWERS,
    Item,
    Shares,
    Why,
    may_review,
    queue,
    reviewable,
    waiting,
)
from field_data.reviews import (
    Case,
    Label,
    Outcome,
    Review,
    State,
    body_of,
    outcome,
    review_of,
    verdict_on,
)

LEASE_S = 600.0


class Leases:
    """Who looks at which diagnosis just now: one each, for ``seconds`` of ``clock``.

    Kept in memory and by a clock that only runs forward: the time of day may jump, and what a
    restart forgets costs one review in vain at most.
    """

    def __init__(
        self, seconds: float = LEASE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock = seconds, clock
        self._held: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def take(self, diagnosis: str, person: str) -> bool:
        """Claim it, or claim it longer; False when somebody else looks at it."""
        with self._lock:
            until = self._clock()
            others = {d for p, (d, end) in self._held.items() if p != person and end > until}
            if diagnosis in others:
                return False
            self._held[person] = (diagnosis, until + self._seconds)
            return True

    def release(self, person: str) -> None:
        """Give back whatever the person holds."""
        with self._lock:
            self._held.pop(person, None)

    def of_others(self, person: str) -> set[str]:
        """What others look at."""
        with self._lock:
            here = self._clock()
            return {d for p, (d, end) in self._held.items() if p != person and end > here}


class ReviewDesk:
    """Reviews of the diagnoses in ``log``, kept as events; durable when a method returns."""

    def __init__(
        self,
        store: DocumentStore,
        log: DiagnosisLog,
        events: EventLog,
        shares: Shares | None = None,
        leases: Leases | None = None,
    ) -> None:
        self.shares = shares or Shares()
        self.leases = leases or Leases()
        self._store, self._log, self._events = store, log, events

    def case(self, id: str) -> Case | None:
        """One diagnosis with its reviews; None when it is not, or no longer, there."""
        diagnosis = self._log.get(id)
        if diagnosis is None:
            return None
        found = (review_of(event) for event in self._events.about(id))
        reviews = tuple(review for review in found if review)
        return Case(diagnosis, self._log.asked_agent(id), reviews)

    def cases(self) -> Iterator[Case]:
        """Every diagnosis with photos, first made first; one erased takes its reviews along."""
        said: dict[str, list[Review]] = defaultdict(list)
        for event in self._events.of_kind(Kind.REVIEW):
            review = review_of(event)
            if review:
                said[review.diagnosis].append(review)
        asked = {diagnosis.id for diagnosis in self._log.asked()}
        for made in self._log.with_photos():
            yield Case(made, made.id in asked, tuple(said[made.id]))

    def queue(self, cases: Iterable[Case] | None = None) -> list[Item]:
        """Everything that waits for somebody; ``cases`` where they have just been read."""
        return queue(self.cases() if cases is None else cases, self.shares)

    def due(self, person: Person, items: list[Item] | None = None) -> list[Item]:
        """What waits for this person, without what others look at just now."""
        taken = self.leases.of_others(person.id)
        items = self.queue() if items is None else items
        return [item for item in items if may_review(person, item) and item.id not in taken]

    def item(self, id: str) -> Item | None:
        """What a diagnosis waits for; None for one that waits for nothing or is not there."""
        case = self.case(id)
        if case is None or not reviewable(case.diagnosis):
            return None
        found = waiting(case, self.shares)
        if found or case.reviews:
            return found
        return next((item for item in self.queue() if item.id == id), None)

    def outcome(self, id: str) -> Outcome:
        """What the reviews of a diagnosis come to; ``open`` for one that is not there."""
        case = self.case(id)
        return outcome(case.reviews if case else ())

    def mine(self, person: str) -> list[tuple[Case, Review]]:
        """A person's latest word on every diagnosis that is still there, latest first."""
        words: dict[str, Review] = {}
        for event in self._events.of_kind(Kind.REVIEW):
            review = review_of(event)
            if review and review.author == person:
                words.pop(review.diagnosis, None)
                words[review.diagnosis] = review
        cases = ((self.case(review.diagnosis), review) for review in reversed(words.values()))
        return [(case, review) for case, review in cases if case]

    def submit(
        self, id: str, person: Person, label: Label | None, *, informed: bool = False
    ) -> Review:
        """Keep a person's word; ``informed`` when the page showed the two reviews that differ.

        The round follows from what is there: of two people who looked at the same time the
        later one has made the second review, which is as blind as the first.

        Raises:
            PersonError: ``unknown_diagnosis``, ``not_a_reviewer``, ``reviewed_by_you`` (correct
                it instead), ``reviewed_enough``.
            KeeperError: ``disk_full``.
        """
        with self._store.transaction():
            case = self._there(id, person)
            if person.id in {review.author for review in case.reviews}:
                raise PersonError("reviewed_by_you", f"you reviewed {id} already", id=id)
            round = _round(case, person, informed)
            review = self._keep(case, person, label, round, blind=round < 3)
            self._log.answered(id)
        self.leases.release(person.id)
        return review

    def correct(self, id: str, person: Person, label: Label | None) -> Review:
        """Replace one's own word by another, which is blind no more: the answer was shown.

        Raises:
            PersonError: ``unknown_diagnosis``, ``not_a_reviewer``, ``not_reviewed_by_you``.
            KeeperError: ``disk_full``.
        """
        with self._store.transaction():
            case = self._there(id, person)
            own = [review for review in case.reviews if review.author == person.id]
            if not own:
                raise PersonError("not_reviewed_by_you", f"{id} has no review of yours", id=id)
            if own[-1].label == label:
                return own[-1]
            return self._keep(case, person, label, own[-1].round, blind=False, of=own[-1].id)

    def _there(self, id: str, person: Person) -> Case:
        if not person.active or person.role not in REVIEWERS:
            raise PersonError("not_a_reviewer", f"a {person.role} does not review")
        case = self.case(id)
        if case is None or not reviewable(case.diagnosis):
            raise PersonError("unknown_diagnosis", f"no photos of {id} to look at", id=id)
        return case

    def _keep(
        self,
        case: Case,
        person: Person,
        label: Label | None,
        round: int,
        *,
        blind: bool,
        of: str | None = None,
    ) -> Review:
        verdict = verdict_on(case.diagnosis, label)
        made = Review(
            new_id(), case.diagnosis.id, person.id, now(), verdict, label, round, blind, bool(of)
        )
        draft = Draft(
            made.id, Kind.REVIEW, made.diagnosis, person.id, made.at, body_of(made), supersedes=of
        )
        kept = self._events.append(draft).event
        return replace(made, at=kept.at)


def _round(case: Case, person: Person, informed: bool) -> int:
    """The round that a new review belongs to; ``reviewed_enough`` where none is open."""
    people = {review.author for review in case.reviews}
    if not informed and len(people) < 2:
        return len(people) + 1
    disputed = outcome(case.reviews).state is State.DISPUTED
    if informed and disputed and may_review(person, Item(case, Why.DISPUTED, 3)):
        return 3
    raise PersonError("reviewed_enough", f"{case.diagnosis.id} needs no other review")
