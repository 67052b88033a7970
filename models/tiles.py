"""Tiles of a large photo, and from heat to boxes: plain numpy, the same in training and on a node.

Boxes are float32 [n, 4]: x, y, width, height in px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
# Of the heat that the detector gives, px of its input.
STRIDE = 4
_GREY = 127


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """``boxes`` float32 [n, 4], ``scores`` float32 [n] (0 to 1), ``labels`` int64 [n]."""

    boxes: Floats
    scores: Floats
    labels: NDArray[np.int64]

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Found:
        """Those at the places, or where the mask says so."""
        return Found(self.boxes[chosen], self.scores[chosen], self.labels[chosen])


def join(parts: Sequence[Found]) -> Found:
    """All of all parts; at least one part."""
    return Found(
        np.concatenate([p.boxes for p in parts]),
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.labels for p in parts]),
    )


def starts(length: int, px: int, overlap: int) -> list[int]:
    """Where tiles of ``px`` begin so that they cover ``length`` and share at least ``overlap``."""
    if length <= px:
        return [0]
    gaps = -(-(length - px) // (px - overlap))
    return [i * (length - px) // gaps for i in range(gaps + 1)]


def corners(height: int, width: int, px: int, overlap: int) -> list[tuple[int, int]]:
    """The (x, y) where each tile of an image begins."""
    return [(x, y) for y in starts(height, px, overlap) for x in starts(width, px, overlap)]


def tile_at(image: Image, corner: tuple[int, int], px: int) -> Image:
    """uint8 [px, px, 3] of an image [h, w, 3]; what lies outside it is mid-grey."""
    x, y = corner
    part = image[y : y + px, x : x + px]
    tile = np.full((px, px, 3), _GREY, np.uint8)
    tile[: part.shape[0], : part.shape[1]] = part
    return tile


def decode(heat: Floats, reach: Floats, floor: float) -> Found:
    """Boxes of one tile.

    Args:
        heat: [labels, g, g], chance that an insect's centre is in the cell, 0 off the peaks.
        reach: [4, g, g], px from the middle of the cell to the left, upper, right, lower side.
        floor: least chance that is read.
    """
    labels, rows, columns = np.nonzero(heat >= floor)
    left, up, right, down = reach[:, rows, columns]
    x, y = (columns + 0.5) * STRIDE - left, (rows + 0.5) * STRIDE - up
    boxes = np.stack([x, y, left + right, up + down], axis=1)
    scores = heat[labels, rows, columns]
    return Found(boxes.astype(np.float32), scores.astype(np.float32), labels.astype(np.int64))


def inner(found: Found, corner: tuple[int, int], px: int, size: tuple[int, int], rim: int) -> Found:
    """Without what is centred within ``rim`` px of a side where another tile sees it whole.

    ``size`` is (height, width) of the image, ``corner`` the (x, y) of the tile of ``px``.
    """
    middle = found.boxes[:, :2] + found.boxes[:, 2:] / 2
    keep = np.ones(len(middle), np.bool_)
    for axis, length in ((0, size[1]), (1, size[0])):
        at = corner[axis]
        keep &= (middle[:, axis] >= rim) | (at == 0)
        keep &= (middle[:, axis] < px - rim) | (at + px >= length)
    return found.take(keep)


def within(boxes: Floats, height: float, width: float) -> Floats:
    """Boxes cut to the image."""
    size = np.array([width, height], np.float32)
    low = np.clip(boxes[:, :2], 0, size)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, size)
    return np.concatenate([low, high - low], axis=1).astype(np.float32, copy=False)


def overlap_of(one: Floats, many: Floats) -> Floats:
    """Intersection over union of one box [4] with each of many [n, 4]."""
    low = np.maximum(one[:2], many[:, :2])
    high = np.minimum(one[:2] + one[2:], many[:, :2] + many[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    union = one[2:].prod() + many[:, 2:].prod(axis=1) - shared
    return np.asarray(shared / np.maximum(union, 1e-9), dtype=np.float32)


def suppress(found: Found, most: float) -> Found:
    """Greedy non-maximum suppression over all labels, best first.

    An insect is one insect whatever it is called: of boxes that overlap by more than ``most``
    (IoU) the surest stays.
    """
    order = np.argsort(-found.scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        order = rest[overlap_of(found.boxes[best], found.boxes[rest]) <= most]
    return found.take(np.array(kept, np.int64))
