"""XLSForm workbooks: what agronomists write becomes a form, or is refused by row and name."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_data.errors import PersonError
from field_data.forms import parse_form
from field_data.forms.checking import check
from field_data.forms.evaluation import evaluate
from field_data.forms.expressions import parse, show
from field_data.forms.workbooks import (
    MAX_COLUMNS,
    MAX_FILE,
    MAX_ROWS,
    MAX_UNPACKED,
    read_workbook,
    refuse_hostile,
)
from field_data.forms.xlsform import Imported, import_xlsform
from field_data.forms.xpath import Known, NotUnderstood, translate
from tests.workbooks import CROPS, row, workbook

TRIAL = [
    row("start", "start"),
    row("note", "hello"),
    row("begin_group", "Plants"),
    row("select_one crops", "Crop", required="yes"),
    row("select_multiple crops", "also", relevant="selected(${Crop}, 'Wheat')"),
    row("integer", "n", constraint=". > 0 and 500 >= ."),
    row("decimal", "share", constraint=". >= -1.5 and . <= 100"),
    row("begin_group", "inner", relevant="${n} > 3"),
    row("decimal", "w", relevant="not(${Crop} = 'Maize') and ${share} != ''", constraint=". > 0"),
    row("end_group", "inner"),
    row("text", "word", constraint="regex(., '^[a-z]+$')", required="${n} = 1"),
    row("calculate", "total", calculation="round(${n} * ${w} div 10, 2)"),
    row("end_group", "Plants"),
    row("geopoint", "where"),
    row("image", "photo", required="true()"),
    row("date", "day", constraint=". <= today()"),
    row("acknowledge", "sure", relevant="selected(${also}, 'Maize')"),
]


def imported() -> Imported:
    return import_xlsform(workbook(TRIAL))


def test_a_workbook_becomes_a_sound_form() -> None:
    found = imported()
    form = found.form
    assert (form.id, form.version, form.title["fr"]) == ("trial_plot", 3, "Trial")
    assert {q.id: str(q.type) for q in form.questions.values()} == {
        **{"hello": "note", "crop": "choice", "also": "multi", "n": "integer", "share": "decimal"},
        **{"w": "decimal", "word": "text", "total": "calculated", "where": "place"},
        **{"photo": "photo", "day": "date", "sure": "boolean"},
    }
    assert parse_form(found.toml.encode(), "again").as_json() == form.as_json()
    assert form.questions["crop"].label == {"en": "Text", "fr": "Texte", "ar": "نص"}
    assert [q.id for q in form.questions.values() if q.required] == ["crop", "photo"]


def test_conditions_ranges_and_calculations_mean_the_same() -> None:
    form = imported().form
    assert [form.questions[id].range for id in ("n", "share")] == [(1, 500), (-1.5, 100)]
    shown = {q.id: show(q.shown_if) for q in form.questions.values() if q.shown_if}
    assert shown == {
        "also": "(crop == 'wheat')",
        "w": "((not (crop == 'maize')) and answered(share))",
        "sure": "('maize' in also)",
    }
    sections = {s.id: show(s.shown_if) for s in form.sections if s.shown_if}
    assert sections == {"s3_inner": "(n > 3)"}
    values = {"crop": "wheat", "n": 4, "share": 1, "w": "2,5", "photo": ["a" * 64]}
    assert check(form, values).values["total"] == 1
    with pytest.raises(PersonError, match="check_failed"):
        check(form, {**values, "w": 0})


def test_a_group_inside_a_group_is_shown_when_both_are() -> None:
    survey = [
        row("integer", "n"),
        row("begin_group", "outer", relevant="${n} > 1"),
        row("begin_group", "inner", relevant="${n} < 9"),
        row("text", "a"),
        row("end_group", "inner"),
        row("text", "b"),
        row("end_group", "outer"),
    ]
    sections = import_xlsform(workbook(survey)).form.sections
    shown = [show(section.shown_if) for section in sections if section.shown_if]
    assert shown == ["((n > 1) and (n < 9))", "(n > 1)"]


def test_what_is_left_out_is_told_by_row_and_name() -> None:
    assert imported().left_out == (
        "row 12 word: required only sometimes: ${n} = 1",
        "row 12 word: constraint regex(., '^[a-z]+$'): regex() is not supported",
    )


@pytest.mark.parametrize(
    ("survey", "reason"),
    [
        (
            [row("begin_repeat", "r"), row("text", "a"), row("end_repeat", "r")],
            "r: repeats are not",
        ),
        ([row("audio", "a")], "row 2 a: type audio is not supported"),
        (
            [row("text", "a"), row("text", "b", relevant="count(${a}) > 1")],
            "row 3 b: relevant: cou",
        ),
        ([row("text", "a", relevant="${b} = 1"), row("text", "b")], "no earlier question b"),
        ([row("calculate", "a", calculation="today()")], "calculate: today() is not supported"),
        ([row("text", "a-b"), row("text", "a.b")], "row 3 a.b: another question is called a_b"),
        ([row("select_one nothing", "a")], "not a usable XLSForm"),
        ([row("text", "a"), row("text", "a")], "not a usable XLSForm"),
        ([row("text", "a b")], "not a usable XLSForm"),
        ([row("begin_group", "g"), row("text", "a")], "not a usable XLSForm"),
        ([], "not a usable XLSForm"),
    ],
)
def test_what_cannot_be_taken_over_is_refused(survey: list[list[str]], reason: str) -> None:
    with pytest.raises(PersonError) as caught:
        import_xlsform(workbook(survey))
    assert caught.value.code == "bad_xlsform"
    assert reason in str(caught.value)


def test_all_refusals_come_at_once() -> None:
    with pytest.raises(PersonError) as caught:
        import_xlsform(workbook([row("audio", "a"), row("video", "b")]))
    assert len(caught.value.details["problems"]) == 2  # type: ignore[arg-type]


def one_choice(*names: str) -> bytes:
    choices = [["crops", name, "Text", "Texte", "نص"] for name in names]
    return workbook([row("select_one crops", "crop")], choices)


def wires(found: Imported) -> dict[str, int]:
    return {choice.key: choice.wire for choice in found.form.questions["crop"].choices}


def test_numbers_of_answers_stay_whatever_the_order() -> None:
    first = import_xlsform(one_choice("wheat", "maize", "oats"))
    second = import_xlsform(one_choice("rye", "oats", "wheat"), [first.form])
    third = import_xlsform(one_choice("maize", "teff"), [first.form, second.form])
    assert wires(first) == {"wheat": 1, "maize": 2, "oats": 3}
    assert wires(second) == {"rye": 4, "oats": 3, "wheat": 1}
    assert wires(third) == {"maize": 2, "teff": 5}
    assert [each.form.version for each in (first, second, third)] == [3, 4, 5]
    assert import_xlsform(one_choice("maize", "teff"), [first.form, third.form]).form.version == 5


def test_a_workbook_in_one_language_stands_in_for_the_others() -> None:
    survey = [["text", "a", None, "Remarques", None, None, None, None, None]]
    found = import_xlsform(workbook(survey))
    assert set(found.form.questions["a"].label.values()) == {"Remarques"}
    assert "ar, en" in found.left_out[0]


NAMES = {"q": Known("q", {}), "c": Known("c", {"A": "a"}, several=True)}


@given(st.text(alphabet="${}qc'A1. ()+-*/<>=!,andortselcdiv", max_size=40))
def test_conditions_of_any_shape_are_translated_or_not_understood(text: str) -> None:
    try:
        tree = translate(text, NAMES, "q")
    except NotUnderstood:
        return
    evaluate(tree, {"q": 1.0, "c": ["a"]})
    assert parse(show(tree)) == tree


# Hostile workbooks.


def changed(data: bytes, part: str, content: bytes) -> bytes:
    """The workbook with one part replaced or added."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", 8) as new:
        for name in old.namelist():
            new.writestr(name, content if name == part else old.read(name))
        if part not in old.namelist():
            new.writestr(part, content)
    return file.getvalue()


