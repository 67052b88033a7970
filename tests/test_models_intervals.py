"""The bootstrap against plain arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from models import evaluation, intervals
from models.evaluation import Answer
from tests.test_models_evaluation import ANSWERS, answer


def drawn_once(answers: Sequence[Answer]) -> dict[str, float]:
    marks = evaluation.marks(answers)
    found = intervals.figures(marks, np.ones((1, len(answers))))
    return {name: float(values[0]) for name, values in found.items()}


def test_every_photo_once_gives_the_plain_figures() -> None:
    probabilities = np.linspace(0.05, 1.0, len(ANSWERS))
    answers = [
        replace(a, probability=float(p)) for a, p in zip(ANSWERS, probabilities, strict=True)
    ]
    found = drawn_once(answers)
    assert found["accuracy"] == pytest.approx(evaluation.accuracy(answers))
    assert found["macro_f1"] == pytest.approx(evaluation.macro_f1(answers))
    assert found["coverage"] == pytest.approx(evaluation.coverage(answers))
    assert found["right_when_confident"] == pytest.approx(evaluation.selective_accuracy(answers))
    assert found["ece"] == pytest.approx(evaluation.expected_calibration_error(answers))


def test_a_weight_of_two_is_the_photo_twice() -> None:
    marks = evaluation.marks(ANSWERS)
    twice = intervals.figures(marks, np.array([[2.0, 1, 1, 0, 1]]))
    listed = drawn_once([ANSWERS[0], ANSWERS[0], ANSWERS[1], ANSWERS[2], ANSWERS[4]])
    assert {k: float(v[0]) for k, v in twice.items()} == pytest.approx(listed)


def test_the_interval_is_that_of_a_share() -> None:
    answers = [answer("x", "x" if n < 80 else "y") for n in range(100)]
    marks = evaluation.marks(answers)
    found = intervals.intervals(marks, [str(n) for n in range(100)])
    low, high = found["accuracy"] or (0, 0)
    # A binomial share of 0.8 in 100: 0.8 +- 1.96 x 0.04.
    assert low == pytest.approx(0.72, abs=0.02)
    assert high == pytest.approx(0.88, abs=0.02)
    assert found["right_when_confident"] is None
    assert intervals.intervals(marks, [str(n) for n in range(100)]) == found


def test_photos_that_fall_together_are_fewer_witnesses() -> None:
    answers = [answer("x", "x" if n < 80 else "y") for n in range(100)]
    marks = evaluation.marks(answers)
    alone = intervals.intervals(marks, [str(n) for n in range(100)])["accuracy"]
    tied = intervals.intervals(marks, [str(n // 20) for n in range(100)])["accuracy"]
    assert alone is not None
    assert tied is not None
    assert tied[1] - tied[0] > 2 * (alone[1] - alone[0])


def test_auroc() -> None:
    assert intervals.auroc([3.0, 4.0], [1.0, 2.0]) == 1.0
    assert intervals.auroc([1.0, 3.0], [2.0]) == 0.5
    assert intervals.auroc([1.0, 1.0], [1.0]) == 0.5
    assert intervals.auroc([0.9, 0.2, 0.8], [0.5, 0.1]) == pytest.approx(5 / 6, abs=1e-4)
    assert intervals.auroc([], [1.0]) is None


def test_score_interval_stays_open_when_all_were_right() -> None:
    low, high = intervals.score_interval(8, 8)
    assert low == pytest.approx(0.676, abs=0.001)
    assert high == 1.0


def test_slices_by_series_and_confusion() -> None:
    answers = [
        replace(answer("x", "y", sure=True), series="s1"),
        replace(answer("x", "y"), series="s1"),
        replace(answer("x", "x"), series="s2"),
        replace(answer("y", None), series="s2"),
        replace(answer("y", "x", said_crop="B"), series="s3"),
    ]
    report = evaluation.report(answers)
    assert report["by_series"]["A s1"]["accuracy"] == 0.0
    assert report["by_series"]["A s2"]["accuracy"] == 0.5
    table = report["confusion"]["A"]
    assert table["truths"] == ["x", "y"]
    assert table["said"] == ["x", "y", "other crop", "refused"]
    assert table["counts"] == [[1, 2, 0, 0], [0, 0, 1, 1]]
    assert report["most_confused"][0] == {
        "crop": "A", "truth": "x", "said": ["A", "y"], "photos": 2, "confident": 1,
    }  # fmt: skip
    assert "interval_by_series" not in report["all"]
    many = [replace(a, series=f"s{n}") for n, a in enumerate(answers)]
    assert "interval_by_series" in evaluation.report(many)["all"]
