"""How many bytes a record takes, and a photo: ours beside what one would send instead.

``python -m tests.bench.bench_wire [--json] [--photos FOLDER]``.  The records (27 fields, one photo
each) share nothing with those that the dictionary was trained on: see `tests.scouting_rounds`.  The
JSON dictionary is trained on JSON of the records that ours was trained on, to the same size.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zstandard
from numpy.typing import NDArray

from field_data.forms.library import shipped_forms
from models.preprocess import kept_jpeg
from models.renditions import QUALITY, thumb, view
from sync.dictionaries import dictionary
from sync.keys import SecretKey
from sync.segments import open_segment, seal
from sync.train_dictionary import SEED
from sync.training.samples import sample_batches
from sync.types import RecordBatch
from sync.wire import decode, encode
from tests.conftest import PHOTO_SET
from tests.scouting_rounds import as_event, scouting_batch
from tests.similarity import ssim

Image = NDArray[np.uint8]
SIZES = {1: 125, 10: 100, 100: 85, 1000: 60}
_KEY = SecretKey(b"k" * 32)
_TURNS = 5
_PHOTOS = 16


def record_row(n: int) -> dict[str, float]:
    """Bytes per record of a batch of ``n``; ``segment`` has node, signature and all."""
    batch, known = scouting_batch(n), dictionary(1)
    lines = json_lines(batch)
    trained = zstandard.ZstdCompressor(dict_data=json_dictionary(), level=19)
    return {
        "records": n,
        "json": len(lines) / n,
        "json_gzip": len(gzip.compress(lines, 9)) / n,
        "json_zstd": len(trained.compress(lines)) / n,
        "columns": len(encode(batch, dictionary(0))) / n,
        "with_dictionary": len(encode(batch, known)) / n,
        "segment": len(seal(batch, _KEY, known)) / n,
        "goal": SIZES[n],
    }


def json_lines(batch: RecordBatch) -> bytes:
    """The events as JSON without spaces, one a line."""
    node = batch.stream.node
    return b"\n".join(_json(as_event(record, node)) for record in batch.records)


@cache
def json_dictionary() -> zstandard.ZstdCompressionDict:
    """What a zstd dictionary of the same size does for JSON."""
    batches = sample_batches(shipped_forms().current(), dictionary(1).codes.names, SEED)
    samples: list[bytes | bytearray | memoryview] = [
        json_lines(batch) for batch in itertools.islice(batches, 1500)
    ]
    return zstandard.train_dictionary(4096, samples, k=64, d=6, level=19)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def times() -> dict[str, float]:
    """Milliseconds for 1000 records, the median of several turns, beside JSON and gzip."""
    batch, known = scouting_batch(1000), dictionary(1)
    segment, payload = seal(batch, _KEY, known), encode(batch, known)
    packed = gzip.compress(json_lines(batch), 6)
    return {
        "seal_ms": median_ms(lambda: seal(batch, _KEY, known)),
        "open_ms": median_ms(lambda: open_segment(segment, lambda _: _KEY.public)),
        "decode_ms": median_ms(lambda: decode(payload, batch.stream.node, known)),
        "json_gzip_ms": median_ms(lambda: gzip.compress(json_lines(batch), 6)),
        "json_gunzip_ms": median_ms(
            lambda: [json.loads(line) for line in gzip.decompress(packed).splitlines()]
        ),
    }


def median_ms(action: Callable[[], object]) -> float:
    """Of several turns, by the processor's time: other programs do not count."""
    turns = []
    for _ in range(_TURNS):
        began = time.process_time()
        action()
        turns.append(1000 * (time.process_time() - began))
    return statistics.median(turns)


def photos(folder: Path) -> dict[str, float]:
    """Real photos: bytes of renditions, and of the JPEG that looks equally good.

    The public photos have at most 512 px and are JPEGs; they are made smaller by a quarter first,
    so that traces of their own compression are gone, and sizes are given for 1024 x 768 px at the
    same bytes a pixel.
    """
    sources = [_read(path) for path in sorted(folder.iterdir())[:: 1500 // _PHOTOS]]
    images = [_smaller(image) for image in sources if max(image.shape) >= 400]
    scale = 1024 * 768 / sum(image.shape[0] * image.shape[1] for image in images)
    views = [view(_png(image)) for image in images]
    like = [ssim(image, _pixels(avif)) for image, avif in zip(images, views, strict=True)]
    target = statistics.mean(like)
    jpeg_bytes, quality = _equal_jpegs(images, target)
    avif_bytes = sum(map(len, views))
    thumbs = [len(thumb(kept_jpeg(image))) for image in images]
    return {
        "photos": len(images),
        "avif_quality": QUALITY,
        "ssim": target,
        "avif_kb_at_1024": scale * avif_bytes / 1000,
        "equal_jpeg_kb_at_1024": scale * jpeg_bytes / 1000,
        "equal_jpeg_quality": quality,
        "avif_of_jpeg": avif_bytes / jpeg_bytes,
        "avif_kb_where_jpeg_is_51": 51 * avif_bytes / jpeg_bytes,
        "thumb_kb": statistics.mean(thumbs) / 1000,
    }


def _equal_jpegs(images: Sequence[Image], target: float) -> tuple[float, float]:
    """Bytes and quality of JPEGs with that mean SSIM, between two qualities."""
    before = (0.0, 0.0, 0.0)
    for quality in range(20, 96, 5):
        jpegs = [_jpeg(image, quality) for image in images]
        alike = [ssim(image, _pixels(jpeg)) for image, jpeg in zip(images, jpegs, strict=True)]
        now = (statistics.mean(alike), float(sum(map(len, jpegs))), float(quality))
        if now[0] >= target:
            share = (target - before[0]) / (now[0] - before[0])
            return before[1] + share * (now[1] - before[1]), before[2] + share * 5
        before = now
    raise ValueError("no JPEG is as good")


def _smaller(image: Image) -> Image:
    small = cv2.resize(image, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False)


def _read(path: Path) -> Image:
    return _pixels(path.read_bytes())


def _pixels(data: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("not a picture")
    return image.astype(np.uint8, copy=False)


def _jpeg(image: Image, quality: int) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _png(image: Image) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def main(arguments: Sequence[str]) -> int:
    """Print the figures; 1 when a batch takes more bytes than it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--photos", type=Path, default=PHOTO_SET / "detection" / "images")
    chosen = parser.parse_args(arguments)
    rows = [record_row(n) for n in SIZES]
    found: dict[str, Any] = {"bytes_per_record": rows, "times": times()}
    if chosen.photos.is_dir():
        found["photos"] = photos(chosen.photos)
    print(json.dumps(found, indent=1) if chosen.as_json else _text(found))
    # One record shares its envelope with nobody: there the payload alone counts.
    sizes = [row["with_dictionary"] if row["records"] == 1 else row["segment"] for row in rows]
    return int(any(size > goal for size, goal in zip(sizes, SIZES.values(), strict=True)))


def _text(found: dict[str, Any]) -> str:
    rows = found["bytes_per_record"]
    lines = ["bytes per record", "  ".join(f"{name:>15}" for name in rows[0])]
    lines += ["  ".join(f"{value:15.1f}" for value in row.values()) for row in rows]
    for part in ("times", "photos"):
        lines += ["", part]
        lines += [f"{name:>26} {value:8.3f}" for name, value in found.get(part, {}).items()]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
