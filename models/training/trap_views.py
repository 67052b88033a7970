"""What the trap network is shown: cuts of trap photos at many sizes, and photos without a trap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from models.training import augment, trap_data
from models.training.trap_data import ENLARGE, LABELS, LONG_PX, SCENES, Image, TrapPhoto
from models.training.trap_objective import targets

Floats = NDArray[np.float32]
_SEEN_ENOUGH = 0.6  # an insect of which the frame shows less is not asked for
_SAYS_TRAP, _SAYS_NONE = 0.5, 0.1  # share of the view that is trap


@dataclass(frozen=True)
class Config:
    """What a run is made of; recorded in the manifest."""

    px: int = 224
    batch: int = 12
    steps: int = 900
    steps_per_epoch: int = 50
    warm_steps: int = 100
    learning_rate: float = 4e-4
    head_rate: float = 2e-3
    weight_decay: float = 0.02
    ema_decay: float = 0.997
    # Sizes shown, relative to the usual one.
    smallest: float = 0.5
    largest: float = 1.7
    # After ``steps`` come ``finish_steps`` with larger insects: small boxes are hard to place.
    finish_steps: int = 500
    finish_rate: float = 0.6
    finish_smallest: float = 0.8
    finish_largest: float = 2.2
    # Shares of the views; the rest are photos without a trap.
    tuta: float = 0.46
    moth: float = 0.12
    yellow: float = 0.28
    seed: int = 20261124


@dataclass(frozen=True, slots=True)
class View:
    """``image`` uint8 [px, px, 3] RGB; boxes float32 [n, 4] px; ``scene`` index or -100."""

    image: Image
    boxes: Floats
    labels: NDArray[np.int64]
    hidden: Floats
    scene: int


class TrapPhotos:
    """All training photos in memory, by what lies on them."""

    def __init__(self, folder: Path, photos: Sequence[TrapPhoto], strangers: Sequence[str]) -> None:
        self.photos = list(photos)
        self.images = [trap_data.load(folder, p.file) for p in tqdm(self.photos, desc="traps")]
        self.strangers = [trap_data.load(folder, f) for f in tqdm(strangers, desc="no traps")]
        self.pools = {
            name: np.array([i for i, p in enumerate(self.photos) if index in p.labels])
            for name, index in (("tuta", 0), ("moth", 1), ("yellow", 2))
        }

    def stranger(self, px: int, rng: Generator) -> Image:
        """A photo, or a drawn scene, without a trap."""
        if rng.random() < 0.15:
            return augment.synthetic_scene(px, rng)
        picked = self.strangers[int(rng.integers(len(self.strangers)))]
        return augment.crop_and_warp(picked, px, rng, min_area=0.25)


def placement(shape: tuple[int, ...], scale: float, px: int, rng: Generator) -> NDArray[np.float64]:
    """Affine [2, 3] from photo to view: scaled, turned by quarters, flipped, put somewhere.

    A side larger than the view is cut, a smaller one lies in it, both at random.
    """
    height, width = shape[:2]
    matrix = np.eye(3)
    matrix[:2, :2] *= scale
    for _ in range(int(rng.integers(4))):
        matrix = np.array([[0.0, -1.0, height * scale], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]) @ matrix
        height, width = width, height
    if rng.random() < 0.5:
        matrix = np.array([[-1.0, 0.0, width * scale], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]) @ matrix
    for axis, side in ((0, width * scale), (1, height * scale)):
        low, high = sorted((0.0, px - side))
        matrix[axis, 2] += rng.uniform(low, high)
    return matrix[:2]


def move(boxes: Floats, matrix: NDArray[np.float64]) -> Floats:
    """Boxes x, y, w, h under an affine of quarter turns."""
    corners = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
    moved = corners @ matrix[:, :2].T + matrix[:, 2]
    low, high = moved.min(0), moved.max(0)
    return np.concatenate([low, high - low], 1).astype(np.float32)


def clip(boxes: Floats, px: int) -> tuple[Floats, Floats]:
    """(boxes cut to the frame [n, 4], share of each that is inside [n])."""
    low = np.clip(boxes[:, :2], 0, px)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, px)
    inside = (high - low).prod(1) / np.maximum(boxes[:, 2:].prod(1), 1e-6)
    return np.concatenate([low, high - low], 1).astype(np.float32), inside.astype(np.float32)


def trap_view(
    photos: TrapPhotos, index: int, px: int, sizes: tuple[float, float], rng: Generator
) -> View:
    """One cut of one trap photo before some background; ``sizes`` are the least and the most."""
    photo, image = photos.photos[index], photos.images[index]
    grow = np.exp(rng.uniform(*np.log(sizes)))
    scale = float(grow) * min(ENLARGE[photo.trap], LONG_PX[photo.trap] / max(image.shape))
    matrix = placement(image.shape, scale, px, rng)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    if scale < 0.7:  # warpAffine does not average: shrink first
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=way).astype(np.uint8)
        warp = matrix @ np.diag([1 / scale, 1 / scale, 1.0])
    else:
        warp = matrix
    shown = cv2.warpAffine(image, warp, (px, px), flags=cv2.INTER_LINEAR)
    there = cv2.warpAffine(np.full(image.shape[:2], 255, np.uint8), warp, (px, px)) > 127
    if not there.all():
        shown = np.where(there[..., None], shown, photos.stranger(px, rng))
    boxes, inside = clip(move(photo.boxes, matrix), px)
    asked = inside >= _SEEN_ENOUGH
    share = float(there.mean())
    scene = SCENES.index(photo.trap) if share >= _SAYS_TRAP else -100
    return View(
        shown.astype(np.uint8), boxes[asked], photo.labels[asked],
        boxes[(inside > 0) & ~asked], scene if share > _SAYS_NONE else SCENES.index("none"),
    )  # fmt: skip


def draw(photos: TrapPhotos, config: Config, step: int, rng: Generator) -> View:
    """One view: of a trap, or of none."""
    sizes = (config.smallest, config.largest)
    if step >= config.steps:
        sizes = (config.finish_smallest, config.finish_largest)
    kinds = ("tuta", "moth", "yellow")
    shares = np.cumsum([config.tuta, config.moth, config.yellow])
    kind = int(np.searchsorted(shares, rng.random(), side="right"))
    if kind < len(kinds):
        index = int(rng.choice(photos.pools[kinds[kind]]))
        view = trap_view(photos, index, config.px, sizes, rng)
    else:
        none = np.zeros((0, 4), np.float32)
        image = photos.stranger(config.px, rng)
        view = View(image, none, np.zeros(0, np.int64), none, SCENES.index("none"))
    image = augment.shift_colour(view.image, rng) if rng.random() < 0.8 else view.image
    image = augment.degrade(image, rng) if rng.random() < 0.6 else image
    return View(image, view.boxes, view.labels, view.hidden, view.scene)


def _batch(photos: TrapPhotos, config: Config, step: int) -> tuple[Tensor, ...]:
    rng = np.random.default_rng((config.seed, step))
    views = [draw(photos, config, step, rng) for _ in range(config.batch)]
    wanted = [targets(v.boxes, v.labels, v.hidden, config.px, len(LABELS)) for v in views]
    columns = [torch.from_numpy(np.stack(column)) for column in zip(*wanted, strict=True)]
    images = torch.from_numpy(np.stack([v.image for v in views]))
    return images, *columns, torch.tensor([v.scene for v in views])


def batches(
    photos: TrapPhotos, config: Config, first: int, last: int
) -> Iterator[tuple[Tensor, ...]]:
    """Batches of steps ``first`` to ``last``, drawn while the network works."""
    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(_batch, photos, config, i) for i in range(first, min(first + 3, last))]
        for step in range(first, last):
            batch = ahead.pop(0).result()
            if step + 3 < last:
                ahead.append(pool.submit(_batch, photos, config, step + 3))
            yield batch
