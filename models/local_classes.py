"""Local classes: a small head on the embedding, taught with a handful of photos, in closed form.

Embeddings are centred on the model's own photos and scaled to length one (Wang et al. 2019,
"SimpleShot").  On them stands a ridge regression to one-hot targets, whose leave-one-out answers
are exact and free (Rasmussen & Williams 2006, section 5.4.2); from these come the temperature of
the probabilities and the limits of trust.  ``python -m models.training.few_shot`` measures it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from field_data.types import Candidate
from models.neighbours import unit

Floats = NDArray[np.float32]
Scores = NDArray[np.float64]
Label = tuple[str, str]

# Fewer photos teach nothing that could be checked.
LEAST_PHOTOS = 5
# From here on a class may be trusted: leaving one out of fewer proves too little.
TRUSTED_PHOTOS = 10
# Two photos are one picture when their embeddings are this close and so are their thumbnails: the
# embeddings of different healthy leaves of one laboratory reach 0.99, their thumbnails 0.92, while
# a photo saved again or cut by 3 % keeps 0.94 (measured on the photos of the shipped model).
ALIKE = 0.9
SAME_PICTURE = 0.93
THUMBNAIL_PX = 16
RIDGE = 0.1
_NEAREST = 3
# At most so many photos stand for what the model knows of the crop.
_BACKGROUND = 160
_WANTED_RIGHT = 0.9
_TEMPERATURES = np.geomspace(0.02, 2.0, 40)


@dataclass(frozen=True, slots=True)
class Taught:
    """One local class: ``vectors`` [n, d] are the embeddings of its photos."""

    crop: str
    condition: str
    name: str
    vectors: Floats


def alike(vector: Floats, others: Sequence[Floats]) -> list[int]:
    """Places among ``others`` [d] of photos that may be the same picture as ``vector`` [d]."""
    if not others:
        return []
    cosine = unit(np.stack(others)) @ unit(vector)
    return [int(place) for place in np.flatnonzero(cosine > ALIKE)]


def same_picture(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two thumbnails, uint8 [16, 16, 3], are of one picture: correlation of the pixels."""
    pixels = np.stack([one.ravel(), other.ravel()]).astype(np.float64)
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1)
    return bool(centred[0] @ centred[1] >= SAME_PICTURE * length[0] * length[1])


class Ridge:
    """Ridge regression to one-hot targets, every class weighing the same."""

    def __init__(self, points: Floats, targets: NDArray[np.intp], strength: float = RIDGE) -> None:
        """``points`` [n, d] unit vectors, ``targets`` [n] class numbers from 0.

        ``left_out`` [n, classes] are the scores of each point when the rest is learnt from.
        """
        self._points = points
        hot = np.eye(int(targets.max()) + 1)[targets]
        count = hot.sum(axis=0)[targets]
        # The 1 is a constant feature: the intercept, penalised like any other weight.
        kernel = (points @ points.T).astype(np.float64) + 1.0
        inverse = np.linalg.inv(kernel + strength * np.diag(count / count.mean()))
        self._weights = inverse @ hot
        self.left_out: Scores = hot - self._weights / np.diag(inverse)[:, None]

    def scores(self, points: Floats) -> Scores:
        """Scores [m, classes] of points [m, d]; about 1 for the right class and 0 for others."""
        return np.asarray((points @ self._points.T + 1.0) @ self._weights, dtype=np.float64)