def sheet(rows: str) -> bytes:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'.encode()


GOOD = workbook([row("text", "a")])
SHEET = "xl/worksheets/sheet1.xml"
BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb">]><a>&b;</a>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"type,name\ntext,a",
        GOOD[: len(GOOD) // 2],
        b"\0" * (MAX_FILE + 1),
        changed(GOOD, "xl/media/zeros.bin", b"\0" * MAX_UNPACKED),
        changed(GOOD, "xl/sharedStrings.xml", BOMB),
        changed(GOOD, SHEET, BOMB.decode().encode("utf-16")),
        changed(GOOD, SHEET, b"<worksheet><row"),
        changed(GOOD, SHEET, sheet("<row/>" * (MAX_ROWS + 1))),
        changed(GOOD, SHEET, sheet(f"<row>{'<c/>' * (MAX_COLUMNS + 1)}</row>")),
        changed(GOOD, SHEET, sheet('<row><c r="XFD1"/></row>')),
        changed(GOOD, SHEET, sheet("<a>" * 100_000 + "</a>" * 100_000)),
        changed(GOOD, SHEET, sheet(f"<row><c><is><t>{'x' * 30_000}</t></is></c></row>")),
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_hostile_workbooks_are_refused_before_they_are_opened(data: bytes) -> None:
    with pytest.raises(PersonError) as caught:
        refuse_hostile(data)
    assert caught.value.code == "bad_xlsform"


@pytest.mark.parametrize("part", ["xl/workbook.xml", "[Content_Types].xml"])
def test_workbooks_that_lack_something_are_refused(part: str) -> None:
    with pytest.raises(PersonError) as caught:
        read_workbook(changed(GOOD, part, b"<nothing/>"))
    assert caught.value.code == "bad_xlsform"


def test_many_parts_are_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as parts:
        for number in range(300):
            parts.writestr(f"{number}.xml", b"<a/>")
    with pytest.raises(PersonError, match="parts"):
        read_workbook(file.getvalue())


def test_links_to_other_workbooks_and_files_are_not_followed() -> None:
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/externalLinkPath"
    link = (
        f'<Relationships xmlns="{space}"><Relationship Id="rId1" Type="{kind}" '
        'Target="file:///etc/passwd" TargetMode="External"/></Relationships>'
    )
    data = changed(GOOD, "xl/externalLinks/_rels/externalLink1.xml.rels", link.encode())
    assert import_xlsform(data).form.questions.keys() == {"a"}


def test_formulas_are_read_as_what_they_last_gave() -> None:
    found = workbook([['="te"&"xt"', "a", "Text", "Texte", "نص"], row("text", "b")], CROPS)
    with pytest.raises(PersonError):
        import_xlsform(found)
