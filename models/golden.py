"""Golden samples: photos drawn here, and what the graphs answered where they were made.

A model that answers otherwise on this machine is broken, or the machine is.  The pictures are
drawn with integers only, so that every machine and every version of numpy draws the same pixels; no
photo of anybody is shipped.  ``python -m models.golden FOLDER`` writes ``golden.npz`` and its entry
in the manifest from the graphs of the folder.

How near is near enough is the length of the difference over the length of what is expected, logits,
gate and embedding each, the worst photo counting (:func:`farthest`; :data:`TOLERANCE`).  float32
differs between processors in the order of sums only, some 1e-6: 0.01 is far above that and far
below what a wrong weight does.  int8 is another matter: x86 without VNNI adds two products in 16
bits and may saturate, so an honest processor may stray about as far as quantisation itself does.
On the shipped model int8 lies at most 0.11 from float32 on these photos, and the embedding of
another photo at least 0.42: 0.3 is nearly three times the former and still below the latter.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from field_data.errors import PublisherError
from field_data.files import write_atomic
from models.manifest import Manifest, ModelFile, amended, checked_bytes, read_manifest
from models.runtime import OUTPUTS, OnnxModel, Outputs

FILE = "golden.npz"
SAMPLES = 6
TOLERANCE = {"fp32": 0.01, "int8": 0.3}
# Everything is drawn on a canvas of 1000 x 1000 units, whatever the pixels.
_UNITS = 1000
_MAX_BYTES = 4_000_000
# (cosine, sine) in thousandths, from Pythagorean triples: exact.
_TURNS = ((1000, 0), (960, 280), (800, 600), (600, 800), (280, 960))
_SOILS = ((122, 96, 70), (150, 128, 100), (92, 84, 78), (176, 164, 150))
_GREENS = ((62, 120, 48), (88, 140, 60), (50, 100, 62), (120, 150, 70))
_SPOTS = ((92, 62, 34), (150, 130, 40), (70, 50, 46), (190, 180, 160))

Image = NDArray[np.uint8]
Ints = NDArray[np.int64]
Colour = tuple[int, ...]
Run = Callable[[Image], Outputs]


def _mix(key: Ints) -> Ints:
    """A well-mixed number below 2**32 for each whole number (a multiply-and-shift hash)."""
    x = key.astype(np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return (x ^ (x >> np.uint32(16))).astype(np.int64)


def _noise(seed: int, x: Ints, y: Ints, size: int) -> Ints:
    """-size … size for each place (x, y)."""
    return _mix(_mix(_mix(x + 1) + y) + 7919 * seed) % (2 * size + 1) - size


class _Dice:
    """Whole numbers drawn one after the other from a seed."""

    def __init__(self, seed: int) -> None:
        self._seed, self._at = seed, 0

    def between(self, low: int, high: int) -> int:
        self._at += 1
        drawn = _mix(np.array([1_000_003 * self._seed + self._at], np.int64))[0]
        return low + int(drawn) % (high - low + 1)

    def of(self, things: Sequence[Colour]) -> Colour:
        return things[self.between(0, len(things) - 1)]


def draw(seed: int, px: int) -> Image:
    """Sample ``seed``: a spotted leaf before soil, uint8 [px, px, 3], RGB; the last is noise."""
    y, x = np.meshgrid(*[np.arange(px, dtype=np.int64) * _UNITS // px] * 2, indexing="ij")
    dice = _Dice(seed + 1)
    if seed == SAMPLES - 1:
        grain: Image = np.stack([128 + _noise(k, x, y, 127) for k in range(3)], 2).astype(np.uint8)
        return grain
    canvas = np.zeros((px, px, 3), np.int64) + dice.of(_SOILS)
    canvas += _noise(seed, x // 40, y // 40, 22)[:, :, None]
    _leaf(canvas, dice, x, y)
    canvas += _noise(seed + 50, x, y, 9)[:, :, None]
    drawn: Image = np.clip(canvas, 0, 255).astype(np.uint8)
    return drawn


def _leaf(canvas: Ints, dice: _Dice, x: Ints, y: Ints) -> None:
    """Paint an ellipse with a midrib, veins, a shadow to one side and spots."""
    cos, sin = dice.of(_TURNS)
    across, down = x - dice.between(440, 560), y - dice.between(440, 560)
    along, aside = (cos * across + sin * down) // 1000, (cos * down - sin * across) // 1000
    long, wide = dice.between(330, 470), dice.between(190, 310)
    inside = (along * wide) ** 2 + (aside * long) ** 2 <= (long * wide) ** 2
    canvas[inside] = np.array(dice.of(_GREENS)) + (along // 14)[inside][:, None]
    veins = inside & ((abs(aside) < 7) | ((along + abs(aside) // 2) % 90 < 7))
    canvas[veins] += 30
    for _ in range(dice.between(0, 14)):
        p, q = dice.between(-long, long), dice.between(-wide, wide)
        far = (along - p) ** 2 + (aside - q) ** 2
        radius = dice.between(14, 60)
        canvas[inside & (far <= (radius + 12) ** 2)] = (170, 170, 60)
        canvas[inside & (far <= radius**2)] = dice.of(_SPOTS)


def samples(px: int) -> Image:
    """All samples: uint8 [SAMPLES, px, px, 3], RGB."""
    return np.stack([draw(seed, px) for seed in range(SAMPLES)])


def farthest(got: Outputs, expected: Outputs) -> float:
    """Largest |got - expected| / |expected| (Euclidean) of any output of any photo.

    Infinite where something is not finite or has another shape.
    """
    worst = 0.0
    for name in OUTPUTS:
        a, b = getattr(got, name), getattr(expected, name)
        if a.shape != b.shape or not np.isfinite(a).all() or not np.isfinite(b).all():
            return float("inf")
        length = np.maximum(np.linalg.norm(b, axis=1), 1e-6)
        worst = max(worst, float((np.linalg.norm(a - b, axis=1) / length).max()))
    return worst


@dataclass(frozen=True, slots=True)
class Golden:
    """SHA-256 of the pixels, and what each variant (``fp32``, ``int8``) said of them."""

    pixels: str
    expected: Mapping[str, Outputs]


def _sha256(images: Image) -> str:
    return hashlib.sha256(images.tobytes()).hexdigest()


def pack_golden(images: Image, expected: Mapping[str, Outputs]) -> bytes:
    """An ``npz`` of what the variants said of ``images``; the images are drawn again."""
    arrays = {f"{v}.{k}": getattr(out, k) for v, out in expected.items() for k in OUTPUTS}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, pixels=np.array(_sha256(images)), **arrays)
    return buffer.getvalue()


def read_golden(data: bytes) -> Golden:
    """Read what :func:`pack_golden` wrote.

    Raises:
        PublisherError: ``golden_bad``.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as members:
            if sum(each.file_size for each in members.infolist()) > _MAX_BYTES:
                raise ValueError("too large")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            variants = sorted({key.split(".")[0] for key in arrays.files if "." in key})
            expected = {
                v: Outputs(*(arrays[f"{v}.{k}"].astype(np.float32) for k in OUTPUTS))
                for v in variants
            }
            return Golden(str(arrays["pixels"]), expected)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise PublisherError("golden_bad", f"golden samples: {error}") from error


