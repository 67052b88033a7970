"""Temperature and thresholds, chosen on the ``val`` split and nowhere else."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models import photo_quality
from models.diagnosis import softmax
from models.photo_quality import Quality

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

# Share of untouched, real val photos that one photo check may turn away.
MAY_REFUSE = 0.005
# A photo is unfit where the model keeps less than this share of its accuracy.
KEEPS = 0.8
BLUR_SIGMAS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
DARK_GAINS = (0.5, 0.3, 0.2, 0.12, 0.08, 0.05, 0.03)
GLARE_GAINS = (1.5, 2.0, 3.0, 4.0, 6.0, 9.0)


def fit_temperature(logits: Floats, targets: NDArray[np.int64]) -> float:
    """Temperature that minimises the negative log-likelihood (Guo et al. 2017), by grid search.

    Args:
        logits: [n, classes], classes of other crops at -inf.
        targets: [n] class indices.
    """
    grid = np.exp(np.linspace(np.log(0.3), np.log(4.0), 120))
    rows = np.arange(len(targets))
    losses = [-np.log(softmax(logits / t)[rows, targets] + 1e-12).mean() for t in grid]
    return float(round(grid[int(np.argmin(losses))], 4))


def candidate_limit(of_truth: Floats, missed: float) -> float:
    """Probability from which a class is named, so that the truth is for all but ``missed``.

    Split conformal prediction with least ambiguous sets (Sadinle, Lei and Wasserman 2019).

    Args:
        of_truth: calibrated probability of the true class of each photo [n].
        missed: share of photos whose true class may be left out.
    """
    place = int(np.floor((len(of_truth) + 1) * missed)) - 1
    return float(np.floor(np.sort(of_truth)[max(place, 0)] * 1e4) / 1e4)


def least_sure(probability: Floats, right: NDArray[np.bool_], wanted: float) -> float:
    """Smallest threshold at which at least ``wanted`` of the answers above it are right.

    It holds for every higher threshold too, so that a lucky stretch is not taken for a rule.
    """
    order = np.argsort(-probability)
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # A handful of photos says nothing: the first twenty do not count.
    fails = np.flatnonzero((share < wanted) & (np.arange(len(order)) >= 20))
    last = int(fails[0]) - 1 if fails.size else len(order) - 1
    return float(np.ceil(probability[order[max(last, 0)]] * 1e4) / 1e4)


def blurred(image: Image, sigma: float) -> Image:
    """Out of focus: Gaussian of ``sigma`` pixels at 224 pixels a side."""
    return cv2.GaussianBlur(image, (0, 0), sigma * image.shape[0] / 224).astype(np.uint8)


def exposed(image: Image, gain: float) -> Image:
    """Another exposure: ``gain`` on linear light (gamma 2.2), with the grain of a dark photo."""
    linear = (image.astype(np.float32) / 255) ** 2.2 * gain
    rng = np.random.default_rng(7)
    grain = rng.normal(0, 0.004, image.shape).astype(np.float32) if gain < 1 else 0.0
    return (np.clip(linear + grain, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def limit_from(
    values: Floats,
    right: NDArray[np.bool_],
    untouched: Floats,
    *,
    baseline: float,
    high_is_bad: bool,
) -> float:
    """Where a quality figure makes a photo unfit.

    Args:
        values: the figure of degraded photos [n].
        right: whether the model was right on each [n].
        untouched: the figure of the photos as they are [m].
        baseline: accuracy on the photos as they are.
        high_is_bad: True for blur and glare, False for brightness.

    Returns:
        The value beyond which accuracy falls under ``KEEPS`` x baseline, moved out far enough that
        at most ``MAY_REFUSE`` of the untouched photos are refused.
    """
    sign = 1.0 if high_is_bad else -1.0
    bad = sign * values
    edges = np.quantile(bad, np.linspace(0, 1, 25))
    limit = float(edges[-1])
    for low, high in itertools.pairwise(edges):
        inside = (bad >= low) & (bad <= high)
        if inside.sum() >= 20 and right[inside].mean() < KEEPS * baseline:
            limit = float(low)
            break
    floor = float(np.quantile(sign * untouched, 1 - MAY_REFUSE))
    return round(sign * max(limit, floor), 4)


def figures(qualities: Sequence[Quality], name: str) -> Floats:
    """One quality figure of many photos [n]."""
    return np.array([getattr(q, name) for q in qualities], dtype=np.float64)


def measure_all(images: NDArray[np.uint8]) -> list[Quality]:
    """Quality of uint8 [n, px, px, 3]."""
    return [photo_quality.measure(image) for image in images]
