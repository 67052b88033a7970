"""``ghalla model`` on a real home: the shipped model under a new version, installed and served."""

from __future__ import annotations

import json
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edge_app.node import MODEL_FOLDER, init_home
from models.golden import write_golden
from models.package import pack
from tests.builders import leaf_jpeg
from tests.serving import ServedNode
from tests.small_models import raw_manifest, save
from tests.test_edge_app_cli import ghalla, said

NAME = "leaf_health"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model with one threshold moved, as version 9.0.0."""
    root = tmp_path_factory.mktemp("published")
    folder = shutil.copytree(MODEL_FOLDER, root / "model")
    raw = raw_manifest(folder)
    raw["thresholds"]["confident"] = 0.75
    save(folder, raw | {"version": "9.0.0"})
    write_golden(folder)
    pack(folder, root / "leaf.ghm")
    return root / "leaf.ghm"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    init_home(tmp_path / "home")
    return tmp_path / "home"


def states(home: Path) -> dict[str, str]:
    listed = json.loads(ghalla("model", "list", "--home", home, "--json").stdout)
    return {each["version"]: each["state"] for each in listed if each["name"] == NAME}


def shipped_version() -> str:
    return str(raw_manifest(MODEL_FOLDER)["version"])


def answering(node: ServedNode, version: str) -> dict[str, Any]:
    """Ask until that version answers; every answer on the way is a good one."""
    until = time.monotonic() + 120
    while True:
        answer = node.diagnose(leaf_jpeg())
        assert answer["http"] == 200
        if answer["model"]["version"] == version:
            return answer
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_served_node_changes_its_model_without_a_pause(home: Path, package: Path) -> None:
    old = shipped_version()
    with ServedNode(home) as node:
        stop = threading.Event()
        answers: list[tuple[int, str]] = []

        def ask() -> None:
            while not stop.is_set():
                answer = node.diagnose(leaf_jpeg(seed=3))
                answers.append((answer["http"], answer.get("model", {}).get("version")))

        person = threading.Thread(target=ask)
        person.start()
        [made] = said(ghalla("model", "install", "--home", home, "--json", package))
        assert (made["version"], made["already"]) == ("9.0.0", False)
        assert set(made["probe"]["off"]) == {"fp32", "int8"}
        assert states(home) == {old: "active", "9.0.0": "installed"}
        [spoken] = said(ghalla("model", "activate", "--home", home, "--json", NAME, "9.0.0"))
        assert spoken == {
            "name": NAME, "active": "9.0.0", "previous": "builtin", "trial": True,
            "local": "not enough local photos to judge (0 of 20)",
        }  # fmt: skip
        answering(node, "9.0.0")
        assert states(home) == {old: "previous", "9.0.0": "active"}
        stop.set()
        person.join()
        assert {http for http, _ in answers} == {200}
        assert {version for _, version in answers} <= {old, "9.0.0"}
        node.kill()
    with ServedNode(home) as node:
        assert node.diagnose(leaf_jpeg())["model"]["version"] == "9.0.0"
        assert ghalla("model", "rollback", "--home", home, NAME).exit_code == 0
        answering(node, old)
        assert node.stop() == 0
    again = ghalla("model", "rollback", "--home", home, "--json", NAME)
    assert (again.exit_code, said(again)[0]["error"]) == (1, "nothing_to_roll_back")


def test_a_version_damaged_on_the_disk_goes_by_itself(home: Path, package: Path) -> None:
    ghalla("model", "install", "--home", home, package)
    ghalla("model", "activate", "--home", home, NAME, "9.0.0")
    path = home / "models" / NAME / "9.0.0" / "model.int8.onnx"
    path.write_bytes(path.read_bytes()[:-1000])
    with ServedNode(home) as node:
        assert node.diagnose(leaf_jpeg())["model"]["version"] == shipped_version()
        for lang, words in (
            ("en", "switched off"),
            ("fr", "elle est arrêtée"),
            ("ar", "فأوقفناها"),
        ):
            page = node.request("GET", f"/{lang}/health")[2].decode()
            assert words in page
            assert "9.0.0 was switched off" in page
        checked = ghalla("check", "--home", home, "--json")
        assert checked.exit_code == 3
        [part] = [p for p in said(checked)[0]["parts"] if not p["ok"] and p["name"] == "update"]
        assert part["code"] == "model_rolled_back"
        shown = ghalla("model", "list", "--home", home).stdout
        assert "refused" in shown
        assert "why: model_corrupt" in shown
        assert node.stop() == 0
    refused = ghalla("model", "activate", "--home", home, "--json", NAME, "9.0.0")
    assert (refused.exit_code, said(refused)[0]["error"]) == (4, "model_refused")


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["install", "absent.ghm"], 1, "no_such_file"),
        (["activate", "../x", "1.0.0"], 1, "unknown_model"),
        (["activate", NAME, "../1.0.0"], 1, "unknown_version"),
        (["rollback", "nothing"], 1, "unknown_model"),
    ],
)
def test_wrong_words(home: Path, words: list[str], code: int, error: str) -> None:
    result = ghalla("model", words[0], "--home", home, "--json", *words[1:])
    assert (result.exit_code, said(result)[0]["error"]) == (code, error)


def test_what_is_no_package_is_the_publishers(home: Path, tmp_path: Path) -> None:
    (tmp_path / "x.ghm").write_bytes(b"PK" * 500)
    result = ghalla("model", "install", "--home", home, "--json", tmp_path / "x.ghm")
    assert (result.exit_code, said(result)[0]["error"]) == (4, "package_bad")


def test_too_little_space_is_the_keepers(home: Path, package: Path) -> None:
    (home / "settings.toml").write_text("min_free_mb = 100000000\n")
    result = ghalla("model", "install", "--home", home, "--json", package)
    assert (result.exit_code, said(result)[0]["error"]) == (3, "disk_full")
    assert not (home / "models" / NAME).exists()


@pytest.mark.parametrize(
    "verb", ["list", "install x", f"activate {NAME} 1.0.0", f"rollback {NAME}"]
)
def test_a_folder_that_is_no_home(tmp_path: Path, verb: str) -> None:
    words = verb.split()
    result = ghalla("model", words[0], "--home", tmp_path, "--json", *words[1:])
    assert (result.exit_code, said(result)[0]["error"]) == (3, "no_home")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["list", "install", "activate", "rollback"])
def test_every_verb_has_help(verb: str) -> None:
    shown = ghalla("model", verb, "--help").stdout
    assert "--json" in shown
    assert "--home" in shown
