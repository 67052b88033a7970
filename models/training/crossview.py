"""Leaves cut from the boxes of the detection set, as a labelled photo set of its own.

``python -m models.training.crossview --data DIR --out FOLDER`` writes ``classification.csv``,
``vocabulary.csv`` and the crops into FOLDER (outside the repository), so that

    ghalla model eval leaf_health --data FOLDER --split other-source

measures the model on sources that the classification photos do not come from.  Splits:
``other-source`` (crops) and ``other-source-whole`` (the whole photos they come from, where all
boxes agree), and ``same-source`` for boxes of a source that the classification photos do come
from.  Only the detection set's train and val files are read, never test-public.

A model that was trained on these crops cannot be measured on them.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from field_data.errors import PersonError
from field_data.files import make_folder, write_atomic
from models.labelled import REQUIRED, read_rows
from models.training.dataset import Image

FILES = ("train", "val")
# Category of a box -> condition; insects and fruit are no leaves.
CONDITIONS = {
    "Phaseolus vulgaris|PHAIGR": "PHAIGR",
    "Phaseolus vulgaris|UROMAP": "UROMAP",
    "Solanum lycopersicum|GNORAB-LEAF": "GNORAB",
    "Solanum lycopersicum|healthy": "healthy",
    "Fragaria x ananassa|XANTFR": "XANTFR",
    "Fragaria x ananassa|MYCOFR": "MYCOFR",
    "Fragaria x ananassa|PODOAP-LEAF": "PODOAP",
}
LEAST_PX = 48
MOST_A_PHOTO = 4
# A farmer's photo shows some surroundings: a tenth of the box's longer side all round.
PADDING = 0.1
# Two boxes that overlap this much show the same leaf.
SAME_LEAF = 0.5
HEAD = (*REQUIRED, "licence", "source_file", "note")

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One box: its photo's file, name at the source, source and licence; crop and condition; box
    as x, y, width, height in pixels; ``number`` among the boxes of its photo."""

    file: str
    source_file: str
    source: str
    licence: str
    crop: str
    condition: str
    box: Box
    number: int


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(0.0, width) * max(0.0, height)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def chosen(boxes: Sequence[tuple[str, Box]]) -> list[int]:
    """Which boxes, (category, box), of one photo to cut: leaves, large enough, the largest few.

    Of boxes on one leaf only the largest counts, and none where they disagree about it.
    """
    leaves = [i for i, (name, box) in enumerate(boxes)
              if name in CONDITIONS and min(box[2:]) >= LEAST_PX]  # fmt: skip
    leaves.sort(key=lambda i: -boxes[i][1][2] * boxes[i][1][3])
    kept: list[int] = []
    doubtful: set[int] = set()
    for i in leaves:
        same = [j for j in kept if overlap(boxes[i][1], boxes[j][1]) > SAME_LEAF]
        doubtful |= {j for j in same if boxes[j][0] != boxes[i][0]}
        if not same:
            kept.append(i)
    return [i for i in kept if i not in doubtful][:MOST_A_PHOTO]


def leaves_of(coco: Mapping[str, Any]) -> list[Leaf]:
    """The leaves worth cutting from a COCO file's content, photo by photo."""
    names = {each["id"]: str(each["name"]) for each in coco["categories"]}
    licences = {each["id"]: str(each["name"]) for each in coco["licenses"]}
    boxes: dict[int, list[tuple[str, Box]]] = defaultdict(list)
    for each in coco["annotations"]:
        x, y, width, height = map(float, each["bbox"])
        boxes[each["image_id"]].append((names[each["category_id"]], (x, y, width, height)))
    found = []
    for image in coco["images"]:
        own = boxes[image["id"]]
        for number in chosen(own):
            name, box = own[number]
            crop, condition = name.split("|")[0], CONDITIONS[name]
            licence = licences.get(image["license"], "")
            found.append(Leaf(image["file_name"], image["source_file"], image["source"],
                              licence, crop, condition, box, number))  # fmt: skip
    return found


def cut(image: Image, box: Box) -> Image:
    """The box with its surroundings from an image [height, width, 3]; never beyond the photo."""
    pad = PADDING * max(box[2:])
    left, top = max(0, round(box[0] - pad)), max(0, round(box[1] - pad))
    right, bottom = round(box[0] + box[2] + pad), round(box[1] + box[3] + pad)
    return image[top:bottom, left:right]


def _row(leaf: Leaf, file: str, split: str) -> dict[str, str]:
    whole = split.endswith("-whole")
    source_file = leaf.source_file if whole else f"{leaf.source_file}#box{leaf.number}"
    return {
        "file": file,
        "crop": leaf.crop,
        "condition": leaf.condition,
        "source": leaf.source,
        "setting": "field",
        "split": split,
        "licence": leaf.licence,
        "source_file": source_file,
        "note": "",
    }


def _write_rows(path: Path, head: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, head)
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())


def _photos(folder: Path, leaves: Sequence[Leaf], seen: frozenset[str], out: Path,
            name: str) -> Iterable[dict[str, str]]:  # fmt: skip
    """Write the crops of one photo, and the photo itself where its leaves agree; their rows."""
    data = (folder / leaves[0].file).read_bytes()
    image = cv2.imread(str(folder / leaves[0].file), cv2.IMREAD_COLOR)
    if image is None:
        raise PersonError("bad_dataset", f"{leaves[0].file} is not readable")
    for leaf in leaves:
        part = cut(image.astype("uint8", copy=False), leaf.box)
        file = f"images/{name}-{leaf.number}.jpg"
        jpeg = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
        write_atomic(out / file, jpeg.tobytes())
        yield _row(leaf, file, "same-source" if leaf.source in seen else "other-source")
    if len({leaf.condition for leaf in leaves}) == 1 and leaves[0].source not in seen:
        file = f"images/{name}{Path(leaves[0].file).suffix}"
        write_atomic(out / file, data)
        yield _row(leaves[0], file, "other-source-whole")


def write_set(folder: Path, out: Path) -> Counter[tuple[str, str, str]]:
    """Write the set; (split, crop, condition) -> photos.

    Raises:
        PersonError: ``bad_dataset`` when a detection file is not there or not COCO.
    """
    seen = frozenset(row.source for row in read_rows(folder))
    make_folder(out / "images")
    rows: list[dict[str, str]] = []
    for split in FILES:
        path = folder / "detection" / f"{split}.json"
        try:
            leaves = leaves_of(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PersonError("bad_dataset", f"{path}: {error}") from error
        by_photo: dict[str, list[Leaf]] = defaultdict(list)
        for leaf in leaves:
            by_photo[leaf.file].append(leaf)
        for file, own in by_photo.items():
            rows += _photos(path.parent, own, seen, out, Path(file).stem)
    _write_rows(out / "classification.csv", HEAD, rows)
    shutil.copyfile(folder / "vocabulary.csv", out / "vocabulary.csv")
    return Counter((row["split"], row["crop"], row["condition"]) for row in rows)


def main() -> None:
    """Command line: write the set and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a folder outside the repository")
    given = parser.parse_args()
    for (split, crop, condition), photos in sorted(write_set(given.data, given.out).items()):
        print(f"{split:20} {crop:22} {condition:10} {photos}")


if __name__ == "__main__":
    main()
