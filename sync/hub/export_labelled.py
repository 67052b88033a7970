"""Labelled photos of the hub, as the set that ``ghalla model eval`` and training read, and as COCO.

A photo is labelled by the record it hangs on (crop and condition of a scouting visit), or by what
the reviews of its plant came to.  A photo that is called two things is left out.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from field_data.errors import PersonError
from field_data.events import Kind
from field_data.files import make_folder, write_atomic
from field_data.reviews import Label, Review, State, Verdict, outcome
from field_data.types import Instant, Trust
from models.labelled import OPTIONAL, REQUIRED
from sync.hub.database import Database
from sync.hub.export_query import What, Wish
from sync.hub.export_streams import Pipe
from sync.hub.export_tables import about, body_of, rows
from sync.hub.people_grants import Grant

SPLIT = "reviewed"
# The bytes of a rendition by its node and SHA-256; None where they are not here.
Pictures = Callable[[str, str], bytes | None]
# A photo of any format here as (JPEG, width, height).
Jpeg = Callable[[bytes], tuple[bytes, int, int]]
_ENDED = frozenset({State.SINGLE, State.AGREED, State.SETTLED})
_COLUMNS = (*REQUIRED, *OPTIONAL)
_VOCABULARY = ("crop", "crop_eppo", "condition", "meaning")


@dataclass(frozen=True, slots=True)
class Shot:
    """A photo, the rendition that is here of it, and what it shows."""

    photo: str
    rendition: str
    crop: str
    condition: str
    plant: str
    state: str
    node: str
    region: str

    @property
    def file(self) -> str:
        """Where it lies in the set."""
        return f"images/{self.photo[:24]}.jpg"


def shots(database: Database, wish: Wish, grants: Sequence[Grant]) -> list[Shot]:
    """The labelled photos that these grants show, in the order of arrival, each once.

    A hub has far fewer of them than records: they are held in memory, their bytes are not.
    """
    ends = _ends(database, grants)
    found: dict[str, Shot] = {}
    doubtful: set[str] = set()
    for row in rows(database, replace(wish, what=What.PHOTOS), grants):
        shot = _shot(row, ends)
        if shot is None:
            continue
        before = found.setdefault(shot.photo, shot)
        if (before.crop, before.condition) != (shot.crop, shot.condition):
            doubtful.add(shot.photo)
    return [shot for photo, shot in found.items() if photo not in doubtful]


def _ends(database: Database, grants: Sequence[Grant]) -> dict[tuple[str, str], tuple[str, Label]]:
    """What the reviews of each plant came to: (state, label) by (node, subject)."""
    said: dict[tuple[str, str], list[Review]] = defaultdict(list)
    for row in rows(database, Wish(What.REVIEWS), grants):
        review = review_in(row)
        if review is not None:
            said[row.node, row.subject].append(review)
    ends = {plant: outcome(reviews) for plant, reviews in said.items()}
    return {
        plant: (str(end.state), end.label)
        for plant, end in ends.items()
        if end.label and end.state in _ENDED
    }


def review_in(row: Any) -> Review | None:
    """The review that a row holds; None for a body that makes no sense."""
    body = body_of(row)
    verdict = next((each for each in Verdict if each == body.get("verdict")), None)
    crop, condition, number = body.get("crop"), body.get("condition"), body.get("round")
    cannot = verdict is Verdict.CANNOT_TELL
    if verdict is None or number not in (1, 2, 3) or not (cannot or isinstance(crop, str)):
        return None
    if condition is not None and not isinstance(condition, str):
        return None
    return Review(
        id=f"{row.node}.{row.epoch}.{row.seq}",
        diagnosis=row.subject,
        author=row.author,
        at=Instant(row.at_s, Trust.UNKNOWN),
        verdict=verdict,
        label=None if cannot else (str(crop), condition),
        round=number,
        blind=body.get("blind") is True,
    )


def _shot(row: Any, ends: Mapping[tuple[str, str], tuple[str, Label]]) -> Shot | None:
    if row.rendition is None:
        return None
    if row.kind == Kind.REVIEW:
        state, label = ends.get((row.node, row.subject), ("", None))
        crop, condition = label or (None, None)
        named = f"{row.node} {row.subject}"
    else:
        values = body_of(row).get("values")
        values = values if isinstance(values, dict) else {}
        state, crop, condition = "observed", values.get("crop"), values.get("condition")
        named = f"{row.node} {row.epoch} {row.seq}"
    if not (isinstance(crop, str) and isinstance(condition, str) and crop and condition):
        return None
    # The id of a diagnosis opens its page on its node: plants are named by a hash.
    plant = hashlib.sha256(named.encode()).hexdigest()[:16]
    return Shot(row.photo, row.rendition, crop, condition, plant, state, row.node, row.region)


def files(
    database: Database, wish: Wish, grants: Sequence[Grant], pictures: Pictures, jpeg: Jpeg
) -> Iterator[tuple[str, bytes]]:
    """The files of the set by name: photos, ``annotations.json`` (COCO), ``vocabulary.csv``,
    ``about.json`` and, last, ``classification.csv``: without it, it is no set."""
    written: list[tuple[Shot, int, int]] = []
    for shot in shots(database, wish, grants):
        data = pictures(shot.node, shot.rendition)
        if data is not None:
            image, width, height = jpeg(data)
            written.append((shot, width, height))
            yield shot.file, image
    yield "annotations.json", _json(_coco(written, wish))
    meanings = sorted({(s.crop, s.crop, s.condition, "") for s, _, _ in written})
    yield "vocabulary.csv", _table(_VOCABULARY, meanings)
    yield "about.json", _json(about(wish))
    yield "classification.csv", _table(_COLUMNS, (_row(s) for s, _, _ in written))


def _row(shot: Shot) -> list[str]:
    cells = {
        "file": shot.file,
        "crop": shot.crop,
        "condition": shot.condition,
        "source": f"node {shot.node}",
        "setting": "field",
        "split": SPLIT,
        "licence": "not stated",
        "source_file": f"{shot.photo}.jpg",
        # Photos of one plant are no independent witnesses: the set says which belong together.
        "note": f"series {shot.plant}; {shot.state}",
        "region": shot.region,
    }
    return [cells.get(column, "") for column in _COLUMNS]


def _coco(written: Sequence[tuple[Shot, int, int]], wish: Wish) -> dict[str, Any]:
    """COCO: one annotation a photo, the box of the whole photo, for nobody drew a smaller one."""
    labels = sorted({(shot.crop, shot.condition) for shot, _, _ in written})
    number = {label: at for at, label in enumerate(labels, 1)}
    said = about(wish)
    return {
        "info": {"description": said["title"], "consent": said["consent"]},
        "licenses": [{"id": 1, "name": said["licence"], "url": ""}],
        "categories": [
            {"id": at, "name": f"{crop}|{condition}", "supercategory": crop}
            for (crop, condition), at in number.items()
        ],
        "images": [
            {"id": at, "file_name": s.file, "width": w, "height": h, "license": 1,
             "source": f"node {s.node}", "split": SPLIT}
            for at, (s, w, h) in enumerate(written, 1)
        ],
        "annotations": [
            {"id": at, "image_id": at, "category_id": number[s.crop, s.condition],
             "bbox": [0, 0, w, h], "area": w * h, "iscrowd": 0, "segmentation": []}
            for at, (s, w, h) in enumerate(written, 1)
        ],
    }  # fmt: skip


def _json(plain: Any) -> bytes:
    return json.dumps(plain, ensure_ascii=False, indent=1).encode()


def _table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return text.getvalue().encode()


def write_folder(out: Path, made: Iterable[tuple[str, bytes]]) -> int:
    """Write the files into an empty folder; how many photos.

    Raises:
        PersonError: ``folder_in_use``.
        KeeperError: ``disk_full``.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PersonError("folder_in_use", f"{out} is not an empty folder")
    make_folder(out)
    make_folder(out / "images")
    photos = 0
    for name, data in made:
        write_atomic(out / name, data)
        photos += name.startswith("images/")
    return photos


def zip_chunks(made: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """The same files as one zip, sent while it is written; photos are not compressed again."""
    sink = Pipe()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in made:
            how = zipfile.ZIP_STORED if name.endswith(".jpg") else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name), data, how)
            yield sink.take()
    yield sink.take()
