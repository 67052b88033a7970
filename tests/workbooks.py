"""XLSForm workbooks made up for tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import openpyxl

LABELS = ("label::English (en)", "label::French (fr)", "label::العربية (ar)")
SURVEY = ("type", "name", *LABELS, "required", "relevant", "constraint", "calculation")
CHOICES = ("list_name", "name", *LABELS)
SETTINGS = ("form_title", "form_id", "version")
CROPS = [["crops", "Wheat", "Wheat", "Blé", "قمح"], ["crops", "Maize", "Maize", "Maïs", "ذرة"]]


def row(kind: str, name: str, **more: str) -> list[str | None]:
    """A question in three languages; the rest by the name of its column."""
    return [kind, name, "Text", "Texte", "نص", *(more.get(column) for column in SURVEY[5:])]


def workbook(
    survey: Sequence[Sequence[Any]],
    choices: Sequence[Sequence[Any]] = CROPS,
    settings: Sequence[Any] = ("Trial", "Trial plot", "3"),
) -> bytes:
    """The bytes of an .xlsx with the three sheets of XLSForm."""
    book = openpyxl.Workbook()
    for name, head, rows in (
        ("survey", SURVEY, survey),
        ("choices", CHOICES, choices),
        ("settings", SETTINGS, [settings]),
    ):
        sheet = book.create_sheet(name)
        for line in (head, *rows):
            sheet.append(list(line))
    del book[book.sheetnames[0]]
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
