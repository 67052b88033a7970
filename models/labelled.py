"""Labelled photo sets: a folder with ``classification.csv`` and the photos that it names.

One row a photo, UTF-8, comma-separated, header in the first line.  Columns:

- ``file``: where the photo is, relative to the folder, never outside it;
- ``crop``: EPPO code or scientific name, or ``negative`` for what is no leaf of a crop;
- ``condition``: EPPO code, ``healthy`` or a pseudo-code (``ABIOTIC-…``, ``OOD-…``);
- ``source``, ``setting`` (lab, field, mixed, …), ``split``: free text;
- and, where known, ``licence``, ``source_file`` (the file's name at its source), ``note``
  (``series NAME`` or ``day 2026-05-01`` names a shooting session), ``phone``, ``region``, ``lang``.

Further columns are left alone.  Scientific names become EPPO codes by ``vocabulary.csv`` (columns
``crop``, ``crop_eppo``) when the folder has one, else by the names that the caller passes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from field_data.errors import PersonError

NEGATIVE = "negative"
EVERY_SPLIT = "all"
REQUIRED = ("file", "crop", "condition", "source", "setting", "split")
OPTIONAL = ("licence", "source_file", "note", "phone", "region", "lang")

_NOTED = re.compile(r"\bseries ([^;,]+)|\b(day \d{4}-\d{2}-\d{2})\b")
# What exports append: Roboflow's ".rf.<hash>", "_JPG", an extension, " copy 2", "#box3".
_EXPORT = re.compile(r"#.*$|\.rf\..*$")
_ENDING = re.compile(r"\.\w{3,4}$|_jpe?g$|_png$| copy( \d+)?$", re.IGNORECASE)
# A photographer's tag with the camera's number, "RS_Erly-B 7439"; PlantVillage puts "<uuid>___"
# before it.  A camera's own prefix ("IMG_3028") has no letters after the underscore: no series.
_TAGGED = re.compile(r"([A-Za-z][A-Za-z.-]*_[A-Za-z._-]*[A-Za-z])[ -]+(\d+)")
_STAMP = re.compile(r"(?<!\d)((?:19|20)\d{2})(\d{2})(\d{2})[-_]?(\d{6})(?!\d)")


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled photo; ``crop`` is an EPPO code, or ``negative`` for what is no crop leaf.

    ``box`` (left, top, width, height, in px) is set where the photo shows more than the one leaf.
    """

    file: str
    crop: str
    condition: str
    source: str
    setting: str
    split: str
    licence: str = ""
    source_file: str = ""
    note: str = ""
    phone: str = ""
    region: str = ""
    lang: str = ""
    box: tuple[int, int, int, int] | None = None

    @property
    def label(self) -> tuple[str, str]:
        """(crop, condition)."""
        return self.crop, self.condition

    @property
    def series(self) -> str:
        """The shooting session, as :func:`series_of`."""
        return series_of(self)

    @property
    def photo(self) -> str:
        """The original photo: crops and copies of one photo share it, and are no two witnesses."""
        return (
            f"{self.source}/{_EXPORT.sub('', self.source_file)}" if self.source_file else self.file
        )


def _bare(source_file: str) -> str:
    """The original name without what exports added, and without PlantVillage's id in front."""
    name = _EXPORT.sub("", source_file)
    shorter = _ENDING.sub("", name)
    while shorter != name:
        name, shorter = shorter, _ENDING.sub("", shorter)
    return name.rsplit("___", 1)[-1].strip()


def series_of(row: Row) -> str:
    """The series or session in which a photo was taken, as far as its row tells.

    The note's ``series …`` or ``day …``; else the photographer's tag in the original file name
    (``<uuid>___RS_Erly-B 7439.JPG`` is ``RS_Erly-B``); else the day in the name where the note
    says that the set is split by day; else the source.
    """
    noted = _NOTED.search(row.note)
    if noted:
        return (noted[1] or noted[2]).strip()
    bare = _bare(row.source_file)
    tagged = _TAGGED.match(bare)
    if tagged:
        return tagged[1]
    stamp = _STAMP.search(bare)
    if stamp and "by day" in row.note:
        return f"day {stamp[1]}-{stamp[2]}-{stamp[3]}"
    return row.source


