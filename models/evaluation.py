"""Figures about answers: accuracy, macro-F1, coverage, calibration, sliced as a card needs them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from field_data.types import Status

_BINS = 15


@dataclass(frozen=True, slots=True)
class Answer:
    """One judged photo: the truth, where it is from, and what was answered.

    ``said`` is the likeliest (crop, condition), or None when the photo was refused; ``probability``
    its calibrated probability.
    """

    crop: str
    truth: str
    setting: str
    source: str
    status: Status
    said: tuple[str, str] | None
    probability: float

    @property
    def right(self) -> bool:
        """Crop and condition are the true ones; a refused photo is wrong."""
        return self.said == (self.crop, self.truth)


def accuracy(answers: Sequence[Answer]) -> float:
    """Share of right answers."""
    return sum(a.right for a in answers) / len(answers)


def macro_f1(answers: Sequence[Answer]) -> float:
    """Mean F1 over the (crop, condition) pairs that occur among the truths."""
    truths = {(a.crop, a.truth) for a in answers}
    scores = []
    for crop, condition in truths:
        hits = sum(a.right for a in answers if (a.crop, a.truth) == (crop, condition))
        said = sum(a.said == (crop, condition) for a in answers)
        there = sum((a.crop, a.truth) == (crop, condition) for a in answers)
        scores.append(2 * hits / (said + there))
    return sum(scores) / len(scores)


def coverage(answers: Sequence[Answer]) -> float:
    """Share answered ``confident``."""
    return sum(a.status is Status.CONFIDENT for a in answers) / len(answers)


def selective_accuracy(answers: Sequence[Answer]) -> float | None:
    """Share right among the ``confident``; None when there are none."""
    sure = [a for a in answers if a.status is Status.CONFIDENT]
    return accuracy(sure) if sure else None


def expected_calibration_error(answers: Sequence[Answer]) -> float:
    """ECE of the likeliest condition, 15 equal-width bins (Guo et al. 2017), refused left out."""
    bins: dict[int, list[Answer]] = defaultdict(list)
    given = [a for a in answers if a.said is not None]
    for answer in given:
        bins[min(_BINS - 1, int(answer.probability * _BINS))].append(answer)
    gaps = (
        abs(accuracy(members) - sum(a.probability for a in members) / len(members)) * len(members)
        for members in bins.values()
    )
    return sum(gaps) / len(given) if given else 0.0


def summary(answers: Sequence[Answer]) -> dict[str, Any]:
    """All figures of a set, rounded to four places, and its size."""
    sure = selective_accuracy(answers)
    return {
        "photos": len(answers),
        "accuracy": round(accuracy(answers), 4),
        "macro_f1": round(macro_f1(answers), 4),
        "coverage": round(coverage(answers), 4),
        "right_when_confident": None if sure is None else round(sure, 4),
        "refused": sum(a.said is None for a in answers),
        "ece": round(expected_calibration_error(answers), 4),
    }


def sliced(answers: Iterable[Answer], key: Callable[[Answer], str]) -> dict[str, dict[str, Any]]:
    """:func:`summary` of every group, by name."""
    groups: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[key(answer)].append(answer)
    return {name: summary(groups[name]) for name in sorted(groups)}


def report(answers: Sequence[Answer]) -> dict[str, Any]:
    """Overall, by setting (lab and field apart), crop, source and class."""
    return {
        "all": summary(answers),
        "by_setting": sliced(answers, lambda a: a.setting),
        "by_crop": sliced(answers, lambda a: a.crop),
        "by_source": sliced(answers, lambda a: a.source),
        "by_class": sliced(answers, lambda a: f"{a.crop} {a.truth}"),
    }
