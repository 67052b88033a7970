"""Read the public photo set, check its splits, and give pixels to training.

The set is a folder with ``classification.csv`` (file, crop, condition, source, licence, setting,
split, …) and ``vocabulary.csv`` (crop, crop_eppo, condition, …).  Nothing of it is ever committed.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from field_data.errors import PublisherError

Image = NDArray[np.uint8]
NEGATIVE = "negative"
SPLITS = ("train", "val", "test-public")


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled photo; ``crop`` is an EPPO code, or ``negative`` for what is no crop leaf."""

    file: str
    crop: str
    condition: str
    source: str
    licence: str
    setting: str
    split: str
    series: str

    @property
    def label(self) -> tuple[str, str]:
        """(crop, condition)."""
        return self.crop, self.condition


def crop_codes(folder: Path) -> dict[str, str]:
    """Scientific crop name of the set -> EPPO code."""
    with (folder / "vocabulary.csv").open(encoding="utf-8", newline="") as lines:
        return {r["crop"]: r["crop_eppo"] for r in csv.DictReader(lines) if r["crop_eppo"]}


def read_rows(folder: Path) -> list[Row]:
    """All rows of ``classification.csv``.

    Raises:
        PublisherError: ``bad_dataset`` when the CSV is absent or names an unknown crop or split.
    """
    path = folder / "classification.csv"
    if not path.is_file():
        raise PublisherError("bad_dataset", f"{path} is not there")
    codes = crop_codes(folder) | {NEGATIVE: NEGATIVE}
    with path.open(encoding="utf-8", newline="") as lines:
        raw = list(csv.DictReader(lines))
    bad = sorted({r["crop"] for r in raw} - codes.keys()) + sorted(
        {r["split"] for r in raw} - set(SPLITS)
    )
    if bad:
        raise PublisherError("bad_dataset", f"unknown crop or split in {path}: {bad}")
    return [
        Row(
            file=r["file"],
            crop=codes[r["crop"]],
            condition=r["condition"],
            source=r["source"],
            licence=r["licence"],
            setting=r["setting"],
            split=r["split"],
            series=r.get("note", ""),
        )
        for r in raw
    ]


def of_split(rows: Iterable[Row], split: str) -> list[Row]:
    """The rows of one split."""
    return [r for r in rows if r.split == split]


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
