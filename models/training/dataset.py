"""Read the public photo set, check its splits, and give pixels to training.

The set is a folder as :mod:`models.labelled` describes.  Nothing of it is ever committed.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from field_data.errors import PublisherError
from models import labelled
from models.labelled import NEGATIVE, Row, of_split

Image = NDArray[np.uint8]
# Passed on, so that training asks one module for its data.
__all__ = ["NEGATIVE", "Row", "of_split"]
SPLITS = ("train", "val", "test-public")


def read_rows(folder: Path) -> list[Row]:
    """All rows of ``classification.csv``.

    Raises:
        PersonError: ``bad_dataset``, as :func:`models.labelled.read_rows`.
        PublisherError: ``bad_dataset`` when it names an unknown split.
    """
    rows = labelled.read_rows(folder)
    bad = sorted({row.split for row in rows} - set(SPLITS))
    if bad:
        raise PublisherError("bad_dataset", f"unknown split in {folder}: {bad}")
    return rows


def data_hash(folder: Path, rows: Sequence[Row]) -> str:
    """SHA-256 over file names, labels, splits and the bytes of every photo, in file order."""
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda r: r.file):
        digest.update(f"{row.file}|{row.crop}|{row.condition}|{row.split}\n".encode())
        digest.update(hashlib.sha256((folder / row.file).read_bytes()).digest())
    return digest.hexdigest()


def load(folder: Path, row: Row) -> Image:
    """One photo as uint8 [height, width, 3], RGB."""
    bgr = cv2.imread(str(folder / row.file), cv2.IMREAD_COLOR)
    if bgr is None:
        raise PublisherError("bad_dataset", f"{row.file} is not readable")
    return np.ascontiguousarray(bgr[..., ::-1]).astype(np.uint8, copy=False)


def difference_hash(image: Image) -> int:
    """64-bit difference hash: sign of the horizontal gradient of an 8 x 9 grey thumbnail."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = (small[:, 1:] > small[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def near_duplicates(
    hashes: Sequence[int], rows: Sequence[Row], max_distance: int = 2
) -> list[tuple[str, str]]:
    """Pairs of files in different splits whose hashes differ in at most ``max_distance`` bits.

    Pairs with another label are left out: on plain backgrounds different leaves collide.
    """
    by_label: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        by_label[row.label].append(index)
    pairs = []
    for indices in by_label.values():
        values = np.array([hashes[i] for i in indices], dtype=np.uint64)
        for position, index in enumerate(indices):
            distance = np.bitwise_count(values[position + 1 :] ^ values[position])
            for other in np.flatnonzero(distance <= max_distance):
                twin = indices[position + 1 + int(other)]
                if rows[index].split != rows[twin].split:
                    pairs.append((rows[index].file, rows[twin].file))
    return pairs


def check_splits(rows: Sequence[Row]) -> None:
    """No file name in two splits.

    Raises:
        PublisherError: ``bad_dataset`` naming the first files that are.
    """
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.file].add(row.split)
    twice = [name for name, found in splits.items() if len(found) > 1]
    if twice:
        raise PublisherError("bad_dataset", f"in two splits: {twice[:5]}")


def labels_of(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Sorted (crop, condition) pairs of the rows, negatives left out: the order of the logits."""
    return sorted({r.label for r in rows if r.crop != NEGATIVE})


def provenance(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Photos per source, licence and setting, for manifest and card."""
    counts = Counter((r.source, r.licence, r.setting, r.split) for r in rows)
    return [
        {"source": s, "licence": lic, "setting": setting, "split": split, "photos": n}
        for (s, lic, setting, split), n in sorted(counts.items())
    ]


def class_counts(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Photos per class, setting and split, negatives left out."""
    counts = Counter((*r.label, r.setting, r.split) for r in rows if r.crop != NEGATIVE)
    return [
        {"crop": crop, "condition": condition, "setting": setting, "split": split, "photos": n}
        for (crop, condition, setting, split), n in sorted(counts.items())
    ]
