"""Read the trap photos of the public set, check their splits, and pick what is no trap.

``detection/<split>.json`` is COCO; only three of its categories lie on traps.  Everything else of
the set (crops, weeds, ground, screens) serves as "no trap here".
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from field_data.errors import PublisherError
from models.counting import TRAPS
from models.training import dataset

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
# COCO category -> label of the detector, in the order of its heatmaps.
CATEGORIES = {
    "Solanum lycopersicum|GNORAB-ADULT": "GNORAB-ADULT",
    "Solanum lycopersicum|MOTH-UNSPEC": "MOTH-UNSPEC",
    "unspecified|INSECT": "INSECT",
}
LABELS = tuple(CATEGORIES.values())
# The kind of trap each label lies on, in the order of the scene head; the last is "no trap".
TRAP_OF = {"GNORAB-ADULT": "tuta", "MOTH-UNSPEC": "tuta", "INSECT": "yellow"}
SCENES = (*TRAPS, "none")
# The usual size at which training shows photos, long side in px and most times enlarged: insects
# are then some 28 px long.  Sticky cards come as cuts of larger photos, shown as they are.
LONG_PX, ENLARGE = {"tuta": 448, "yellow": 2048}, {"tuta": 4.0, "yellow": 1.0}


@dataclass(frozen=True, slots=True, eq=False)
class TrapPhoto:
    """One photo; ``boxes`` float32 [n, 4] x, y, w, h in px, ``labels`` int [n] into LABELS."""

    file: str
    trap: str
    split: str
    source: str
    licence: str
    origin: str
    boxes: Floats
    labels: NDArray[np.int64]


def _coco(folder: Path, split: str) -> dict[str, Any]:
    path = folder / "detection" / f"{split}.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PublisherError("bad_dataset", f"{path}: {error}") from error
    if not isinstance(raw, dict) or not {"images", "annotations", "categories"} <= set(raw):
        raise PublisherError("bad_dataset", f"{path} is no COCO file")
    return raw


def read_photos(folder: Path, split: str) -> list[TrapPhoto]:
    """All photos of one split; ``trap`` is ``none`` where nothing lies on a trap.

    ``origin`` is the photograph a tile was cut from.

    Raises:
        PublisherError: ``bad_dataset`` when the file is absent or no COCO.
    """
    raw = _coco(folder, split)
    names = {c["id"]: CATEGORIES.get(c["name"]) for c in raw["categories"]}
    licences = {each["id"]: each["name"] for each in raw.get("licenses", [])}
    found: dict[int, list[tuple[str, list[float]]]] = defaultdict(list)
    for each in raw["annotations"]:
        label = names[each["category_id"]]
        if label is not None:
            found[each["image_id"]].append((label, each["bbox"]))
    photos = []
    for image in raw["images"]:
        own = found[image["id"]]
        traps = {TRAP_OF[label] for label, _ in own}
        if len(traps) > 1:
            raise PublisherError("bad_dataset", f"{image['file_name']} shows two kinds of trap")
        photos.append(
            TrapPhoto(
                file=f"detection/{image['file_name']}",
                trap=next(iter(traps), "none"),
                split=split,
                source=image["source"],
                licence=licences.get(image["license"], "none stated"),
                origin=f"{image['source']}/{str(image['source_file']).split('@')[0]}",
                boxes=np.array([box for _, box in own], np.float32).reshape(-1, 4),
                labels=np.array([LABELS.index(label) for label, _ in own], np.int64),
            )
        )
    return photos


def on_traps(photos: Iterable[TrapPhoto]) -> list[TrapPhoto]:
    """Those that show a trap."""
    return [p for p in photos if p.trap != "none"]


def read_strangers(folder: Path, split: str, leaves: int = 120) -> list[str]:
    """Files of one split that show no trap: all negatives and every n-th crop photo.

    About ``leaves`` of the detection set and as many of the classification set.
    """
    rows = dataset.of_split(dataset.read_rows(folder), split)
    crops = sorted(r.file for r in rows if r.crop != dataset.NEGATIVE)
    boxed = sorted(p.file for p in read_photos(folder, split) if p.trap == "none")
    picked = [r.file for r in rows if r.crop == dataset.NEGATIVE]
    for files in (crops, boxed):
        picked += files[:: max(1, len(files) // leaves)]
    return picked


def load(folder: Path, file: str) -> Image:
    """One photo as uint8 [height, width, 3], RGB."""
    bgr = cv2.imread(str(folder / file), cv2.IMREAD_COLOR)
    if bgr is None:
        raise PublisherError("bad_dataset", f"{file} is not readable")
    return np.ascontiguousarray(bgr[..., ::-1]).astype(np.uint8, copy=False)


def check_splits(photos: Sequence[TrapPhoto]) -> None:
    """No photograph, and no tile of it, in two splits.

    Raises:
        PublisherError: ``bad_dataset`` naming the first that are.
    """
    splits: dict[str, set[str]] = defaultdict(set)
    for photo in photos:
        splits[photo.origin].add(photo.split)
    twice = sorted(name for name, found in splits.items() if len(found) > 1)
    if twice:
        raise PublisherError("bad_dataset", f"in two splits: {twice[:5]}")


def near_duplicates(
    folder: Path, photos: Sequence[TrapPhoto], max_distance: int = 2
) -> list[tuple[str, str]]:
    """Pairs in different splits whose difference hashes differ in at most ``max_distance`` bits."""
    hashes = np.array(
        [dataset.difference_hash(load(folder, p.file)) for p in photos], dtype=np.uint64
    )
    pairs = []
    for i, photo in enumerate(photos):
        distance = np.bitwise_count(hashes[i + 1 :] ^ hashes[i])
        for other in np.flatnonzero(distance <= max_distance):
            twin = photos[i + 1 + int(other)]
            if twin.split != photo.split:
                pairs.append((photo.file, twin.file))
    return pairs


def data_hash(folder: Path, photos: Sequence[TrapPhoto]) -> str:
    """SHA-256 over names, splits, boxes and the bytes of every photo, in file order."""
    digest = hashlib.sha256()
    for photo in sorted(photos, key=lambda p: p.file):
        digest.update(f"{photo.file}|{photo.trap}|{photo.split}\n".encode())
        digest.update(photo.boxes.tobytes() + photo.labels.tobytes())
        digest.update(hashlib.sha256((folder / photo.file).read_bytes()).digest())
    return digest.hexdigest()


def provenance(photos: Iterable[TrapPhoto]) -> list[dict[str, object]]:
    """Photos and insects per source, licence, label and split, for manifest and card."""
    insects: Counter[tuple[str, ...]] = Counter()
    shown: Counter[tuple[str, ...]] = Counter()
    for photo in photos:
        for index, label in enumerate(LABELS):
            count = int((photo.labels == index).sum())
            if count:
                key = (photo.source, photo.licence, label, photo.split)
                insects[key] += count
                shown[key] += 1
    return [
        {"source": s, "licence": lic, "label": label, "split": split,
         "photos": shown[s, lic, label, split], "insects": n}
        for (s, lic, label, split), n in sorted(insects.items())
    ]  # fmt: skip
