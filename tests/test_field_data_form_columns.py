"""Exports: one flat row an observation, harmless in a spreadsheet, private and coarse."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_data.events import Event, Kind
from field_data.forms import shipped_forms
from field_data.forms.columns import Cell, columns, csv_text, dictionary, observed, rows
from field_data.ids import new_id
from field_data.types import Instant, Trust
from tests.test_field_data_forms import choices, form, question

FIRST = form(
    question("n", "decimal", unit="t/ha"),
    question("yield_t_ha", "decimal", unit="t/ha"),
    question("m", "multi", choice=choices("x", "y")),
    question("where", "place"),
    question("who", "text", private=True),
    question("hello", "note"),
    question("gone", "text"),
)
SECOND = form(question("n", "decimal", unit="t/ha"), question("new", "text"), version=2)


def event(values: Any, seq: int = 1, **more: Any) -> Event:
    body = {"form": "f", "version": 1, "values": values, "place": {"lon": -7.5678, "lat": 33.1234}}
    plain: dict[str, Any] = {
        **{"id": new_id(), "kind": Kind.OBSERVATION, "subject": "field", "author": "agent"},
        **{"at": Instant(0.0, Trust.TABLET), "body": body, "node": "node", "seq": seq},
    }
    return Event(**{**plain, **more})


def table(events: list[Event], **how: Any) -> list[dict[str, Cell]]:
    listed = columns(FIRST, SECOND, private=how.pop("private", False))
    names = [column.name for column in listed]
    return [dict(zip(names, line, strict=True)) for line in rows(events, listed, **how)]


def test_columns_are_flat_carry_units_and_outlive_versions() -> None:
    names = [column.name for column in columns(FIRST, SECOND)]
    assert names[-9:] == [
        *("n_t_ha", "new", "yield_t_ha", "m/x", "m/y"),
        *("where/lon", "where/lat", "where/accuracy_m", "gone"),
    ]
    assert len(set(names)) == len(names)
    assert "who" in [column.name for column in columns(FIRST, private=True)]


def test_a_row_holds_the_answers_and_nothing_private_or_exact() -> None:
    place = {"lon": -7.5678, "lat": 33.1234, "accuracy_m": 4}
    values = {"n": 2.5, "m": ["y"], "where": place, "who": "A name", "gone": "old"}
    (row,) = table([event(values)])
    assert (row["n_t_ha"], row["m/x"], row["m/y"], row["gone"]) == (2.5, 0, 1, "old")
    assert (row["lon"], row["lat"], row["where/lon"]) == (-7.6, 33.1, -7.6)
    assert (row["at_utc"], row["where/accuracy_m"]) == ("1970-01-01T00:00:00Z", None)
    assert "A name" not in row.values()
    (open_row,) = table([event(values)], exact=True, private=True)
    assert (open_row["lon"], open_row["who"]) == (-7.5678, "A name")


def test_what_no_form_looked_at_is_exported_as_far_as_it_goes() -> None:
    odd = {"n": {"deep": [1]}, "m": "x", "where": "home", "gone": ["a", 1], "other": 1}
    (row,) = table([event(odd)])
    assert (row["n_t_ha"], row["m/x"], row["where/lon"]) == ('{"deep": [1]}', None, None)
    assert row["gone"] == "a 1"
    moment = event(None, at=Instant(1e30, Trust.TABLET))
    assert table([moment])[0]["at_utc"] == ""


def test_corrected_and_erased_records_are_left_out() -> None:
    first = event({"n": 1}, 1)
    better = event({"n": 2}, 2, supersedes=first.id)
    erased, other = event({"n": 3}, 3), event({"n": 4}, 4, body={"form": "g"})
    erasure = event({}, 5, kind=Kind.ERASURE, body={"events": [erased.id], "photos": []})
    assert observed([first, better, erased, other, erasure], "f") == [better]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=4))
def test_no_cell_is_a_formula_and_no_text_is_lost(cells: list[str]) -> None:
    read = list(csv.reader(io.StringIO(csv_text(["a"], [cells]), newline="")))[1]
    assert all(not cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) for cell in read)
    assert [cell.removeprefix("'") for cell in read] == [cell.removeprefix("'") for cell in cells]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_whatever_begins_a_formula_is_defused(start: str) -> None:
    (_, (cell,)) = csv.reader(io.StringIO(csv_text(["a"], [[f"{start}1+1"]]), newline=""))
    assert cell == f"'{start}1+1"


def test_numbers_stay_numbers_and_the_mark_comes_first() -> None:
    text = csv_text(["a", "b", "c", "d"], [[-5, True, None, "=1+1"]], bom=True)
    assert text == "\ufeffa,b,c,d\r\n-5,1,,'=1+1\r\n"


def test_the_dictionary_explains_every_column_of_every_form() -> None:
    for each in shipped_forms().current():
        entries = dictionary(each)
        assert [e["column"] for e in entries] == [c.name for c in columns(each, private=True)]
        asked = [e for e in entries if e["question"]]
        assert all(e["label_ar"] and e["type"] for e in asked)
    (pattern,) = [
        e for e in dictionary(shipped_forms().named("scouting")) if e["question"] == "pattern"
    ]
    assert str(pattern["choices"]).startswith("1=single; 2=patches")
    assert pattern["shown_if"] == "(answered(condition) and (condition != 'healthy'))"
