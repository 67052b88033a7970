"""A picture of at most 256 colours as PNG, fast: map tiles are made while somebody waits.

Written here because a general encoder takes longer to set up than this takes altogether.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE_COLOURS = 3


def palette_png(indices: NDArray[np.uint8], palette: bytes, level: int = 5) -> bytes:
    """A PNG (W3C PNG, third edition) of ``indices``, uint8 [height, width].

    ``palette`` holds 256 colours of 4 bytes, RGBA.
    """
    height, width = indices.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _PALETTE_COLOURS, 0, 0, 0)
    # Every line begins with its filter: 0, none, is the best for a palette.
    lines = np.zeros((height, width + 1), np.uint8)
    lines[:, 1:] = indices
    pixels = zlib.compress(lines.tobytes(), level)
    parts = (_chunk(b"IHDR", header), _colours(palette), _chunk(b"IDAT", pixels))
    return _SIGNATURE + b"".join(parts) + _chunk(b"IEND", b"")


@lru_cache(maxsize=32)
def _colours(palette: bytes) -> bytes:
    rgba = np.frombuffer(palette, np.uint8).reshape(256, 4)
    return _chunk(b"PLTE", rgba[:, :3].tobytes()) + _chunk(b"tRNS", rgba[:, 3].tobytes())


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
