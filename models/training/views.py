"""What one epoch shows the network: every photo augmented, and made-up views of what to refuse."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models.training import augment, dataset
from models.training.dataset import NEGATIVE, Image, Row

_FAR = {"OOD-PLANT", "OOD-FRUIT-PLANT"}


@dataclass(frozen=True)
class Config:
    """What a run is made of; recorded in the manifest.

    After ``epochs`` at ``px`` come ``finish_epochs`` at ``finish_px``, the resolution that ships,
    with gentler augmentation and a small rate (Touvron et al. 2019, "Fixing the train-test
    resolution discrepancy").
    """

    px: int = 192
    epochs: int = 12
    finish_px: int = 224
    finish_epochs: int = 3
    finish_rate: float = 0.2
    batch: int = 32
    learning_rate: float = 4e-4
    head_rate: float = 2e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    # Share of batches in which photos are mixed in pairs.
    mixed: float = 0.4
    ema_decay: float = 0.998
    # Share of made-up views added to an epoch, of the number of crop photos.
    shrunk: float = 0.06
    leafless: float = 0.05
    scenes: float = 0.05
    rare_below: int = 60
    seed: int = 20261123


@dataclass(frozen=True)
class Batch:
    """Views uint8 [n, px, px, 3], class (-1: none) and gate of each [n].

    In a mixed batch ``own`` of each view is the photo itself, the rest its ``partner`` [n].
    """

    images: Tensor
    targets: Tensor
    gates: Tensor
    partner: Tensor | None = None
    own: float = 1.0


@dataclass(frozen=True)
class Sample:
    """One view to draw: ``kind`` is photo, shrunk, leafless or scene; ``index`` into the rows."""

    kind: str
    index: int


class Photos:
    """All training photos in memory with their leaf masks."""

    def __init__(self, folder: Path, rows: Sequence[Row], labels: Sequence[tuple[str, str]]):
        self.rows = list(rows)
        self.images = [dataset.load(folder, r) for r in tqdm(self.rows, desc="read", unit="photo")]
        self.masks = [
            augment.leaf_mask(image) if row.crop != NEGATIVE else None
            for image, row in zip(self.images, self.rows, strict=True)
        ]
        position = {label: i for i, label in enumerate(labels)}
        self.targets = np.array([position.get(r.label, -1) for r in self.rows])
        self.crops = np.array([r.crop for r in self.rows])
        self.leaves = np.flatnonzero(self.crops != NEGATIVE)
        self.masked = np.array([i for i in self.leaves if self.masks[i] is not None])
        self.grounds = [
            i for i, r in enumerate(self.rows)
            if r.crop == NEGATIVE and r.setting == "field"
        ]  # fmt: skip

    def gate_of(self, index: int) -> int:
        """Index into GATE of a photo as it is."""
        row = self.rows[index]
        if row.crop != NEGATIVE:
            return 0
        return 1 if row.condition in _FAR else 2

    def background(self, px: int, rng: np.random.Generator) -> Image:
        """A real ground or shrub photo, the backdrop of any other photo, or a synthetic scene."""
        kind = rng.random()
        if self.grounds and kind < 0.45:
            picked = self.images[int(rng.choice(self.grounds))]
            return augment.crop_and_warp(picked, px, rng, min_area=0.2)
        if len(self.masked) and kind < 0.8:
            other = int(rng.choice(self.masked))
            mask = self.masks[other]
            if mask is not None:
                return augment.remove_leaf(self.images[other], mask)
        return augment.synthetic_scene(px, rng)


def epoch_samples(photos: Photos, config: Config, rng: np.random.Generator) -> list[Sample]:
    """The views of one epoch, shuffled: every photo once, rare classes more often, made-up ones."""
    counts = np.bincount(photos.targets[photos.targets >= 0])
    samples = []
    for index in range(len(photos.rows)):
        target = photos.targets[index]
        few = target >= 0 and counts[target] < config.rare_below
        repeat = min(4, math.ceil(config.rare_below / counts[target])) if few else 1
        samples += [Sample("photo", index)] * repeat
    leaves = len(photos.leaves)
    for kind, share, pool in (
        ("shrunk", config.shrunk, photos.leaves),
        ("leafless", config.leafless, photos.masked),
        ("scene", config.scenes, photos.leaves),
    ):
        samples += [Sample(kind, int(i)) for i in rng.choice(pool, int(share * leaves))]
    order = rng.permutation(len(samples))
    return [samples[i] for i in order]


def draw(
    photos: Photos, sample: Sample, px: int, rng: np.random.Generator, *, gentle: bool = False
) -> tuple[Image, int, int]:
    """(view uint8 [px, px, 3], class index or -1, gate index)."""
    index = sample.index
    image, mask = photos.images[index], photos.masks[index]
    if sample.kind == "photo":
        view = augment.augment(
            image, mask, lambda: photos.background(px, rng), px, rng, gentle=gentle
        )
        return view, int(photos.targets[index]), photos.gate_of(index)
    if sample.kind == "shrunk":
        made = augment.shrink_into(image, mask, photos.background(px, rng), rng)
        return augment.augment(made, None, lambda: made, px, rng), -1, 1
    if sample.kind == "leafless":
        if mask is None:
            raise ValueError("a leafless view needs a leaf mask")
        made = augment.remove_leaf(image, mask)
        return augment.augment(made, None, lambda: made, px, rng), -1, 2
    made = augment.synthetic_scene(px, rng)
    return augment.shift_colour(augment.degrade(made, rng), rng), -1, 2


def batches(photos: Photos, config: Config, epoch: int) -> Iterator[Batch]:
    """Batches of one epoch, the next one drawn while the network works."""
    rng = np.random.default_rng((config.seed, epoch))
    finishing = epoch >= config.epochs
    px = config.finish_px if finishing else config.px
    samples = epoch_samples(photos, config, rng)
    chunks = [samples[i : i + config.batch] for i in range(0, len(samples), config.batch)]

    def make(number: int) -> Batch:
        own = np.random.default_rng((config.seed, epoch, number))
        drawn = [draw(photos, s, px, own, gentle=finishing) for s in chunks[number]]
        views, targets, gates = zip(*drawn, strict=True)
        images, classes, kinds = np.stack(views), torch.tensor(targets), torch.tensor(gates)
        if finishing or own.random() >= config.mixed:
            return Batch(torch.from_numpy(images), classes, kinds)
        images, partner, share = augment.mix(images, own)
        return Batch(torch.from_numpy(images), classes, kinds, torch.from_numpy(partner), share)

    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(make, i) for i in range(min(3, len(chunks)))]
        for number in range(len(chunks)):
            batch = ahead.pop(0).result()
            if number + 3 < len(chunks):
                ahead.append(pool.submit(make, number + 3))
            yield batch


def batches_per_epoch(photos: Photos, config: Config) -> int:
    """How many batches one epoch has."""
    return math.ceil(len(epoch_samples(photos, config, np.random.default_rng(0))) / config.batch)
