"""A real node is taught, asked and made to forget; wrong lessons are refused with the reason."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_app.advice import Advice, load_advice
from edge_app.health import open_local
from edge_app.local_export import COLUMNS, export
from edge_app.node import MODEL_FOLDER, FarmNode
from edge_app.teaching import Lesson, School, Teacher, condition_of, new_condition, tidy_name
from field_data.document_store import DocumentStore
from field_data.errors import KeeperError, PersonError
from field_data.photos import PhotoStore
from field_data.types import PhotoFault, Status
from models.diagnosis import Diagnoser, Inspection
from tests.builders import encoded, leaf_pixels

WHEAT = "TRZAX"


def spotted(seed: int, hue: int) -> bytes:
    """A drawn leaf, turned and moved by ``seed``; another hue stands for another condition."""
    rng = np.random.default_rng(seed)
    turn = cv2.getRotationMatrix2D((320, 240), rng.uniform(0, 360), rng.uniform(0.8, 1.7))
    turn = turn + np.array([[0, 0, rng.uniform(-120, 120)], [0, 0, rng.uniform(-120, 120)]])
    drawn = leaf_pixels(seed=seed, spots=4 + seed % 17)
    pixels = cv2.warpAffine(drawn, turn, (640, 480), borderMode=cv2.BORDER_REFLECT)
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + hue) % 180
    return encoded(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.uint8), quality=90)


def lesson(hue: int, count: int, first: int = 0) -> list[tuple[str, bytes]]:
    seeds = range(first, first + count)
    return [(f"{n}.jpg", spotted(n, hue)) for n in seeds]


@pytest.fixture(scope="module")
def advice() -> Advice:
    return load_advice()


@pytest.fixture(autouse=True)
def all_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate has its own tests; drawings need not pass it."""
    monkeypatch.setattr("models.diagnosis.gate_fault", lambda *_: None)
    monkeypatch.setattr("models.photo_quality.fault_of", lambda *_: None)


@pytest.fixture
def node(tmp_path: Path, advice: Advice) -> Iterator[FarmNode]:
    with FarmNode(tmp_path / "home", advice) as opened:
        yield opened


def refused(made: Lesson) -> dict[str, str]:
    return {each.photo: each.why for each in made.refused}


def code_of(node: FarmNode, *asked: object) -> str:
    with pytest.raises(PersonError) as caught:
        node.teach(*asked)  # type: ignore[arg-type]
    return caught.value.code


def test_an_agent_teaches_and_the_next_photo_is_recognised(node: FarmNode) -> None:
    asked = [("x.jpg", spotted(40, 0))]
    assert node.diagnose(asked, WHEAT, consent=None).status is Status.NO_MODEL
    node.teach(WHEAT, "PUCCST", "", lesson(0, 12))
    node.teach(WHEAT, "healthy", "", lesson(60, 12, first=50))
    assert WHEAT in node.crops_with_model()
    said = node.diagnose(asked, WHEAT, consent=None)
    assert said.status in (Status.CONFIDENT, Status.UNCERTAIN)
    assert said.top is not None
    assert (said.top.condition, said.top.local_photos) == ("PUCCST", 12)
    assert said.model is not None
    other = node.diagnose([("y.jpg", spotted(70, 60))], WHEAT, consent=None)
    assert other.top is not None
    assert other.top.condition == "healthy"
    assert node.diagnosis(said.id) == said


def test_forgetting_can_be_undone_and_outlives_a_restart(tmp_path: Path, advice: Advice) -> None:
    asked = [("x.jpg", spotted(40, 0))]
    with FarmNode(tmp_path / "home", advice) as node:
        node.teach(WHEAT, "PUCCST", "", lesson(0, 6))
        node.forget_local(WHEAT, "PUCCST")
        assert node.diagnose(asked, WHEAT, consent=None).status is Status.NO_MODEL
        assert node.local_sets() == []
        node.restore_local(WHEAT, "PUCCST")
        before = node.diagnose(asked, WHEAT, consent=None)
    with FarmNode(tmp_path / "home", advice) as node:
        [kept] = node.local_sets()
        assert (kept.version, len(kept.photos)) == (3, 6)
        assert node.diagnose(asked, WHEAT, consent=None).candidates == before.candidates


