"""The counter: manifest, arithmetic, the shipped model on good and on bad input."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.node import TRAP_FOLDER
from field_data.errors import PersonError, PublisherError
from field_data.types import PhotoFault
from models import counting, tiles
from models.counting import Counter, CountStatus
from models.counting_manifest import (
    Limits,
    TrapRule,
    parse_counting_manifest,
    read_counting_manifest,
)
from models.tiles import Found
from models.training.report_trap import disproved
from tests.builders import encoded, leaf_jpeg, trap_pixels

RULE = TrapRule("GNORAB-ADULT", 448, 4.0, 0.4, 1.0, 0.9, 20.0, 0.5, most=100)
LIMITS = Limits(sure=0.8, no_trap=0.5, doubtful=0.5, overlap=0.5, traps={"tuta": RULE})


@pytest.fixture(scope="module")
def counter() -> Counter:
    return Counter(TRAP_FOLDER)


def detections(*scores: float) -> Found:
    count = len(scores)
    return Found(
        np.zeros((count, 4), np.float32), np.array(scores, np.float32), np.zeros(count, np.int64)
    )


class TestTally:
    def test_what_reaches_the_score_is_counted(self) -> None:
        status, count = counting.tally(detections(0.9, 0.4, 0.39, 0.1), 0, 0.9, RULE, LIMITS)
        assert count is not None
        assert (status, count.count, count.taxon) == (CountStatus.COUNTED, 2, "GNORAB-ADULT")

    def test_nothing_is_counted_without_a_trap(self) -> None:
        said = counting.tally(detections(0.9, 0.9), 0, 0.49, RULE, LIMITS)
        assert said == (CountStatus.NOT_A_TRAP, None)

    @pytest.mark.parametrize(
        ("scores", "chance"),
        [
            ([0.9] * 3, 0.79),  # hardly a trap
            ([0.9] * 101, 0.9),  # more than anybody checked
            ([0.9] + [0.3] * 4, 0.9),  # 4 doubtful beside 1: more than 0.5 x (1 + 5)
        ],
    )
    def test_doubt_is_said(self, scores: list[float], chance: float) -> None:
        status, count = counting.tally(detections(*scores), 0, chance, RULE, LIMITS)
        assert status is CountStatus.UNCERTAIN
        assert count is not None

    def test_no_insects_is_zero_with_an_interval(self) -> None:
        status, count = counting.tally(detections(), 0, 0.9, RULE, LIMITS)
        assert count is not None
        assert (status, count.count, count.low, count.high) == (CountStatus.UNCERTAIN, 0, 0, 1)

    def test_interval_by_hand(self) -> None:
        # 24 +- 1.5 x sqrt(25) = 16.5 … 31.5, rounded away from the count.
        assert counting.interval(24, 1.5) == (16, 32)

    @given(st.integers(0, 5000), st.floats(0, 10))
    def test_interval_holds_its_count(self, count: int, spread: float) -> None:
        low, high = counting.interval(count, spread)
        assert 0 <= low <= count <= high

    def test_a_trap_need_not_fill_the_photo(self) -> None:
        scenes = np.array([[0.9, 0.1], [0.8, 0.2], [0.0, 1.0], [0.1, 0.9]], np.float32)
        assert counting.scene_chances(scenes).tolist() == pytest.approx([0.85, 0.95])

    def test_reading_scale(self) -> None:
        assert counting.reading_scale(RULE, 300, 224) == pytest.approx(448 / 300)
        assert counting.reading_scale(RULE, 3000, 4000) == pytest.approx(0.112)
        assert counting.reading_scale(RULE, 20, 30) == 4.0


class TestFind:
    def test_an_insect_between_two_tiles_is_found_once_at_its_place(self) -> None:
        image = np.zeros((64, 1000, 3), np.uint8)
        image[30:38, 480:500] = 255

        def bright(photos: tiles.Image) -> list[tiles.Floats]:
            """A detector of white: the middle of all white in a tile."""
            grid = photos.shape[1] // 4
            heat = np.zeros((1, 1, grid, grid), np.float32)
            rows, columns = np.nonzero(photos[0, :, :, 0] == 255)
            if rows.size:
                heat[0, 0, int(rows.mean()) // 4, int(columns.mean()) // 4] = 0.9
            reach = np.full((1, 4, grid, grid), 10, np.float32)
            return [heat, reach, np.array([[0.7, 0.2, 0.1]], np.float32)]

        found, chances = counting.find(bright, image, 512, 0.5)
        assert len(found.scores) == 1
        x, y, width, height = found.boxes[0]
        assert abs(x + width / 2 - 490) <= 4
        assert abs(y + height / 2 - 34) <= 4
        assert chances.tolist() == pytest.approx([0.7, 0.2, 0.1])


class TestManifest:
    def text(self) -> str:
        return (TRAP_FOLDER / "manifest.json").read_text(encoding="utf-8")

    def test_the_shipped_one_is_sound(self) -> None:
        manifest = read_counting_manifest(TRAP_FOLDER)
        assert tuple(manifest.thresholds.traps) == counting.TRAPS
        assert all(part.bytes < 5_000_000 for part in manifest.files.values())
        assert 0 < manifest.thresholds.no_trap <= manifest.thresholds.sure < 1

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("kind", "classifier"),
            ("schema", 2),
            ("px", 500),
            ("px", "512"),
            ("labels", []),
            ("labels", ["A", "B", "C"]),
            ("thresholds", {}),
            ("files", {}),
            ("surprise", 1),
        ],
    )
    def test_what_is_wrong_is_refused(self, key: str, value: object) -> None:
        raw = json.loads(self.text()) | {key: value}
        with pytest.raises(PublisherError) as refused:
            parse_counting_manifest(json.dumps(raw))
        assert refused.value.code == "bad_manifest"

    def test_a_number_in_quotes_is_refused(self) -> None:
        raw = json.loads(self.text())
        raw["thresholds"]["traps"]["tuta"]["score"] = "0.3"
        with pytest.raises(PublisherError, match="score"):
            parse_counting_manifest(json.dumps(raw))

    def test_no_json_and_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(PublisherError):
            parse_counting_manifest("[]")
        with pytest.raises(PublisherError) as absent:
            read_counting_manifest(tmp_path)
        assert absent.value.code == "model_missing"


class TestBadModels:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        shutil.copytree(TRAP_FOLDER, tmp_path / "trap")
        return tmp_path / "trap"

    def replaced(self, folder: Path, data: bytes) -> None:
        """Put other bytes in place of the int8 graph, with a manifest that agrees."""
        import hashlib

        (folder / "model.int8.onnx").write_bytes(data)
        raw = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        raw["files"]["int8"] |= {
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
        }
        (folder / "manifest.json").write_text(json.dumps(raw), encoding="utf-8")

    def test_a_changed_file(self, folder: Path) -> None:
        path = folder / "model.int8.onnx"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(PublisherError) as refused:
            Counter(folder)
        assert refused.value.code == "model_corrupt"

    def test_no_onnx_at_all(self, folder: Path) -> None:
        self.replaced(folder, b"this is no graph")
        with pytest.raises(PublisherError) as refused:
            Counter(folder)
        assert refused.value.code == "model_corrupt"

    def test_a_graph_with_other_outputs(self, folder: Path) -> None:
        self.replaced(folder, (TRAP_FOLDER.parent / "leaf_health/model.int8.onnx").read_bytes())
        with pytest.raises(PublisherError) as refused:
            Counter(folder)
        assert refused.value.code == "model_corrupt"

    def test_labels_that_do_not_match(self, folder: Path) -> None:
        raw = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        raw["labels"].append("ONE-MORE")
        (folder / "manifest.json").write_text(json.dumps(raw), encoding="utf-8")
        with pytest.raises(PublisherError, match="outputs do not fit"):
            Counter(folder)


class TestShipped:
    def test_a_leaf_a_screen_and_a_wall_are_no_trap(self, counter: Counter) -> None:
        screen = np.full((400, 300, 3), 245, np.uint8)
        for y in range(20, 400, 18):
            cv2.putText(screen, "Lorem ipsum dolor sit", (8, y), 0, 0.5, (20, 20, 20), 1)
        wall = np.random.default_rng(3).normal(150, 12, (600, 800, 3)).clip(0, 255)
        for photo in (leaf_jpeg(), encoded(screen), encoded(wall.astype(np.uint8))):
            for trap in counting.TRAPS:
                reading = counter.read(photo, trap, picture=True)
                assert reading.status is not CountStatus.COUNTED
                assert reading.count is None or reading.status is CountStatus.UNCERTAIN

    def test_dark_and_blurred_photos_are_poor(self, counter: Counter) -> None:
        black = counter.read(encoded(np.zeros((400, 400, 3), np.uint8)), "tuta")
        assert (black.status, black.fault) == (CountStatus.POOR_PHOTO, PhotoFault.DARK)
        soft = cv2.GaussianBlur(trap_pixels(), (0, 0), 5).astype(np.uint8)
        poor = counter.read(encoded(soft, "PNG"), "tuta")
        assert (poor.status, poor.fault) == (CountStatus.POOR_PHOTO, PhotoFault.BLUR)
        assert (poor.count, poor.detections) == (None, ())

    def test_huge_and_tiny_photos_have_an_answer(self, counter: Counter) -> None:
        huge = cv2.resize(trap_pixels(), (4000, 3000)).astype(np.uint8)
        tiny = cv2.resize(trap_pixels(), (40, 30)).astype(np.uint8)
        for pixels in (huge, tiny):
            height, width = pixels.shape[:2]
            reading = counter.read(encoded(pixels), "tuta")
            assert reading.status in CountStatus
            for each in reading.detections:
                x, y, w, h = each.box
                assert 0 <= x <= x + w <= width + 1
                assert 0 <= y <= y + h <= height + 1

    def test_bad_files_and_unknown_traps_are_the_persons(self, counter: Counter) -> None:
        for data, code in ((b"no photo", "not_an_image"), (leaf_jpeg()[:400], "photo_damaged")):
            with pytest.raises(PersonError) as refused:
                counter.read(data, "tuta")
            assert refused.value.code == code
        with pytest.raises(PersonError) as unknown:
            counter.read(leaf_jpeg(), "blue")
        assert unknown.value.code == "unknown_trap"

    def test_both_variants_see_the_same(self, counter: Counter) -> None:
        from models.runtime import Graph, checked_bytes

        tile = tiles.tile_at(trap_pixels(), (0, 0), counter.manifest.px)[None]
        heats = [
            Graph(checked_bytes(TRAP_FOLDER, part), counter.manifest.px, counting.OUTPUTS).outputs(
                tile
            )[0]
            for part in counter.manifest.files.values()
        ]
        assert float(np.abs(heats[0].max() - heats[1].max())) < 0.15

    def test_a_permissive_counter_draws_what_it_counts(self, counter: Counter) -> None:
        """The whole way on a drawn trap, with the gate open: shipped limits are for photos."""
        limits = counter.manifest.thresholds
        rules = {
            name: replace(rule, blur=1.0, dark=0.0, glare=1.0)
            for name, rule in limits.traps.items()
        }
        whole = replace(counter.manifest, thresholds=replace(limits, no_trap=0.0, traps=rules))
        shipped, counter.manifest = counter.manifest, whole
        try:
            reading = counter.read(encoded(trap_pixels()), "tuta", picture=True)
        finally:
            counter.manifest = shipped
        assert reading.count is not None
        assert reading.count.low <= reading.count.count <= reading.count.high
        assert len(reading.detections) == reading.count.count
        assert reading.picture is not None
        drawn = cv2.imdecode(np.frombuffer(reading.picture, np.uint8), cv2.IMREAD_COLOR)
        assert drawn is not None
        assert 640 <= max(drawn.shape) <= 1280


@pytest.mark.data
class TestOnPhotos:
    """Real photos of the training split: figures are measured elsewhere, this must simply work."""

    def test_a_real_trap_is_counted(self, counter: Counter, photo_set: Path) -> None:
        from models.training import trap_data

        photos = trap_data.on_traps(trap_data.read_photos(photo_set, "train"))
        for trap in counting.TRAPS:
            own = [p for p in photos if p.trap == trap and (p.labels != 1).any()][:6]
            errors = []
            for photo in own:
                reading = counter.read((photo_set / photo.file).read_bytes(), trap)
                assert reading.count is not None
                errors.append(abs(reading.count.count - len(photo.labels)) / len(photo.labels))
            assert np.median(errors) < 0.35


def test_a_trap_whose_interval_failed_on_a_test_split_is_never_sure() -> None:
    def figures(low: float, high: float) -> dict[str, object]:
        return {"interval_covers": [(low + high) / 2, low, high]}

    said = {
        "int8": {"traps": {"tuta": figures(0.15, 0.48), "yellow": figures(0.62, 0.88)}},
        "fp32": {"traps": {"tuta": figures(0.7, 0.9), "yellow": figures(0.7, 0.9)}},
        "same_count": [0.45, 0.35, 0.57],
    }
    assert disproved(said, 0.8) == ["tuta"]
