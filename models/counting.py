"""Insects on a trap, counted in one photo, with an interval, or an honest "I cannot count this".

The arithmetic is pure (:func:`find`, :func:`tally`); :class:`Counter` adds the photo and the graph.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from field_data.errors import PersonError, PublisherError
from field_data.types import ModelRef, PhotoFault, Timing, TrapCount
from models import annotate, photo_quality, preprocess, tiles
from models.counting_manifest import CountingManifest, Limits, TrapRule, read_counting_manifest
from models.runtime import Graph, checked_bytes, faster
from models.tiles import Floats, Found, Image

TRAPS = ("tuta", "yellow")
OUTPUTS = ("heat", "reach", "scene")
# What two tiles share: more than the longest insect at the size at which photos are read.
OVERLAP_PX = 96
_RIM_PX = OVERLAP_PX // 4
_READ_FROM = 0.02
# tiles uint8 [1, px, px, 3] RGB -> heat [1, labels, g, g], reach [1, 4, g, g], scene [1, traps + 1]
Run = Callable[[Image], list[Floats]]


class CountStatus(StrEnum):
    """What the node dares to say about one trap photo."""

    COUNTED = "counted"
    UNCERTAIN = "uncertain"
    NOT_A_TRAP = "not_a_trap"
    POOR_PHOTO = "poor_photo"


@dataclass(frozen=True, slots=True)
class Detection:
    """One insect; ``box`` is x, y, width, height in px of the upright original photo."""

    label: str
    probability: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class CountReading:
    """What one trap photo showed.

    ``count`` is None for ``not_a_trap`` and ``poor_photo``; ``fault`` says why a photo is poor;
    ``picture`` is the annotated JPEG, None where it was not asked for or nothing was counted.
    """

    trap: str
    status: CountStatus
    count: TrapCount | None
    detections: tuple[Detection, ...]
    fault: PhotoFault | None
    model: ModelRef
    timing: Timing
    picture: bytes | None = None


def reading_scale(rule: TrapRule, height: int, width: int) -> float:
    """By how much a photo is made larger (above 1) or smaller before it is read."""
    return min(rule.enlarge, rule.long_px / max(height, width))


def scene_chances(scenes: Floats) -> Floats:
    """Chances [traps + 1] of the whole photo from those of its tiles [n, traps + 1].

    The mean of the surer half, kind by kind: a trap need not fill the photo.
    """
    half = math.ceil(len(scenes) / 2)
    return np.asarray(np.sort(scenes, axis=0)[-half:].mean(axis=0), dtype=np.float32)


def find(run: Run, image: Image, px: int, overlap: float) -> tuple[Found, Floats]:
    """All insects of a photo at the size at which it is read, and what its tiles show.

    Args:
        run: the graph.
        image: uint8 [h, w, 3], RGB.
        px: side of a tile.
        overlap: largest IoU of two insects.

    Returns:
        Boxes in px of ``image``, every chance above a low floor; scene chances [traps + 1].
    """
    size = (image.shape[0], image.shape[1])
    parts, scenes = [], []
    for corner in tiles.corners(*size, px, OVERLAP_PX):
        # One tile at a time: memory is that of one tile, whatever the photo.
        heat, reach, scene = run(tiles.tile_at(image, corner, px)[None])
        own = tiles.inner(tiles.decode(heat[0], reach[0], _READ_FROM), corner, px, size, _RIM_PX)
        moved = own.boxes + np.array([*corner, 0, 0], np.float32)
        parts.append(Found(moved, own.scores, own.labels))
        scenes.append(scene[0])
    found = tiles.suppress(tiles.join(parts), overlap)
    boxes = tiles.within(found.boxes, *size)
    return Found(boxes, found.scores, found.labels), scene_chances(np.stack(scenes))


def interval(count: int, spread: float) -> tuple[int, int]:
    """Low and high around a count: ``spread`` times sqrt(count + 1) to each side, rounded away.

    Split conformal (Vovk et al. 2005): ``spread`` is the quantile of |truth - count| /
    sqrt(count + 1) on photos that training has not seen.
    """
    half = spread * math.sqrt(count + 1)
    return max(0, math.floor(count - half)), math.ceil(count + half)


def tally(
    found: Found, label: int, chance: float, rule: TrapRule, limits: Limits
) -> tuple[CountStatus, TrapCount | None]:
    """Status and count from detections of ``label`` and the chance that this is such a trap."""
    if chance < limits.no_trap:
        return CountStatus.NOT_A_TRAP, None
    scores = found.scores[found.labels == label]
    count = int((scores >= rule.score).sum())
    doubtful = int((scores >= rule.score / 2).sum()) - count
    # Nothing found is never sure: a trap without insects looks like a wall or a sheet of paper.
    sure = (
        chance >= limits.sure
        and 0 < count <= rule.most
        and doubtful <= limits.doubtful * (count + 5)
    )
    status = CountStatus.COUNTED if sure else CountStatus.UNCERTAIN
    return status, TrapCount(rule.label, count, *interval(count, rule.spread))


class Counter:
    """A detector, loaded once, that counts."""

    def __init__(self, folder: Path) -> None:
        """Load both variants, keep the faster one.

        Raises:
            PublisherError: the model is missing, corrupt or does not fit its manifest.
        """
        self.manifest: CountingManifest = read_counting_manifest(folder)
        graphs = {}
        for name in ("int8", "fp32"):
            data = checked_bytes(folder, self.manifest.files[name])
            graphs[name] = Graph(data, self.manifest.px, OUTPUTS)
            _check_shapes(graphs[name], self.manifest)
        exact = faster(graphs["int8"], graphs["fp32"], self.manifest.px, trials=2)
        self.variant = "fp32" if exact else "int8"
        self._graph = graphs[self.variant]
        sha256 = self.manifest.files[self.variant].sha256
        self.ref = ModelRef(self.manifest.name, self.manifest.version, sha256)

    def read(self, data: bytes, trap: str, *, picture: bool = False) -> CountReading:
        """Count in one photo, the bytes of a JPEG, PNG, WebP or GIF.

        Raises:
            PersonError: ``unknown_trap``, or what is wrong with the file.
        """
        rule = self._rule(trap)
        started = time.perf_counter()
        header = preprocess.read_header(data)
        photo = preprocess.decode(data, rule.long_px * 2 // 3)
        scale = reading_scale(rule, *photo.shape[:2])
        seen = preprocess.to_rgb(preprocess.resized(photo, scale))
        decoded = time.perf_counter()
        fault = photo_quality.fault_of(photo_quality.measure(seen), rule)
        status, count, found = CountStatus.POOR_PHOTO, None, _NOTHING
        if fault is None:
            status, count, found = self._count(seen, trap, rule)
        inferred = time.perf_counter()
        shown = None
        if picture and count is not None:
            shown = annotate.annotated(photo, found.boxes / scale, str(count.count))
        # The decoder may have read the photo smaller than it is.
        grown = max(header.width, header.height) / max(photo.shape[:2]) / scale
        decode_ms, infer_ms = (decoded - started) * 1e3, (inferred - decoded) * 1e3
        total_ms = (time.perf_counter() - started) * 1e3
        return CountReading(
            trap=trap,
            status=status,
            count=count,
            detections=self._detections(found, grown),
            fault=fault,
            model=self.ref,
            timing=Timing(decode_ms, infer_ms, total_ms),
            picture=shown,
        )

    def _rule(self, trap: str) -> TrapRule:
        rules = self.manifest.thresholds.traps
        if trap not in rules:
            known = ", ".join(rules)
            raise PersonError("unknown_trap", f"unknown kind of trap {trap!r}; known are: {known}")
        return rules[trap]

    def _count(
        self, seen: Image, trap: str, rule: TrapRule
    ) -> tuple[CountStatus, TrapCount | None, Found]:
        limits = self.manifest.thresholds
        found, scenes = find(self._graph.outputs, seen, self.manifest.px, limits.overlap)
        label = self.manifest.labels.index(rule.label)
        chance = float(scenes[list(limits.traps).index(trap)])
        status, count = tally(found, label, chance, rule, limits)
        if count is None:
            return status, None, _NOTHING
        return status, count, found.take((found.labels == label) & (found.scores >= rule.score))

    def _detections(self, found: Found, grown: float) -> tuple[Detection, ...]:
        return tuple(
            Detection(self.manifest.labels[label], score, (x, y, width, height))
            for (x, y, width, height), score, label in zip(
                np.rint(found.boxes * grown).astype(int).tolist(),
                found.scores.tolist(),
                found.labels.tolist(),
                strict=True,
            )
        )


_NOTHING = Found(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def _check_shapes(graph: Graph, manifest: CountingManifest) -> None:
    side = manifest.px // tiles.STRIDE
    wanted = [
        (1, len(manifest.labels), side, side),
        (1, 4, side, side),
        (1, len(manifest.thresholds.traps) + 1),
    ]
    if [output.shape for output in graph.probe] != wanted:
        raise PublisherError("bad_manifest", "the model's outputs do not fit its manifest")
