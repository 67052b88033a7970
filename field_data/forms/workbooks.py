"""The one door to pyxform and openpyxl: an XLSForm workbook, weighed before it is opened.

Both are loaded only here and only when asked for: ``pip install ghalla[xlsform]``.
"""

from __future__ import annotations

import re
import struct
import warnings
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from field_data.errors import PersonError

MAX_FILE = 5_000_000
MAX_PARTS = 200
MAX_UNPACKED = 20_000_000
MAX_ROWS = 3_000
MAX_COLUMNS = 100
MAX_TEXT = 20_000
MAX_DEPTH = 50
_COLUMN = re.compile(r"[A-Z]+")


@dataclass(frozen=True, slots=True)
class Workbook:
    """``form`` is pyxform's reading of it; ``rows`` maps a question's name to its row."""

    form: dict[str, Any]
    rows: dict[str, int]


def read_workbook(data: bytes) -> Workbook:
    """An XLSForm workbook (.xlsx), as pyxform understands it.

    Links to other workbooks are never followed.

    Raises:
        PersonError: ``bad_xlsform`` with the reason; ``no_pyxform`` where it is not installed.
    """
    refuse_hostile(data)
    try:
        from pyxform.xls2json import workbook_to_json
        from pyxform.xls2json_backends import get_xlsform
    except ImportError as error:
        why = "importing workbooks needs pyxform: pip install 'ghalla[xlsform]'"
        raise PersonError("no_pyxform", why) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            sheets = get_xlsform(BytesIO(data), ".xlsx")
            rows = _rows(sheets.survey or ())
            return Workbook(workbook_to_json(sheets, form_name="data"), rows)
        # What a workbook that is not one makes the two libraries raise is beyond listing.
        except Exception as error:
            raise _bad(str(error) or type(error).__name__) from error


def _rows(survey: Sequence[dict[str, str]]) -> dict[str, int]:
    """The row of each name, as a spreadsheet counts: the headers are row 1."""
    return {row["name"]: number for number, row in enumerate(survey, 2) if row.get("name")}


def _bad(why: str) -> PersonError:
    return PersonError("bad_xlsform", f"not a usable XLSForm: {why}")


def refuse_hostile(data: bytes) -> None:
    """Refuse what is no workbook, or would unpack to more than a form can need.

    Raises:
        PersonError: ``bad_xlsform``.
    """
    if len(data) > MAX_FILE:
        raise _bad(f"larger than {MAX_FILE} bytes")
    try:
        with zipfile.ZipFile(BytesIO(data)) as parts:
            _weigh(parts)
            for part in parts.infolist():
                _look_at(part.filename, parts.read(part))
    # What zipfile lets through of damaged archives, zlib's own errors among it.
    except (zipfile.BadZipFile, zlib.error, struct.error, LookupError, RuntimeError, EOFError,
            OSError) as error:  # fmt: skip
        raise _bad(f"no .xlsx file ({error})") from error
    except (ET.ParseError, ValueError) as error:
        raise _bad(str(error)) from error


def _weigh(parts: zipfile.ZipFile) -> None:
    """By the sizes that the parts declare, beyond which zipfile does not read."""
    listed = parts.infolist()
    if len(listed) > MAX_PARTS or sum(part.file_size for part in listed) > MAX_UNPACKED:
        raise _bad(f"more than {MAX_PARTS} parts or {MAX_UNPACKED} bytes unpacked")


def _look_at(name: str, content: bytes) -> None:
    if not name.lower().endswith((".xml", ".rels")):
        return
    # Without a document type there are no entities to blow up; UTF-16 would hide one.
    if b"\x00" in content or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise _bad(f"{name} declares a document type")
    is_sheet = "worksheets/" in name
    rows = depth = 0
    for event, element in ET.iterparse(BytesIO(content), ("start", "end")):  # noqa: S314 (see above)
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH or len(element.text or "") > MAX_TEXT:
            raise _bad(f"{name} is nested too deeply or holds too long a text")
        if event == "end" and is_sheet and element.tag.rpartition("}")[2] == "row":
            rows += 1
            _count_cells(name, rows, element)


def _count_cells(name: str, rows: int, row: ET.Element) -> None:
    widest = max((_column(cell.get("r", "")) for cell in row), default=0)
    if rows > MAX_ROWS or len(row) > MAX_COLUMNS or widest > MAX_COLUMNS:
        raise _bad(f"{name} has more than {MAX_ROWS} rows or {MAX_COLUMNS} columns")
    row.clear()


def _column(reference: str) -> int:
    """1 for ``A7``, 27 for ``AA7``; 0 for no reference."""
    found = _COLUMN.match(reference[:5])
    number = 0
    for letter in found[0] if found else "":
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
