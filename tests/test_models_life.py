"""The state machine of a model's versions: pure, so every order of events can be tried."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_data.errors import KeeperError
from models.life import (
    BUILTIN,
    MAX_TRIES,
    Life,
    Refusal,
    activated,
    answered,
    from_json,
    next_answer,
    next_start,
    refused,
    rolled_back,
    spared,
    started,
    to_json,
)

WHY = Refusal("golden_differs", "0.7 off")
VERSIONS = ["1.1.0", "1.2.0", "1.3.0", BUILTIN]
Step = Callable[[Life], Life]


def confirmed(version: str, life: Life | None = None) -> Life:
    return answered(next_answer(activated(life or Life(), version), version), version)


def test_a_new_version_is_on_trial_until_it_has_answered() -> None:
    life = activated(Life(), "1.1.0")
    assert (life.active, life.previous, life.confirmed) == ("1.1.0", BUILTIN, False)
    life = started(next_start(life), "1.1.0")
    assert not life.confirmed, "a golden sample is no person's photo"
    assert answered(next_answer(life, "1.1.0"), "1.1.0").confirmed


def test_what_is_rolled_back_to_was_confirmed_once() -> None:
    life = activated(activated(confirmed("1.1.0"), "1.2.0"), "1.3.0")
    assert rolled_back(life).active == "1.1.0", "1.2.0 never answered anybody"
    assert rolled_back(rolled_back(life)).active == BUILTIN


def test_three_starts_that_did_not_end_switch_a_version_off() -> None:
    life = activated(confirmed("1.1.0"), "1.2.0")
    for tries in range(MAX_TRIES):
        life = next_start(life)
        assert (life.active, life.starts) == ("1.2.0", tries + 1)
    life = next_start(life)
    assert (life.active, life.fallen, life.starts) == ("1.1.0", "1.2.0", 1)
    assert life.refused["1.2.0"].code == "model_crashed"
    assert "start" in life.refused["1.2.0"].reason


def test_a_start_that_ended_well_is_struck_out() -> None:
    life = activated(Life(), "1.1.0")
    for _ in range(3 * MAX_TRIES):
        life = started(next_start(life), "1.1.0")
    assert life.active == "1.1.0"


def test_three_answers_during_which_the_node_died_switch_it_off() -> None:
    life = activated(Life(), "1.1.0")
    for _ in range(MAX_TRIES):
        life = next_answer(started(next_start(life), "1.1.0"), "1.1.0")
    life = next_start(life)
    assert (life.active, life.fallen) == (BUILTIN, "1.1.0")


def test_photos_that_cannot_be_read_are_not_the_models_fault() -> None:
    life = activated(Life(), "1.1.0")
    for _ in range(3 * MAX_TRIES):
        life = spared(next_answer(life, "1.1.0"), "1.1.0")
    assert next_start(life).active == "1.1.0"


def test_even_a_confirmed_version_falls_when_it_no_longer_starts() -> None:
    life = confirmed("1.1.0")
    for _ in range(MAX_TRIES + 1):
        life = next_start(life)
    assert (life.active, life.fallen) == (BUILTIN, "1.1.0")


def test_the_shipped_version_is_never_counted_and_never_off() -> None:
    life = Life()
    for _ in range(5):
        life = next_start(life)
    assert life == Life()
    assert refused(life, BUILTIN, WHY).active == BUILTIN


def test_a_version_that_is_not_active_is_refused_without_a_switch() -> None:
    life = refused(confirmed("1.1.0"), "1.2.0", WHY)
    assert (life.active, life.fallen, life.refused) == ("1.1.0", None, {"1.2.0": WHY})
    assert activated(life, "1.2.0").refused == {}, "a person asked for it again"


def test_late_news_of_another_version_changes_nothing() -> None:
    life = activated(Life(), "1.2.0")
    for step in (started, next_answer, spared, answered):
        assert step(life, "1.1.0") == life


def test_the_keeper_can_say_that_the_note_was_read() -> None:
    life = refused(activated(Life(), "1.1.0"), "1.1.0", WHY)
    assert life.fallen == "1.1.0"
    noted = activated(life, BUILTIN)
    assert (noted.active, noted.fallen, dict(noted.refused)) == (BUILTIN, None, {"1.1.0": WHY})


def versioned(step: Callable[[Life, str], Life]) -> st.SearchStrategy[Step]:
    return st.sampled_from(VERSIONS).map(lambda v: lambda life: step(life, v))


STEPS: st.SearchStrategy[Step] = st.one_of(
    *(versioned(step) for step in (activated, started, next_answer, spared, answered)),
    versioned(lambda life, version: refused(life, version, WHY)),
    st.sampled_from([rolled_back, next_start]),
)


@given(st.lists(STEPS, max_size=30))
def test_any_order_of_events_leaves_one_working_choice(steps: list[Step]) -> None:
    life = Life()
    for step in steps:
        life = step(life)
        assert life.active in VERSIONS
        assert life.previous != life.active
        assert life.fallen != life.active
        assert life.starts <= MAX_TRIES
        assert life.active == BUILTIN or life.active not in life.refused
        assert life.active != BUILTIN or life.confirmed
        assert from_json(to_json({"leaf_health": life})) == {"leaf_health": life}


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(active="../../etc"),
        lambda m: m.update(active=3),
        lambda m: m.update(previous="x"),
        lambda m: m.update(starts="1"),
        lambda m: m.update(surprise=1),
        lambda m: m.update(refused={"1.0.0": "no table"}),
        lambda m: m.update(refused=[]),
        lambda m: m.update(fallen=[]),
    ],
)
def test_a_damaged_state_is_named(change: Callable[[dict[str, Any]], object]) -> None:
    raw = json.loads(to_json({"leaf_health": activated(Life(), "1.1.0")}))
    change(raw["models"]["leaf_health"])
    with pytest.raises(KeeperError) as caught:
        from_json(json.dumps(raw).encode())
    assert caught.value.code == "model_state_damaged"


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b'{"schema": 2, "models": {}}'])
def test_what_is_no_state_is_named(data: bytes) -> None:
    with pytest.raises(KeeperError):
        from_json(data)
