"""Ids, the clock, and the name of the node."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from field_data.clock import BUILT_UTC_S, Clock, now
from field_data.document_store import DocumentStore
from field_data.ids import is_id, new_id, short_code
from field_data.node_identity import node_id
from field_data.types import Instant, Trust


def test_an_id_is_128_random_bits_in_url_safe_text() -> None:
    ids = {new_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(is_id(id) for id in ids)
    assert len(base64.b32decode(ids.pop().upper() + "======")) == 16


@pytest.mark.parametrize("text", ["", "../../etc/passwd", "A" * 26, "a" * 25, "a" * 26 + "\n"])
def test_what_is_not_an_id_is_seen(text: str) -> None:
    assert not is_id(text)


def test_a_short_code_is_stable_and_readable() -> None:
    code = short_code("abc")
    assert code == short_code("abc")
    assert len(code) == 6
    codes = {short_code(new_id()) for _ in range(500)}
    assert len(codes) > 495
    assert not set("".join(codes)) & set("AEIOULQSVZ0123456789")


@pytest.mark.parametrize(
    ("utc_s", "synchronized", "chip", "trust"),
    [
        (BUILT_UTC_S + 1, True, True, Trust.NTP),
        (BUILT_UTC_S + 1, True, False, Trust.NTP),
        (BUILT_UTC_S + 1, False, True, Trust.RTC),
        (BUILT_UTC_S + 1, False, False, Trust.UNKNOWN),
        (0.0, True, True, Trust.UNKNOWN),
        (-5.0, False, True, Trust.UNKNOWN),
    ],
)
def test_trust_says_who_vouches_for_the_time(
    tmp_path: Path, utc_s: float, synchronized: bool, chip: bool, trust: Trust
) -> None:
    marker, device = tmp_path / "synchronized", tmp_path / "rtc0"
    if synchronized:
        marker.touch()
    if chip:
        device.touch()
    assert Clock(lambda: utc_s, marker, device).now() == Instant(utc_s, trust)


def test_the_clock_of_this_machine_goes_forward() -> None:
    first = now()
    assert now().utc_s >= first.utc_s > BUILT_UTC_S


def test_the_node_keeps_its_name_and_a_fresh_store_gets_a_new_one(tmp_path: Path) -> None:
    with DocumentStore(tmp_path / "one.db") as store:
        name = node_id(store)
        assert is_id(name)
        assert node_id(store) == name
    with DocumentStore(tmp_path / "one.db") as store:
        assert node_id(store) == name
    with DocumentStore(tmp_path / "two.db") as store:
        assert node_id(store) != name
