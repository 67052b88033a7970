"""Figures about answers: accuracy, macro-F1, coverage, calibration, sliced as a card needs them.

Point figures are written plainly here; :mod:`models.intervals` computes the same ones for a
thousand resamples at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from field_data.types import Status
from models.intervals import FEWEST_GROUPS, Marks, intervals

_BINS = 15


@dataclass(frozen=True, slots=True)
class Answer:
    """One judged photo: the truth, where it is from, and what was answered.

    ``said`` is the likeliest (crop, condition), or None when the photo was refused; ``probability``
    its calibrated probability.  ``file`` is the photo, ``photo`` the original it was cut from,
    ``series`` its shooting session; ``familiar`` the similarity to known photos, None when refused.
    """

    crop: str
    truth: str
    setting: str
    source: str
    status: Status
    said: tuple[str, str] | None
    probability: float
    file: str = ""
    photo: str = ""
    series: str = ""
    familiar: float | None = None

    @property
    def sure(self) -> bool:
        """Whether the node dared to say it."""
        return self.status is Status.CONFIDENT

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
    return sum(a.sure for a in answers) / len(answers)


def selective_accuracy(answers: Sequence[Answer]) -> float | None:
    """Share right among the ``confident``; None when there are none."""
    sure = [a for a in answers if a.sure]
    return accuracy(sure) if sure else None


def _bin(answer: Answer) -> int:
    return min(_BINS - 1, int(answer.probability * _BINS))


def expected_calibration_error(answers: Sequence[Answer]) -> float:
    """ECE of the likeliest condition, 15 equal-width bins (Guo et al. 2017), refused left out."""
    bins: dict[int, list[Answer]] = defaultdict(list)
    given = [a for a in answers if a.said is not None]
    for answer in given:
        bins[_bin(answer)].append(answer)
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


def marks(answers: Sequence[Answer]) -> Marks:
    """The answers as arrays, for :mod:`models.intervals`."""
    truths = [(a.crop, a.truth) for a in answers]
    number = {pair: i for i, pair in enumerate({*truths, *(a.said for a in answers if a.said)})}
    return Marks(
        truth=np.array([number[pair] for pair in truths]),
        said=np.array([-1 if a.said is None else number[a.said] for a in answers]),
        sure=np.array([a.sure for a in answers]),
        probability=np.array([a.probability for a in answers]),
        bins=np.array([-1 if a.said is None else _bin(a) for a in answers]),
        classes=len(number),
    )


def described(answers: Sequence[Answer]) -> dict[str, Any]:
    """:func:`summary` with 95 % intervals, resampled by original photo, and by series.

    The latter only where photos of at least five series are there.
    """
    said = summary(answers)
    arrays = marks(answers)
    photos = [a.photo or a.file or str(i) for i, a in enumerate(answers)]
    said["interval"] = intervals(arrays, photos)
    series = [f"{a.crop} {a.source} {a.series}" for a in answers]
    if len(set(series)) >= FEWEST_GROUPS:
        said["interval_by_series"] = intervals(arrays, series)
    return said


def sliced(
    answers: Iterable[Answer],
    key: Callable[[Answer], str],
    describe: Callable[[Sequence[Answer]], dict[str, Any]] = summary,
) -> dict[str, dict[str, Any]]:
    """The figures of every group, by name."""
    groups: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[key(answer)].append(answer)
    return {name: describe(groups[name]) for name in sorted(groups)}


REFUSED, OTHER_CROP = "refused", "other crop"


def _column(answer: Answer) -> str:
    if answer.said is None:
        return REFUSED
    return answer.said[1] if answer.said[0] == answer.crop else OTHER_CROP


def confusion(answers: Sequence[Answer]) -> dict[str, dict[str, Any]]:
    """By crop: what was there (``truths``, rows) and what was said (``said``, columns), counted.

    The last two columns are another crop's condition, and refused photos.
    """
    found: dict[str, dict[str, Any]] = {}
    for crop in sorted({a.crop for a in answers}):
        own = [a for a in answers if a.crop == crop]
        pairs = Counter((a.truth, _column(a)) for a in own)
        truths = sorted({a.truth for a in own})
        last = [OTHER_CROP, REFUSED]
        said = sorted({*truths, *(_column(a) for a in own)} - set(last)) + last
        counts = [[pairs[truth, column] for column in said] for truth in truths]
        found[crop] = {"truths": truths, "said": said, "counts": counts}
    return found


def most_confused(answers: Sequence[Answer], most: int = 10) -> list[dict[str, Any]]:
    """The most frequent wrong answers: truth, answer, photos, how many of them confident."""
    errors = [((a.crop, a.truth, *a.said), a.sure) for a in answers if a.said and not a.right]
    wrong = Counter(error for error, _ in errors)
    dared = Counter(error for error, sure in errors if sure)
    order = sorted(wrong, key=lambda error: (-wrong[error], error))[:most]
    return [
        {"crop": crop, "truth": truth, "said": [other, condition],
         "photos": wrong[crop, truth, other, condition],
         "confident": dared[crop, truth, other, condition]}
        for crop, truth, other, condition in order
    ]  # fmt: skip


def report(answers: Sequence[Answer]) -> dict[str, Any]:
    """Overall, by setting (lab and field apart), crop, source, series and class; confusions."""
    return {
        "all": described(answers),
        "by_setting": sliced(answers, lambda a: a.setting or "not stated", described),
        "by_crop": sliced(answers, lambda a: a.crop, described),
        "by_source": sliced(answers, lambda a: a.source or "not stated", described),
        "by_series": sliced(answers, lambda a: f"{a.crop} {a.series}".strip(), described),
        "by_class": sliced(answers, lambda a: f"{a.crop} {a.truth}"),
        "confusion": confusion(answers),
        "most_confused": most_confused(answers),
    }
