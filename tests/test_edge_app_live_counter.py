"""Another version of the trap counter on a running node, and one that does not work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edge_app.live_counter import LiveCounter
from edge_app.node import TRAP_FOLDER
from field_data.errors import PublisherError
from models.installation import activate
from models.life import BUILTIN
from models.probe import probe
from models.registry import life_of
from tests.builders import encoded, trap_pixels

NAME = TRAP_FOLDER.name
PHOTO = encoded(trap_pixels())


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


def test_a_corrupt_counter_does_not_pass_the_probe(tmp_path: Path) -> None:
    folder = installed(tmp_path, "9.1.0")
    (folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(PublisherError, match="not the file"):
        activate(tmp_path, NAME, "9.1.0", probe=probe)
    assert life_of(tmp_path, NAME).active == BUILTIN
