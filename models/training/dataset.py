"""Read the public photo set, check its splits, and give pixels to training.

The set is a folder as :mod:`models.labelled` describes.  Nothing of it is ever committed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from field_data.errors import PublisherError
from models import labelled
from models.labelled import NEGATIVE, Row, crop_codes, frame_number, of_split

Image = NDArray[np.uint8]
# Passed on, so that training asks one module for its data.
__all__ = ["NEGATIVE", "Row", "of_split"]
SPLITS = ("train", "val", "test-public")
# A leaf cut from a larger photo: its least side, and how many of one photo.
_LEAST_BOX_PX, _BOXES_A_PHOTO = 64, 2


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


def hold_back(rows: Sequence[Row], share: float) -> tuple[list[Row], list[Row]]:
    """(kept, held): of every class, source and setting the first ``share`` of the camera's numbers.

    Photos of one leaf, one plant, one afternoon follow each other on a camera: a random part of
    them is easier than the next field.  What is held back is a run of photos, so it is as far from
    the rest as a set allows.  Negatives stay.
    """
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[(*row.label, row.source, row.setting, row.series)].append(row)
    held: set[str] = set()
    for members in groups.values():
        if members[0].crop != NEGATIVE:
            ordered = sorted(members, key=lambda r: (frame_number(r.source_file), r.file))
            held |= {r.file for r in ordered[: round(share * len(ordered))]}
    return [r for r in rows if r.file not in held], [r for r in rows if r.file in held]


def leave_out(
    folder: Path, series: Sequence[str], share: float
) -> tuple[list[Row], list[Row], dict[str, list[Row]]]:
    """(train, val, what is left out by name), none of it from ``test-public``.

    Left out are whole ``series``, the first ``share`` of every ``run`` of photos, and every leaf
    cut from the boxes of another ``source``.
    """
    rows = read_rows(folder)
    here = {name: [r for r in rows if r.split == name] for name in ("train", "val")}
    boxed = [r for name in here for r in box_rows(folder, rows, name)]
    away = [r for own in here.values() for r in own if r.series in series]
    kept, held = hold_back([r for r in here["train"] if r.series not in series], share)
    val = [r for r in here["val"] if r.series not in series]
    return kept, val, {"run": held, "series": away, "source": boxed}


def data_hash(folder: Path, rows: Sequence[Row]) -> str:
    """SHA-256 over file names, labels, splits and the bytes of every photo, in file order."""
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda r: (r.file, r.box or ())):
        cut = f"|{row.box}" if row.box else ""
        digest.update(f"{row.file}|{row.crop}|{row.condition}|{row.split}{cut}\n".encode())
        digest.update(hashlib.sha256((folder / row.file).read_bytes()).digest())
    return digest.hexdigest()


def load(folder: Path, row: Row) -> Image:
    """One photo, or the box of it, as uint8 [height, width, 3], RGB."""
    bgr = cv2.imread(str(folder / row.file), cv2.IMREAD_COLOR)
    if bgr is None:
        raise PublisherError("bad_dataset", f"{row.file} is not readable")
    if row.box is not None:
        left, top, width, height = row.box
        bgr = bgr[top : top + height, left : left + width]
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


def box_rows(folder: Path, rows: Sequence[Row], split: str) -> list[Row]:
    """Leaves cut from the photos with boxes: known classes, sources that ``rows`` do not have.

    At most two a photo, the largest; boxes are widened by a tenth and must be 64 px or more.
    """
    path = folder / "detection" / f"{split}.json"
    if not path.is_file():
        return []
    coco = json.loads(path.read_text(encoding="utf-8"))
    names = {c["id"]: c["name"].split("|") for c in coco["categories"]}
    photos = {p["id"]: p for p in coco["images"]}
    labels, sources = set(labels_of(rows)), {r.source for r in rows}
    codes, licences = crop_codes(folder), {each["id"]: each["name"] for each in coco["licenses"]}
    found: list[Row] = []
    taken: Counter[int] = Counter()
    for each in sorted(coco["annotations"], key=lambda a: -a["area"]):
        crop, condition = (names[each["category_id"]] + [""])[:2]
        photo, side = photos[each["image_id"]], min(each["bbox"][2:])
        label = (codes.get(crop, crop), condition)
        if label not in labels or photo["source"] in sources:
            continue
        if side < _LEAST_BOX_PX or taken[photo["id"]] >= _BOXES_A_PHOTO:
            continue
        taken[photo["id"]] += 1
        found.append(
            Row(
                file=f"detection/{photo['file_name']}", crop=label[0], condition=condition,
                source=photo["source"], licence=licences.get(photo.get("license"), ""),
                setting="field", split=split, source_file=photo["source_file"],
                box=_widened(each["bbox"], photo["width"], photo["height"]),
            )
        )  # fmt: skip
    return found


def _widened(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    left, top, w, h = box
    x0, y0 = max(0, round(left - w / 10)), max(0, round(top - h / 10))
    x1, y1 = min(width, round(left + 1.1 * w)), min(height, round(top + 1.1 * h))
    return x0, y0, x1 - x0, y1 - y0


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
