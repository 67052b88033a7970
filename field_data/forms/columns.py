"""A form as flat columns: what an export holds, and the dictionary that explains it."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from field_data.events import Event, Kind, standing
from field_data.forms.definition import LANGS, Form, Question, Type
from field_data.forms.expressions import show
from field_data.observations import believed_at

Cell = str | int | float | bool | None
# About 11 km: hides the farm, keeps the province.
COARSE_DEGREES = 1
_SLUGS = {"%": "pct"}
# Spreadsheets take a cell that begins so for a formula, also in the full-width forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, and the question that it comes from (None for what every event has)."""

    name: str
    question: Question | None
    choice: str = ""
    part: str = ""


_Meta = Callable[[Event], Cell]
_META: Mapping[str, _Meta] = {
    "event": lambda e: e.id,
    "node": lambda e: e.node,
    "seq": lambda e: e.seq,
    "at_utc": lambda e: _moment(e.at.utc_s),
    "at_trust": lambda e: str(believed_at(e).trust),
    "received_utc": lambda e: _moment(e.received.utc_s),
    "author": lambda e: e.author,
    "field": lambda e: e.subject,
    "version": lambda e: e.body.get("version"),
    "unchecked": lambda e: e.body.get("unchecked", ""),
}
_PLACE = {"lon": "deg", "lat": "deg", "accuracy_m": ""}


def _moment(utc_s: float) -> str:
    """ISO 8601 in UTC; empty for what no calendar holds."""
    try:
        moment = datetime.datetime.fromtimestamp(utc_s, datetime.UTC)
    except (OverflowError, OSError, ValueError):
        return ""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def columns(*versions: Form, private: bool = False) -> list[Column]:
    """The columns of a form, in order; of several versions, the newest first, then what it lost.

    Units end the names (``plot_area_m2``); a question with several answers has a column an answer.
    Private questions are left out unless asked for.
    """
    newest_first = sorted(versions, key=lambda form: -form.version)
    found = {name: Column(name, None) for name in (*_META, *_PLACE)}
    for form in newest_first:
        for question in form.questions.values():
            if question.type is not Type.NOTE and (private or not question.private):
                for column in _columns_of(question):
                    found.setdefault(column.name, column)
    return list(found.values())


def _columns_of(question: Question) -> Iterator[Column]:
    if question.type is Type.MULTI:
        for choice in question.choices:
            yield Column(f"{question.id}/{choice.key}", question, choice=choice.key)
    elif question.type is Type.PLACE:
        for part in _PLACE:
            yield Column(f"{question.id}/{part}", question, part=part)
    else:
        yield Column(_with_unit(question), question)


def _with_unit(question: Question) -> str:
    letters = _SLUGS.get(question.unit, question.unit)
    slug = "".join(letter if letter.isalnum() else "_" for letter in letters).strip("_")
    tail = f"_{slug}"
    return question.id if not slug or question.id.endswith(tail) else question.id + tail


def observed(events: Iterable[Event], form: str) -> list[Event]:
    """The observations of a form that stand: neither corrected nor erased."""
    listed = list(events)
    erased = {
        id for event in listed if event.kind is Kind.ERASURE for id in event.body.get("events", ())
    }
    seen = [event for event in listed if event.kind is Kind.OBSERVATION and event.id not in erased]
    return [event for event in standing(seen) if event.body.get("form") == form]


def rows(
    events: Iterable[Event], listed: Sequence[Column], *, exact: bool = False
) -> Iterator[list[Cell]]:
    """One row an event; coordinates are rounded to 0.1 degrees unless ``exact``."""
    for event in events:
        yield [_cell(event, column, exact) for column in listed]


def _cell(event: Event, column: Column, exact: bool) -> Cell:
    if column.question is None:
        if column.name in _META:
            return _META[column.name](event)
        return _coordinate(event.body.get("place"), column.name, exact)
    values = event.body.get("values")
    return answer(values if isinstance(values, Mapping) else {}, column, exact)


def answer(values: Mapping[str, Any], column: Column, exact: bool = False) -> Cell:
    """The cell of one of `columns` that comes from a question, out of the answers of a record."""
    if column.question is None:
        raise ValueError(f"{column.name} comes from no question")
    value = values.get(column.question.id)
    if column.part:
        return _coordinate(value, column.part, exact)
    if column.choice:
        return None if not isinstance(value, list) else int(column.choice in value)
    if isinstance(value, list):
        return " ".join(map(str, value))
    # What no form looked at may hold anything.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else value


def _coordinate(place: Any, part: str, exact: bool) -> Cell:
    value = place.get(part) if isinstance(place, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if exact:
        return value
    return None if part == "accuracy_m" else round(value, COARSE_DEGREES)


def csv_text(header: Sequence[str], lines: Iterable[Sequence[Cell]], *, bom: bool = False) -> str:
    """CSV (RFC 4180, UTF-8); ``bom`` for spreadsheets that need the mark to read Arabic.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([harmless(name) for name in header])
    writer.writerows([harmless(cell) for cell in line] for line in lines)
    return (_BOM if bom else "") + file.getvalue()


def harmless(cell: Cell) -> Cell:
    """The cell with an apostrophe before what a spreadsheet would run as a formula."""
    if isinstance(cell, bool):
        return int(cell)
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def dictionary(form: Form) -> list[dict[str, Cell]]:
    """What each column of a form means: one table row a column, private ones too."""
    return [_entry(form, column) for column in columns(form, private=True)]


def _entry(form: Form, column: Column) -> dict[str, Cell]:
    q = column.question
    low, high = q.range if q else (None, None)
    unusual = q.unusual if q else (None, None)
    labels = {f"label_{lang}": q.label.get(lang, "") if q else "" for lang in LANGS}
    return {
        "form": form.id,
        "version": form.version,
        "column": column.name,
        "question": q.id if q else "",
        "type": str(q.type) if q else "meta",
        "unit": (q.unit if q else _PLACE.get(column.name, ""))
        or ("m" if _is_accuracy(column) else ""),
        "required": q.required if q else False,
        "low": low,
        "high": high,
        "unusual_low": unusual[0],
        "unusual_high": unusual[1],
        "private": q.private if q else False,
        "shown_if": show(q.shown_if) if q and q.shown_if else "",
        "calculate": show(q.calculate) if q and q.calculate else "",
        "choices": "; ".join(f"{c.wire}={c.key}" for c in q.choices) if q else "",
        **labels,
    }


def _is_accuracy(column: Column) -> bool:
    return "accuracy_m" in (column.name, column.part)