def test_beside_the_model_a_new_class_joins_its_classes(node: FarmNode) -> None:
    # Nothing like the drawings of the lesson, so that the model's own answer must stay.
    rough = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    asked = [("x.jpg", encoded(cv2.GaussianBlur(rough, (0, 0), 3).astype(np.uint8)))]
    before = node.diagnose(asked, "LYPES", consent=None)
    node.teach("LYPES", "LOCAL-A", "بقع زرقاء", lesson(100, 10))
    after = node.diagnose(asked, "LYPES", consent=None)
    assert before.top is not None
    assert after.top is not None
    assert after.top.probability <= before.top.probability + 1e-6
    assert after.top.condition == before.top.condition
    blue = node.diagnose([("b.jpg", spotted(40, 100))], "LYPES", consent=None)
    assert blue.top is not None
    assert (blue.top.condition, blue.top.local_name) == ("LOCAL-A", "بقع زرقاء")
    assert sum(c.probability for c in blue.candidates) <= 1 + 1e-6


def test_an_alert_stays_an_alert(node: FarmNode, advice: Advice) -> None:
    alert = next(c for c in advice.cards if c.alert and "OLVEU" in c.crops)
    node.teach("OLVEU", alert.condition, "", lesson(0, 12))
    node.teach("OLVEU", "healthy", "", lesson(60, 12, first=50))
    said = node.diagnose([("x.jpg", spotted(40, 0))], "OLVEU", consent=None)
    assert (said.alert, said.status) == (True, Status.UNCERTAIN)


def test_one_photo_teaches_nothing(node: FarmNode) -> None:
    with pytest.raises(PersonError) as caught:
        node.teach(WHEAT, "PUCCST", "", lesson(0, 1))
    assert caught.value.code == "too_few_photos"
    assert "5" in str(caught.value)
    assert node.local_sets() == []
    assert not list((node.home / "photos").rglob("*.jpg"))


def test_duplicates_count_once(node: FarmNode) -> None:
    pixels = leaf_pixels(seed=3)
    again = [("same.jpg", encoded(pixels)), ("resaved.jpg", encoded(pixels, quality=60))]
    again.append(("smaller.jpg", encoded(cv2.resize(pixels, (512, 384)).astype(np.uint8))))
    photos = [("first.jpg", encoded(pixels)), *again]
    assert code_of(node, WHEAT, "PUCCST", "", photos * 2) == "too_few_photos"
    made = node.teach(WHEAT, "PUCCST", "", [*photos, *lesson(60, 5, first=10)])
    assert refused(made) == dict.fromkeys(("same.jpg", "resaved.jpg", "smaller.jpg"), "duplicate")
    more = node.teach(WHEAT, "PUCCST", "", photos)
    assert (more.taken, more.made.version) == ((), 1), "nothing new, no new version"
    other = [("other.jpg", encoded(pixels)), *lesson(120, 5, first=20)]
    assert refused(node.teach(WHEAT, "healthy", "", other)) == {"other.jpg": "taught_as_other"}


