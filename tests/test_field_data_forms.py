"""Forms: what is refused in a definition, and what is made of answers."""

from __future__ import annotations

import datetime
import json
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from field_data.errors import PublisherError
from field_data.forms import Form, FormError, Forms, parse_form, said, shipped_forms
from field_data.forms.checking import Checked, check
from field_data.forms.library import SHIPPED
from field_data.forms.problems import REFUSALS, WARNINGS
from field_data.forms.writing import form_toml

TODAY = datetime.date(2026, 11, 24)
SHA = "a" * 64
TEXT = {"en": "t", "fr": "t", "ar": "ت"}


def question(id: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": kind, "label": TEXT, **more}


def choices(*keys: str, first: int = 1) -> list[dict[str, Any]]:
    return [{"key": k, "wire": n, "label": TEXT} for n, k in enumerate(keys, first)]


def table(*questions: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    section = {"id": "main", "title": TEXT, "question": list(questions)}
    return {"id": "f", "version": 1, "title": TEXT, "section": [section], **more}


def form(*questions: Mapping[str, Any], **more: Any) -> Form:
    return parse_form(form_toml(table(*questions, **more)).encode(), "f.toml")


class Words:
    def has_crop(self, code: str) -> bool:
        return code in ("TRZAX", "LYPES")

    def has_condition(self, code: str, crop: str | None) -> bool:
        return (code, crop) == ("PUCCST", "TRZAX") or (code == "PUCCST" and crop is None)


def answered(form: Form, **values: Any) -> Checked:
    return check(form, values, TODAY, Words())


def refusals(form: Form, values: Any) -> list[tuple[str, str]]:
    with pytest.raises(FormError) as caught:
        check(form, values, TODAY, Words())
    return [(problem.question, problem.code) for problem in caught.value.problems]


def warnings(checked: Checked) -> list[tuple[str, str]]:
    return [(warning.question, warning.code) for warning in checked.warnings]


# What comes with Ghalla.


def test_every_form_speaks_its_languages_and_fits_a_tablet() -> None:
    forms = shipped_forms()
    assert [form.id for form in forms.current()] == [
        *("adverse_effect", "advice_outcome", "crop_cut", "harvest", "irrigation"),
        *("rain_gauge", "scouting", "soil", "trap_reading", "treatment", "water_setup"),
    ]
    plain = [form.as_json() for form in forms.current()]
    assert len(json.dumps(plain, ensure_ascii=False).encode()) < 80_000
    texts = list(all_texts(plain))
    assert all(set(each) >= {"en", "fr", "ar"} for each in texts)
    arabic = range(0x600, 0x700)
    written = [each for each in texts if each["en"] != each["ar"]]
    assert all(any(ord(letter) in arabic for letter in each["ar"]) for each in written)
    assert not any(ord(letter) in arabic for each in texts for letter in each["fr"] + each["en"])


def all_texts(plain: Any) -> Any:
    if isinstance(plain, dict) and "ar" in plain:
        yield plain
    elif isinstance(plain, dict | list):
        for inner in plain.values() if isinstance(plain, dict) else plain:
            yield from all_texts(inner)


def test_written_forms_read_back_alike() -> None:
    for file in SHIPPED.glob("*.toml"):
        again = form_toml(tomllib.loads(file.read_text()))
        read, first = parse_form(again.encode(), "again"), parse_form(file.read_bytes(), "first")
        assert read.as_json() == first.as_json()


def test_amazigh_falls_back_to_arabic() -> None:
    assert said({"en": "Crop", "fr": "Culture", "ar": "زراعة"}, "zgh") == "زراعة"
    assert said({"en": "Crop", "fr": "Culture", "ar": "زراعة"}, "en") == "Crop"


def test_the_digest_tells_when_a_tablet_must_load_again() -> None:
    one, other = form(question("a", "integer")), form(question("a", "integer", required=True))
    assert Forms([one]).digest() == Forms([form(question("a", "integer"))]).digest()
    assert Forms([one]).digest() != Forms([other]).digest()


def cut(**more: Any) -> dict[str, Any]:
    plain = {"crop": "TRZAX", "plots": 4, "plot_area": 1, "photo": [SHA], "weighed": "grain"}
    return {**plain, "fresh_kg": "2,4", **more}


def test_a_crop_cut_is_given_at_standard_moisture() -> None:
    found = check(
        shipped_forms().named("crop_cut"), cut(moisture_by="meter", meter="١٨٫٥"), TODAY
    ).values
    assert found["fresh_t_ha"] == 6.0
    assert found["dry_t_ha"] == pytest.approx(6 * 0.815)
    # 2.4 kg on 4 m2 = 6 t/ha, at 18.5 %: 6 × 81.5 / 86.
    assert found["std_t_ha"] == pytest.approx(5.686, abs=0.0005)


def test_a_dried_sample_gives_the_moisture_and_other_crops_no_standard() -> None:
    form = shipped_forms().named("crop_cut")
    sample = cut(moisture_by="sample", sample_fresh=500, sample_dry=400)
    assert check(form, sample, TODAY).values["moisture"] == 20
    olives = check(form, {**sample, "crop": "OLVEU", "weighed": "fruit"}, TODAY).values
    assert "std_t_ha" not in olives
    assert olives["dry_t_ha"] == pytest.approx(4.8)
    unmeasured = check(form, cut(moisture_by="unknown"), TODAY).values
    assert unmeasured["fresh_t_ha"] == 6
    assert not {"moisture", "dry_t_ha", "std_t_ha"} & set(unmeasured)
    heavier = {**sample, "sample_dry": 501}
    assert ("sample_fresh", "check_failed") in refusals(form, heavier)


def test_irrigation_is_the_same_water_however_measured() -> None:
    form = shipped_forms().named("irrigation")
    base = {"day": "2026-11-20", "method": "drip", "area": 2}
    ways = [
        {"measured": "mm", "depth": 30},
        {"measured": "m3", "volume": 600},
        {"measured": "hours", "hours": 10, "flow": 60},
    ]
    found = [check(form, {**base, **way}, TODAY).values for way in ways]
    assert [(each["total_m3"], each["total_mm"]) for each in found] == [(600, 30)] * 3


def test_both_counts_of_a_trap_are_kept() -> None:
    form = shipped_forms().named("trap_reading")
    values = {"trap": "tuta", "days": 7, "photo": [SHA], "count_model": 40, "count": 35}
    found = check(form, values, TODAY).values
    assert (found["count_model"], found["count"], found["per_day"]) == (40, 35, 5)
    counter = form.questions["count_model"]
    assert (counter.filled_by, counter.of) == ("trap_counter", ("trap", "photo"))


def test_what_names_a_person_does_not_travel() -> None:
    form = shipped_forms().named("adverse_effect")
    values = {
        "day": "2026-11-20", "harmed": ["person"], "severity": "mild", "description": "rash",
        "circumstances": "mixing", "person_name": "X", "care": "doctor", "agrees": True,
    }  # fmt: skip
    kept = check(form, values, TODAY).values
    assert "person_name" in kept
    assert not {"person_name", "person_phone", "age", "care"} & set(form.public(kept))


def test_numbers_of_answers_stay_what_they_ever_were() -> None:
    """New answers are added to the file; what it holds is what old records say, for ever."""
    ever = json.loads((Path(__file__).parent / "data" / "form_wires.json").read_text())
    found = {
        f"{form.id}.{question.id}": {str(c.wire): c.key for c in question.choices}
        for form in shipped_forms().current()
        for question in form.questions.values()
        if question.choices
    }
    assert found == ever


def test_every_code_that_is_raised_is_listed_for_who_shows_it() -> None:
    sources = [*SHIPPED.glob("*.py"), SHIPPED.parent / "observations.py"]
    text = "\n".join(file.read_text() for file in sources)
    raised = set(re.findall(r"""(?:Refused|_refuse|remark|_warn|Problem)\([^"()]*"(\w+)\"""", text))
    raised |= set(re.findall(r'Problem\((?:""|q|key|str\(key\)\[:40\]), "(\w+)"', text))
    assert raised - {"place"} <= REFUSALS | WARNINGS
    assert len(raised) > 20


def test_the_example_of_the_documentation_is_sound() -> None:
    text = (Path(__file__).parents[1] / "docs" / "forms.md").read_text()
    example = text.split("```toml\n")[1].split("```")[0]
    assert list(parse_form(example.encode(), "docs").questions) == ["kind", "size"]


# Definitions.


def wrong(change: Mapping[str, Any], **whole: Any) -> dict[str, Any]:
    return table({**question("a", "integer"), **change}, **whole)


@pytest.mark.parametrize(
    ("bad", "place", "reason"),
    [
        (wrong({"lable": TEXT}), "question a", "unknown key lable"),
        (wrong({"type": "number"}), "question a", "bad type"),
        (wrong({"id": "A b"}), "question A b", "bad id"),
        (wrong({"id": "and"}), "question and", "bad id"),
        (wrong({"label": {"en": "t", "fr": "t"}}), "question a", "bad label"),
        (wrong({"label": {**TEXT, "de": "t"}}), "question a", "bad label"),
        (wrong({"range": [3, 1]}), "question a", "bad range"),
        (wrong({"range": ["", ""]}), "question a", "bad range"),
        (wrong({"type": "text", "range": [1, 2]}), "question a", "range makes no sense"),
        (wrong({"type": "choice"}), "question a", "choices are missing"),
        (wrong({"type": "choice", "choices": "x"}), "question a", "no list of choices x"),
        (wrong({"type": "calculated"}), "question a", "calculate is missing"),
        (wrong({"type": "note", "required": True}), "question a", "required makes no sense"),
        (wrong({"type": "condition", "of": ["b"]}), "question a", "of names earlier"),
        (wrong({"type": "count", "filled_by": "trap_counter"}), "question a", "filled_by goes"),
        (wrong({"type": "photo", "range": [0, 99]}), "question a", "range of photos"),
        (wrong({"shown_if": "b == 1"}), "question a", "no earlier question b"),
        (wrong({"shown_if": "a == 1"}), "question a", "no earlier question a"),
        (wrong({"shown_if": "1 =="}), "question a", "a value is expected"),
        (wrong({}, version=0), "form", "bad version"),
        (wrong({}, extra=1), "form", "unknown key extra"),
        (wrong({}, id="Bad Id"), "form", "bad id"),
        (table(question("a", "note")), "form", "no question"),
        (table(question("a", "integer"), question("a", "text")), "question a", "used twice"),
        (
            table(question("a", "choice", choice=choices("x", "x"))),
            "question a",
            "x is there twice",
        ),
        (
            table(question("a", "choice", choice=[*choices("x"), *choices("y")])),
            "question a",
            "wire 1 is there twice",
        ),
        (
            table(
                question("a", "choice", choice=choices("x")),
                question("b", "text", shown_if="a == 'z'"),
            ),
            "question b",
            "a has no choice z",
        ),
        (
            wrong({}, check=[{"id": "c", "that": "a > q", "refuse": True, "message": TEXT}]),
            "check c",
            "no earlier question q",
        ),
        (
            wrong({}, check=[{"id": "c", "that": "1 > 0", "refuse": True, "message": TEXT}]),
            "check c",
            "asks for no question",
        ),
    ],
)
def test_wrong_definitions_are_refused_by_file_place_and_reason(
    bad: dict[str, Any], place: str, reason: str
) -> None:
    with pytest.raises(PublisherError) as caught:
        parse_form(form_toml(bad).encode(), "bad.toml")
    error = caught.value
    assert (error.code, error.details["file"], error.details["item"]) == (
        "bad_form",
        "bad.toml",
        place,
    )
    assert reason in str(error)


@pytest.mark.parametrize("data", [b"\xff", b"id = ", b"x" * 600_000, b"a=" + b"[" * 5000])
def test_files_that_are_no_toml_are_refused(data: bytes) -> None:
    with pytest.raises(PublisherError, match="file"):
        parse_form(data, "bad.toml")


def versioned(version: int, *questions: Mapping[str, Any]) -> Form:
    return form(*questions, version=version)


@pytest.mark.parametrize(
    "later",
    [
        question("a", "choice", choice=choices("y", "x")),
        question("a", "choice", choice=choices("z", "y")),
        question("a", "choice", choice=choices("x", "y", first=2)),
        question("a", "choice", choice=[*choices("x", first=9), *choices("y", first=2)]),
        question("a", "multi", choice=choices("x", "y")),
    ],
)
def test_a_new_version_may_not_give_numbers_or_names_another_meaning(
    later: Mapping[str, Any],
) -> None:
    first = versioned(1, question("a", "choice", choice=choices("x", "y")))
    without = versioned(2, question("b", "text"))
    with pytest.raises(PublisherError, match="version 3: question a"):
        Forms([versioned(3, later), first, without])


def test_new_answers_get_new_numbers_and_old_versions_stay_readable() -> None:
    first = versioned(1, question("a", "choice", choice=choices("x", "y")))
    second = versioned(2, question("a", "choice", choice=choices("y", "z", first=2)))
    forms = Forms([second, first])
    assert forms.get("f") is second
    assert forms.get("f", 1) is first
    assert forms.get("f", 9) is None
    assert forms.current() == [second]


# Answers.

EVERY = form(
    question("n", "integer", range=[1, 10], unusual=[2, 5], required=True),
    question("d", "decimal"),
    question("k", "count"),
    question("t", "text", max_chars=5),
    question("c", "choice", choice=choices("x", "y")),
    question("m", "multi", choice=choices("x", "y", "z")),
    question("b", "boolean"),
    question("day", "date"),
    question("p", "photo", range=[2, 3]),
    question("at", "place"),
    question("crop", "crop"),
    question("ill", "condition", of=["crop"]),
    question("more", "integer", shown_if="n > 3", required=True),
    question("sum", "calculated", calculate="n + d"),
    check=[{"id": "d_below_n", "that": "d < n", "refuse": True, "message": TEXT}],
)


def test_answers_are_normalised_in_the_order_of_the_form() -> None:
    found = answered(
        EVERY,
        d="٢٫٥",
        n="٣",
        k=4.0,
        t=" ab\x07 ",
        c="y",
        m=["z", "x", "z"],
        b=False,
        day="24/11/2026",
        p=[SHA, "b" * 64, SHA],
        at={"lon": "-7,5", "lat": 33},
        crop="TRZAX",
        ill="PUCCST",
    )
    assert found.values == {
        "n": 3,
        "d": 2.5,
        "k": 4,
        "t": "ab",
        "c": "y",
        "m": ["x", "z"],
        "b": False,
        "day": "2026-11-24",
        "p": [SHA, "b" * 64],
        "at": {"lon": -7.5, "lat": 33, "accuracy_m": None},
        "crop": "TRZAX",
        "ill": "PUCCST",
        "sum": 5.5,
    }
    assert list(found.values) == [id for id in EVERY.questions if id != "more"]
    assert not found.warnings


def test_every_problem_is_told_at_once() -> None:
    wrong_ones = {
        "n": 11, "d": "x", "k": -1, "t": "toolong", "c": "w", "m": "x", "b": 1, "day": "1970-01-01",
        "p": [SHA], "at": {"lon": 200, "lat": 0}, "crop": "wheat", "ill": 5, "zzz": 1,
    }  # fmt: skip
    assert refusals(EVERY, wrong_ones) == [
        ("n", "out_of_range"),
        ("d", "not_a_number"),
        ("k", "out_of_range"),
        ("t", "too_long"),
        ("c", "not_a_choice"),
        ("m", "wrong_type"),
        ("b", "not_yes_or_no"),
        ("day", "too_old"),
        ("p", "photo_count"),
        ("at", "out_of_range"),
        ("crop", "not_a_code"),
        ("ill", "not_a_code"),
        ("zzz", "unknown_question"),
    ]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, ("n", "required")),
        ({"n": None}, ("n", "required")),
        ({"n": ""}, ("n", "required")),
        ({"n": 5}, ("more", "required")),
        ({"n": math.nan}, ("n", "not_finite")),
        ({"n": math.inf}, ("n", "not_finite")),
        ({"n": 1.5}, ("n", "not_whole")),
        ({"n": True}, ("n", "not_a_number")),
        ({"n": 10**400}, ("n", "out_of_range")),
        ({"n": 2, "d": 2}, ("n", "check_failed")),
        ({"n": 2, "p": ["../etc"]}, ("p", "not_photos")),
        ([], ("", "wrong_type")),
        (None, ("", "wrong_type")),
    ],
)
def test_one_bad_answer_is_one_problem(values: Any, problem: tuple[str, str]) -> None:
    assert refusals(EVERY, values) == [problem]


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ({"n": 1}, ("n", "unusual")),
        ({"n": 3, "more": 4}, ("more", "hidden_dropped")),
        ({"n": 3, "d": 1, "sum": 5}, ("sum", "recalculated")),
        ({"n": 3, "d": 1, "sum": 10**400}, ("sum", "recalculated")),
        ({"n": 3, "d": "1,234"}, ("d", "read_as_decimal")),
        ({"n": 3, "crop": "ZZZZZ"}, ("crop", "unknown_code")),
        ({"n": 3, "crop": "LYPES", "ill": "PUCCST"}, ("ill", "not_on_this_crop")),
        ({"n": 3, "ill": "ZZZZZ"}, ("ill", "unknown_code")),
    ],
)
def test_what_is_odd_is_kept_or_dropped_with_a_warning(
    values: dict[str, Any], warning: tuple[str, str]
) -> None:
    assert warnings(answered(EVERY, **values)) == [warning]


