"""Cohen's kappa against tables worked out by hand, and its interval against chance itself."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.agreement import MIN_PAIRS, agreement, by_group, by_label, expected, share

Pairs = list[tuple[str, str]]


def table(*counts: int, labels: str = "ab") -> Pairs:
    """Pairs from the cells of a square table, row by row."""
    cells = zip(product(labels, labels), counts, strict=True)
    return [(a, b) for (a, b), count in cells for _ in range(count)]


def brute(pairs: Pairs) -> float:
    """(p_o - p_e) / (1 - p_e), p_e by pairing everybody's first label with everybody's second."""
    observed = sum(a == b for a, b in pairs) / len(pairs)
    chance = sum(a == b for (a, _), (_, b) in product(pairs, pairs)) / len(pairs) ** 2
    return (observed - chance) / (1 - chance)


class TestKappa:
    @pytest.mark.parametrize(
        ("pairs", "kappa"),
        [
            # 20 + 15 of 50 alike: p_o 0.7; 25·30 + 25·20 of 2500: p_e 0.5.
            (table(20, 5, 10, 15), 0.4),
            # 45 + 25 of 100: p_o 0.7; 60·70 + 40·30: p_e 0.54; then 25 + 35: 60·30 + 40·70: 0.46.
            (table(45, 15, 25, 15), 0.1304),
            (table(25, 35, 5, 35), 0.2593),
            # 44 + 20 + 6 of 100: p_o 0.7; 50·60 + 30·30 + 20·10 of 10000: p_e 0.41.
            (table(44, 5, 1, 7, 20, 3, 9, 5, 6, labels="abc"), 0.4915),
            (table(10, 0, 0, 10), 1.0),
            (table(0, 10, 10, 0), -1.0),
            (table(10, 10, 10, 10), 0.0),
        ],
    )
    def test_tables_by_hand(self, pairs: Pairs, kappa: float) -> None:
        assert agreement(pairs).kappa == pytest.approx(kappa, abs=5e-4)

    @settings(max_examples=50)
    @given(st.lists(st.tuples(*[st.sampled_from("abcd")] * 2), min_size=MIN_PAIRS, max_size=60))
    def test_counting_and_trying_everything_give_the_same(self, pairs: Pairs) -> None:
        found = agreement(pairs)
        if len({label for pair in pairs for label in pair}) == 1:
            assert found.kappa is None
            return
        assert found.kappa is not None
        assert found.low is not None
        assert found.high is not None
        assert found.kappa == pytest.approx(brute(pairs), abs=5e-5)
        assert -1 <= found.low <= found.kappa <= found.high <= 1
        # Who is called the first does not matter.
        assert agreement([(b, a) for a, b in pairs]).kappa == pytest.approx(found.kappa, abs=1e-4)

    def test_too_few_pairs_give_no_kappa(self) -> None:
        few = table(10, 0, 0, MIN_PAIRS - 11)
        assert (agreement(few).kappa, agreement(few).pairs) == (None, MIN_PAIRS - 1)
        assert agreement([*few, ("a", "a")]).kappa == 1.0
        assert agreement([]).kappa is None

    def test_one_and_the_same_answer_gives_no_kappa(self) -> None:
        found = agreement([("a", "a")] * 40)
        assert (found.kappa, found.alike, found.pairs) == (None, 40, 40)

    @pytest.mark.parametrize("right", [0.7, 0.85, 0.95])
    def test_the_interval_holds_the_truth_as_often_as_it_says(self, right: float) -> None:
        dice = random.Random(20261124)

        def draw(n: int) -> Pairs:
            truth = dice.choices("abcde", [16, 8, 4, 2, 1], k=n)
            both = [
                [t if dice.random() < right else dice.choice("abcde") for t in truth] for _ in "12"
            ]
            return list(zip(*both, strict=True))

        many = draw(100_000)
        chance = expected(many)
        true = (sum(a == b for a, b in many) / len(many) - chance) / (1 - chance)
        found = [agreement(draw(40)) for _ in range(600)]
        held = sum(a.low is not None and a.high is not None and a.low <= true <= a.high
                   for a in found)  # fmt: skip
        assert held / len(found) >= 0.925


def test_one_label_against_the_rest() -> None:
    pairs = table(20, 5, 1, 2, 10, 0, 3, 0, 9, labels="abc")
    found = by_label(pairs)
    assert set(found) == {"a", "b", "c"}
    # b: both 10, neither 20 + 1 + 3 + 9 = 33, of 50; said by the first 12, by the second 15 times.
    chance = (12 * 15 + 38 * 35) / 2500
    assert found["b"].alike == 43
    assert found["b"].kappa == pytest.approx((0.86 - chance) / (1 - chance), abs=1e-4)


def test_a_label_that_was_hardly_said_has_no_kappa() -> None:
    often = table(20, 0, 0, 0)
    assert by_label([*often, *[("a", "b")] * 4])["b"].kappa is None
    assert by_label([*often, *[("a", "b")] * 4])["a"].kappa is not None
    assert by_label([*often, *[("a", "b")] * 5])["b"].kappa == 0.0


def test_every_group_by_itself() -> None:
    pairs = [("x", pair) for pair in table(10, 0, 0, 10)] + [("y", ("a", "b"))]
    found = by_group(pairs)
    assert (found["x"].kappa, found["x"].pairs) == (1.0, 20)
    assert (found["y"].kappa, found["y"].pairs, found["y"].alike) == (None, 1, 0)


def test_a_share_with_its_score_interval() -> None:
    # Wilson 1927: centre (p + z²/2n) / (1 + z²/n), z = 1.96; 8 of 10.
    found = share([True] * 8 + [False] * 2)
    assert (found.n, found.hits, found.share) == (10, 8, 0.8)
    assert found.low == pytest.approx(0.4902, abs=1e-3)
    assert found.high == pytest.approx(0.9433, abs=1e-3)
    assert share([]).share is None
