"""The head that people teach: made-up embeddings, no photos."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from field_data.types import Candidate
from models.local_classes import (
    TRUSTED_PHOTOS,
    CropHead,
    LocalHead,
    Ridge,
    Taught,
    alike,
    fit_temperature,
    least_sure,
    same_picture,
)
from models.neighbours import unit

Floats = NDArray[np.float32]
D = 64
NONE: frozenset[str] = frozenset()


def cloud(n: int, centre: int, seed: int, spread: float = 0.6) -> Floats:
    """Unit vectors [n, D] around an axis, positive like pooled ReLU6 features."""
    rng = np.random.default_rng(seed)
    vectors = np.abs(rng.normal(0.0, spread / np.sqrt(D), (n, D))) + 0.05
    vectors[:, centre] += 1.0
    return unit(vectors)


BANKS = {"AAAAA": cloud(60, 60, 1), "BBBBB": cloud(60, 61, 2)}


def head(*taught: Taught, alert: frozenset[str] = NONE) -> LocalHead:
    return LocalHead(taught, BANKS, alert)


def crop_head(crop: str, *taught: Taught) -> CropHead:
    found = head(*taught).of(crop)
    assert found is not None
    return found


def taught(condition: str, centre: int, n: int = 12, crop: str = "TRZAX", seed: int = 5) -> Taught:
    return Taught(crop, condition, "", cloud(n, centre, seed + centre))


def test_left_out_answers_are_those_of_a_head_without_the_photo() -> None:
    points = np.concatenate([cloud(6, 1, 1), cloud(9, 2, 2), cloud(5, 3, 3)])
    targets = np.repeat([0, 1, 2], [6, 9, 5])
    whole = Ridge(points, targets)
    hot = np.eye(3)[targets]
    count = hot.sum(axis=0)[targets]
    noise = 0.1 * count / count.mean()
    for out in (0, 7, 19):
        rest = np.arange(20) != out
        kernel = points[rest] @ points[rest].T + 1.0 + np.diag(noise[rest])
        expected = (points[out] @ points[rest].T + 1.0) @ np.linalg.solve(kernel, hot[rest])
        assert whole.left_out[out] == pytest.approx(expected, abs=1e-5)


def test_photos_of_what_was_taught_are_recognised() -> None:
    two = crop_head("TRZAX", taught("RUST", 1), taught("healthy", 2))
    known, local = two.shares(cloud(30, 1, 99))
    assert not known.any(), "the model knows nothing of this crop"
    assert (local.argmax(axis=1) == 0).mean() > 0.9
    assert (local.sum(axis=1) <= 1 + 1e-9).all()
    fresh = cloud(40, 1, 98)
    sure = [two.trusted(fresh[i : i + 1], ("TRZAX", "RUST")) for i in range(40)]
    assert np.mean(sure) > 0.2


def test_what_does_not_resemble_the_only_class_gets_no_probability() -> None:
    one = crop_head("TRZAX", taught("RUST", 1))
    like, unlike = cloud(20, 1, 99), cloud(20, 7, 98)
    assert one.shares(like)[1].mean() > 0.8
    assert one.shares(unlike)[1].mean() < 0.5
    assert not one.trusted(unlike, ("TRZAX", "RUST"))
    assert not one.trusted(like, ("TRZAX", "RUST")), "nothing to tell it apart from"


def test_few_photos_are_never_trusted() -> None:
    few = TRUSTED_PHOTOS - 1
    two = crop_head("TRZAX", taught("RUST", 1, few), taught("healthy", 2, few))
    assert not two.trusted(cloud(6, 1, 99), ("TRZAX", "RUST"))


def test_classes_that_cannot_be_told_apart_are_never_trusted() -> None:
    mixed = cloud(24, 1, 3)
    one = Taught("TRZAX", "RUST", "", mixed[::2])
    two = Taught("TRZAX", "BLOTCH", "", mixed[1::2])
    both = crop_head("TRZAX", one, two)
    fresh = cloud(40, 1, 99)
    sure = [both.trusted(fresh[i : i + 1], ("TRZAX", "RUST")) for i in range(40)]
    assert np.mean(sure) < 0.1


def test_beside_a_model_the_probabilities_share_one() -> None:
    beside = crop_head("AAAAA", taught("NEW", 1, crop="AAAAA"))
    for vectors, models in ((cloud(20, 60, 98), True), (cloud(20, 1, 99), False)):
        known, local = beside.shares(vectors)
        assert ((known > local[:, 0]) == models).mean() > 0.9
        assert (known + local.sum(axis=1) <= 1 + 1e-9).all()


def test_only_local_candidates_carry_the_mark() -> None:
    named = Taught("TRZAX", "LOCAL-1", "صدأ", cloud(7, 1, 1))
    one = crop_head("TRZAX", named)
    marked = one.marked(Candidate("TRZAX", "LOCAL-1", 0.5))
    assert (marked.local_photos, marked.local_name) == (7, "صدأ")
    assert one.marked(Candidate("TRZAX", "OTHER", 0.5)).local_photos == 0


def test_alerts_reach_the_head_of_every_crop() -> None:
    found = head(taught("XYLEFA", 1, crop="OLVEU"), alert=frozenset({"XYLEFA"})).of("OLVEU")
    assert found is not None
    assert "XYLEFA" in found.alert


def test_crops_without_a_lesson_have_no_head() -> None:
    assert head().crops == frozenset()
    assert head(taught("RUST", 1)).of("OLVEU") is None


def test_only_what_is_alike_is_looked_at() -> None:
    own = cloud(5, 1, 1)
    assert 3 in alike(own[3] * 2.0, list(own))
    assert alike(cloud(1, 9, 2)[0], list(own)) == []
    assert alike(own[0], []) == []


def test_a_picture_is_itself_brighter_or_not_and_no_other() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(20, 180, (2, 16, 16, 3)).astype(np.uint8)
    assert same_picture(one, (one + 40).astype(np.uint8))
    assert not same_picture(one, other)


def test_one_right_answer_proves_nothing() -> None:
    assert least_sure(np.array([0.99]), np.array([True])) > 1
    chance = np.linspace(1, 0.5, 50)
    assert least_sure(chance, np.ones(50, bool)) == pytest.approx(0.5)
    assert 0.7 < least_sure(chance, np.arange(50) < 25) < 0.76


def test_temperature_follows_how_often_scores_are_wrong() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 400)
    sharp = np.eye(2)[truth]
    wrong = np.where(rng.random(400) < 0.3, 1 - truth, truth)
    assert fit_temperature(sharp, truth) < fit_temperature(np.eye(2)[wrong], truth)


def test_a_model_of_one_crop_can_be_taught_that_crop() -> None:
    lesson = Taught("AAAAA", "NEW", "", cloud(12, 50, 3))
    found = LocalHead([lesson], {"AAAAA": BANKS["AAAAA"]}, NONE).of("AAAAA")
    assert found is not None
    known, local = found.shares(np.concatenate([cloud(5, 50, 4), cloud(5, 60, 5)]))
    assert (local[:5, 0] > known[:5]).all()
    assert (local[5:, 0] < known[5:]).all()


def test_twenty_classes_of_forty_photos_are_learnt_in_under_a_second() -> None:
    rng = np.random.default_rng(0)
    banks = {c: unit(rng.random((200, 1280)).astype(np.float32)) for c in ("AAAAA", "BBBBB")}
    lessons = [
        Taught("TRZAX", f"C{n}", "", unit(rng.random((40, 1280)).astype(np.float32)))
        for n in range(20)
    ]
    fastest = 9.0
    for _ in range(3):
        started = time.process_time()
        LocalHead(lessons, banks, NONE)
        fastest = min(fastest, time.process_time() - started)
    assert fastest < 1.0
