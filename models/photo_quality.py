"""Is this photo fit to be judged?  Three numbers of the square that the model sees.

The limits are not here: training finds them on real photos and writes them in the manifest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from field_data.types import PhotoFault

Image = NDArray[np.uint8]
_BLOWN = 250


class QualityLimits(Protocol):
    """Largest blur, least luma, largest glare of a photo that is fit to be judged."""

    @property
    def blur(self) -> float: ...  # noqa: D102

    @property
    def dark(self) -> float: ...  # noqa: D102

    @property
    def glare(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Quality:
    """blur: 0 (sharp) to 1; luma: mean brightness, 0 to 255; glare: share of blown-out pixels."""

    blur: float
    luma: float
    glare: float


def blur_effect(grey: Image) -> float:
    """How little an image changes when it is blurred once more: 0 sharp, 1 without any detail.

    Crété-Roffet et al. 2007, "The blur effect": compares the variation of neighbouring pixels with
    that of a copy blurred by a 9-pixel mean filter; the worse of the two directions counts.

    Args:
        grey: uint8 [height, width].
    """
    image = grey.astype(np.float32)
    worst = 0.0
    for axis, size in ((0, (1, 9)), (1, (9, 1))):
        again = cv2.blur(image, size)
        detail = np.abs(np.diff(image, axis=axis))
        left = np.abs(np.diff(again, axis=axis))
        lost = np.maximum(0.0, detail - left).sum(dtype=np.float64)
        total = detail.sum(dtype=np.float64)
        worst = max(worst, float(1 - lost / total) if total > 0 else 1.0)
    return worst


def measure(square: Image) -> Quality:
    """Quality of what a model sees, uint8 [h, w, 3] RGB."""
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    blown = cv2.inRange(square, (_BLOWN, _BLOWN, _BLOWN), (255, 255, 255))
    return Quality(
        blur=blur_effect(grey),
        luma=float(grey.mean()),
        glare=float(cv2.countNonZero(blown)) / grey.size,
    )


def fault_of(quality: Quality, limits: QualityLimits) -> PhotoFault | None:
    """The first thing that makes a photo unfit, or None."""
    if quality.luma < limits.dark:
        return PhotoFault.DARK
    if quality.glare > limits.glare:
        return PhotoFault.GLARE
    if quality.blur > limits.blur:
        return PhotoFault.BLUR
    return None
