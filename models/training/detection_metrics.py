"""Figures about boxes and counts: average precision, F1, count errors, and how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.tiles import Floats, Found, overlap_of

_RECALLS = np.linspace(0.0, 1.0, 101)
_BOOTSTRAPS = 1000


def matches(found: Found, label: int, truth: Floats, least: float = 0.5) -> NDArray[np.bool_]:
    """Which detections of ``label``, best first, hit a box of ``truth`` [m, 4] not yet taken.

    As COCO does: each detection takes the free true box that it overlaps most, if the IoU is at
    least ``least``.
    """
    own = found.take(found.labels == label)
    boxes = own.boxes[np.argsort(-own.scores, kind="stable")]
    free = np.ones(len(truth), np.bool_)
    hits = np.zeros(len(boxes), np.bool_)
    if not len(truth):
        return hits
    for i, box in enumerate(boxes):
        shared = np.where(free, overlap_of(box, truth), -1.0)
        best = int(shared.argmax())
        if shared[best] >= least:
            free[best] = False
            hits[i] = True
    return hits


def average_precision(scores: Floats, hits: NDArray[np.bool_], truths: int) -> float:
    """COCO's AP: precision made non-increasing, mean over recall 0, 0.01, …, 1.

    Args:
        scores: [n] of all photos together.
        hits: [n], which of them hit.
        truths: how many true boxes there are; NaN is returned for none.
    """
    if truths == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hit = np.cumsum(hits[order])
    if not hit.size:
        return 0.0
    recall = hit / truths
    precision = hit / np.arange(1, hit.size + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, _RECALLS - 1e-9, side="left")
    reached = places < hit.size
    return float(np.where(reached, precision[np.minimum(places, hit.size - 1)], 0.0).mean())


class Scored:
    """One photo: scores of the detections of a label, which of them hit, how many truths."""

    def __init__(self, found: Found, label: int, truth: Floats) -> None:
        own = found.scores[found.labels == label]
        self.scores = own[np.argsort(-own, kind="stable")]
        self.hits = matches(found, label, truth)
        self.truths = len(truth)


def precision_of_all(photos: Sequence[Scored]) -> float:
    """AP over several photos."""
    if not photos:
        return float("nan")
    return average_precision(
        np.concatenate([p.scores for p in photos]),
        np.concatenate([p.hits for p in photos]),
        sum(p.truths for p in photos),
    )


def f1(photos: Sequence[Scored], threshold: float) -> float:
    """F1 of the detections at or above ``threshold``."""
    hits = sum(int(p.hits[p.scores >= threshold].sum()) for p in photos)
    said = sum(int((p.scores >= threshold).sum()) for p in photos)
    there = sum(p.truths for p in photos)
    return 2 * hits / (said + there) if said + there else 1.0


def relative_errors(counted: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    """|counted - true| / max(1, true), photo by photo."""
    return np.asarray(np.abs(counted - true) / np.maximum(1.0, true), dtype=np.float64)


def right_side(
    counted: NDArray[np.float64], true: NDArray[np.float64], actions: Sequence[int]
) -> float:
    """Share of (photo, threshold) pairs where the count is on the side of the truth."""
    return float(np.mean([(counted >= a) == (true >= a) for a in actions]))


def bootstrap(
    figure: Callable[[Sequence[Any]], float], photos: Sequence[Any], seed: int = 0
) -> tuple[float, float, float]:
    """(figure, lower, upper): 95 % percentile interval over 1000 resamplings of whole photos."""
    rng = np.random.default_rng(seed)
    drawn = [
        figure([photos[i] for i in rng.integers(0, len(photos), len(photos))])
        for _ in range(_BOOTSTRAPS)
    ]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(figure(photos)), float(low), float(high)
