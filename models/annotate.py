"""The photo back to the person, with what was counted drawn on it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.preprocess import resized

Image = NDArray[np.uint8]
_LONG_PX = (640, 1280)
_QUALITY = 85
# BGR; dark under bright, so that a box is seen on white, on yellow and on brown.
_DARK, _BRIGHT = (20, 20, 20), (230, 60, 255)


def annotated(image: Image, boxes: NDArray[np.float32], text: str) -> bytes:
    """A JPEG of a BGR photo with boxes [n, 4] (x, y, w, h in its px) and a line of ASCII text.

    Long side between 640 and 1280 px, nothing of the original file but its pixels.
    """
    longest = max(image.shape[:2])
    scale = min(max(longest, _LONG_PX[0]), _LONG_PX[1]) / longest
    canvas = resized(image, scale).copy()
    for x, y, width, height in np.rint(boxes * scale).astype(int).tolist():
        for colour, thick in ((_DARK, 4), (_BRIGHT, 2)):
            cv2.rectangle(canvas, (x, y), (x + width, y + height), colour, thick)
    (wide, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.2, 3)
    cv2.rectangle(canvas, (0, 0), (wide + 24, tall + 24), _DARK, cv2.FILLED)
    cv2.putText(canvas, text, (12, tall + 12), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 3)
    done, jpeg = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise RuntimeError("OpenCV could not write a JPEG")
    return jpeg.tobytes()
