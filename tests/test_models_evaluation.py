"""The figures of a card, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from field_data.types import Status
from models import evaluation
from models.evaluation import Answer


def answer(
    truth: str,
    said: str | None,
    sure: bool = False,
    probability: float = 0.9,
    crop: str = "A",
    setting: str = "lab",
    said_crop: str | None = None,
) -> Answer:
    given = Status.CONFIDENT if sure else Status.UNCERTAIN
    status = Status.POOR_PHOTO if said is None else given
    pair = None if said is None else (said_crop or crop, said)
    return Answer(crop, truth, setting, "source", status, pair, probability)


ANSWERS = [
    answer("x", "x", sure=True),
    answer("x", "y"),
    answer("y", "y", sure=True),
    answer("y", "x", sure=True),
    answer("y", None),
]


def test_accuracy_counts_a_refused_photo_as_wrong() -> None:
    assert evaluation.accuracy(ANSWERS) == pytest.approx(2 / 5)


def test_macro_f1() -> None:
    # x: one hit, said twice, there twice -> 2/4; y: one hit, said twice, there three times -> 2/5
    assert evaluation.macro_f1(ANSWERS) == pytest.approx((0.5 + 0.4) / 2)


def test_same_condition_on_two_crops_is_two_classes() -> None:
    both = [answer("x", "x"), answer("x", "y", crop="B")]
    assert evaluation.macro_f1(both) == pytest.approx(0.5)


def test_coverage_and_selective_accuracy() -> None:
    assert evaluation.coverage(ANSWERS) == pytest.approx(3 / 5)
    assert evaluation.selective_accuracy(ANSWERS) == pytest.approx(2 / 3)
    assert evaluation.selective_accuracy([answer("x", "x")]) is None


def test_calibration_error() -> None:
    perfect = [answer("x", "x" if n < 3 else "y", probability=0.75) for n in range(4)]
    assert evaluation.expected_calibration_error(perfect) == pytest.approx(0.0)
    boastful = [answer("x", "y", probability=1.0), answer("x", "x", probability=1.0)]
    assert evaluation.expected_calibration_error(boastful) == pytest.approx(0.5)
    assert evaluation.expected_calibration_error([answer("x", None)]) == 0.0


def test_report_keeps_lab_and_field_apart() -> None:
    mixed = [answer("x", "x"), answer("x", "y", setting="field")]
    report = evaluation.report(mixed)
    assert report["by_setting"]["lab"]["accuracy"] == 1.0
    assert report["by_setting"]["field"]["accuracy"] == 0.0
    assert report["all"]["photos"] == 2
    assert set(report["by_class"]) == {"A x"}


def test_the_right_condition_on_the_wrong_crop_is_wrong_and_not_refused() -> None:
    wrong = answer("x", "x", crop="A", said_crop="B", probability=0.8)
    other = answer("x", "x", crop="B")
    assert not wrong.right
    assert evaluation.summary([wrong, other])["refused"] == 0
    # A x: never hit; B x: one hit, said twice, there once -> 2/3
    assert evaluation.macro_f1([wrong, other]) == pytest.approx(1 / 3)
    assert evaluation.expected_calibration_error([wrong]) == pytest.approx(0.8)
