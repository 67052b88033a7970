"""From the bytes of a photo to pixels: the one door to OpenCV, shared by training and node.

Every upload is hostile: format and size are read from the header before anything is decoded, and
JPEGs are decoded at a reduced scale, which costs a third of a full decode.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from field_data.errors import PersonError

Image = NDArray[np.uint8]

# The short side of what is decoded for a diagnosis.
WORK_PX = 320
# Kept photos are decoded larger, since an agent will look at them: short side at decoding (a
# quarter of a 12-megapixel photo), long side of the file.
KEPT_SHORT_PX = 720
KEPT_PX = 1024
_KEPT_QUALITY = 80
# Most pixels accepted.  A baseline JPEG is decoded at reduced scale; everything else costs memory
# for every pixel, so it gets less (24 MP: a 6000 x 4000 camera), animations less still.
_MAX_PIXELS = {"jpeg": 120_000_000, "gif": 8_000_000, "animated webp": 8_000_000}
_MAX_PIXELS_OTHER = 24_000_000
# No phone makes a photo longer than a panorama of this shape.
_MAX_ASPECT = 8
# A progressive JPEG is decoded again for each scan; phones write about ten.
_MAX_SCANS = 32
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

# The node serves many phones: parallelism comes from requests, not from inside one.
cv2.setNumThreads(1)


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes say: ``kind`` and the size in pixels."""

    kind: str
    width: int
    height: int


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(marker, where it stands, body) up to the first scan; ends where the file is malformed.

    Stricter than the decoder on purpose: bytes that it would skip could hide another size.
    """
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif 0xD0 <= marker <= 0xD7 or marker == 0x01:  # markers without a length
            at += 2
        elif marker < 0xC0 or marker in (0xD8, 0xD9):
            return
        else:
            length = int(struct.unpack(">H", data[at + 2 : at + 4])[0])
            yield marker, at, data[at + 4 : at + 2 + length]
            at += 2 + length


def _jpeg_header(data: bytes) -> Header | None:
    frame: tuple[int, int, int, int] | None = None
    for marker, at, body in _jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if frame is not None or len(body) < 6:
                return None
            frame = (marker, *struct.unpack(">HHB", body[1:6]))
        elif marker == 0xDA:
            if frame is None or not body:
                return None
            coding, height, width, components = frame
            # Several scans make the decoder hold the whole photo, whatever the first marker says.
            if coding in (0xC0, 0xC1) and body[0] == components:
                return Header("jpeg", width, height)
            too_many = data.count(b"\xff\xda", at) > _MAX_SCANS
            return None if too_many else Header("progressive jpeg", width, height)
    return None


def _webp_header(data: bytes) -> Header | None:
    chunk = data[12:16]
    if chunk == b"VP8X" and len(data) >= 30:
        width = 1 + int.from_bytes(data[24:27], "little")
        kind = "animated webp" if data[20] & 0x02 else "webp"
        return Header(kind, width, 1 + int.from_bytes(data[27:30], "little"))
    if chunk == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return Header("webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if chunk == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack("<HH", data[26:30])
        return Header("webp", width & 0x3FFF, height & 0x3FFF)
    return None


def read_header(data: bytes) -> Header:
    """Format and size of a JPEG, PNG, WebP or GIF, without decoding a pixel.

    Raises:
        PersonError: ``heic``, ``not_an_image``, ``photo_damaged`` (right format, no size) or
            ``photo_too_big`` (too many pixels, or absurdly long).
    """
    header: Header | None = None
    if data.startswith(b"\xff\xd8\xff"):
        header = _jpeg_header(data)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        header = Header("png", *struct.unpack(">II", data[16:24])) if len(data) >= 24 else None
    elif data.startswith((b"GIF87a", b"GIF89a")):
        header = Header("gif", *struct.unpack("<HH", data[6:10])) if len(data) >= 10 else None
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        header = _webp_header(data)
    elif data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        raise PersonError("heic", "HEIC photos cannot be read: set the camera to JPEG")
    else:
        raise PersonError("not_an_image", "not a JPEG, PNG, WebP or GIF photo")
    if header is None or 0 in (header.width, header.height):
        raise PersonError("photo_damaged", "the photo is cut off or damaged")
    long, short = max(header.width, header.height), min(header.width, header.height)
    if long * short > _MAX_PIXELS.get(header.kind, _MAX_PIXELS_OTHER) or long > _MAX_ASPECT * short:
        raise PersonError(
            "photo_too_big", f"{header.width} x {header.height} pixels are more than can be read"
        )
    return header


def reduction(header: Header, short_side: int) -> int:
    """Largest of 1, 2, 4, 8 that leaves the short side of a JPEG at or above ``short_side`` px."""
    if "jpeg" not in header.kind:
        return 1
    shortest = min(header.width, header.height)
    return max(f for f in _REDUCED if f == 1 or shortest // f >= short_side)


def decode(data: bytes, short_side: int = WORK_PX) -> Image:
    """Decode a photo, turned upright as EXIF says, as small as ``short_side`` allows.

    Returns:
        uint8 [height, width, 3], BGR (OpenCV's order; :func:`model_input` turns it to RGB).
        Sixteen-bit, grey, CMYK and palette images become 8-bit colour, transparency is dropped
        and of an animation only the first frame is read.

    Raises:
        PersonError: as :func:`read_header`, or ``photo_damaged``.
    """
    header = read_header(data)
    flag = _REDUCED[reduction(header, short_side)]
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        raise PersonError("photo_damaged", "the photo is cut off or damaged") from error
    if image is None or min(image.shape[:2]) < 8:
        raise PersonError("photo_damaged", "the photo is cut off or damaged")
    return image.astype(np.uint8, copy=False)


def model_input(image: Image, px: int) -> Image:
    """The square the model sees: the whole BGR photo squeezed to uint8 [px, px, 3], RGB.

    Squeezed rather than cropped: a spot at the edge of the photo counts too, and training saw
    aspect ratios from 3:4 to 4:3.
    """
    shrinks = min(image.shape[:2]) > px
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    square = cv2.resize(image, (px, px), interpolation=way)
    return cv2.cvtColor(square, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def resized(image: Image, scale: float) -> Image:
    """uint8 [h, w, 3] made larger or smaller, at least one pixel a side."""
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=way).astype(np.uint8, copy=False)


def to_rgb(image: Image) -> Image:
    """BGR, as OpenCV decodes, to RGB, as models see."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def kept_jpeg(image: Image) -> bytes:
    """The photo as it is kept: rebuilt from BGR pixels (no EXIF), long side <= 1024."""
    longest = max(image.shape[:2])
    if longest > KEPT_PX:
        scale = KEPT_PX / longest
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _KEPT_QUALITY])
    if not done:
        raise RuntimeError("OpenCV could not write a JPEG")
    return jpeg.tobytes()


