"""What people said of diagnoses, and what several people's words come to.

Everything here is a pure function of diagnoses and reviews: no file, no clock.  A review is an
event; the diagnosis itself is never changed.  Reviewers choose before they see the model's answer
(``blind``), and a share of plants is judged twice by two people who know nothing of each other;
where they differ, an agronomist sees both and decides.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from field_data.events import Event, Kind
from field_data.types import Diagnosis, Instant

# (crop, condition), EPPO codes; a condition of None is a problem that no list names.
Label = tuple[str, str | None]
_CODE = re.compile(r"[A-Za-z0-9-]{2,24}")


class Verdict(StrEnum):
    """What a reviewer made of the model's likeliest answer."""

    CONFIRM = "confirm"
    CORRECT = "correct"
    CANNOT_TELL = "cannot_tell"


class State(StrEnum):
    """What the reviews of one diagnosis come to."""

    OPEN = "open"
    SINGLE = "single"
    AGREED = "agreed"
    DISPUTED = "disputed"
    SETTLED = "settled"
    CANNOT_TELL = "cannot_tell"


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