def frame_number(source_file: str) -> int:
    """The camera's running number in an original file name, -1 where there is none.

    A date with a time counts as one number; of several numbers the longest is the camera's
    (``IMG_3028_3``: 3028, taken apart in three).  Numbers that exports added do not count.
    """
    bare = _bare(source_file)
    stamp, tagged = _STAMP.search(bare), _TAGGED.match(bare)
    if stamp:
        return int("".join(stamp.groups()))
    if tagged:
        return int(tagged[2])
    return int(max(re.findall(r"\d+", bare), key=len, default="-1"))


def _refused(path: Path, why: str) -> PersonError:
    return PersonError("bad_dataset", f"{path}: {why}", file=path.name)


def _table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a CSV that has at least these columns, every cell stripped."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            missing = sorted(set(columns) - set(reader.fieldnames or ()))
            if missing:
                raise _refused(path, f"column missing: {', '.join(missing)}")
            rows = []
            for row in reader:
                # DictReader puts surplus cells under None and fills absent ones with None.
                if None in row or None in row.values():
                    raise _refused(path, f"line {reader.line_num}: not as many cells as columns")
                rows.append({key: cell.strip() for key, cell in row.items()})
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise _refused(path, f"is no CSV in UTF-8: {error}") from error
    return rows


def crop_codes(folder: Path) -> dict[str, str]:
    """Scientific crop name -> EPPO code by the folder's ``vocabulary.csv``; empty without one.

    Raises:
        PersonError: ``bad_dataset``.
    """
    path = folder / "vocabulary.csv"
    if not path.is_file():
        return {}
    return {
        r["crop"]: r["crop_eppo"] for r in _table(path, ("crop", "crop_eppo")) if r["crop_eppo"]
    }


def _inside(file: str) -> bool:
    path = PurePosixPath(file)
    return (
        bool(path.parts)
        and not path.is_absolute()
        and not {"..", "\\", "\0"} & {*path.parts, *file}
    )


def read_rows(
    folder: Path, codes: Mapping[str, str] | None = None, *, strangers: bool = False
) -> list[Row]:
    """All rows of ``classification.csv``, in its order; photos are not opened.

    ``codes`` maps more scientific names to EPPO codes.  A crop that neither it nor the vocabulary
    knows is refused, or keeps its name when ``strangers`` are welcome.

    Raises:
        PersonError: ``bad_dataset``: the CSV is absent, not a CSV, empty, lacks a column, leaves
            file, crop, condition or split blank, names a file outside the folder or an unknown
            crop.
    """
    path = folder / "classification.csv"
    raw = _table(path, REQUIRED)
    if not raw:
        raise _refused(path, "has no row")
    known = {**(codes or {}), **crop_codes(folder), NEGATIVE: NEGATIVE}
    known |= {code: code for code in known.values()}
    for number, row in enumerate(raw, 1):
        blank = [key for key in ("file", "crop", "condition", "split") if not row[key]]
        if blank:
            raise _refused(path, f"row {number}: {', '.join(blank)} is blank")
        if not _inside(row["file"]):
            raise _refused(path, f"row {number}: {row['file']!r} is not inside the folder")
    strange = sorted({row["crop"] for row in raw} - known.keys())
    if strange and not strangers:
        raise _refused(path, f"unknown crop: {', '.join(strange)}")
    return [_row(each, known) for each in raw]


def _row(cells: Mapping[str, str], codes: Mapping[str, str]) -> Row:
    texts: dict[str, Any] = {key: cells[key] for key in REQUIRED if key != "crop"}
    texts |= {key: cells.get(key, "") for key in OPTIONAL}
    return Row(crop=codes.get(cells["crop"], cells["crop"]), **texts)


def of_split(rows: Iterable[Row], split: str) -> list[Row]:
    """The rows of one split; ``all`` means every row.

    Raises:
        PersonError: ``bad_dataset`` when there is none, naming the splits that there are.
    """
    rows = list(rows)
    chosen = [row for row in rows if split in (EVERY_SPLIT, row.split)]
    if not chosen:
        there = ", ".join(sorted({row.split for row in rows}))
        raise PersonError("bad_dataset", f"no photo in split {split!r}; there are: {there}")
    return chosen


def check_photos(folder: Path, rows: Iterable[Row]) -> None:
    """Every photo is there, and inside the folder even where it is a link.

    Raises:
        PersonError: ``bad_dataset`` with the number of those that are not, and the first of them.
    """
    root = folder.resolve()
    paths = ((row.file, (folder / row.file).resolve()) for row in rows)
    gone = [file for file, path in paths if not (path.is_file() and path.is_relative_to(root))]
    if gone:
        raise PersonError("bad_dataset", f"{len(gone)} photos are not there, the first: {gone[0]}")
