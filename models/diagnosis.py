"""Several photos of one plant become one answer, or an honest "I don't know".

The arithmetic is pure (:func:`fuse`, :func:`judge`); :class:`Diagnoser` adds the photos and the
graph.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from field_data.errors import PersonError
from field_data.types import (
    HEALTHY,
    Candidate,
    ModelRef,
    PhotoFault,
    PhotoVerdict,
    Status,
    Timing,
)
from models import photo_quality, preprocess
from models.local_classes import THUMBNAIL_PX, CropHead, LocalHead, Taught
from models.manifest import Manifest, Thresholds, read_manifest
from models.neighbours import Neighbours, read_neighbours
from models.runtime import Outputs, checked_bytes, load_fastest

Floats = NDArray[np.float64]
MAX_PHOTOS = 6
# A longer list of possibilities is of no use to anybody.
SHOWN = 3
# An alert condition that is merely possible is worth an agent's look.
_ALERT_FROM = 0.2
_FAR, _NOT_A_PLANT = 1, 2


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model makes of one plant: a Diagnosis without identity, time and storage.

    ``kept`` holds, photo by photo, the JPEG to keep (None where it was not asked for); ``model``
    is None when none was asked.  ``familiar`` is the median similarity of the usable photos to
    known ones of the crop (cosine, -1 to 1), None when no photo was usable.
    """

    status: Status
    crop: str | None
    candidates: tuple[Candidate, ...]
    alert: bool
    photos: tuple[PhotoVerdict, ...]
    timing: Timing
    kept: tuple[bytes | None, ...]
    model: ModelRef | None = None
    familiar: float | None = None


