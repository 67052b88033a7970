"""Average precision, F1 and count errors against examples worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.tiles import Found
from models.training import detection_metrics as metrics
from models.training.detection_metrics import Scored


def photo(
    boxes: list[tuple[float, float, float, float]],
    scores: list[float],
    truth: list[tuple[float, float, float, float]],
) -> Scored:
    found = Found(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.zeros(len(boxes), np.int64),
    )
    return Scored(found, 0, np.array(truth, np.float32).reshape(-1, 4))


A, B, C = (0, 0, 10, 10), (20, 0, 10, 10), (40, 0, 10, 10)


class TestMatching:
    def test_each_truth_is_taken_once_by_the_surest(self) -> None:
        twice = photo([A, (1, 0, 10, 10), B], [0.6, 0.9, 0.3], [A, B])
        assert twice.hits.tolist() == [True, False, True]

    def test_half_an_overlap_is_a_hit_and_less_is_not(self) -> None:
        # 10 x 5 in 10 x 10: IoU 0.5 exactly; 10 x 4: 0.4.
        assert photo([(0, 0, 10, 5)], [0.9], [A]).hits.tolist() == [True]
        assert photo([(0, 0, 10, 4)], [0.9], [A]).hits.tolist() == [False]

    def test_another_label_is_no_hit(self) -> None:
        found = Found(np.array([A], np.float32), np.array([0.9], np.float32), np.array([1]))
        assert Scored(found, 0, np.array([A], np.float32)).scores.size == 0


class TestAveragePrecision:
    def test_all_found_and_nothing_else(self) -> None:
        assert metrics.precision_of_all([photo([A, B], [0.9, 0.8], [A, B])]) == 1.0

    def test_one_of_two_found(self) -> None:
        # Recall 0.5 at precision 1: the 51 recalls 0 … 0.50 get 1, the other 50 get 0.
        assert metrics.precision_of_all([photo([A], [0.9], [A, B])]) == pytest.approx(51 / 101)

    def test_a_false_one_between_two_hits(self) -> None:
        # Precisions 1, 1/2, 2/3; made non-increasing: 1 up to recall 0.5, then 2/3.
        ap = metrics.precision_of_all([photo([A, C, B], [0.9, 0.8, 0.7], [A, B])])
        assert ap == pytest.approx((51 + 50 * 2 / 3) / 101)

    def test_photos_are_ranked_together(self) -> None:
        # The false one of the second photo is the surest of all: precisions 0, 1/2 -> 1/2.
        both = [photo([A], [0.5], [A]), photo([C], [0.9], [])]
        assert metrics.precision_of_all(both) == pytest.approx(0.5)

    def test_no_truth_is_no_figure_and_nothing_found_is_zero(self) -> None:
        assert np.isnan(metrics.precision_of_all([photo([A], [0.9], [])]))
        assert metrics.precision_of_all([photo([], [], [A])]) == 0.0


class TestCounts:
    def test_f1_at_a_threshold(self) -> None:
        # 2 hits of 3 said, 4 there: 2 x 2 / (3 + 4).
        photos = [photo([A, B, C], [0.9, 0.8, 0.7], [A, B, (60, 0, 5, 5), (70, 0, 5, 5)])]
        assert metrics.f1(photos, 0.5) == pytest.approx(4 / 7)
        assert metrics.f1(photos, 0.85) == pytest.approx(2 / 5)

    def test_relative_errors(self) -> None:
        errors = metrics.relative_errors(np.array([8.0, 3.0]), np.array([10.0, 0.0]))
        assert errors.tolist() == pytest.approx([0.2, 3.0])

    def test_right_side_of_each_threshold_in_turn(self) -> None:
        # 9 of 11: wrong side of 10, right side of 5 and 15.
        assert metrics.right_side(np.array([9.0]), np.array([11.0]), [5, 10, 15]) == pytest.approx(
            2 / 3
        )

    def test_bootstrap_holds_the_figure_and_narrows(self) -> None:
        values = np.random.default_rng(1).normal(5, 1, 400)
        few = metrics.bootstrap(lambda some: float(np.mean(some)), list(values[:20]))
        many = metrics.bootstrap(lambda some: float(np.mean(some)), list(values))
        assert many[1] < many[0] < many[2]
        assert many[2] - many[1] < few[2] - few[1]
        # Width of a 95 % interval of a mean: 2 x 1.96 x sigma / sqrt(n).
        assert many[2] - many[1] == pytest.approx(2 * 1.96 / 20, rel=0.15)
