"""What a node was taught, as a labelled photo set that training can read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edge_app.advice import Advice
from field_data.errors import PersonError
from field_data.files import make_folder, write_atomic
from field_data.local_sets import LocalSet
from field_data.photos import PhotoStore

COLUMNS = (
    "file",
    "crop",
    "condition",
    "source",
    "licence",
    "setting",
    "split",
    "condition_name",
    "organ",
    "source_file",
    "note",
)
_VOCABULARY = ("crop", "crop_eppo", "condition", "meaning")


def export(
    out: Path, sets: Sequence[LocalSet], photos: PhotoStore, advice: Advice, source: str
) -> int:
    """Write ``images/``, ``vocabulary.csv`` and, last, ``classification.csv``; how many photos.

    ``source`` names the node.  Who may publish the photos is for people to say: the licence is
    "not stated", the split ``train``.

    Raises:
        PersonError: ``folder_in_use``: there is something else in ``out`` already.
        KeeperError: ``disk_full``.
    """
    begin_set(out)
    rows = [row for each in sets for row in _rows(out, each, photos, advice, source)]
    finish_set(out, rows, _vocabulary(sets, advice))
    return len(rows)


def begin_set(out: Path) -> None:
    """Make the folders of a labelled set.

    Raises:
        PersonError: ``folder_in_use``: there is something else in ``out`` already.
        KeeperError: ``disk_full``.
    """
    if out.is_dir() and any(out.iterdir()):
        raise PersonError("folder_in_use", f"{out} is not empty")
    make_folder(out)
    make_folder(out / "images")


def finish_set(
    out: Path, rows: Iterable[Mapping[str, str]], vocabulary: Iterable[Mapping[str, str]]
) -> None:
    """Write the tables of a labelled set: without the last one, of `COLUMNS`, it is none."""
    write_atomic(out / "vocabulary.csv", _table(_VOCABULARY, vocabulary))
    write_atomic(out / "classification.csv", _table(COLUMNS, rows))


def _rows(
    out: Path, each: LocalSet, photos: PhotoStore, advice: Advice, source: str
) -> Iterable[dict[str, str]]:
    for sha256 in each.photos:
        jpeg = photos.get(sha256)
        if jpeg is None:
            continue
        file = f"images/{sha256[:16]}.jpg"
        write_atomic(out / file, jpeg)
        yield {
            "file": file,
            "crop": scientific(advice, each.crop),
            "condition": each.condition,
            "source": source,
            "licence": "not stated",
            "setting": "field",
            "split": "train",
            "condition_name": _named(advice, each),
            "organ": "",
            "source_file": f"{sha256}.jpg",
            "note": f"local, version {each.version}",
        }


def _vocabulary(sets: Iterable[LocalSet], advice: Advice) -> Iterable[dict[str, str]]:
    for each in sets:
        yield {
            "crop": scientific(advice, each.crop),
            "crop_eppo": each.crop,
            "condition": each.condition,
            "meaning": _named(advice, each),
        }


def scientific(advice: Advice, code: str) -> str:
    """The name of a crop that labelled sets use; the bare code where there is none."""
    crop = advice.crop(code)
    return crop.sci[0] if crop else code


def _named(advice: Advice, each: LocalSet) -> str:
    return each.name or advice.condition_name(each.crop, each.condition, "en").text


def _table(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
