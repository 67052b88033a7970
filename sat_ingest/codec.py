"""Windows as few bytes: differences of neighbours, bytes by weight, zstd.

What a pixel adds to its left, upper and upper left neighbour is small where land is smooth; the
second byte of these differences is nearly always zero.  Prediction from other bands or dates and
LZMA were measured beside it (``tests/bench/bench_sat_pixels.py``): a few per cent at best.

Whoever made the bytes may be hostile: sizes are checked before anything is inflated.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from field_data.errors import PublisherError

MAX_BANDS = 16
_LEVEL = 19
# Bands are told by name, so that a reader knows which it lacks.
_HEAD = struct.Struct("<BB")
_BAND = struct.Struct("<16sB")
_FORMAT = 1
_HALF = 1  # 20 m, each pixel repeated 2 x 2

Bands = Mapping[str, NDArray[np.uint16]]
Shape = tuple[int, ...]


def quantised(band: NDArray[np.uint16], quantum: int) -> NDArray[np.uint16]:
    """Whole numbers of ``quantum``; 0 (no data) stays 0 and nothing else becomes 0.

    Off by at most half a quantum, except that values below it become one quantum.
    """
    steps = (band.astype(np.int32) + quantum // 2) // quantum
    out: NDArray[np.uint16] = np.clip(steps, band > 0, 65535 // quantum).astype(np.uint16)
    return out


def differences(plane: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """What each pixel adds to left + upper - upper left, modulo 2**16, sign folded (0, -1, 1 …)."""
    plain = plane.astype(np.int32)
    across = np.diff(plain, axis=-1, prepend=np.int32(0))
    signed = np.diff(across, axis=-2, prepend=np.int32(0)).astype(np.int16)
    folded: NDArray[np.uint16] = ((signed << 1) ^ (signed >> 15)).view(np.uint16)
    return folded


def summed(folded: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The inverse of `differences`: two running sums modulo 2**16."""
    signed = (folded >> 1) ^ (0 - (folded & 1))
    across = np.cumsum(signed, axis=-2, dtype=np.uint16)
    plane: NDArray[np.uint16] = np.cumsum(across, axis=-1, dtype=np.uint16)
    return plane


def encode(bands: Bands, scl: NDArray[np.uint8], quantum: int = 1) -> bytes:
    """Bands uint16 [height, width] or [n, height, width], and SCL uint8 of the same shape.

    Lossless with ``quantum`` 1.

    Raises:
        ValueError: more than `MAX_BANDS` bands, or a name longer than 16 ASCII letters.
    """
    if len(bands) > MAX_BANDS:
        raise ValueError(f"{len(bands)} bands")
    scl, half = _halved(scl)
    parts, low, high = [_HEAD.pack(_FORMAT, len(bands) << 1 | half)], [], []
    for name, band in bands.items():
        code = name.encode("ascii")
        if not 0 < len(code) <= 16:
            raise ValueError(f"band name {name!r}")
        plane, half = _halved(quantised(band, quantum))
        folded = differences(plane)
        parts.append(_BAND.pack(code, half))
        low.append((folded & 0xFF).astype(np.uint8).tobytes())
        high.append((folded >> 8).astype(np.uint8).tobytes())
    data = b"".join([*parts, *low, *high, scl.tobytes()])
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(data)


def decode(
    data: bytes, shape: Shape, quantum: int = 1
) -> tuple[dict[str, NDArray[np.uint16]], NDArray[np.uint8]]:
    """Bands and SCL of `encode`, each of ``shape``, which comes from a checked grid.

    Raises:
        PublisherError: ``window_damaged``.
    """
    try:
        return _decoded(inflated(data, most_bytes(shape)), shape, quantum)
    except (ValueError, struct.error, UnicodeDecodeError) as error:
        raise PublisherError("window_damaged", f"not a window: {error}") from error


def inflated(data: bytes, most: int) -> bytes:
    """One zstd frame; refused before inflating when it says more than ``most`` bytes or nothing.

    Raises:
        ValueError: too large, damaged, or something behind it.
    """
    try:
        size = zstandard.get_frame_parameters(data).content_size
        if size in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR) or size > most:
            raise ValueError("larger than it may be")
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def most_bytes(shape: Shape) -> int:
    """More than windows of this shape can take, packed or not."""
    pixels = math.prod(shape)
    return 1024 + MAX_BANDS * (_BAND.size + 2 * pixels) + pixels


def _decoded(
    raw: bytes, shape: Shape, quantum: int
) -> tuple[dict[str, NDArray[np.uint16]], NDArray[np.uint8]]:
    form, counted = _HEAD.unpack_from(raw)
    if form != _FORMAT:
        raise ValueError(f"format {form}")
    heads = [_BAND.unpack_from(raw, _HEAD.size + i * _BAND.size) for i in range(counted >> 1)]
    shapes = [_shape(shape, flag) for _, flag in heads]
    sizes = [math.prod(small) for small in shapes]
    scl_shape = _shape(shape, counted & 1)
    at = _HEAD.size + len(heads) * _BAND.size
    body = np.frombuffer(raw, np.uint8, offset=at)
    if len(body) != 2 * sum(sizes) + math.prod(scl_shape):
        raise ValueError(f"{len(body)} bytes of pixels")
    low, high, scl = np.split(body, [sum(sizes), 2 * sum(sizes)])
    folded = np.split(low | high.astype(np.uint16) << 8, np.cumsum(sizes)[:-1])
    bands = {
        name.rstrip(b"\0").decode("ascii"): _full(
            summed(part.reshape(small)) * np.uint16(quantum), shape
        )
        for (name, _), part, small in zip(heads, folded, shapes, strict=True)
    }
    if len(bands) != len(heads):
        raise ValueError("two bands with one name")
    return bands, _full(scl.reshape(scl_shape), shape)


def _shape(shape: Shape, half: int) -> Shape:
    if not half:
        return shape
    *stack, height, width = shape
    if height % 2 or width % 2:
        raise ValueError("half of an odd number of pixels")
    return (*stack, height // 2, width // 2)


def _halved(plane: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """A 20 m band that was repeated onto the 10 m grid, once a pixel again; else as it is."""
    if plane.shape[-2] % 2 or plane.shape[-1] % 2:
        return plane, 0
    small = np.ascontiguousarray(plane[..., ::2, ::2])
    return (small, _HALF) if np.array_equal(_full(small, plane.shape), plane) else (plane, 0)


def _full(plane: NDArray[Any], shape: Shape) -> NDArray[Any]:
    if plane.shape == shape:
        return plane
    return np.repeat(np.repeat(plane, 2, axis=-2), 2, axis=-1)