def check_golden(
    run: Run, variant: str, manifest: Manifest, golden: Golden
) -> tuple[Outputs, float]:
    """Give the samples to one variant: what it says, and how far that is from what is expected.

    Raises:
        PublisherError: ``golden_bad`` (made for other pictures, or not for this variant),
            ``golden_differs`` (beyond the tolerance).
    """
    images = samples(manifest.px)
    if golden.pixels != _sha256(images):
        raise PublisherError("golden_bad", "the golden samples were made for other pictures")
    if variant not in golden.expected:
        raise PublisherError("golden_bad", f"no golden samples for {variant}")
    said = run(images)
    far = farthest(said, golden.expected[variant])
    if not far <= TOLERANCE[variant]:
        raise PublisherError(
            "golden_differs",
            f"{variant} answers the golden samples {far:.3g} off, allowed is {TOLERANCE[variant]}",
        )
    return said, far


def write_golden(folder: Path) -> ModelFile:
    """Ask the graphs of ``folder``, write ``golden.npz`` and its entry in the manifest."""
    manifest = read_manifest(folder)
    images = samples(manifest.px)
    expected = {}
    for variant in sorted({"fp32", "int8"} & set(manifest.files)):
        data = checked_bytes(folder, manifest.files[variant])
        expected[variant] = OnnxModel(data, manifest.px, len(manifest.labels)).run(images)
    packed = pack_golden(images, expected)
    part = ModelFile(FILE, hashlib.sha256(packed).hexdigest(), len(packed))
    with amended(folder) as raw:
        raw["files"]["golden"] = {"file": part.file, "sha256": part.sha256, "bytes": part.bytes}
        write_atomic(folder / FILE, packed)
    return part


def main() -> None:
    """Command line: ``python -m models.golden FOLDER``."""
    parser = argparse.ArgumentParser(description=write_golden.__doc__)
    parser.add_argument("folder", type=Path)
    part = write_golden(parser.parse_args().folder)
    print(f"{part.file}: {part.bytes} bytes, sha256 {part.sha256}")


if __name__ == "__main__":
    main()
