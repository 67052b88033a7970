"""What people said of diagnoses, and which diagnoses are worth a person's look.

Everything here is a pure function of diagnoses and reviews: no file, no clock.  A review is an
event; the diagnosis itself is never changed.  Reviewers choose before they see the model's answer
(``blind``), and a share of plants is judged twice by two people who know nothing of each other;
where they differ, an agronomist sees both and decides.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter

from field_data.events import Event, Kind
from field_data.people import Person, Role
from field_data.types import Diagnosis, Instant, Status

# (crop, condition), EPPO codes; a condition of None is a problem that no list names.
Label = tuple[str, str | None]
REVIEWERS = frozenset({Role.AGENT, Role.AGRONOMIST, Role.KEEPER})
# Of a (crop, condition) that the node was sure of, this many are looked at whatever the sample.
ENOUGH = 5
_CODE = re.compile(r"[A-Za-z0-9-]{2,24}")
_SAMPLE, _SECOND, _ORDER = "sample", "second", "order"


class Verdict(StrEnum):
    """What a reviewer made of the model's likeliest answer."""

    CONFIRM = "confirm"
    CORRECT = "correct"
    CANNOT_TELL = "cannot_tell"


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


class State(StrEnum):
    """What the reviews of one diagnosis come to."""

    OPEN = "open"
    SINGLE = "single"
    AGREED = "agreed"
    DISPUTED = "disputed"
    SETTLED = "settled"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Shares:
    """Which share (0 to 1) of all diagnoses is sampled, and of the reviewed gets a second look."""

    sample: float = 0.05
    second: float = 0.2


@dataclass(frozen=True, slots=True)
class Review:
    """One person's word on one diagnosis; ``label`` is None when the person cannot tell.

    ``round`` 1 and 2 are independent, 3 decides between them.  ``blind``: the page had shown
    neither the model's answer nor another review.  ``correction``: not the person's first word.
    """

    id: str
    diagnosis: str
    author: str
    at: Instant
    verdict: Verdict
    label: Label | None
    round: int
    blind: bool
    correction: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One diagnosis, whether its farmer asked for a person, and its reviews in order."""

    diagnosis: Diagnosis
    asked: bool = False
    reviews: tuple[Review, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the reviews come to: ``label`` is set for single, agreed and settled ones."""

    state: State
    label: Label | None = None


def review_of(event: Event) -> Review | None:
    """The review that an event holds; None for another kind or a body that makes no sense."""
    body = event.body
    crop, condition, round = body.get("crop"), body.get("condition"), body.get("round")
    verdict = next((each for each in Verdict if each == body.get("verdict")), None)
    named = _is_code(crop) and (condition is None or _is_code(condition))
    cannot = verdict is Verdict.CANNOT_TELL
    if event.kind is not Kind.REVIEW or verdict is None or round not in (1, 2, 3):
        return None
    if not (named or cannot):
        return None
    return Review(
        id=event.id,
        diagnosis=event.subject,
        author=event.author,
        at=event.at,
        verdict=verdict,
        label=None if cannot else (str(crop), condition),
        round=int(round),
        blind=body.get("blind") is True,
        correction=event.supersedes is not None,
    )


def _is_code(text: object) -> bool:
    return isinstance(text, str) and _CODE.fullmatch(text) is not None


def body_of(review: Review) -> dict[str, object]:
    """The body of the event that holds a review."""
    crop, condition = review.label or (None, None)
    return {
        "verdict": str(review.verdict),
        "crop": crop,
        "condition": condition,
        "round": review.round,
        "blind": review.blind,
    }


def said(diagnosis: Diagnosis) -> Label | None:
    """What the model thought likeliest, None where it named nothing."""
    return (diagnosis.top.crop, diagnosis.top.condition) if diagnosis.top else None


def verdict_on(diagnosis: Diagnosis, label: Label | None) -> Verdict:
    """What choosing ``label`` says of the model's answer."""
    if label is None:
        return Verdict.CANNOT_TELL
    return Verdict.CONFIRM if label == said(diagnosis) else Verdict.CORRECT


def last_words(reviews: Iterable[Review]) -> list[Review]:
    """The latest review of each person: a correction counts only against one's own word."""
    return list({review.author: review for review in reviews}.values())


def outcome(reviews: Iterable[Review]) -> Outcome:
    """What the reviews of one diagnosis come to; those of round 3 decide alone."""
    words = last_words(reviews)
    deciding = [review for review in words if review.round == 3]
    counted = deciding[-1:] or words
    labels = {review.label for review in counted}
    if not labels:
        return Outcome(State.OPEN)
    if len(labels) > 1:
        return Outcome(State.DISPUTED)
    label = labels.pop()
    if label is None:
        return Outcome(State.CANNOT_TELL)
    alone = State.SINGLE if len(counted) == 1 else State.AGREED
    return Outcome(State.SETTLED if deciding else alone, label)


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


def blind_pair(reviews: Iterable[Review]) -> tuple[Review, Review] | None:
    """The first words of two people who knew nothing of each other or of the model; None without.

    Corrections do not count: they are made after the model's answer was shown.
    """
    first: dict[str, Review] = {}
    for review in reviews:
        if review.blind and not review.correction and review.round in (1, 2):
            first.setdefault(review.author, review)
    pair = list(first.values())[:2]
    return (pair[0], pair[1]) if len(pair) == 2 else None


def labelled(cases: Iterable[Case], states: Collection[State]) -> list[tuple[Case, Label]]:
    """Cases whose reviews came to a label in one of these states."""
    ended = ((case, outcome(case.reviews)) for case in cases)
    return [(case, end.label) for case, end in ended if end.label and end.state in states]