def test_a_tablets_own_calculation_is_no_reason_to_worry() -> None:
    assert not answered(EVERY, n=3, d=0.1, sum=3.1).warnings
    assert not answered(EVERY, n=3, ill="healthy", crop="LYPES").warnings


def test_a_hidden_section_asks_for_nothing() -> None:
    sections = [
        {"id": "one", "title": TEXT, "question": [question("a", "boolean")]},
        {
            "id": "two",
            "title": TEXT,
            "shown_if": "a",
            "question": [question("b", "integer", required=True)],
        },
    ]
    two = form(section=sections)
    assert answered(two, a=False).values == {"a": False}
    assert refusals(two, {"a": True}) == [("b", "required")]


def test_what_hangs_on_a_refused_answer_is_not_blamed_too() -> None:
    hanging = form(
        question("a", "integer"), question("b", "text", shown_if="a != 3", required=True)
    )
    assert refusals(hanging, {"a": 1}) == [("b", "required")]
    assert refusals(hanging, {"a": "x"}) == [("a", "not_a_number")]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["lon", "lat", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
@given(st.dictionaries(st.sampled_from([*EVERY.questions, "other"]), JUNK))
def test_anything_is_refused_or_kept_for_good(values: dict[str, Any]) -> None:
    try:
        first = check(EVERY, values, TODAY, Words())
    except FormError:
        return
    again = check(EVERY, first.values, TODAY, Words())
    assert json.dumps(again.values, allow_nan=False) == json.dumps(first.values, allow_nan=False)
