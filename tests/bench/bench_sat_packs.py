"""Bytes of a field and date: our packs and archive beside other ways to write the same pixels.

Part of ``python -m tests.bench.bench_sat_pixels``.  All ways but the archive keep values in whole
quanta, so that they lose the same.
"""

from __future__ import annotations

import lzma
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from sat_ingest import codec
from sat_ingest.window_packs import QUANTUM
from sat_ingest.windows import Window
from tests.sat_data import BELGIUM, KORTRIJK, worldcereal_windows

FIVE = ("blue", "red", "nir", "rededge1", "swir16")
SIZES = (48, 24, 10)  # pixels across; the last is a hectare

Row = dict[str, Any]
Planes = Mapping[str, NDArray[np.uint16]]


def pack_rows() -> list[Row]:
    """Bytes of five bands and SCL, a field and date, on the real patches."""
    found = []
    for place in (KORTRIJK, BELGIUM):
        for size in SIZES:
            windows = worldcereal_windows(place, size=size)
            planes = {
                name: codec.quantised(np.stack([w.bands[name] for w in windows]), QUANTUM)
                for name in FIVE
            }
            scl = np.stack([w.scl for w in windows])
            for name, way in WAYS.items():
                if size == SIZES[0] or name == OURS:
                    each = way(planes, scl) / len(windows)
                    what = f"five bands + SCL, {size} x {size}, {place}"
                    found.append({"what": what, "way": name, "bytes per field and date": each})
            found.append(
                {
                    "what": f"five bands + SCL, {size} x {size}, {place}",
                    "way": "archive: no quantum, a window alone",
                    "bytes per field and date": _archived(windows) / len(windows),
                }
            )
    return found


def _archived(windows: list[Window]) -> int:
    return sum(len(codec.encode({n: w.bands[n] for n in FIVE}, w.scl)) for w in windows)


def _small(plane: NDArray[Any], name: str) -> NDArray[Any]:
    """20 m bands as they came."""
    return plane[..., ::2, ::2] if name in ("rededge1", "swir16", "scl") else plane


def _each(
    planes: Planes, scl: NDArray[np.uint8], predict: Callable[[NDArray[Any]], NDArray[Any]]
) -> Iterable[bytes]:
    """A date at a time: folded differences, bytes by weight, then SCL."""
    ready = [predict(_small(plane, name)) for name, plane in planes.items()]
    for i in range(len(scl)):
        low = b"".join((each[i] & 0xFF).astype(np.uint8).tobytes() for each in ready)
        high = b"".join((each[i] >> 8).astype(np.uint8).tobytes() for each in ready)
        yield low + high + _small(scl[i], "scl").tobytes()


def _zstd(pieces: Iterable[bytes]) -> int:
    packer = zstandard.ZstdCompressor(level=19)
    return sum(len(packer.compress(piece)) for piece in pieces)


def _lzma(pieces: Iterable[bytes]) -> int:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9}]
    return sum(len(lzma.compress(p, format=lzma.FORMAT_RAW, filters=filters)) for p in pieces)


def _fold(difference: NDArray[Any]) -> NDArray[Any]:
    signed = difference.astype(np.int16)
    return ((signed << 1) ^ (signed >> 15)).view(np.uint16)


def _median(plane: NDArray[Any]) -> NDArray[Any]:
    """Against the median of left, upper, and left + upper - upper left (JPEG-LS)."""
    now = plane.astype(np.int32)
    padded = np.pad(now, ((0, 0), (1, 0), (1, 0)))
    left, upper, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
    guess = np.sort(np.stack([left, upper, left + upper - corner]), axis=0)[1]
    return _fold(now - guess)


def _dates(plane: NDArray[Any]) -> NDArray[Any]:
    """Our differences, less those of the date before."""
    plain = np.diff(np.diff(plane.astype(np.int32), axis=2, prepend=0), axis=1, prepend=0)
    return _fold(np.diff(plain, axis=0, prepend=0))


def _bands(planes: Planes, scl: NDArray[np.uint8]) -> int:
    """Our differences, less a fitted share of those of a band of the same resolution."""
    plain: dict[str, NDArray[np.int32]] = {
        name: np.diff(
            np.diff(_small(plane, name).astype(np.int32), axis=2, prepend=0), axis=1, prepend=0
        ).astype(np.int32)
        for name, plane in planes.items()
    }
    for name, other in (("swir16", "rededge1"), ("nir", "red"), ("red", "blue")):
        share = (plain[name] * plain[other]).sum((1, 2)) / (plain[other] ** 2).sum((1, 2)).clip(1)
        share = np.round(share * 16)[:, None, None] / 16
        plain[name] = plain[name] - np.round(share * plain[other]).astype(np.int32)
    ready = {name: _fold(each) for name, each in plain.items()}
    pieces = []
    for i in range(len(scl)):
        low = b"".join((each[i] & 0xFF).astype(np.uint8).tobytes() for each in ready.values())
        high = b"".join((each[i] >> 8).astype(np.uint8).tobytes() for each in ready.values())
        pieces.append(low + high + _small(scl[i], "scl").tobytes())
    return _zstd(pieces) + len(scl) * 3


def _lerc(planes: Planes, scl: NDArray[np.uint8]) -> int:
    """GDAL's LERC with half a quantum allowed, one file a resolution and date, headers off."""
    total = _zstd(_small(each, "scl").tobytes() for each in scl)
    fine = np.stack([planes[n] for n in FIVE[:3]], axis=1)
    coarse = np.stack([_small(planes[n], n) for n in FIVE[3:]], axis=1)
    for stack in (fine, coarse):
        empty = _tiff(np.zeros_like(stack[0]))
        total += sum(_tiff(each) - empty for each in stack)
    return total


def _tiff(planes: NDArray[np.uint16]) -> int:
    count, height, width = planes.shape
    shape = {"height": height, "width": width, "count": count, "dtype": "uint16"}
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        # Values are whole quanta here: half of one is 0.5.
        options = {"compress": "LERC_ZSTD", "MAX_Z_ERROR": 0.5, "ZSTD_LEVEL": 19}
        with memory.open(driver="GTiff", **shape, **options) as file:
            file.write(planes)
        return len(memory.getbuffer())


def _ours(planes: Planes, scl: NDArray[np.uint8]) -> int:
    stacks = range(0, len(scl), 32)
    parts = [({n: p[i : i + 32] for n, p in planes.items()}, scl[i : i + 32]) for i in stacks]
    return sum(len(codec.encode(bands, classes)) for bands, classes in parts)


OURS = "ours: stacks of 32 dates"
WAYS: dict[str, Callable[[Planes, NDArray[np.uint8]], int]] = {
    "raw": lambda planes, scl: (
        sum(_small(p, n).nbytes for n, p in planes.items()) + _small(scl, "scl").nbytes
    ),
    "zstd alone": lambda planes, scl: _zstd(
        b"".join(_small(p, n)[i].tobytes() for n, p in planes.items())
        + _small(scl[i], "scl").tobytes()
        for i in range(len(scl))
    ),
    "LERC + zstd (GDAL)": _lerc,
    OURS: _ours,
    "a date at a time": lambda planes, scl: _zstd(_each(planes, scl, codec.differences)),
    "median predictor": lambda planes, scl: _zstd(_each(planes, scl, _median)),
    "less the date before": lambda planes, scl: _zstd(_each(planes, scl, _dates)),
    "less another band": _bands,
    "LZMA for zstd": lambda planes, scl: _lzma(_each(planes, scl, codec.differences)),
}