def softmax(logits: Floats) -> Floats:
    """Softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float64)


def probabilities(manifest: Manifest, logits: NDArray[np.float32], crop: str | None) -> Floats:
    """Calibrated probabilities [n, classes]; other crops get 0 when the crop is known."""
    scaled = logits.astype(np.float64) / manifest.temperature
    if crop is not None:
        own = np.array([c == crop for c, _ in manifest.labels])
        scaled = np.where(own, scaled, -np.inf)
    return softmax(scaled)


def fuse(manifest: Manifest, each: Floats) -> Floats:
    """Probabilities of the plant [classes] from those of its photos [n, classes].

    A plant is healthy only if its leaves are: the healthy classes take the geometric mean, which
    one clearly sick leaf pulls down.  What is left goes to the conditions, each photo weighing as
    much as it looks sick.  Photos of one plant are no independent witnesses, so no class gets more
    than its surest photo gives it; what is cut off stays doubt, and the sum is then below one.
    """
    healthy = np.array([condition == HEALTHY for _, condition in manifest.labels])
    fine = np.where(healthy, np.exp(np.log(each + 1e-9).mean(axis=0)), 0.0)
    sick = np.where(healthy, 0.0, each)
    weight = sick.sum()
    rest = 1.0 - fine.sum()
    spread = sick.sum(axis=0) / weight if weight > 0 else np.zeros(each.shape[1])
    return np.asarray(np.minimum(fine + rest * spread, each.max(axis=0)), dtype=np.float64)


def gate_fault(gate: NDArray[np.float32], limits: Thresholds) -> PhotoFault | None:
    """What the gate head [3] has against a photo."""
    chance = softmax(gate.astype(np.float64))
    if chance[_NOT_A_PLANT] >= limits.not_a_plant:
        return PhotoFault.NOT_A_PLANT
    if chance[_FAR] >= limits.far:
        return PhotoFault.FAR
    return None


def judge(
    manifest: Manifest, fused: Floats, familiar: float, agreeing: float, crop: str | None
) -> tuple[Status, str | None, tuple[Candidate, ...], bool]:
    """Status, crop, candidates (at most three) and alert from fused probabilities [classes].

    ``familiar`` is the similarity to known photos, ``agreeing`` the share of photos that alone
    point at the likeliest class.  ``confident`` needs all three, and never an alert condition.
    """
    limits = manifest.thresholds
    order = [int(i) for i in np.argsort(-fused, kind="stable") if fused[i] > 0]
    alert = any(
        manifest.labels[i][1] in manifest.alert and (place == 0 or fused[i] >= _ALERT_FROM)
        for place, i in enumerate(order)
    )
    named = [i for i in order[:SHOWN] if i == order[0] or fused[i] >= limits.candidate]
    candidates = tuple(
        Candidate(*manifest.labels[i], probability=min(1.0, float(fused[i]))) for i in named
    )
    enough = limits.confident if crop is not None else limits.confident_any_crop
    sure = candidates[0].probability >= enough and familiar >= limits.familiar and agreeing > 0.5
    status = Status.CONFIDENT if sure and not alert else Status.UNCERTAIN
    return status, crop or candidates[0].crop, candidates, alert


def refused_as(faults: Sequence[PhotoFault]) -> Status:
    """The status of a plant none of whose photos was usable."""
    strange = sum(fault is PhotoFault.NOT_A_PLANT for fault in faults)
    return Status.NOT_A_PLANT if 2 * strange >= len(faults) else Status.POOR_PHOTO


def decode_all(
    photos: Sequence[tuple[str, bytes]], *, keep: bool
) -> Iterator[tuple[preprocess.Image, bytes | None]]:
    """Decode one to six photos, (name, bytes), one after the other: BGR pixels and JPEG to keep.

    Raises:
        PersonError: ``no_photo``, ``too_many_photos``, or what is wrong with a photo, its place
            (from 1) and name in the details.
    """
    if not photos:
        raise PersonError("no_photo", "no photo was given")
    if len(photos) > MAX_PHOTOS:
        raise PersonError("too_many_photos", f"at most {MAX_PHOTOS} photos", limit=MAX_PHOTOS)
    short_side = preprocess.KEPT_SHORT_PX if keep else preprocess.WORK_PX
    for place, (name, data) in enumerate(photos, start=1):
        try:
            image = preprocess.decode(data, short_side)
        except PersonError as error:
            raise PersonError(error.code, str(error), photo=place, name=name) from error
        yield image, preprocess.kept_jpeg(image) if keep else None


def unread(photos: Sequence[tuple[str, bytes]], crop: str | None, *, keep: bool) -> Reading:
    """The reading for a crop without a model: photos are checked and kept, nothing is claimed.

    Raises:
        PersonError: as :func:`decode_all`.
    """
    started = time.perf_counter()
    kept = tuple(jpeg for _, jpeg in decode_all(photos, keep=keep))
    spent = (time.perf_counter() - started) * 1e3
    verdicts = tuple(PhotoVerdict(name) for name, _ in photos)
    return Reading(Status.NO_MODEL, crop, (), False, verdicts, Timing(spent, 0.0, spent), kept)


@dataclass(frozen=True, slots=True)
class Inspection:
    """One photo looked at for teaching: JPEG to keep, embedding [d] of that JPEG, what is wrong."""

    jpeg: bytes
    embedding: NDArray[np.float32]
    fault: PhotoFault | None


class Diagnoser:
    """A model folder, loaded once, that reads photos."""

    def __init__(self, folder: Path) -> None:
        """Load and probe.

        Raises:
            PublisherError: the model is missing, corrupt or does not fit its manifest.
        """
        self.manifest = read_manifest(folder)
        self._model, chosen = load_fastest(folder, self.manifest)
        self._neighbours: Neighbours = read_neighbours(
            checked_bytes(folder, self.manifest.files["neighbours"])
        )
        self.variant = chosen.file
        self.ref = ModelRef(self.manifest.name, self.manifest.version, chosen.sha256)

    def run(self, squares: NDArray[np.uint8]) -> Outputs:
        """Raw outputs for uint8 [n, px, px, 3] RGB."""
        return self._model.run(squares)

    def inspect(self, photo: bytes) -> Inspection:
        """Look at the bytes of one photo for teaching.

        Raises:
            PersonError: as :func:`preprocess.decode`.
        """
        jpeg = preprocess.kept_jpeg(preprocess.decode(photo, preprocess.KEPT_SHORT_PX))
        square, outputs = self._look(jpeg)
        limits = self.manifest.thresholds
        fault = photo_quality.fault_of(photo_quality.measure(square), limits)
        return Inspection(jpeg, outputs.embedding[0], fault or gate_fault(outputs.gate[0], limits))

    def embed(self, kept: bytes) -> NDArray[np.float32]:
        """Embedding [d] of a kept JPEG: what :meth:`inspect` found when it was taught."""
        embedding: NDArray[np.float32] = self._look(kept)[1].embedding[0]
        return embedding

    @staticmethod
    def thumbnail(kept: bytes) -> NDArray[np.uint8]:
        """A kept JPEG as uint8 [16, 16, 3], to tell whether two are the same picture."""
        return preprocess.model_input(preprocess.decode(kept), THUMBNAIL_PX)

    def local_head(self, taught: Sequence[Taught], alert: frozenset[str]) -> LocalHead:
        """What people taught, ready to join :meth:`read`; ``alert`` as in the manifest."""
        return LocalHead(taught, self._neighbours.banks, alert)

    def _look(self, jpeg: bytes) -> tuple[NDArray[np.uint8], Outputs]:
        square = preprocess.model_input(preprocess.decode(jpeg), self.manifest.px)
        return square, self._model.run(square[None])

    def read(
        self,
        photos: Sequence[tuple[str, bytes]],
        crop: str | None,
        *,
        keep: bool,
        local: LocalHead | None = None,
    ) -> Reading:
        """Read one to six photos, (name, bytes), of one plant.

        ``crop`` is an EPPO code, or None when nobody said; one that neither the model nor ``local``
        knows gives :func:`unread`.  ``keep`` asks for the JPEGs to keep.  ``local`` speaks only
        where the crop was said.

        Raises:
            PersonError: as :func:`decode_all`.
        """
        taught = local.of(crop) if local is not None and crop is not None else None
        if crop is not None and crop not in self.manifest.crops and taught is None:
            return unread(photos, crop, keep=keep)
        started = time.perf_counter()
        images = decode_all(photos, keep=keep)
        each = [(preprocess.model_input(image, self.manifest.px), jpeg) for image, jpeg in images]
        squares = np.stack([square for square, _ in each])
        qualities = [photo_quality.measure(square) for square, _ in each]
        decoded = time.perf_counter()
        outputs = self._model.run(squares)
        inferred = time.perf_counter()
        reading, familiar = self._conclude(photos, crop, outputs, qualities, taught)
        timing = Timing(
            decode_ms=(decoded - started) * 1e3,
            infer_ms=(inferred - decoded) * 1e3,
            total_ms=(time.perf_counter() - started) * 1e3,
        )
        kept = tuple(jpeg for _, jpeg in each)
        return Reading(*reading, timing=timing, kept=kept, model=self.ref, familiar=familiar)

    def _conclude(
        self,
        photos: Sequence[tuple[str, bytes]],
        crop: str | None,
        outputs: Outputs,
        qualities: Sequence[photo_quality.Quality],
        taught: CropHead | None,
    ) -> tuple[
        tuple[Status, str | None, tuple[Candidate, ...], bool, tuple[PhotoVerdict, ...]],
        float | None,
    ]:
        limits = self.manifest.thresholds
        faults = [
            photo_quality.fault_of(quality, limits) or gate_fault(gate, limits)
            for quality, gate in zip(qualities, outputs.gate, strict=True)
        ]
        manifest, each = self._possible(outputs, crop, taught)
        tops = [manifest.labels[int(i)] for i in each.argmax(axis=1)]
        verdicts = tuple(
            PhotoVerdict(name, fault, None if fault else top[1])
            for (name, _), fault, top in zip(photos, faults, tops, strict=True)
        )
        usable = [i for i, fault in enumerate(faults) if fault is None]
        if not usable:
            return (refused_as([f for f in faults if f]), crop, (), False, verdicts), None
        fused = fuse(manifest, each[usable])
        best = manifest.labels[int(fused.argmax())]
        agreeing = sum(tops[i] == best for i in usable) / len(usable)
        if taught is not None and best in taught.labels:
            # Local classes have limits of their own: here they only pass or fail.
            familiar = 1.0 if taught.trusted(outputs.embedding[usable], best) else -1.0
        else:
            near = self._neighbours.similarity(outputs.embedding[usable], crop or best[0])
            familiar = float(np.median(near))
        status, said, candidates, alert = judge(manifest, fused, familiar, agreeing, crop)
        if taught is not None:
            candidates = tuple(taught.marked(candidate) for candidate in candidates)
        return (status, said, candidates, alert, verdicts), familiar

    def _possible(
        self, outputs: Outputs, crop: str | None, taught: CropHead | None
    ) -> tuple[Manifest, Floats]:
        """What it could be, model and local classes, and its probabilities [n, classes].

        The law of total probability: the local head says how likely a photo shows something the
        model knows, and the model shares that out; the rest goes to the local classes.
        """
        knows = crop is None or crop in self.manifest.crops
        own = probabilities(self.manifest, outputs.logits, crop if knows else None)
        if taught is None:
            return self.manifest, own
        known, local = taught.shares(outputs.embedding)
        manifest = replace(
            self.manifest,
            labels=self.manifest.labels + taught.labels,
            alert=self.manifest.alert | taught.alert,
        )
        return manifest, np.hstack([own * known[:, None], local])
