"""``ghalla model teach`` and its sisters, as a stranger runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.serving import ServedNode
from tests.test_edge_app_cli import ghalla, said
from tests.test_edge_app_teaching import all_fit, lesson, spotted

__all__ = ["all_fit"]  # the fixture: drawings need not pass the gate


def written(folder: Path, photos: list[tuple[str, bytes]]) -> list[Path]:
    folder.mkdir()
    paths = [folder / name for name, _ in photos]
    for path, (_, data) in zip(paths, photos, strict=True):
        path.write_bytes(data)
    return paths


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert ghalla("init", "--home", tmp_path / "home").exit_code == 0
    return tmp_path / "home"


@pytest.mark.parametrize("verb", ["teach", "forget", "restore", "local", "local-export"])
def test_every_verb_has_help_and_json(verb: str) -> None:
    shown = ghalla("model", verb, "--help").stdout
    assert "--home" in shown
    assert "--json" in shown


def test_teach_ask_forget_restore_export(home: Path, tmp_path: Path) -> None:
    rust = written(tmp_path / "rust", lesson(0, 11))
    fine = written(tmp_path / "fine", lesson(60, 10, first=50))
    wheat = ("--home", home, "--crop", "wheat", "--condition")
    [taught] = said(ghalla("model", "teach", *wheat, "PUCCST", "--json", *rust))
    assert (taught["crop"], taught["photos"], taught["version"]) == ("TRZAX", 11, 1)
    assert taught["taken"] == [path.name for path in rust]
    [healthy] = said(ghalla("model", "teach", *wheat, "no problem seen", "--json", *fine))
    assert len(healthy["taken"]) + len(healthy["refused"]) == 10
    asked = tmp_path / "asked.jpg"
    asked.write_bytes(spotted(40, 0))
    [answer] = said(ghalla("diagnose", "--home", home, "--crop", "wheat", "--json", asked))
    assert answer["status"] in ("confident", "uncertain")
    assert answer["candidates"][0]["condition"] == "PUCCST"
    assert answer["candidates"][0]["local_photos"] == 11
    assert "local, 11 photos" in ghalla("diagnose", "--home", home, "--crop", "wheat", asked).stdout
    [without] = said(ghalla("diagnose", "--crop", "wheat", "--json", asked))
    assert without["status"] == "no_model"
    assert said(ghalla("model", "forget", *wheat, "PUCCST", "--json"))[0]["photos"] == 0
    left = said(ghalla("model", "local", "--home", home, "--json"))
    assert [each["condition"] for each in left] == ["healthy"]
    assert said(ghalla("model", "restore", *wheat, "PUCCST", "--json"))[0]["photos"] == 11
    assert ghalla("model", "restore", *wheat, "PUCCST", "--version", "99").exit_code == 1
    out, total = tmp_path / "out", 11 + healthy["photos"]
    assert said(ghalla("model", "local-export", "--home", home, "--out", out, "--json")) == [
        {"out": str(out), "classes": 2, "photos": total}
    ]
    assert len(list((out / "images").iterdir())) == total
    assert ghalla("model", "local-export", "--home", home, "--out", out).exit_code == 1
    assert said(ghalla("model", "forget", *wheat, "PUCCST", "--erase", "--json")) == [
        {"erased": 11}
    ]
    assert ghalla("model", "restore", *wheat, "PUCCST").exit_code == 1


def test_wrong_lessons(home: Path, tmp_path: Path) -> None:
    photos = written(tmp_path / "photos", lesson(0, 5))

    def code(*words: str | Path) -> str:
        result = ghalla("model", "teach", "--home", home, "--json", *words)
        assert result.exit_code == 1
        found = json.loads(result.stdout)["error"]
        assert isinstance(found, str)
        return found

    one = ("--crop", "wheat", "--condition", "PUCCST", photos[0])
    assert code(*one) == "too_few_photos"
    assert code("--crop", "nothing", "--condition", "PUCCST", *photos) == "unknown_crop"
    assert code("--crop", "wheat", "--condition", "ABCDEF", *photos) == "unknown_condition"
    assert code("--crop", "tomato", "--condition", "PHYTIN", *photos) == "condition_in_model"
    gone = tmp_path / "gone.jpg"
    assert code("--crop", "wheat", "--condition", "PUCCST", gone) == "not_an_image"
    named = ("--crop", "wheat", "--condition", "ABCDEF", "--name", "بقع")
    assert ghalla("model", "teach", "--home", home, *named, *photos).exit_code == 0


def test_a_home_must_be_there_and_free(tmp_path: Path) -> None:
    wish = ("--crop", "wheat", "--condition", "PUCCST")
    photo = tmp_path / "x.jpg"
    photo.write_bytes(spotted(1, 0))
    none = ghalla("model", "teach", "--home", tmp_path / "none", *wish, "--json", photo)
    assert (none.exit_code, said(none)[0]["error"]) == (3, "no_home")
    assert not (tmp_path / "none").exists()
    with ServedNode(tmp_path / "home") as node:
        for verb in (("teach", photo), ("forget",), ("restore",)):
            busy = ghalla("model", verb[0], "--home", node.home, *wish, "--json", *verb[1:])
            assert (busy.exit_code, said(busy)[0]["error"]) == (3, "home_in_use")
        assert ghalla("model", "local", "--home", node.home).exit_code == 0
