"""The model of a running node is replaced while people are served, and a bad one goes by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_app import live_model
from edge_app.advice import load_advice
from edge_app.health import check_home, model_parts
from edge_app.live_model import LiveModel
from edge_app.node import FarmNode
from edge_app.seam import Part
from field_data.errors import KeeperError, PersonError
from field_data.types import Status
from models.diagnosis import Diagnoser
from models.installation import activate, rollback
from models.life import BUILTIN, MAX_TRIES
from models.local_classes import LocalHead
from models.registry import life_of, state_file
from tests.builders import encoded, leaf_jpeg
from tests.small_models import BLUE, graph, make_model, replace_file

NAME = "leaf_health"
LEAF = [("leaf", leaf_jpeg())]
SKY = [("sky", encoded(np.full((120, 120, 3), BLUE, np.uint8), "PNG"))]


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    return make_model(tmp_path / "shipped" / NAME, "1.0.0", golden=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_model, "_LOOK_S", 0.02)


@pytest.fixture
def opened(home: Path, shipped: Path, look_often: None) -> Iterator[Callable[[], LiveModel]]:
    """Opens the model as a starting node does; all are closed in the end."""
    every: list[LiveModel] = []

    def start() -> LiveModel:
        for each in every:
            each.close()
        every.append(LiveModel(home, shipped))
        return every[-1]

    yield start
    for each in every:
        each.close()


def installed(home: Path, version: str, data: bytes | None = None) -> Path:
    folder = home / "models" / NAME / version
    return make_model(folder, version, data or graph(seed=int(version.split(".")[1])))


def activated(home: Path, shipped: Path, version: str) -> None:
    activate(home, NAME, version, shipped=shipped.parent, probe=lambda _folder: {})


def speaks(model: LiveModel) -> str:
    reading = model.read(LEAF, "LYPES", keep=False)
    assert reading.model is not None
    return reading.model.version


def version_of(model: LiveModel) -> str:
    assert isinstance(model.model, Diagnoser)
    return model.model.ref.version


def soon(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


Start = Callable[[], LiveModel]


def test_a_running_node_switches_and_the_first_answer_confirms(
    home: Path, shipped: Path, opened: Start
) -> None:
    model = opened()
    assert speaks(model) == "1.0.0"
    installed(home, "1.1.0")
    activated(home, shipped, "1.1.0")
    soon(lambda: speaks(model) == "1.1.0")
    assert life_of(home, NAME).confirmed
    rollback(home, NAME, shipped.parent)
    soon(lambda: speaks(model) == "1.0.0")


def test_nobody_waits_and_nobody_is_lost_during_a_switch(
    home: Path, shipped: Path, opened: Start
) -> None:
    model, stop = opened(), threading.Event()
    seen: list[str] = []
    failures: list[Exception] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                seen.append(speaks(model))
            except Exception as error:
                failures.append(error)

    people = [threading.Thread(target=ask) for _ in range(3)]
    for one in people:
        one.start()
    installed(home, "1.1.0")
    activated(home, shipped, "1.1.0")
    soon(lambda: "1.1.0" in seen)
    stop.set()
    for one in people:
        one.join()
    assert failures == []
    assert set(seen) == {"1.0.0", "1.1.0"}


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda f: replace_file(f, "fp32", graph(seed=1)[:-200]), "model_corrupt"),
        (lambda f: replace_file(f, "fp32", graph(seed=9)), "golden_differs"),
        (lambda f: (f / "model.onnx").unlink(), "model_missing"),
        (lambda f: (f / "manifest.json").write_text("{}"), "bad_manifest"),
    ],
    ids=["truncated", "weights", "missing", "manifest"],
)
def test_a_version_that_fails_beside_the_old_one_never_speaks(
    home: Path, shipped: Path, opened: Start, damage: Callable[[Path], object], code: str
) -> None:
    model = opened()
    folder = installed(home, "1.1.0")
    damage(folder)
    before = model.model
    activated(home, shipped, "1.1.0")
    soon(lambda: life_of(home, NAME).fallen == "1.1.0")
    assert life_of(home, NAME).refused["1.1.0"].code == code
    soon(lambda: model.life.active == BUILTIN)
    assert model.model is before, "the old one was not even loaded again"
    assert speaks(model) == "1.0.0"


def test_a_version_that_fails_at_its_first_photo_leaves_the_answer_to_the_old_one(
    home: Path, shipped: Path, opened: Start
) -> None:
    model = opened()
    installed(home, "1.1.0", graph(seed=1, fails_on_blue=True))
    activated(home, shipped, "1.1.0")
    soon(lambda: version_of(model) == "1.1.0")
    reading = model.read(SKY, "LYPES", keep=False)
    assert reading.model is not None
    assert reading.model.version == "1.0.0"
    life = life_of(home, NAME)
    assert (life.active, life.fallen, life.confirmed) == (BUILTIN, "1.1.0", True)
    assert "Gather" in life.refused["1.1.0"].reason


def test_after_a_start_too_the_one_before_answers(home: Path, shipped: Path, opened: Start) -> None:
    installed(home, "1.1.0", graph(seed=1, fails_on_blue=True))
    activated(home, shipped, "1.1.0")
    model = opened()
    reading = model.read(SKY, "LYPES", keep=False)
    assert reading.model is not None
    assert reading.model.version == "1.0.0"
    assert speaks(opened()) == "1.0.0"


def test_a_bad_photo_or_an_unknown_crop_decides_nothing(
    home: Path, shipped: Path, opened: Start
) -> None:
    installed(home, "1.1.0")
    activated(home, shipped, "1.1.0")
    model = opened()
    for _ in range(MAX_TRIES + 1):
        with pytest.raises(PersonError):
            model.read([("x", b"no photo")], "LYPES", keep=False)
        assert model.read(LEAF, "TRZAX", keep=False).status is Status.NO_MODEL
    life = life_of(home, NAME)
    assert (life.active, life.confirmed, life.answers) == ("1.1.0", False, 0)
    assert speaks(model) == "1.1.0"
    assert life_of(home, NAME).confirmed


def test_at_a_start_a_version_that_cannot_read_what_was_taught_goes(
    home: Path, shipped: Path
) -> None:
    installed(home, "1.1.0")
    activated(home, shipped, "1.1.0")

    def local(model: Diagnoser) -> LocalHead:
        if model.manifest.version == "1.1.0":
            raise RuntimeError("Gather")
        return model.local_head([], frozenset())

    model = LiveModel(home, shipped, local)
    assert speaks(model) == "1.0.0"
    model.close()
    assert "Gather" in life_of(home, NAME).refused["1.1.0"].reason


def test_what_the_store_cannot_do_is_not_the_versions_fault(home: Path, shipped: Path) -> None:
    installed(home, "1.1.0")
    activated(home, shipped, "1.1.0")
    troubles = [KeeperError("store_damaged", "no table")]

    def local(model: Diagnoser) -> LocalHead:
        if len(troubles) > 1:
            raise troubles.pop()
        return model.local_head([], frozenset())

    model = LiveModel(home, shipped, local)
    troubles *= 2
    with pytest.raises(KeeperError):
        model.read(LEAF, "LYPES", keep=False)
    life = life_of(home, NAME)
    assert (life.active, life.confirmed, life.answers) == ("1.1.0", False, 0)
    assert speaks(model) == "1.1.0"
    model.close()


class Died(BaseException):
    """What nobody catches: the process is gone."""


def test_three_starts_that_died_bring_the_old_one_back(
    home: Path, shipped: Path, opened: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(home, "1.1.0")
    activated(home, shipped, "1.1.0")

    def die(_folder: Path) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(live_model, "probed_diagnoser", die)
        for tries in range(MAX_TRIES):
            with pytest.raises(Died):
                opened()
            assert life_of(home, NAME).starts == tries + 1
        assert speaks(opened()) == "1.0.0"
    life = life_of(home, NAME)
    assert (life.fallen, life.refused["1.1.0"].code) == ("1.1.0", "model_crashed")
    [part] = [p for p in model_parts_of(home, shipped) if p.name == "update"]
    assert "died 3 times" in part.detail
    assert "--again" in part.detail


def model_parts_of(home: Path, shipped: Path) -> list[Part]:
    return model_parts(live_model.load_model(shipped), NAME, life_of(home, NAME))


KILLED = """
import os, signal, sys
from pathlib import Path
from edge_app.live_model import LiveModel
from models import runtime

