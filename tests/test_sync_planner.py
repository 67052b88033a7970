"""What fits into what a run may still cost, and when to try again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.backoff import LONGEST_S, rest_s
from sync.dictionaries import dictionary
from sync.keys import SecretKey
from sync.planner import (
    LEAST_PART,
    ON_TOP,
    SEGMENT_BYTES,
    SIGNED_BYTES,
    fits,
    is_alert,
    part_next,
    record_bytes,
    records_next,
    whole_cost,
)
from sync.segments import seal
from tests.scouting_rounds import scouting_batch


@given(
    wanted=st.integers(1, 10**6), left=st.integers(-(10**4), 10**6), opening=st.integers(0, 5000)
)
def test_a_part_keeps_the_budget_and_is_worth_its_request(
    wanted: int, left: int, opening: int
) -> None:
    part = part_next(wanted, left, opening)
    assert part == 0 or opening + SIGNED_BYTES + part * ON_TOP <= left
    assert part in (0, wanted) or LEAST_PART <= part < wanted
    assert part_next(wanted, None, opening) == wanted


@given(most=st.integers(1, 1000), left=st.integers(0, 10**6), opening=st.integers(0, 5000))
def test_as_many_records_as_the_budget_has_room_for(most: int, left: int, opening: int) -> None:
    records = records_next(most, left, opening)
    assert 1 <= records <= most
    assert records <= records_next(most, left + 1000, opening) <= records_next(most, None, opening)


def test_nothing_is_begun_that_does_not_fit() -> None:
    assert fits(10**9, None, 0)
    assert fits(100, 2_000, 1_000)
    assert not fits(300, 2_000, 1_000)


def test_all_costs_less_together_than_one_by_one() -> None:
    assert whole_cost([], []) == 0
    together = whole_cost([66] * 100, [22_000])
    assert together > 100 * 66 + 22_000
    assert together < 100 * whole_cost([66], []) + whole_cost([], [22_000])
    assert whole_cost([66] * 1001, []) - whole_cost([66] * 1000, []) > 1000


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
def test_a_rest_is_never_longer_than_the_longest_over_what_was_asked(
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
