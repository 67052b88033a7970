"""Which diagnoses are worth a person's look, in which order, and whose.

Pure functions of diagnoses and reviews: the same on every day and on every node.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter

from field_data.people import Person, Role
from field_data.reviews import Case, Label, State, last_words, outcome, said
from field_data.types import Diagnosis, Status

REVIEWERS = frozenset({Role.AGENT, Role.AGRONOMIST, Role.KEEPER})
# Of a (crop, condition) that the node was sure of, this many are looked at whatever the sample.
ENOUGH = 5
_SAMPLE, _SECOND, _ORDER = "sample", "second", "order"


class Why(StrEnum):
    """Why a diagnosis is worth a look."""

    DISPUTED = "disputed"
    ALERT = "alert"
    ASKED = "asked"
    UNCERTAIN = "uncertain"
    SECOND = "second"
    SAMPLE = "sample"
    RARE = "rare"


# Second looks and the sample go along with the uncertain ones: a node that is often uncertain
# would never reach them, and without them no figure about it can be believed.
_RANK = {
    Why.DISPUTED: 0,
    Why.ALERT: 1,
    Why.ASKED: 2,
    Why.UNCERTAIN: 3,
    Why.SECOND: 3,
    Why.SAMPLE: 3,
    Why.RARE: 4,
}


@dataclass(frozen=True, slots=True)
class Shares:
    """Which share (0 to 1) of all diagnoses is sampled, and of the reviewed gets a second look."""

    sample: float = 0.05
    second: float = 0.2


@dataclass(frozen=True, slots=True)
class Item:
    """A diagnosis that waits for a review of that ``round``."""

    case: Case
    why: Why
    round: int

    @property
    def id(self) -> str:
        """The diagnosis."""
        return self.case.diagnosis.id


def position(id: str, salt: str) -> float:
    """Where an id lies in 0 … 1, evenly and for ever: SHA-256 of ``salt:id``, first 64 bits."""
    digest = hashlib.sha256(f"{salt}:{id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def sampled(id: str, shares: Shares) -> bool:
    """Whether a diagnosis is in the random sample, whatever the model said."""
    return position(id, _SAMPLE) < shares.sample


def wants_second(id: str, shares: Shares) -> bool:
    """Whether a diagnosis gets a blind second review; independent of :func:`sampled`."""
    return position(id, _SECOND) < shares.second


def reviewable(diagnosis: Diagnosis) -> bool:
    """Whether there is a photo to look at that the person agreed to keep."""
    return diagnosis.consent is not None and any(photo.sha256 for photo in diagnosis.photos)


def queue(cases: Iterable[Case], shares: Shares | None = None) -> list[Item]:
    """Everything that waits for a review, in the order in which to look.

    By reason first.  Within it the (crop, condition) pairs take turns, those with the fewest
    reviews first, so that a rare condition is not drowned by a common one; among equals a hash
    of the id decides.  ``cases`` are read once, and only what waits is held.
    """
    shares = shares or Shares()
    items: list[Item] = []
    done: dict[Label | None, int] = defaultdict(int)
    spare: dict[Label | None, list[Case]] = defaultdict(list)
    for case in cases:
        item, what = waiting(case, shares), said(case.diagnosis)
        done[what] += bool(case.reviews)
        if item:
            items.append(item)
        elif _may_be_rare(case):
            spare[what] = sorted([*spare[what], case], key=_place)[:ENOUGH]
    return _in_turns(items + _rare(spare, items, done), done)


def _place(case: Case) -> float:
    return position(case.diagnosis.id, _ORDER)


def _may_be_rare(case: Case) -> bool:
    sure = case.diagnosis.status is Status.CONFIDENT
    return sure and not case.reviews and reviewable(case.diagnosis)


def waiting(case: Case, shares: Shares) -> Item | None:
    """What one diagnosis waits for, as far as it alone tells: rare conditions come with `queue`."""
    diagnosis = case.diagnosis
    if not reviewable(diagnosis):
        return None
    if not case.reviews:
        why = _why(case, shares)
        return Item(case, why, 1) if why else None
    state = outcome(case.reviews).state
    if state is State.DISPUTED:
        return Item(case, Why.DISPUTED, 3)
    one = len(last_words(case.reviews)) == 1 and state is not State.SETTLED
    return Item(case, Why.SECOND, 2) if one and wants_second(diagnosis.id, shares) else None


def _why(case: Case, shares: Shares) -> Why | None:
    if case.diagnosis.alert:
        return Why.ALERT
    if case.asked:
        return Why.ASKED
    if case.diagnosis.status is Status.UNCERTAIN:
        return Why.UNCERTAIN
    return Why.SAMPLE if sampled(case.diagnosis.id, shares) else None


def _rare(
    spare: Mapping[Label | None, Sequence[Case]],
    items: Iterable[Item],
    done: Mapping[Label | None, int],
) -> list[Item]:
    """Confident answers of conditions with too few reviews: as many as are missing."""
    looks = Counter(said(item.case.diagnosis) for item in items if item.round == 1)
    return [
        Item(case, Why.RARE, 1)
        for what, cases in spare.items()
        for case in cases[: max(0, ENOUGH - done.get(what, 0) - looks[what])]
    ]


def _in_turns(items: Iterable[Item], done: Mapping[Label | None, int]) -> list[Item]:
    turn: dict[tuple[int, Label | None], int] = defaultdict(int)
    keyed = []
    for place, item in sorted(
        ((position(item.id, _ORDER), item) for item in items), key=itemgetter(0)
    ):
        rank, what = _RANK[item.why], said(item.case.diagnosis)
        keyed.append(((rank, done[what] + turn[rank, what], place), item))
        turn[rank, what] += 1
    return [item for _, item in sorted(keyed, key=itemgetter(0))]


def may_review(person: Person, item: Item) -> bool:
    """Whether ``person`` may do this: no plant twice, and round 3 only as an agronomist."""
    known = {review.author for review in item.case.reviews}
    roles = {Role.AGRONOMIST} if item.round == 3 else REVIEWERS
    return person.active and person.role in roles and person.id not in known
