"""What is sent of a photo over a weak link: small AVIF pictures, rebuilt from its pixels.

AVIF says the same in about half the bytes of a JPEG.  The quality is fixed, so that every photo
looks equally good; a photo so full of detail that it takes more than `VIEW_BYTES` is made smaller.
"""

from __future__ import annotations

import math

import cv2

from field_data.errors import KeeperError
from models.preprocess import Image, decode, resized

THUMB, VIEW = "thumb", "view"
THUMB_PX = 160
# Long sides tried in turn; the last is kept whatever it takes.
VIEW_PX = (1024, 896, 768, 640)
VIEW_BYTES = 25_000
# At this quality the luma's SSIM is that of a JPEG of quality 40; see tests/bench/bench_wire.py.
QUALITY = 45
# libaom's: 3 takes a tenth fewer bytes than 6 at equal SSIM, and far more of a small board's time.
_SPEED = 6


def rendition(jpeg: bytes, name: str) -> bytes:
    """The rendition called `THUMB` or `VIEW`.

    Raises:
        PersonError: as `models.preprocess.decode`.
        ValueError: Another name.
    """
    makers = {THUMB: thumb, VIEW: view}
    if name not in makers:
        raise ValueError(f"there is no rendition {name!r}")
    return makers[name](jpeg)


def thumb(jpeg: bytes) -> bytes:
    """An AVIF with a long side of at most 160 px, to choose from: the same bytes at every call.

    Raises:
        PersonError: as `models.preprocess.decode`, for what is no photo.
    """
    return _avif(_fitted(decode(jpeg, THUMB_PX), THUMB_PX))


def view(jpeg: bytes) -> bytes:
    """An AVIF of 1024 px, or of 896, 768 or 640 where only that is within `VIEW_BYTES`.

    Never larger than the photo itself; the same bytes at every call.

    Raises:
        PersonError: as `models.preprocess.decode`, for what is no photo.
    """
    image = decode(jpeg, max(VIEW_PX))
    side: int | None = min(max(VIEW_PX), max(image.shape[:2]))
    avif = b""
    while side is not None:
        avif = _avif(_fitted(image, side))
        side = _next_side(side, len(avif)) if len(avif) > VIEW_BYTES else None
    return avif


def _next_side(side: int, avif_bytes: int) -> int | None:
    """The next of `VIEW_PX` that could do: bytes grow a little less than pixels do."""
    smaller = [each for each in VIEW_PX if each < side]
    hopeful = 1.1 * side * math.sqrt(VIEW_BYTES / avif_bytes)
    return next((each for each in smaller if each <= hopeful), min(smaller, default=None))


def _fitted(image: Image, side: int) -> Image:
    scale = side / max(image.shape[:2])
    return resized(image, scale) if scale < 1 else image


def _avif(image: Image) -> bytes:
    ways = [cv2.IMWRITE_AVIF_QUALITY, QUALITY, cv2.IMWRITE_AVIF_SPEED, _SPEED]
    try:
        done, avif = cv2.imencode(".avif", image, ways)
    except cv2.error as error:
        raise KeeperError("no_avif", f"this OpenCV cannot write AVIF: {error}") from error
    if not done:
        raise KeeperError("no_avif", "OpenCV could not write an AVIF")
    return avif.tobytes()
