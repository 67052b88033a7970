"""Photos to an answer: the arithmetic on numbers made up here, the whole on the shipped model."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_app.node import MODEL_FOLDER
from field_data.errors import PersonError, PublisherError
from field_data.types import HEALTHY, PhotoFault, Status
from models import diagnosis, photo_quality, preprocess
from models.diagnosis import Diagnoser, fuse, gate_fault, judge, probabilities, refused_as
from models.manifest import Manifest, read_manifest
from tests.builders import encoded, leaf_jpeg, leaf_pixels

LABELS = (("A", "X"), ("A", "Y"), ("A", HEALTHY), ("B", "ALERT"), ("B", HEALTHY))


@pytest.fixture(scope="module")
def shipped() -> Diagnoser:
    return Diagnoser(MODEL_FOLDER)


@pytest.fixture
def manifest() -> Manifest:
    real = read_manifest(MODEL_FOLDER)
    limits = replace(
        real.thresholds, confident=0.8, confident_any_crop=0.9, familiar=0.5, candidate=0.01
    )
    return replace(
        real, labels=LABELS, temperature=2.0, thresholds=limits, alert=frozenset({"ALERT"})
    )


def fused(manifest: Manifest, photos: Sequence[Sequence[float]]) -> dict[tuple[str, str], float]:
    result = fuse(manifest, np.array(photos, dtype=np.float64))
    assert result.sum() <= 1 + 1e-9
    return dict(zip(manifest.labels, map(float, result), strict=True))


def test_the_crop_that_the_farmer_picked_restricts_the_classes(manifest: Manifest) -> None:
    logits = np.array([[1.0, 0.0, 0.0, 9.0, 9.0]], np.float32)
    within = probabilities(manifest, logits, "A")
    assert within[0, 3:].tolist() == [0.0, 0.0]
    assert within.sum() == pytest.approx(1.0)
    assert probabilities(manifest, logits, None)[0].argmax() == 3


def test_temperature_softens(manifest: Manifest) -> None:
    logits = np.array([[4.0, 0.0, 0.0, 0.0, 0.0]], np.float32)
    hot = probabilities(manifest, logits, "A")[0, 0]
    cold = probabilities(replace(manifest, temperature=1.0), logits, "A")[0, 0]
    assert hot == pytest.approx(1 / (1 + 2 * np.exp(-2)))
    assert hot < cold


def test_one_photo_is_its_own_answer(manifest: Manifest) -> None:
    result = fused(manifest, [[0.6, 0.1, 0.3, 0, 0]])
    assert result["A", "X"] == pytest.approx(0.6, abs=1e-6)
    assert result["A", HEALTHY] == pytest.approx(0.3, abs=1e-6)


def test_one_clearly_sick_leaf_among_five_is_not_called_healthy(manifest: Manifest) -> None:
    fine, sick = [0.005, 0.005, 0.99, 0, 0], [0.98, 0.01, 0.01, 0, 0]
    result = fused(manifest, [fine] * 4 + [sick])
    assert result["A", "X"] > result["A", HEALTHY]
    assert result["A", "X"] < 0.8, "but four healthy leaves leave a doubt"
    assert fused(manifest, [fine] * 5)["A", HEALTHY] > 0.98


def test_more_photos_never_make_it_surer_than_they_are(manifest: Manifest) -> None:
    photo = [0.7, 0.2, 0.1, 0, 0]
    assert fused(manifest, [photo] * 6)["A", "X"] == pytest.approx(0.7, abs=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_no_class_gets_more_than_its_surest_photo(seed: int, photos: int) -> None:
    real = read_manifest(MODEL_FOLDER)
    each = np.random.default_rng(seed).dirichlet(np.full(len(LABELS), 0.4), photos)
    result = fuse(replace(real, labels=LABELS), each)
    assert (result <= each.max(axis=0) + 1e-12).all()


def test_order_of_photos_does_not_matter(manifest: Manifest) -> None:
    photos = np.random.default_rng(3).dirichlet(np.ones(5), 4)
    assert fuse(manifest, photos) == pytest.approx(fuse(manifest, photos[::-1]))


@pytest.mark.parametrize(
    ("top", "familiar", "agreeing", "crop", "status"),
    [
        (0.85, 0.6, 1.0, "A", Status.CONFIDENT),
        (0.85, 0.6, 1.0, None, Status.UNCERTAIN),  # without the crop it must be surer
        (0.95, 0.6, 1.0, None, Status.CONFIDENT),
        (0.75, 0.6, 1.0, "A", Status.UNCERTAIN),
        (0.99, 0.4, 1.0, "A", Status.UNCERTAIN),  # sure of something it has never seen
        (0.99, 0.6, 0.5, "A", Status.UNCERTAIN),  # half of the leaves say otherwise
    ],
)
def test_confident_needs_probability_familiarity_and_agreement(
    manifest: Manifest,
    top: float,
    familiar: float,
    agreeing: float,
    crop: str | None,
    status: Status,
) -> None:
    chances = np.array([top, 1 - top, 0, 0, 0])
    said, where, candidates, alert = judge(manifest, chances, familiar, agreeing, crop)
    assert (said, where, alert) == (status, "A", False)
    assert [c.condition for c in candidates] == ["X", "Y"]


def test_only_what_is_likely_enough_is_named_and_three_at_most(manifest: Manifest) -> None:
    def named(*chances: float) -> list[str]:
        said = judge(manifest, np.array(chances), 0.9, 1.0, None)[2]
        return [c.condition for c in said]

    assert len(named(0.995, 0.005, 0, 0, 0)) == 1
    assert len(named(0.99, 0.01, 0, 0, 0)) == 2
    assert len(named(0.3, 0.2, 0.2, 0.2, 0.1)) == 3
    # Of a fused answer in doubt the likeliest is named however unlikely it is.
    assert len(named(0.008, 0.002, 0, 0, 0)) == 1


def test_an_alert_is_never_confirmed(manifest: Manifest) -> None:
    sure = np.array([0, 0, 0, 0.999, 0.001])
    status, crop, _, alert = judge(manifest, sure, 1.0, 1.0, "B")
    assert (status, crop, alert) == (Status.UNCERTAIN, "B", True)
    possible = np.array([0, 0, 0, 0.25, 0.75])
    assert judge(manifest, possible, 1.0, 1.0, "B")[3]
    unlikely = np.array([0, 0, 0, 0.05, 0.95])
    assert judge(manifest, unlikely, 1.0, 1.0, "B")[::3] == (Status.CONFIDENT, False)


def test_gate_and_refusal(manifest: Manifest) -> None:
    limits = manifest.thresholds
    assert gate_fault(np.array([9, 0, 0], np.float32), limits) is None
    assert gate_fault(np.array([0, 9, 0], np.float32), limits) is PhotoFault.FAR
    assert gate_fault(np.array([0, 0, 9], np.float32), limits) is PhotoFault.NOT_A_PLANT
    strange, blur = PhotoFault.NOT_A_PLANT, PhotoFault.BLUR
    assert refused_as([strange, blur]) is Status.NOT_A_PLANT
    assert refused_as([strange, blur, blur]) is Status.POOR_PHOTO


def test_the_shipped_model_answers(shipped: Diagnoser) -> None:
    reading = shipped.read([("leaf.jpg", leaf_jpeg())], "LYPES", keep=True)
    assert reading.model == shipped.ref
    assert len(reading.photos) == len(reading.kept) == 1
    assert reading.timing.total_ms >= reading.timing.decode_ms > 0
    if reading.candidates:
        assert {c.crop for c in reading.candidates} == {"LYPES"}
        assert sum(c.probability for c in reading.candidates) <= 1 + 1e-6
    kept = reading.kept[0]
    assert kept is not None
    assert kept.startswith(b"\xff\xd8")


def test_a_batch_reads_like_single_photos(shipped: Diagnoser) -> None:
    squares = np.stack(
        [
            preprocess.model_input(leaf_pixels(400, 300, seed), shipped.manifest.px)
            for seed in (1, 2, 3)
        ]
    )
    together, alone = shipped.run(squares), [shipped.run(s[None]) for s in squares]
    for name in ("logits", "gate", "embedding"):
        stacked = np.concatenate([getattr(one, name) for one in alone])
        np.testing.assert_allclose(getattr(together, name), stacked, atol=0.25)


@pytest.mark.parametrize(
    ("photo", "fault"),
    [
        (np.full((300, 400, 3), 6, np.uint8), PhotoFault.DARK),
        (np.full((300, 400, 3), 255, np.uint8), PhotoFault.GLARE),
    ],
)
def test_the_gate_turns_away_dark_and_blown_out_photos(
    shipped: Diagnoser, photo: preprocess.Image, fault: PhotoFault
) -> None:
    reading = shipped.read([("x.png", encoded(photo, "PNG"))], "LYPES", keep=False)
    assert reading.photos[0].fault is fault
    assert reading.status is Status.POOR_PHOTO
    assert reading.candidates == ()


def test_the_gate_turns_away_blur(shipped: Diagnoser) -> None:
    import cv2

    smeared = cv2.GaussianBlur(leaf_pixels(640, 480), (0, 0), 45).astype(np.uint8)
    reading = shipped.read([("x.jpg", encoded(smeared, "PNG"))], "LYPES", keep=False)
    assert reading.photos[0].fault in (PhotoFault.BLUR, PhotoFault.NOT_A_PLANT)


def test_blur_effect_grows_with_blur() -> None:
    import cv2

    texture = np.random.default_rng(5).integers(0, 256, (224, 224), dtype=np.uint8)
    steps = [photo_quality.blur_effect(texture)] + [
        photo_quality.blur_effect(cv2.GaussianBlur(texture, (0, 0), s).astype(np.uint8))
        for s in (0.5, 1, 2, 4)
    ]
    assert steps == sorted(steps), steps
    assert steps[0] < 0.3
    assert 0.5 < steps[-1] <= 1
    assert photo_quality.blur_effect(np.full((9, 9), 7, np.uint8)) == 1.0


def test_too_few_too_many_and_broken_photos(shipped: Diagnoser) -> None:
    photo = ("a.jpg", leaf_jpeg())
    for photos, code in (
        ([], "no_photo"),
        ([photo] * 7, "too_many_photos"),
        ([photo, ("b.jpg", b"nonsense")], "not_an_image"),
    ):
        with pytest.raises(PersonError) as caught:
            shipped.read(photos, "LYPES", keep=False)
        assert caught.value.code == code
    assert caught.value.details == {"photo": 2, "name": "b.jpg"}


def test_unread_checks_photos_and_claims_nothing() -> None:
    reading = diagnosis.unread([("w.jpg", leaf_jpeg())], "TRZAX", keep=True)
    assert (reading.status, reading.crop, reading.candidates) == (Status.NO_MODEL, "TRZAX", ())
    assert reading.model is None
    assert reading.kept[0] is not None
    with pytest.raises(PersonError):
        diagnosis.unread([("w.jpg", b"x")], "TRZAX", keep=False)


def broken(folder: Path, name: str, data: bytes | None) -> str:
    shutil.copytree(MODEL_FOLDER, folder / "model")
    path = folder / "model" / name
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(PublisherError) as caught:
        Diagnoser(folder / "model")
    return caught.value.code


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("model.int8.onnx", None, "model_missing"),
        ("model.int8.onnx", b"short", "model_corrupt"),
        ("neighbours.npz", b"", "model_corrupt"),
        ("manifest.json", None, "model_missing"),
        ("manifest.json", b"{}", "bad_manifest"),
        ("manifest.json", b"\xff\xfe", "model_missing"),
    ],
)
def test_a_missing_or_broken_model_says_so(
    tmp_path: Path, name: str, data: bytes | None, code: str
) -> None:
    assert broken(tmp_path, name, data) == code
