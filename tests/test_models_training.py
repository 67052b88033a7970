"""The parts of training that run without torch: the data, the views, the thresholds, the files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from field_data.errors import PersonError, PublisherError
from models.diagnosis import softmax
from models.training import augment, calibrate, dataset, quantise
from tests.builders import leaf_pixels

HEAD = ["file", "crop", "condition", "source", "licence", "setting", "split", "note", "source_file"]


def photo_folder(folder: Path, rows: list[list[str]]) -> Path:
    (folder / "images").mkdir()
    with (folder / "classification.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([HEAD, *rows])
    (folder / "vocabulary.csv").write_text("crop,crop_eppo,condition\nZea mays,ZEAMX,PUCCSO\n")
    for number, row in enumerate(rows):
        cv2.imwrite(str(folder / row[0]), leaf_pixels(64, 48, seed=number))
    return folder


def row(name: str, split: str, crop: str = "Zea mays", condition: str = "PUCCSO") -> list[str]:
    return [f"images/{name}", crop, condition, "src", "CC BY", "lab", split, "series 1", ""]


def test_rows_labels_and_hash(tmp_path: Path) -> None:
    rows = [row("a.png", "train"), row("b.png", "val"), row("n.png", "train", "negative", "OOD")]
    folder = photo_folder(tmp_path, rows)
    found = dataset.read_rows(folder)
    assert [r.crop for r in found] == ["ZEAMX", "ZEAMX", "negative"]
    assert dataset.labels_of(found) == [("ZEAMX", "PUCCSO")]
    dataset.check_splits(found)
    before = dataset.data_hash(folder, found)
    assert before == dataset.data_hash(folder, found[::-1])
    cv2.imwrite(str(folder / "images/a.png"), leaf_pixels(64, 48, seed=99))
    assert dataset.data_hash(folder, found) != before
    assert dataset.load(folder, found[0]).shape == (48, 64, 3)
    assert dataset.provenance(found)[0]["licence"] == "CC BY"
    assert sum(int(str(c["photos"])) for c in dataset.class_counts(found)) == 2


def test_bad_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PersonError):
        dataset.read_rows(tmp_path)
    folder = photo_folder(tmp_path, [row("a.png", "train", "Unknown plant")])
    with pytest.raises(PersonError, match="Unknown plant"):
        dataset.read_rows(folder)


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    folder = photo_folder(tmp_path, [row("a.png", "vla")])
    with pytest.raises(PublisherError, match="vla"):
        dataset.read_rows(folder)


def test_one_photo_in_two_splits_is_refused(tmp_path: Path) -> None:
    rows = dataset.read_rows(photo_folder(tmp_path, [row("a.png", "train"), row("a.png", "val")]))
    with pytest.raises(PublisherError, match="two splits"):
        dataset.check_splits(rows)


def test_near_duplicates_across_splits_are_found(tmp_path: Path) -> None:
    rows = dataset.read_rows(
        photo_folder(tmp_path, [row("a.png", "train"), row("b.png", "val"), row("c.png", "val")])
    )
    image = cv2.GaussianBlur(leaf_pixels(128, 96, seed=1), (0, 0), 6).astype(np.uint8)
    again = cv2.resize(image, (64, 48), interpolation=cv2.INTER_AREA).astype(np.uint8)
    other = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    hashes = [dataset.difference_hash(i) for i in (image, again, other)]
    assert dataset.near_duplicates(hashes, rows) == [("images/a.png", "images/b.png")]


def lab_photo() -> tuple[augment.Image, augment.Mask]:
    """A green disc before a grey backdrop, and where the disc is."""
    rng = np.random.default_rng(0)
    image = np.full((224, 224, 3), (140, 138, 150), np.uint8)
    cv2.circle(image, (112, 112), 60, (60, 120, 50), -1)
    truth = (image == (60, 120, 50)).all(axis=2)
    noisy = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    return noisy, truth


def test_a_leaf_on_a_backdrop_is_found_and_a_field_photo_is_left_alone() -> None:
    image, truth = lab_photo()
    mask = augment.leaf_mask(image)
    assert mask is not None
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95
    busy = np.random.default_rng(1).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    assert augment.leaf_mask(busy) is None


def test_background_is_replaced_and_the_leaf_stays() -> None:
    image, truth = lab_photo()
    blue = np.full((50, 50, 3), (0, 0, 255), np.uint8)
    swapped = augment.replace_background(image, truth, blue)
    assert swapped[5, 5].tolist() == [0, 0, 255]
    inner = cv2.erode(truth.astype(np.uint8), np.ones((9, 9))) > 0
    assert np.abs(swapped[inner].astype(int) - image[inner]).max() <= 1


def test_the_leaf_can_be_removed() -> None:
    image, truth = lab_photo()
    without = augment.remove_leaf(image, truth)
    assert abs(float(without[truth].mean()) - float(image[~truth].mean())) < 8


@pytest.mark.parametrize("seed", range(8))
def test_views_are_repeatable_and_of_the_right_shape(seed: int) -> None:
    image, truth = lab_photo()
    ground = leaf_pixels(100, 80)

    def draw() -> list[augment.Image]:
        rng = np.random.default_rng(seed)
        far = augment.shrink_into(image, truth, ground, rng)
        return [
            augment.augment(image, truth, lambda: ground, 96, rng),
            augment.augment(far, None, lambda: ground, 96, rng),
            augment.synthetic_scene(96, rng),
        ]

    for one, two in zip(draw(), draw(), strict=True):
        assert one.shape == (96, 96, 3)
        assert one.dtype == np.uint8
        assert np.array_equal(one, two)


def test_the_named_conditions_hold_the_truth_as_often_as_promised() -> None:
    rng = np.random.default_rng(3)
    chances = rng.dirichlet(np.full(6, 0.3), 20_000)
    truth = np.array([rng.choice(6, p=row) for row in chances])
    of_truth = chances[np.arange(len(truth)), truth]
    limit = calibrate.candidate_limit(of_truth[:1000], 0.05)
    assert float((of_truth[1000:] >= limit).mean()) == pytest.approx(0.95, abs=0.02)
    assert calibrate.candidate_limit(np.array([0.9]), 0.05) == 0.9


def test_mixed_photos_hold_what_their_shares_say() -> None:
    images = np.repeat(np.array([0, 200], np.uint8), 64 * 64 * 3).reshape(2, 64, 64, 3)
    for seed in range(20):
        out, partner, own = augment.mix(images, np.random.default_rng(seed))
        expected = own * images + (1 - own) * images[partner].astype(float)
        assert out.mean(axis=(1, 2, 3)) == pytest.approx(expected.mean(axis=(1, 2, 3)), abs=1.5)


def test_what_is_held_back_is_a_run_of_photos_of_every_class(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(20)]
    raw = [[*row(name, "train")[:-1], f"IMG_{100 - n}.jpg"] for n, name in enumerate(names)]
    raw += [row("n.png", "train", "negative", "OOD")]
    folder = photo_folder(tmp_path, raw)
    rows = dataset.read_rows(folder)
    kept, held = dataset.hold_back(rows, 0.25)
    assert [r.source_file for r in held] == [f"IMG_{n}.jpg" for n in range(85, 80, -1)]
    assert len(kept) == 16
    assert any(r.crop == "negative" for r in kept)


def test_what_is_left_out_is_nowhere_else(tmp_path: Path) -> None:
    raw = [[*row(f"{n}.png", "train")[:-1], f"x___RS_Rust {n}.JPG"] for n in range(10)]
    raw += [[*row(f"s{n}.png", ("train", "val")[n])[:-2], "series Far", ""] for n in range(2)]
    raw += [row("v.png", "val"), row("t.png", "test-public")]
    folder = photo_folder(tmp_path, raw)
    kept, val, left_out = dataset.leave_out(folder, ["Far"], 0.2)
    files = {name: {r.file for r in rows} for name, rows in left_out.items()}
    assert files == {
        "run": {"images/0.png", "images/1.png"},
        "series": {"images/s0.png", "images/s1.png"},
        "source": set(),
    }
    assert {r.file for r in val} == {"images/v.png"}
    assert {r.file for r in kept} == {f"images/{n}.png" for n in range(2, 10)}


def test_leaves_are_cut_from_photos_with_boxes_of_new_sources_only(tmp_path: Path) -> None:
    folder = photo_folder(tmp_path, [row("a.png", "train")])
    rows = dataset.read_rows(folder)
    (folder / "detection/images").mkdir(parents=True)
    cv2.imwrite(str(folder / "detection/images/d1.png"), leaf_pixels(400, 300))
    boxes = [[10, 20, 100, 90], [200, 100, 200, 200], [0, 0, 80, 80], [5, 5, 30, 200]]
    coco = {
        "categories": [{"id": 1, "name": "Zea mays|PUCCSO"}, {"id": 2, "name": "Zea mays|OTHER"}],
        "licenses": [{"id": 7, "name": "CC BY 4.0"}],
        "images": [
            {"id": n, "file_name": "images/d1.png", "width": 400, "height": 300, "license": 7,
             "source": source, "source_file": "x.jpg"}
            for n, source in ((1, "elsewhere"), (2, "src"))
        ],
        "annotations": [
            {"image_id": image, "category_id": kind, "bbox": box, "area": box[2] * box[3]}
            for image, kind in ((1, 1), (1, 2), (2, 1)) for box in boxes
        ],
    }  # fmt: skip
    (folder / "detection/train.json").write_text(json.dumps(coco))
    found = dataset.box_rows(folder, rows, "train")
    # The two largest of those that are large enough, widened by a tenth within the photo.
    assert [r.box for r in found] == [(180, 80, 220, 220), (0, 11, 120, 108)]
    assert {r.licence for r in found} == {"CC BY 4.0"}
    assert dataset.load(folder, found[1]).shape == (108, 120, 3)
    assert dataset.data_hash(folder, found) != dataset.data_hash(folder, found[:1])
    assert dataset.box_rows(folder, rows, "val") == []


def test_temperature_is_found() -> None:
    rng = np.random.default_rng(0)
    true_logits = rng.normal(0, 2, (4000, 5))
    targets = np.array([rng.choice(5, p=p) for p in softmax(true_logits)])
    assert calibrate.fit_temperature(true_logits * 2.0, targets) == pytest.approx(2.0, rel=0.12)


def test_least_sure_keeps_the_promise() -> None:
    probability = np.linspace(0.99, 0.01, 200)
    right = np.arange(200) < 100
    limit = calibrate.least_sure(probability, right, 0.95)
    chosen = probability >= limit
    assert right[chosen].mean() >= 0.95
    assert chosen.sum() >= 100


def test_quality_limit_lies_where_accuracy_falls_and_spares_real_photos() -> None:
    values = np.linspace(0, 1, 2400)
    right = values < 0.6
    untouched = np.linspace(0, 0.3, 500)
    limit = calibrate.limit_from(values, right, untouched, baseline=1.0, high_is_bad=True)
    assert 0.55 < limit < 0.65
    spared = calibrate.limit_from(
        values, right, np.linspace(0, 0.9, 500), baseline=1.0, high_is_bad=True
    )
    assert spared == pytest.approx(0.9, abs=0.01)
    dark = calibrate.limit_from(
        100 * (1 - values), right, np.full(9, 80.0), baseline=1.0, high_is_bad=False
    )
    assert 35 < dark < 45


def test_degradations_do_what_they_say() -> None:
    image = leaf_pixels(224, 224)
    assert calibrate.exposed(image, 0.1).mean() < image.mean() < calibrate.exposed(image, 4).mean()
    before, after = calibrate.measure_all(np.stack([image, calibrate.blurred(image, 6)]))
    assert after.blur > before.blur


def test_weights_stored_in_half_compute_the_same(tmp_path: Path) -> None:
    import onnxruntime

    rng = np.random.default_rng(0)
    weight = rng.normal(size=(64, 64)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, str(tmp_path / "full.onnx"))
    quantise.store_as_half(tmp_path / "full.onnx", tmp_path / "half.onnx")
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    x = rng.normal(size=(1, 64)).astype(np.float32)
    results = [
        onnxruntime.InferenceSession(str(tmp_path / f"{name}.onnx")).run(None, {"x": x})[0]
        for name in ("full", "half")
    ]
    np.testing.assert_allclose(results[0], results[1], atol=0.02)