def softmax(scores: Scores) -> Scores:
    """Softmax over the last axis."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float64)


def fit_temperature(scores: Scores, targets: NDArray[np.intp]) -> float:
    """The temperature that makes left-out answers likeliest, every class weighing the same."""
    weight = 1.0 / np.bincount(targets)[targets]
    own = np.arange(len(targets)), targets
    losses = [-(weight * np.log(softmax(scores / t)[own] + 1e-12)).sum() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def least_sure(chance: Scores, right: NDArray[np.bool_]) -> float:
    """The least probability from which 9 of 10 left-out answers were right; 1.1 if there is none.

    One wrong answer is assumed beside those seen (Laplace), so that a few right ones prove nothing.
    """
    order = np.argsort(-chance, kind="stable")
    share = np.cumsum(right[order]) / (np.arange(len(order)) + 2.0)
    enough = np.flatnonzero(share >= _WANTED_RIGHT)
    return float(chance[order[enough[-1]]]) if len(enough) else 1.1


def nearness(cosine: Floats) -> Floats:
    """Mean cosine [n] to the three nearest, from cosines [n, photos]."""
    k = min(_NEAREST, cosine.shape[1])
    nearest = np.partition(cosine, cosine.shape[1] - k, axis=1)[:, -k:]
    return np.asarray(nearest.mean(axis=1), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Resemblance:
    """Whether a photo looks like those of one class: ``points`` [n, d] are theirs, centred.

    Nearness of a class's photos to the others of the class: nine of ten reach ``own``, half reach
    ``usual``; ``strange`` is the usual nearness of photos of other crops.
    """

    points: Floats
    own: float
    usual: float
    strange: float

    @staticmethod
    def of(points: Floats, strangers: Floats) -> Resemblance:
        """Measured on the taught photos, each against the others, and on strangers [m, d]."""
        strange = float(np.median(nearness(strangers @ points.T)))
        if len(points) == 1:  # resembles nothing but itself
            return Resemblance(points, 1.0, 1.0, strange)
        cosine = points @ points.T
        others = cosine[~np.eye(len(points), dtype=bool)].reshape(len(points), -1)
        own, usual = np.quantile(nearness(others), (0.1, 0.5))
        return Resemblance(points, float(own), float(usual), strange)

    @property
    def proof(self) -> float:
        """The most that so many photos can prove."""
        return (len(self.points) + 1) / (len(self.points) + 2)

    def near(self, points: Floats) -> Floats:
        """Nearness [m] of points [m, d]."""
        return nearness(points @ self.points.T)

    def share(self, points: Floats) -> Scores:
        """How much of a probability [m] to believe: 1 from ``own`` on, 0 from ``strange`` down."""
        span = max(self.own - self.strange, 1e-3)
        share = np.clip((self.near(points) - self.strange) / span, 0.0, 1.0)
        return np.asarray(share, dtype=np.float64)


class CropHead:
    """The local classes of one crop, beside what the model knows of it."""

    def __init__(
        self, taught: Sequence[Taught], known: Floats, strangers: Floats, mean: Floats,
        alert: frozenset[str],
    ) -> None:  # fmt: skip
        """``known`` [m, d], ``strangers`` [s, d]: the model's photos of this and other crops.

        ``known`` may be empty; all are unit embeddings, and ``mean`` [d] is their centre.
        """
        self._mean = mean
        self._taught = {(each.crop, each.condition): each for each in taught}
        self.labels: tuple[Label, ...] = tuple(self._taught)
        self.alert = alert
        own = [self._place(each.vectors) for each in self._taught.values()]
        groups = [*own, self._place(known)] if len(known) else own
        targets = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        self._ridge = Ridge(np.concatenate(groups), targets)
        self._beside_model = len(groups) > len(own)
        apart = len(groups) > 1
        self._temperature = fit_temperature(self._ridge.left_out, targets) if apart else 1.0
        chance = softmax(self._ridge.left_out / self._temperature)
        self._enough = least_sure(chance.max(1), chance.argmax(1) == targets) if apart else 1.1
        stranger = self._place(strangers)
        self._looks = [Resemblance.of(points, stranger) for points in own]

    def shares(self, embedding: Floats) -> tuple[Scores, Scores]:
        """Probability that photos [n, d] show what the model knows [n], or each label [n, labels].

        What is missing to one is doubt: the photo does not resemble what was taught, or too few
        photos taught it (n photos prove no more than (n + 1) / (n + 2), Laplace).
        """
        points, chance = self._place(embedding), self.chance(embedding)
        local = chance[:, : len(self.labels)]
        known = chance[:, -1] if self._beside_model else np.zeros(len(points))
        believed = np.stack([look.share(points) * look.proof for look in self._looks], axis=1)
        return known, local * believed

    def chance(self, embedding: Floats) -> Scores:
        """Calibrated probabilities [n, labels, and the model's if it knows the crop], sum one."""
        return softmax(self._ridge.scores(self._place(embedding)) / self._temperature)

    def margins(self, embedding: Floats) -> Scores:
        """How far photos [n, d] are above the limits of trust of each label [n, labels], or below.

        Above: ten photos taught the label, there is something to tell it apart from, the photo
        resembles those as much as these each other, and answers as sure as this one were right
        when a taught photo was left out.
        """
        points = self._place(embedding)
        near = np.stack([look.near(points) - look.usual for look in self._looks], axis=1)
        chance = self.chance(embedding)[:, : len(self.labels)] - self._enough
        few = np.array([len(look.points) < TRUSTED_PHOTOS for look in self._looks])
        return np.where(few, -1.0, np.minimum(near, chance))

    def trusted(self, embedding: Floats, label: Label) -> bool:
        """Whether photos [n, d] of one plant may be called ``label`` with confidence.

        This cannot see that a plant has what nobody taught: teach the healthy plant, and what is
        confused with the condition, too.
        """
        return float(np.median(self.margins(embedding)[:, self.labels.index(label)])) >= 0

    def marked(self, candidate: Candidate) -> Candidate:
        """The candidate with its local mark, if it is a local class."""
        taught = self._taught.get((candidate.crop, candidate.condition))
        if taught is None:
            return candidate
        return replace(candidate, local_photos=len(taught.vectors), local_name=taught.name)

    def _place(self, vectors: Floats) -> Floats:
        return unit(unit(vectors) - self._mean)


class LocalHead:
    """All local classes of a node, made anew whenever people teach or forget."""

    def __init__(
        self, taught: Sequence[Taught], banks: Mapping[str, Floats], alert: frozenset[str]
    ) -> None:
        """``banks``: unit embeddings [n, d] of the model's own photos by crop, one crop or more.

        ``alert``: conditions never to be confirmed.
        """
        by_crop: dict[str, list[Taught]] = defaultdict(list)
        for each in taught:
            by_crop[each.crop].append(each)
        self._heads = {
            crop: self._head(crop, classes, banks, alert) for crop, classes in by_crop.items()
        }

    @property
    def crops(self) -> frozenset[str]:
        """The crops with a local class."""
        return frozenset(self._heads)

    def of(self, crop: str) -> CropHead | None:
        """The head of a crop, or None."""
        return self._heads.get(crop)

    @staticmethod
    def _head(
        crop: str, taught: Sequence[Taught], banks: Mapping[str, Floats], alert: frozenset[str]
    ) -> CropHead:
        whole = np.concatenate(list(banks.values()))
        known = banks.get(crop, whole[:0])
        # A model of one crop has no stranger but its own photos: nearer, so less is believed.
        others = [bank for other, bank in banks.items() if other != crop]
        strangers = np.concatenate(others or [whole])
        return CropHead(taught, _thinned(known), _thinned(strangers), whole.mean(axis=0), alert)


def _thinned(bank: Floats) -> Floats:
    return bank[:: max(1, -(-len(bank) // _BACKGROUND))]
