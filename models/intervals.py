"""How far a figure could be off because the photos are few: the bootstrap, vectorised.

A draw takes as many groups of photos, with replacement, as there are (Efron 1979); the interval is
the middle 95 % of what 1,000 draws give (percentile method).  A group is a photo with all its
crops, or a whole series, since photos of one session stand or fall together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 1000
SEED = 20261124
LEVEL = 0.95
# Fewer groups than this cannot say how groups differ.
FEWEST_GROUPS = 5
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Marks:
    """Answers as arrays, one entry a photo.

    ``truth`` and ``said`` are class numbers below ``classes``, ``said`` -1 where the photo was
    refused; ``probability`` that of what was said; ``bins`` the calibration bin, -1 where refused;
    ``sure`` where the answer was confident.
    """

    truth: NDArray[np.int64]
    said: NDArray[np.int64]
    sure: NDArray[np.bool_]
    probability: Floats
    bins: NDArray[np.int64]
    classes: int


def _columns(numbers: NDArray[np.int64], width: int) -> Floats:
    """One-hot [n, width]; a row of zeros where the number is -1."""
    return np.asarray(numbers[:, None] == np.arange(width), dtype=np.float64)


def weights(groups: Sequence[str], draws: int = DRAWS, seed: int = SEED) -> Iterator[Floats]:
    """How often each photo is drawn, [some draws, n] at a time, ``draws`` in all."""
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    even = np.full(len(names), 1 / len(names))
    for start in range(0, draws, _AT_ONCE):
        times = rng.multinomial(len(names), even, size=min(_AT_ONCE, draws - start))
        yield times[:, group].astype(np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    out: Floats = np.full(part.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def figures(marks: Marks, weight: Floats) -> dict[str, Floats]:
    """The figures of :mod:`models.evaluation` for every draw [draws]; NaN where undefined.

    ``weight`` [draws, n]; accuracy, macro_f1, coverage, right_when_confident, ece.
    """
    right = (marks.truth == marks.said).astype(np.float64)
    sure = marks.sure.astype(np.float64)
    total = weight.sum(axis=1)
    there = _columns(marks.truth, marks.classes)
    there_n = weight @ there
    hits, said_n = weight @ (there * right[:, None]), weight @ _columns(marks.said, marks.classes)
    in_bin = _columns(marks.bins, max(1, int(marks.bins.max(initial=0)) + 1))
    gap = np.abs(weight @ (in_bin * (right - marks.probability)[:, None])).sum(axis=1)
    f1 = np.where(there_n > 0, _ratio(2 * hits, said_n + there_n), 0.0)
    return {
        "accuracy": weight @ right / total,
        "macro_f1": f1.sum(axis=1) / (there_n > 0).sum(axis=1),
        "coverage": weight @ sure / total,
        "right_when_confident": _ratio(weight @ (right * sure), weight @ sure),
        "ece": _ratio(gap, weight @ in_bin.sum(axis=1)),
    }


def middle(values: Floats) -> list[float] | None:
    """[low, high] of the middle 95 % of draws [n], four places; None when no draw defined it."""
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    tail = (1 - LEVEL) / 2
    return [round(float(v), 4) for v in np.quantile(known, [tail, 1 - tail])]


def intervals(marks: Marks, groups: Sequence[str]) -> dict[str, list[float] | None]:
    """95 % interval of every figure when whole ``groups`` [n] are resampled."""
    parts = [figures(marks, weight) for weight in weights(groups)]
    return {name: middle(np.concatenate([part[name] for part in parts])) for name in parts[0]}


def score_interval(hits: int, n: int) -> tuple[float, float]:
    """95 % score interval of a share of ``n`` independent photos (Wilson 1927).

    For pictures: unlike the bootstrap it stays open when all of a few photos were right.
    """
    z, share = 1.96, hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def auroc(known: Sequence[float], strange: Sequence[float]) -> float | None:
    """Chance that a known photo scores above a strange one, ties half (Hanley & McNeil 1982)."""
    if not known or not strange:
        return None
    scores = np.concatenate([np.asarray(known, float), np.asarray(strange, float)])
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    n, m = len(known), len(strange)
    return round(float((rank[:n].sum() - n * (n + 1) / 2) / (n * m)), 4)