real = runtime.OnnxModel.run
def run(self, images):
    if images.mean() > 0 and (images[..., 2].mean() > 210 or sys.argv[3] == "start"):
        os.kill(os.getpid(), signal.SIGKILL)  # what a segfault or a lack of memory does
    return real(self, images)

runtime.OnnxModel.run = run
model = LiveModel(Path(sys.argv[1]), Path(sys.argv[2]))
from tests.test_edge_app_live_model import SKY
print(model.read(SKY, "LYPES", keep=False).model.version)
model.close()
"""


@pytest.mark.parametrize("when", ["start", "answer"])
def test_a_version_that_kills_the_node_goes_by_itself(
    home: Path, shipped: Path, opened: Start, when: str
) -> None:
    installed(home, "1.1.0")
    activated(home, shipped, "1.1.0")
    for _ in range(MAX_TRIES):
        command = [sys.executable, "-c", KILLED, str(home), str(shipped), when]
        assert subprocess.run(command, check=False, env=dict(os.environ)).returncode == -9
        assert life_of(home, NAME).active == "1.1.0"
    assert speaks(opened()) == "1.0.0"
    assert when in life_of(home, NAME).refused["1.1.0"].reason


def test_a_state_that_cannot_be_written_stops_nobody(
    home: Path, shipped: Path, opened: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(home, "1.1.0")
    activated(home, shipped, "1.1.0")

    def full(*_: object) -> None:
        raise OSError(28, "full")

    monkeypatch.setattr("models.registry.write_atomic", full)
    assert speaks(opened()) == "1.1.0"
    (home / "models" / NAME / "1.1.0" / "model.onnx").unlink()
    assert speaks(opened()) == "1.0.0"


def test_a_damaged_state_lets_the_shipped_model_speak(
    home: Path, shipped: Path, opened: Start
) -> None:
    (home / "models").mkdir()
    state_file(home).write_bytes(b"\xff")
    assert speaks(opened()) == "1.0.0"


def test_the_node_and_the_check_name_what_was_switched_off(
    home: Path, shipped: Path, look_often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_app.node.MODEL_FOLDER", shipped)
    folder = installed(home, "1.1.0")
    activated(home, shipped, "1.1.0")
    (folder / "model.onnx").unlink()
    with FarmNode(home, load_advice(), model_folder=shipped) as node:
        assert node.crops_with_model() == {"LYPES"}
        inside = {part.name: part for part in node.health()}
        outside = {part.name: part for part in check_home(home)}
    for parts in (inside, outside):
        assert parts["model"].detail == "leaf_health 1.0.0 (model.onnx)"
        assert (parts["update"].ok, parts["update"].code) == (False, "model_rolled_back")
        assert "leaf_health 1.1.0 was switched off" in parts["update"].detail
    activate(home, NAME, BUILTIN, shipped=shipped.parent)
    assert "update" not in {part.name for part in check_home(home)}
    state_file(home).write_bytes(b"{")
    [part] = [part for part in check_home(home) if part.name == "update"]
    assert part.code == "model_state_damaged"
