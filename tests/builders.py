"""Photos made up for tests and benchmarks: no public photo set is part of this project."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def leaf_pixels(width: int = 640, height: int = 480, seed: int = 1, spots: int = 12) -> Pixels:
    """A drawn leaf with veins and brown spots before soil, uint8 [height, width, 3], RGB."""
    rng = np.random.default_rng(seed)
    small_w, small_h = 320, 240
    soil = rng.normal(0, 18, (small_h, small_w, 1)) + np.array([120, 95, 70])
    canvas = np.clip(soil, 0, 255).astype(np.uint8)
    centre, axes = (small_w // 2, small_h // 2), (120, 78)
    cv2.ellipse(canvas, centre, axes, 12, 0, 360, (62, 120, 48), -1)
    for offset in range(-90, 100, 22):
        start = (centre[0] + offset, centre[1] + offset // 5)
        for side in (-55, 55):
            end = (start[0] + 30, start[1] + side)
            cv2.line(canvas, start, end, (92, 150, 74), 1, cv2.LINE_AA)
    for _ in range(spots):
        x, y = rng.normal(0, 40, 2) + centre
        radius = int(rng.integers(3, 9))
        cv2.circle(canvas, (int(x), int(y)), radius, (92, 62, 34), -1, cv2.LINE_AA)
    big = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_CUBIC)
    coarse = rng.normal(0, 5, (small_h, small_w, 3)).astype(np.float32)
    grain = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)
    pixels: Pixels = np.clip(big.astype(np.float32) + grain, 0, 255).astype(np.uint8)
    return pixels


def encoded(pixels: Pixels, kind: str = "JPEG", **options: object) -> bytes:
    """Pixels [height, width, 3] RGB in a file format of Pillow's."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def leaf_jpeg(width: int = 640, height: int = 480, seed: int = 1, quality: int = 88) -> bytes:
    """A JPEG of :func:`leaf_pixels`."""
    return encoded(leaf_pixels(width, height, seed), "JPEG", quality=quality)


def phone_jpeg(seed: int = 1) -> bytes:
    """A 12-megapixel JPEG with grain, some 4 MB, like a cheap phone's."""
    rng = np.random.default_rng(seed)
    big = leaf_pixels(4000, 3000, seed).astype(np.int16)
    big += rng.integers(-9, 10, (3000, 4000, 1), dtype=np.int16)
    return encoded(np.clip(big, 0, 255).astype(np.uint8), "JPEG", quality=90)


def trap_pixels(width: int = 400, height: int = 360, moths: int = 25, seed: int = 1) -> Pixels:
    """A drawn pheromone trap: white with a grid, brown moths, uint8 [height, width, 3], RGB."""
    rng = np.random.default_rng(seed)
    canvas = np.clip(rng.normal(212, 4, (height, width, 3)), 0, 255).astype(np.uint8)
    for x in range(30, width, 75):
        cv2.line(canvas, (x, 0), (x, height), (60, 60, 70), 1, cv2.LINE_AA)
    for y in range(25, height, 75):
        cv2.line(canvas, (0, y), (width, y), (60, 60, 70), 1, cv2.LINE_AA)
    for _ in range(moths):
        centre = (int(rng.integers(15, width - 15)), int(rng.integers(15, height - 15)))
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(canvas, centre, (11, 4), angle, 0, 360, (120, 105, 85), -1, cv2.LINE_AA)
        cv2.ellipse(canvas, centre, (8, 2), angle, 0, 360, (70, 60, 45), -1, cv2.LINE_AA)
    return canvas