def jpeg_of(rendition: bytes) -> tuple[bytes, int, int]:
    """A photo that travelled (AVIF or JPEG) as a JPEG, with its width and height in px.

    JPEGs stay as they are; AVIFs are written again at quality 95, for programs that know no AVIF.

    Raises:
        PersonError: as :func:`read_header`, or ``photo_damaged``.
    """
    if rendition.startswith(b"\xff\xd8"):
        header = read_header(rendition)
        return rendition, header.width, header.height
    if rendition[4:12] != b"ftypavif":
        raise PersonError("not_an_image", "neither JPEG nor AVIF")
    at = [place.end() for place in re.finditer(b"ispe", rendition)]
    sizes = [
        struct.unpack(">II", rendition[a + 4 : a + 12]) for a in at if len(rendition) >= a + 12
    ]
    if not sizes or max(w * h for w, h in sizes) > _MAX_PIXELS_OTHER:
        raise PersonError("photo_too_big", "the photo says no size, or too large a one")
    try:
        image = cv2.imdecode(np.frombuffer(rendition, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise PersonError("photo_damaged", "the photo is cut off or damaged") from error
    if image is None:
        raise PersonError("photo_damaged", "the photo is cut off or damaged")
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    return jpeg, image.shape[1], image.shape[0]
