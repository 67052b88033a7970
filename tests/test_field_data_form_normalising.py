"""Numbers, dates, texts and places as people write them."""

from __future__ import annotations

import datetime
import math
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_data.forms import normalising
from field_data.forms.normalising import Refused

TODAY = datetime.date(2026, 11, 24)
DIGITS = ("0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹")


def read(value: Any) -> tuple[float, list[str]]:
    remarks: list[str] = []
    return normalising.number(value, lambda code, **_: remarks.append(code)), remarks


def grouped(whole: int, space: str) -> str:
    return f"{whole:,}".replace(",", space)


@given(
    whole=st.integers(0, 10**9),
    decimals=st.text("0123456789", max_size=6),
    sign=st.sampled_from(["", "+", "-", "−"]),
    space=st.sampled_from(["", " ", "\u00a0", "\u202f", "٬"]),
    comma=st.sampled_from([",", ".", "٫", "،"]),
    digits=st.sampled_from(DIGITS),
    around=st.sampled_from(["", " ", "\u200f", "\u2067"]),
)
def test_every_way_of_writing_gives_the_number(
    whole: int, decimals: str, sign: str, space: str, comma: str, digits: str, around: str
) -> None:
    point = f".{decimals}" if decimals else ""
    expected = float(f"{'-' if sign in '-−' and sign else ''}{whole}{point}")
    written = f"{sign}{grouped(whole, space)}{comma if decimals else ''}{decimals}"
    local = "".join(digits[int(c)] if c in DIGITS[0] else c for c in written)
    found, remarks = read(f"{around}{local}{around}")
    assert found == expected
    doubtful = len(decimals) == 3 and 1 <= whole <= 999
    assert remarks == (["read_as_decimal"] if doubtful else [])


@pytest.mark.parametrize(
    ("given_", "expected"),
    [("1,234", 1.234), ("١٬٢٣٤٫٥", 1234.5), ("12 345,6", 12345.6), (",5", 0.5), ("007", 7), (3, 3)],
)
def test_a_comma_is_the_decimal_sign_always(given_: Any, expected: float) -> None:
    assert read(given_)[0] == expected


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "-", ",", "1,234.5", "1.234,5", "1,2,3", "12 34", "1 2345", "5,", "1e5", "0x1f"),
        *("٣a", "½", "²", "１２", "nan", "inf", "12 kg", "--3", "3-", "9" * 50, True, None, [], {}),
        *(math.nan, math.inf, -math.inf, 2**54, 10**400, 1e300),
    ],
)
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(Refused):
        read(value)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_numbers_stay_and_are_stable(value: float) -> None:
    once, _ = read(value)
    assert once == value
    assert repr(read(once)[0]) == repr(once)


def test_whole_numbers_may_carry_zeros_but_no_more() -> None:
    assert normalising.whole("12,0", lambda *_: None) == 12
    with pytest.raises(Refused, match="not_whole"):
        normalising.whole("12,5", lambda *_: None)


@given(st.dates(datetime.date(2000, 1, 1), TODAY + datetime.timedelta(days=1)))
def test_days_are_read_year_first_or_day_first(day: datetime.date) -> None:
    arabic = day.strftime("%d/%m/%Y").translate(str.maketrans(*DIGITS[:2]))
    for written in (day.isoformat(), day.strftime("%d/%m/%Y"), day.strftime("%d.%m.%Y"), arabic):
        assert normalising.date(written, TODAY) == day.isoformat()


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("1970-01-01", "too_old"),
        ("1999-12-31", "too_old"),
        ("2026-11-26", "in_future"),
        ("9999-12-31", "in_future"),
        ("2026-02-30", "not_a_date"),
        ("2026-13-01", "not_a_date"),
        ("03-04", "not_a_date"),
        ("0000-01-01", "not_a_date"),
        ("yesterday", "not_a_date"),
        (20261124, "not_a_date"),
        ("2026-11-24T10:00", "not_a_date"),
    ],
)
def test_days_that_cannot_be_are_refused(written: Any, code: str) -> None:
    with pytest.raises(Refused, match=code):
        normalising.date(written, TODAY)


def test_without_a_clock_no_day_is_too_late() -> None:
    assert normalising.date("2031-01-01", None) == "2031-01-01"


@given(st.text(max_size=50))
def test_texts_hold_nothing_invisible_that_harms(text: str) -> None:
    kept = normalising.text(text, 200)
    assert normalising.text(kept, 200) == kept
    harmful = {"Cc", "Cs"}
    assert all(unicodedata.category(c) not in harmful or c == "\n" for c in kept)
    assert not set(kept) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    kept.encode()


def test_arabic_keeps_its_joiners_and_long_texts_are_refused() -> None:
    assert normalising.text(" می\u200cروم\x00 ", 20) == "می\u200cروم"
    assert normalising.text("gpj\u202e.exe\ufeff", 20) == "gpj.exe"
    with pytest.raises(Refused, match="too_long"):
        normalising.text("x" * 21, 20)


@pytest.mark.parametrize(
    ("place", "remarks"),
    [
        ({"lon": -7.6, "lat": 33.5, "accuracy_m": 8}, []),
        ({"lon": -7.6, "lat": 33.5, "accuracy_m": 900}, ["imprecise_place"]),
        ({"lon": 33.5, "lat": -7.6}, ["place_swapped"]),
        ({"lon": 0, "lat": 0, "accuracy_m": None}, ["place_far_away"]),
        ({"lon": -13.2, "lat": 27.1}, []),
    ],
)
def test_odd_places_are_remarked_and_kept(place: dict[str, Any], remarks: list[str]) -> None:
    said: list[str] = []
    kept = normalising.place(place, lambda code, **_: said.append(code))
    assert kept == {"accuracy_m": None, **place}
    assert said == remarks


@pytest.mark.parametrize(
    "place",
    [
        {},
        [],
        "here",
        {"lon": 1},
        {"lon": 181, "lat": 0},
        {"lon": 0, "lat": -90.1},
        {"lon": math.nan, "lat": 0},
        {"lon": 0, "lat": 0, "accuracy_m": -1},
        {"lon": 0, "lat": 0, "altitude": 7},
    ],
)
def test_places_that_are_none_are_refused(place: Any) -> None:
    with pytest.raises(Refused):
        normalising.place(place, lambda *_, **__: None)