def test_unfit_photos_are_refused_one_by_one(
    node: FarmNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Diagnoser.inspect

    def inspect(self: Diagnoser, photo: bytes) -> Inspection:
        looked = real(self, photo)
        fault = PhotoFault.NOT_A_PLANT if photo == stone else None
        return Inspection(looked.jpeg, looked.embedding, fault)

    stone = spotted(90, 30)
    monkeypatch.setattr(Diagnoser, "inspect", inspect)
    photos = [("stone.jpg", stone), ("text.jpg", b"no photo"), *lesson(0, 5)]
    made = node.teach(WHEAT, "PUCCST", "", photos)
    assert refused(made) == {"stone.jpg": "not_a_plant", "text.jpg": "not_an_image"}
    assert len(made.made.photos) == 5


def test_a_screen_of_one_colour_is_refused_by_the_real_gate(
    tmp_path: Path, advice: Advice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    grey = [(f"{n}.jpg", encoded(np.full((480, 640, 3), 90 + n, np.uint8))) for n in range(6)]
    with FarmNode(tmp_path / "home", advice) as node, pytest.raises(PersonError) as caught:
        node.teach(WHEAT, "PUCCST", "", grey)
    assert caught.value.code == "too_few_photos"
    found = caught.value.details["refused"]
    assert isinstance(found, list)
    assert {each.why for each in found} <= {fault.value for fault in PhotoFault}


def test_wrong_lessons_are_refused(node: FarmNode) -> None:
    photos = lesson(0, 5)
    assert code_of(node, "NOSUCH", "PUCCST", "", photos) == "unknown_crop"
    assert code_of(node, "LYPES", "PHYTIN", "", photos) == "condition_in_model"
    assert code_of(node, WHEAT, "NOCARD", "", photos) == "unknown_condition"
    assert code_of(node, WHEAT, "../x", "a name", photos) == "unknown_condition"
    assert code_of(node, WHEAT, "PUCCST", "", []) == "no_photo"
    assert node.teach(WHEAT, "NOCARD", "a name", photos).made.name == "a name"
    more = node.teach(WHEAT, "NOCARD", "", lesson(30, 2, first=30))
    assert more.made.name == "a name", "a name is given once"
    assert node.teach("OLVEU", "PUCCST", "a name", photos).made.name == "", "a card names it"


def test_without_a_model_nothing_is_taught(tmp_path: Path, advice: Advice) -> None:
    with FarmNode(tmp_path / "home", advice, model_folder=tmp_path / "none") as node:
        with pytest.raises(KeeperError) as caught:
            node.teach(WHEAT, "PUCCST", "", lesson(0, 5))
        assert caught.value.code == "no_teaching"
        assert node.local_sets() == []


def test_another_model_reads_the_kept_photos_anew(
    node: FarmNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.teach(WHEAT, "PUCCST", "", lesson(0, 6))
    home = node.home
    node.close()
    with open_local(home) as (sets, photos, _):
        model = node._model
        assert isinstance(model, Diagnoser)
        kept = sets.vectors(model.ref.sha256)
        assert len(kept) == 6
        sets.keep_vectors("another model", dict.fromkeys(kept, b"\x00" * 5120))
        teacher = Teacher(sets, photos, load_advice(), model)
        assert sets.vectors(model.ref.sha256) == kept
        assert teacher.head.crops == {WHEAT}


def test_a_damaged_photo_and_a_full_disk_keep_no_node_from_starting(
    tmp_path: Path, advice: Advice, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    with FarmNode(home, advice) as node:
        photos = node.teach(WHEAT, "PUCCST", "", lesson(0, 6)).made.photos
    paths = [home / "photos" / photo[:2] / f"{photo}.jpg" for photo in photos]
    paths[0].write_bytes(b"")
    paths[1].write_bytes(b"\0" * 4096)
    with open_local(home) as (sets, _, _):
        sets.keep_vectors("another model", {})

    def full(*_: object) -> None:
        raise KeeperError("disk_full", "no space left")

    with monkeypatch.context() as patch:
        patch.setattr("field_data.local_sets.LocalSets.keep_vectors", full)
        with FarmNode(home, advice) as node:
            assert WHEAT in node.crops_with_model()
    with FarmNode(home, advice) as node:
        teacher = node._teacher
        assert teacher is not None
        assert set(teacher._vectors) == set(photos[2:])


def test_a_lesson_that_began_with_the_model_before_is_not_lost(
    tmp_path: Path, advice: Advice
) -> None:
    before, now = Diagnoser(MODEL_FOLDER), Diagnoser(MODEL_FOLDER)
    with DocumentStore(tmp_path / "store.db") as store:
        school = School(store, PhotoStore(tmp_path / "photos"), advice)
        late = school.teacher(before)
        assert school.teacher(now).head.crops == frozenset()
        late.teach(WHEAT, "PUCCST", "", lesson(0, 5))
        assert school.teacher(now).head.crops == {WHEAT}
        assert school.teacher(now) is school.teacher(now)


def test_two_who_ask_at_once_get_the_same_teacher(tmp_path: Path, advice: Advice) -> None:
    model = Diagnoser(MODEL_FOLDER)
    with DocumentStore(tmp_path / "store.db") as store, ThreadPoolExecutor(4) as pool:
        school = School(store, PhotoStore(tmp_path / "photos"), advice)
        together = threading.Barrier(4)

        def ask(_: int) -> Teacher:
            together.wait(10)
            return school.teacher(model)

        assert len(set(map(id, pool.map(ask, range(4))))) == 1


def test_a_node_that_cannot_start_leaves_nothing_running(
    tmp_path: Path, advice: Advice, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, close = threading.active_count(), DocumentStore.close
    closed: list[DocumentStore] = []

    def watched(store: DocumentStore) -> None:
        closed.append(store)
        close(store)

    with monkeypatch.context() as patch:
        patch.setattr(School, "teacher", lambda *_: 1 / 0)
        patch.setattr(DocumentStore, "close", watched)
        with pytest.raises(ZeroDivisionError):
            FarmNode(tmp_path / "home", advice)
    assert threading.active_count() == running
    assert len(closed) == 1
    with FarmNode(tmp_path / "home", advice) as node:
        assert node.local_sets() == []


def test_twenty_photos_are_taught_in_under_a_second_beyond_decoding(node: FarmNode) -> None:
    photos = lesson(0, 20)
    model = node._model
    assert isinstance(model, Diagnoser)
    started = time.process_time()
    for _, data in photos:
        model.inspect(data)
    looking = time.process_time() - started
    started = time.process_time()
    node.teach(WHEAT, "PUCCST", "", photos)
    assert time.process_time() - started - looking < 1.0


def test_what_was_taught_is_exported_as_training_reads_it(
    node: FarmNode, advice: Advice, tmp_path: Path
) -> None:
    node.teach(WHEAT, "PUCCST", "", lesson(0, 5))
    node.teach(WHEAT, "LOCAL-A", "صدأ محلي", lesson(60, 5, first=50))
    out = tmp_path / "out"
    with open_local(node.home) as (sets, photos, _):
        assert export(out, sets.all_current(), photos, advice, "node x") == 10
        with pytest.raises(PersonError) as caught:
            export(out, sets.all_current(), photos, advice, "node x")
    assert caught.value.code == "folder_in_use"
    with (out / "classification.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == COLUMNS
    assert {row["crop"] for row in rows} == {"Triticum aestivum"}
    assert {row["condition_name"] for row in rows} == {"Yellow (stripe) rust", "صدأ محلي"}
    assert all((out / row["file"]).read_bytes()[:2] == b"\xff\xd8" for row in rows)
    with (out / "vocabulary.csv").open(encoding="utf-8", newline="") as lines:
        assert {row["crop_eppo"] for row in csv.DictReader(lines)} == {WHEAT}


def test_conditions_are_found_by_code_and_by_name(advice: Advice) -> None:
    assert condition_of(advice, "puccst") == "PUCCST"
    assert condition_of(advice, " yellow (stripe) rust") == "PUCCST"
    assert condition_of(advice, "no such thing") is None
    assert new_condition("صدأ  محلي") == new_condition("صدأ محلي ") != new_condition("other")
    assert tidy_name("a\x00 \n b" + "c" * 99) == "a b" + "c" * 57
