"""Another version of the trap counter on a running node, and one that does not work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edge_app.live_counter import LiveCounter
from edge_app.node import TRAP_FOLDER
from field_data.errors import KeeperError, PersonError, PublisherError
from models.counting import Counter, CountReading
from models.installation import activate
from models.life import BUILTIN, MAX_TRIES
from models.probe import probe
from models.registry import life_of
from tests.builders import encoded, trap_pixels

NAME = TRAP_FOLDER.name
PHOTO = encoded(trap_pixels())


class Died(BaseException):
    """What nobody catches: the process is gone."""


def installed(home: Path, version: str) -> Path:
    """The shipped counter under another version."""
    folder = home / "models" / NAME / version
    shutil.copytree(TRAP_FOLDER, folder)
    raw = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(raw | {"version": version}))
    return folder


def counted_by(counter: LiveCounter) -> str:
    version: str = counter.read(PHOTO, "tuta").model.version
    return version


def test_another_version_counts_from_the_next_photo_and_is_confirmed(tmp_path: Path) -> None:
    shipped = json.loads((TRAP_FOLDER / "manifest.json").read_text())["version"]
    counter = LiveCounter(tmp_path, TRAP_FOLDER)
    assert counted_by(counter) == shipped
    installed(tmp_path, "9.1.0")
    activate(tmp_path, NAME, "9.1.0", probe=probe)
    assert not life_of(tmp_path, NAME).confirmed
    assert counted_by(counter) == "9.1.0"
    assert life_of(tmp_path, NAME).confirmed


def test_a_version_that_cannot_be_opened_is_switched_off(tmp_path: Path) -> None:
    folder = installed(tmp_path, "9.1.0")
    activate(tmp_path, NAME, "9.1.0", probe=probe)
    graph = folder / "model.int8.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])
    counter = LiveCounter(tmp_path, TRAP_FOLDER)
    assert counted_by(counter) != "9.1.0"
    life = life_of(tmp_path, NAME)
    assert (life.active, life.refused["9.1.0"].code) == (BUILTIN, "model_corrupt")


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every photo fail in version 9.1.0."""
    read = Counter.read

    def fails(self: Counter, data: bytes, trap: str, *, picture: bool = False) -> CountReading:
        if self.manifest.version == "9.1.0":
            raise error
        return read(self, data, trap, picture=picture)

    monkeypatch.setattr(Counter, "read", fails)


@pytest.mark.parametrize("writable", [True, False])
def test_a_version_that_fails_at_its_first_photo_leaves_the_answer_to_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    installed(tmp_path, "9.1.0")
    activate(tmp_path, NAME, "9.1.0", probe=probe)
    failing(monkeypatch, RuntimeError("Gather"))
    if not writable:

        def full(*_: object) -> None:
            raise KeeperError("disk_full", "no space left")

        monkeypatch.setattr("edge_app.live_counter.change", full)
    assert counted_by(LiveCounter(tmp_path, TRAP_FOLDER)) != "9.1.0"
    life = life_of(tmp_path, NAME)
    assert life.active == (BUILTIN if writable else "9.1.0")
    assert ("9.1.0" in life.refused) is writable


def test_a_bad_photo_decides_nothing(tmp_path: Path) -> None:
    installed(tmp_path, "9.1.0")
    activate(tmp_path, NAME, "9.1.0", probe=probe)
    counter = LiveCounter(tmp_path, TRAP_FOLDER)
    with pytest.raises(PersonError):
        counter.read(b"no photo", "tuta")
    life = life_of(tmp_path, NAME)
    assert (life.active, life.confirmed, life.answers) == ("9.1.0", False, 0)


def test_a_version_whose_first_photos_killed_the_node_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "9.1.0")
    activate(tmp_path, NAME, "9.1.0", probe=probe)
    with monkeypatch.context() as patch:
        failing(patch, Died())
        for _ in range(MAX_TRIES):
            with pytest.raises(Died):
                counted_by(LiveCounter(tmp_path, TRAP_FOLDER))
    assert counted_by(LiveCounter(tmp_path, TRAP_FOLDER)) != "9.1.0"
    assert life_of(tmp_path, NAME).refused["9.1.0"].code == "model_crashed"


def test_a_corrupt_counter_does_not_pass_the_probe(tmp_path: Path) -> None:
    folder = installed(tmp_path, "9.1.0")
    (folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(PublisherError, match="not the file"):
        activate(tmp_path, NAME, "9.1.0", probe=probe)
    assert life_of(tmp_path, NAME).active == BUILTIN
