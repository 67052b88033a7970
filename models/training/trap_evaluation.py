"""What the shipped counter makes of labelled trap photos, as figures with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.counting import CountStatus, Run, find, reading_scale, tally
from models.counting_manifest import CountingManifest, TrapRule
from models.preprocess import resized
from models.tiles import Found, Image
from models.training import trap_data
from models.training.detection_metrics import (
    Scored,
    bootstrap,
    f1,
    precision_of_all,
    relative_errors,
    right_side,
)
from models.training.trap_data import TrapPhoto

# No card gives a number for Morocco: every count from 5 to 100 is taken for a threshold in turn.
ACTIONS = range(5, 101, 5)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One photo: detections in its px, the chance of each kind of trap, the answer, the truth."""

    photo: TrapPhoto
    found: Found
    chances: NDArray[np.float32]
    status: CountStatus
    count: int
    low: int
    high: int
    true: int


def seen_as(rule: TrapRule, image: Image) -> tuple[Image, float]:
    """A photo at the size at which it is read, and by how much it was made larger."""
    scale = reading_scale(rule, *image.shape[:2])
    return resized(image, scale), scale


def judge(run: Run, manifest: CountingManifest, photo: TrapPhoto, image: Image) -> Judged:
    """One photo, read as a node reads it; the gate is recorded, but every photo is counted."""
    limits = manifest.thresholds
    rule = limits.traps[photo.trap]
    seen, scale = seen_as(rule, image)
    found, chances = find(run, seen, manifest.px, limits.overlap)
    label = manifest.labels.index(rule.label)
    chance = float(chances[list(limits.traps).index(photo.trap)])
    status, _ = tally(found, label, chance, rule, limits)
    _, counted = tally(found, label, 1.0, rule, limits)
    assert counted is not None  # noqa: S101 - a chance of one is always counted
    moved = Found(found.boxes / np.float32(scale), found.scores, found.labels)
    true = int((photo.labels == label).sum())
    return Judged(photo, moved, chances, status, counted.count, counted.low, counted.high, true)


def judge_all(
    run: Run, manifest: CountingManifest, folder: Path, photos: Sequence[TrapPhoto]
) -> list[Judged]:
    """Every photo."""
    bar = tqdm(photos, unit="photo", mininterval=10)
    return [judge(run, manifest, p, trap_data.load(folder, p.file)) for p in bar]


def scored(judged: Sequence[Judged], labels: Sequence[str], label: str) -> list[Scored]:
    """Detections of ``label`` on the photos of the kind of trap that it lies on."""
    index = labels.index(label)
    return [
        Scored(j.found, index, j.photo.boxes[j.photo.labels == index])
        for j in judged
        if j.photo.trap == trap_data.TRAP_OF[label]
    ]


def _mean_of(photos: Sequence[Mapping[str, Scored]], labels: Sequence[str]) -> float:
    each = [precision_of_all([p[label] for p in photos if label in p]) for label in labels]
    return float("nan") if np.all(np.isnan(each)) else float(np.nanmean(each))


def _by_label(judged: Judged, labels: Sequence[str]) -> dict[str, Scored]:
    return {label: each for label in labels for each in scored([judged], labels, label)}


def mean_precision(judged: Sequence[Judged], labels: Sequence[str]) -> float:
    """mAP50: mean over the labels that occur."""
    return _mean_of([_by_label(j, labels) for j in judged], labels)


def _rounded(figure: Callable[[Sequence[Any]], float], photos: Sequence[Any]) -> list[float]:
    return [round(value, 4) for value in bootstrap(figure, photos)]


def _counts(judged: Sequence[Judged]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array([j.count for j in judged], float), np.array([j.true for j in judged], float)


def trap_figures(judged: Sequence[Judged], manifest: CountingManifest, trap: str) -> dict[str, Any]:
    """Figures of one kind of trap, each as [value, low, high] of a 95 % bootstrap interval.

    Count errors are of the photos that hold at least one insect of the counted label.
    """
    rule = manifest.thresholds.traps[trap]
    own = [j for j in judged if j.photo.trap == trap]
    there = [j for j in own if j.true > 0]
    boxes = scored(own, manifest.labels, rule.label)
    return {
        "photos": len(own),
        "photos_with_insects": len(there),
        "insects": sum(j.true for j in own),
        "ap50": {
            label: _rounded(precision_of_all, scored(own, manifest.labels, label))
            for label in manifest.labels
            if any((j.photo.labels == manifest.labels.index(label)).any() for j in own)
        },
        "f1": _rounded(lambda some: f1(some, rule.score), boxes),
        "count_error_median": _rounded(
            lambda some: float(np.median(relative_errors(*_counts(some)))), there
        ),
        "count_error_mean": _rounded(
            lambda some: float(np.mean(relative_errors(*_counts(some)))), there
        ),
        "counted_of_true": _rounded(
            lambda some: sum(j.count for j in some) / sum(j.true for j in some), there
        ),
        "right_side": _rounded(lambda some: right_side(*_counts(some), ACTIONS), own),
        "interval_covers": _rounded(
            lambda some: float(np.mean([j.low <= j.true <= j.high for j in some])), there
        ),
        "interval_width_median": float(np.median([j.high - j.low for j in there])),
        "status": {s.value: sum(j.status is s for j in own) for s in CountStatus},
    }


def figures(judged: Sequence[Judged], manifest: CountingManifest) -> dict[str, Any]:
    """Figures of a split: mAP50 over all, the rest by kind of trap."""
    # Matched once, drawn a thousand times.
    matched = [_by_label(j, manifest.labels) for j in judged]
    return {
        "map50": _rounded(lambda some: _mean_of(some, manifest.labels), matched),
        "traps": {
            trap: trap_figures(judged, manifest, trap)
            for trap in manifest.thresholds.traps
            if any(j.photo.trap == trap and j.true for j in judged)
        },
    }


def stranger_chances(
    run: Run, manifest: CountingManifest, folder: Path, files: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Photos without a trap: the chance of each kind of trap [n], read as that kind."""
    said: dict[str, list[float]] = {trap: [] for trap in manifest.thresholds.traps}
    for file in tqdm(files, unit="photo", mininterval=10):
        image = trap_data.load(folder, file)
        for place, (trap, rule) in enumerate(manifest.thresholds.traps.items()):
            seen, _ = seen_as(rule, image)
            _, chances = find(run, seen, manifest.px, manifest.thresholds.overlap)
            said[trap].append(float(chances[place]))
    return {trap: np.array(values) for trap, values in said.items()}


def refusal_counts(
    manifest: CountingManifest, said: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """Of photos without a trap: how many are refused, and how many get a count as sure."""
    limits = manifest.thresholds
    return {
        trap: {
            "photos": len(chances),
            "refused": int((chances < limits.no_trap).sum()),
            "surely_counted": int((chances >= limits.sure).sum()),
        }
        for trap, chances in said.items()
    }
