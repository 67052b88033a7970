"""What is sent next, and when to try again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.backoff import LONGEST_S, rest_s
from sync.dictionaries import dictionary
from sync.keys import SecretKey
from sync.planner import (
    LEAST_PART,
    MOST_RECORDS,
    SEGMENT_BYTES,
    Budget,
    Plan,
    Rank,
    Waiting,
    is_alert,
    plan,
    record_bytes,
)
from sync.segments import seal
from tests.scouting_rounds import scouting_batch

VILLAGE = [
    Waiting(Rank.VIEW, "view a", 22_000, seq=7),
    Waiting(Rank.BUNDLE, "model", 5_000_000),
    Waiting(Rank.RECORD, 9, 66),
    Waiting(Rank.THUMB, "thumb of an older one", 1_400),
    Waiting(Rank.THUMB, "thumb a", 1_400, seq=7),
    Waiting(Rank.RECORD, 8, 66),
    Waiting(Rank.ORIGINAL, "original a", 90_000, seq=7),
    Waiting(Rank.ALERT, 7, 90),
]


def went(found: Plan) -> list[object]:
    return [name for step in found.steps for name in step.names]


def test_alerts_go_first_then_records_small_pictures_larger_ones_and_bundles() -> None:
    found = plan(VILLAGE, Budget())
    order = [7, 8, 9, "thumb of an older one", "thumb a", "view a", "model"]
    assert went(found) == order
    assert [step.names for step in found.steps][:2] == [(7,), (8, 9)]
    assert found.left == {"original a": "usb_only"}


def test_originals_go_onto_a_stick_which_takes_no_requests() -> None:
    found = plan(VILLAGE, Budget(stick=True))
    assert went(found)[-1] == "original a"
    assert found.bytes == sum(item.bytes for item in VILLAGE) + 2 * SEGMENT_BYTES
    assert not found.left


@pytest.mark.parametrize("place", range(len(VILLAGE)))
def test_one_thing_set_aside_keeps_its_reason_and_nothing_else_back(place: int) -> None:
    items = list(VILLAGE)
    items[place] = replace(items[place], aside="damaged")
    found = plan(items, Budget(stick=True))
    bad = items[place].name
    follows = {item.name for item in items if item.seq == bad}
    assert set(went(found)) == {item.name for item in items} - {bad} - follows
    assert found.left == {bad: "damaged"} | dict.fromkeys(follows, "record_first")


def test_a_photo_goes_in_parts_where_the_budget_ends() -> None:
    photo = [Waiting(Rank.VIEW, "v", 22_000)]
    found = plan(photo, Budget(bytes=10_000))
    assert LEAST_PART < found.steps[0].part < 10_000
    assert found.bytes <= 10_000
    assert found.left == {"v": "budget"}
    assert not plan(photo, Budget(bytes=3_000)).steps
    assert plan(photo, Budget(bytes=30_000)).steps[0].part == 0


def test_seconds_count_as_the_link_was_measured() -> None:
    records = [Waiting(Rank.RECORD, seq, 66) for seq in range(1, 1001)]
    quick = plan(records, Budget(seconds=60, bytes_per_s=6_000))
    slow = plan(records, Budget(seconds=5, bytes_per_s=1_000))
    unknown = plan(records, Budget(seconds=5))
    assert len(went(quick)) == len(went(unknown)) == 1000
    assert 0 < len(went(slow)) < 60
    assert slow.seconds <= 5
    assert went(slow) == list(range(1, len(went(slow)) + 1))


items = st.builds(
    Waiting,
    st.sampled_from(list(Rank)),
    st.just(0),
    st.integers(1, 200_000),
    aside=st.sampled_from(["", "", "", "conflict"]),
)


@st.composite
def villages(draw: st.DrawFn) -> list[Waiting]:
    found, records = [], [0]
    for number, item in enumerate(draw(st.lists(items, max_size=40)), 1):
        if item.rank in (Rank.ALERT, Rank.RECORD):
            records.append(number)
            found.append(replace(item, name=number))
        else:
            found.append(replace(item, name=f"p{number}", seq=draw(st.sampled_from(records))))
    return draw(st.permutations(found))


@given(
    waiting=villages(),
    most=st.none() | st.integers(0, 300_000),
    seconds=st.none() | st.floats(0, 600),
    stick=st.booleans(),
)
def test_every_plan_keeps_its_budget_order_and_word(
    waiting: list[Waiting], most: int | None, seconds: float | None, stick: bool
) -> None:
    found = plan(waiting, Budget(most, seconds, 5_000.0, stick))
    by_name = {item.name: item for item in waiting}
    ranks = [step.rank for step in found.steps]
    assert ranks == sorted(ranks)
    assert most is None or found.bytes <= most
    assert seconds is None or found.seconds <= seconds
    whole = [name for step in found.steps if not step.part for name in step.names]
    assert sorted(map(str, [*whole, *found.left])) == sorted(map(str, by_name))
    seen: set[object] = {0}
    for step in found.steps:
        assert len(step.names) <= MOST_RECORDS
        for name in step.names:
            item = by_name[name]
            assert not item.aside
            assert item.seq in seen
            seen.add(name)
    assert most is not None or seconds is not None or "budget" not in found.left.values()


def test_harm_and_what_must_be_reported_are_alerts() -> None:
    assert is_alert("adverse_effect", {}, ())
    assert is_alert("scouting", {"condition": "XYLEFA"}, {"XYLEFA"})
    assert not is_alert("scouting", {"condition": "healthy"}, {"XYLEFA"})
    assert not is_alert("harvest", {}, {"XYLEFA"})


@pytest.mark.parametrize("n", [1, 10, 100, 1000])
def test_what_is_guessed_is_near_what_it_takes_and_rather_too_much(n: int) -> None:
    batch = scouting_batch(n, seed=5)
    real = len(seal(batch, SecretKey(b"k" * 32), dictionary(1)))
    sizes = [len(json.dumps(dict(r.body), ensure_ascii=False).encode()) for r in batch.records]
    guess = SEGMENT_BYTES + sum(record_bytes(size, 1) for size in sizes)
    assert 0.9 * real < guess < 1.5 * real


@given(failures=st.integers(1, 1 << 70), chance=st.floats(0, 1), asked=st.floats(0, 1e6))
def test_a_rest_is_never_longer_than_an_hour_over_what_was_asked(
    failures: int, chance: float, asked: float
) -> None:
    rest = rest_s(failures, chance, asked_s=asked)
    assert asked + 1 <= rest <= asked + LONGEST_S + 1e-6


def test_rests_grow_and_differ_between_nodes() -> None:
    for chance in (0.0, 0.5, 1.0):
        rests = [rest_s(n, chance) for n in range(1, 20)]
        assert rests == sorted(rests)
        assert rests[-1] == rest_s(10**9, chance)
    assert rest_s(4, 0.0) == 8.0
    assert rest_s(4, 1.0) == 16.0
    with pytest.raises(ValueError, match="from 1"):
        rest_s(0, 0.5)
