"""The shortcut probe and the leaves cut from boxes, on what can be worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from field_data.errors import PersonError
from models.diagnosis import Diagnoser
from models.labelled import of_split, read_rows
from models.training import augment, crossview, shortcuts
from models.training.shortcuts import Trial
from tests.builders import leaf_pixels

MODEL = Path(__file__).parents[1] / "models" / "leaf_health"
Pixels = augment.Image


def before_paper(seed: int = 1) -> tuple[Pixels, augment.Mask]:
    """A drawn leaf on unevenly lit grey paper with a shadow, and where the leaf is."""
    image = leaf_pixels(256, 256, seed)
    leaf = np.zeros((256, 256), np.uint8)
    cv2.ellipse(leaf, (128, 128), (92, 80), 12, 0, 360, 1, -1)
    light = np.linspace(110, 200, 256)[:, None, None] * np.ones((1, 256, 3))
    shadow = np.roll(leaf, 14, axis=1).astype(bool)
    light[shadow] *= 0.55
    return np.where(leaf[..., None] > 0, image, light).astype(np.uint8), leaf > 0


def test_uneven_light_and_shadow_are_still_backdrop() -> None:
    image, truth = before_paper()
    mask = augment.leaf_mask(image)
    assert mask is not None
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9


def test_a_leaf_may_run_over_the_edge() -> None:
    image, truth = before_paper()
    mask = augment.leaf_mask(image[:, :140])
    assert mask is not None
    assert (mask & truth[:, :140]).sum() / (mask | truth[:, :140]).sum() > 0.85


def test_no_plain_backdrop_no_mask() -> None:
    assert augment.leaf_mask(leaf_pixels(256, 256)) is None
    green = np.full((64, 64, 3), (60, 130, 50), np.uint8)
    assert augment.leaf_mask(green) is None


def test_verdicts_by_hand() -> None:
    trials = [Trial("A", "x", True, n < 5, 0.9, True) for n in range(6)]
    trials += [Trial("A", "y", True, False, 1.0, False) for _ in range(4)]
    said = shortcuts.judged(trials)
    assert (said["as_is"], said["leaf_removed"], said["commonest_condition"]) == (1.0, 0.5, 0.6)
    assert said["background_swapped"] == pytest.approx(0.94)
    assert said["backdrop_tells_little"]
    assert said["leaf_carries"]
    assert said["refused_without_leaf"] == 0.6
    leaning = [Trial("A", c, True, True, 0.5, False) for c in "xyz" for _ in range(4)]
    said = shortcuts.judged(leaning)
    assert not said["backdrop_tells_little"]
    assert not said["leaf_carries"]
    told = shortcuts.told({"all": shortcuts.judged(leaning * 2), "by_crop": {"A": said}})
    whole, crop = told.splitlines()[1:]
    assert "backdrop tells too much  the background carries" in whole
    assert "too few photos" in crop


def test_probe_reads_a_folder(tmp_path: Path) -> None:
    lines = ["file,crop,condition,source,setting,split"]
    for n in range(3):
        cv2.imwrite(str(tmp_path / f"{n}.png"), before_paper(n)[0][..., ::-1])
        lines.append(f"{n}.png,LYPES,healthy,A,lab,mine")
    (tmp_path / "vocabulary.csv").write_text("crop,crop_eppo\nSolanum lycopersicum,LYPES\n")
    (tmp_path / "classification.csv").write_text("\n".join(lines))
    model, rows = Diagnoser(MODEL), of_split(read_rows(tmp_path), "mine")
    with pytest.raises(PersonError, match="grounds"):
        shortcuts.probe(model, tmp_path, rows)
    cv2.imwrite(str(tmp_path / "soil.png"), leaf_pixels(128, 128))
    lines.append("soil.png,negative,OOD-GROUND,A,field,mine")
    (tmp_path / "classification.csv").write_text("\n".join(lines))
    rows = read_rows(tmp_path)
    figures = shortcuts.probe(model, tmp_path, rows)
    assert figures["all"]["photos"] == figures["photos_known"] == 3
    assert figures["by_crop"]["LYPES"]["commonest_condition"] == 1.0
    shortcuts.sheet(tmp_path, rows, tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None


def test_which_boxes_are_cut() -> None:
    rust, spot, moth = (f"{n}" for n in ("Phaseolus vulgaris|UROMAP", "Phaseolus vulgaris|PHAIGR",
                                         "Solanum lycopersicum|GNORAB-ADULT"))  # fmt: skip
    assert crossview.chosen([(rust, (0, 0, 47, 200)), (moth, (0, 0, 90, 90))]) == []
    small, large = (rust, (0.0, 0.0, 50.0, 50.0)), (rust, (100.0, 0.0, 80.0, 80.0))
    assert crossview.chosen([small, large]) == [1, 0]
    same = (rust, (102.0, 0.0, 78.0, 80.0))
    assert crossview.chosen([large, same]) == [0]
    quarrel = (spot, (102.0, 0.0, 78.0, 80.0))
    assert crossview.chosen([large, quarrel, small]) == [2]
    many = [(rust, (100.0 * n, 0.0, 60.0, 60.0)) for n in range(9)]
    assert len(crossview.chosen(many)) == crossview.MOST_A_PHOTO


def test_overlap_and_padding() -> None:
    assert crossview.overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert crossview.overlap((0, 0, 10, 10), (20, 0, 10, 10)) == 0
    image = np.zeros((100, 200, 3), np.uint8)
    assert crossview.cut(image, (50, 20, 60, 40)).shape == (52, 72, 3)
    assert crossview.cut(image, (0, 60, 60, 40)).shape == (46, 66, 3)


def test_a_set_from_boxes(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    (data / "detection" / "images").mkdir(parents=True)
    (data / "classification.csv").write_text(
        "file,crop,condition,source,setting,split\na.jpg,LYPES,healthy,known,field,train\n"
    )
    (data / "vocabulary.csv").write_text(
        "crop,crop_eppo\nSolanum lycopersicum,LYPES\nPhaseolus vulgaris,PHSVX\n"
    )
    boxes = [(1, 1, [10, 10, 100, 90]), (1, 1, [200, 50, 60, 60]), (2, 2, [5, 5, 80, 80])]
    for split in crossview.FILES:
        coco = {
            "categories": [{"id": 1, "name": "Phaseolus vulgaris|UROMAP"},
                           {"id": 2, "name": "Solanum lycopersicum|healthy"}],
            "licenses": [{"id": 1, "name": "CC BY 4.0"}],
            "images": [
                {"id": n, "file_name": f"images/{split}{n}.jpg", "license": 1,
                 "source": "new" if n == 1 else "known", "source_file": f"{split}{n}.jpg"}
                for n in (1, 2)
            ],
            "annotations": [{"image_id": i, "category_id": c, "bbox": b} for i, c, b in boxes],
        }  # fmt: skip
        (data / "detection" / f"{split}.json").write_text(json.dumps(coco))
        for n in (1, 2):
            photo = leaf_pixels(320, 240, seed=n)
            cv2.imwrite(str(data / "detection" / "images" / f"{split}{n}.jpg"), photo)
    counts = crossview.write_set(data, out)
    bean = ("Phaseolus vulgaris", "UROMAP")
    assert counts[("other-source", *bean)] == 4
    assert counts[("other-source-whole", *bean)] == 2
    assert counts["same-source", "Solanum lycopersicum", "healthy"] == 2
    crops = of_split(read_rows(out), "other-source")
    assert {r.label for r in crops} == {("PHSVX", "UROMAP")}
    assert len({r.photo for r in crops}) == 2
    assert {r.licence for r in crops} == {"CC BY 4.0"}
    (data / "detection" / "val.json").write_text("{}")
    with pytest.raises(PersonError, match=r"val\.json"):
        crossview.write_set(data, out)
