"""What the reviews of a node say of people and of the model, as plain figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from field_data.review_queue import (
    Item,
    Shares,
    Why,
    sampled,
)
from field_data.reviews import (
    Case,
    Label,
    State,
    blind_pair,
    labelled,
    outcome,
    said,
)
from field_data.types import Status
from models.agreement import Agreement, Share, agreement, by_group, by_label, share

ENDED = frozenset({State.SINGLE, State.AGREED, State.SETTLED})


@dataclass(frozen=True, slots=True)
class People:
    """How far two people agree who looked at the same plant and knew nothing of each other.

    "Cannot tell" (None) is an answer like any other.  ``by_pair`` is keyed by two person ids, in
    order; ``by_label`` is one label against all others.
    """

    all: Agreement
    by_pair: Mapping[tuple[str, str], Agreement]
    by_label: Mapping[Label | None, Agreement]


@dataclass(frozen=True, slots=True)
class Model:
    """How often the model's likeliest answer is what people say it is.

    ``waiting`` plants have no review yet, ``undecided`` none that named something; ``named`` are
    all answers that name something, ``confident`` those that the node stands for.
    """

    plants: int
    waiting: int
    undecided: int
    named: Share
    confident: Share


@dataclass(frozen=True, slots=True)
class Figures:
    """``sample`` speaks of the model without bias, ``everything`` leans to the hard cases."""

    people: People
    sample: Model
    everything: Model


def figures(cases: Sequence[Case], shares: Shares) -> Figures:
    """All figures; ``cases`` are the diagnoses with photos."""
    drawn = [case for case in cases if sampled(case.diagnosis.id, shares)]
    return Figures(_people(cases), _model(drawn), _model(cases))


def _people(cases: Iterable[Case]) -> People:
    twice = [pair for case in cases if (pair := blind_pair(case.reviews))]
    labels = [(a.label, b.label) for a, b in twice]
    in_order = [sorted(pair, key=lambda review: review.author) for pair in twice]
    by_pair = by_group(((a.author, b.author), (a.label, b.label)) for a, b in in_order)
    return People(agreement(labels), by_pair, by_label(labels))


def _model(cases: Sequence[Case]) -> Model:
    ended = labelled(cases, ENDED)
    waiting = sum(outcome(case.reviews).state is State.OPEN for case in cases)
    named = [(case, label) for case, label in ended if said(case.diagnosis)]
    sure = [each for each in named if each[0].diagnosis.status is Status.CONFIDENT]
    return Model(
        len(cases), waiting, len(cases) - waiting - len(ended), _right(named), _right(sure)
    )


def _right(judged: Iterable[tuple[Case, Label]]) -> Share:
    return share([said(case.diagnosis) == label for case, label in judged])


def counts(items: Iterable[Item], cases: Iterable[Case]) -> tuple[dict[Why, int], dict[State, int]]:
    """How many wait for which reason, and how many reviewed ones came to what."""
    waiting = Counter(item.why for item in items)
    ends = Counter(outcome(case.reviews).state for case in cases)
    states = [state for state in State if state is not State.OPEN]
    return {why: waiting[why] for why in Why}, {state: ends[state] for state in states}


def spelled(label: Label | None) -> str:
    """A label for programs: ``LYPES PHYTIN``, ``LYPES ?`` (not in a list), ``cannot_tell``."""
    return "cannot_tell" if label is None else f"{label[0]} {label[1] or '?'}"


def plain(found: Figures) -> dict[str, Any]:
    """What ``json.dumps`` takes."""
    people = found.people
    return {
        "people": {
            "all": asdict(people.all),
            "by_pair": [{"people": list(k), **asdict(v)} for k, v in people.by_pair.items()],
            "by_label": [{"label": spelled(k), **asdict(v)} for k, v in people.by_label.items()],
        },
        "model": {"sample": asdict(found.sample), "everything": asdict(found.everything)},
    }
