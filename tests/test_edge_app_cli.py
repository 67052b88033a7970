"""The command line as a stranger runs it: answers, JSON, exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from edge_app import cli
from edge_app.languages import LANGS
from tests.builders import leaf_jpeg
from tests.serving import ServedNode

KEYS = ["photo", "status", "crop", "candidates", "alert", "advice", "model", "timing_ms"]


def ghalla(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


def said(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"leaf{n}.jpg" for n in range(3)]
    for seed, path in enumerate(paths):
        path.write_bytes(leaf_jpeg(seed=seed))
    return paths


def verbs(group: click.Group, *words: str) -> Iterator[str]:
    """Every verb and group below ``group``, as it is typed."""
    yield " ".join(words)
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, *words, name)
        else:
            yield " ".join((*words, name))


@pytest.mark.parametrize("words", list(verbs(cli.main)))
def test_every_verb_has_help_and_json(words: str) -> None:
    result = ghalla(*words.split(), "--help")
    assert result.exit_code == 0
    assert "--help" in result.stdout
    assert "--json" in result.stdout or "COMMAND [ARGS]" in result.stdout


def test_one_plant_one_answer(photos: list[Path]) -> None:
    result = ghalla("diagnose", "--crop", "tomato", "--json", *photos)
    [answer] = said(result)
    assert result.exit_code == 0
    assert list(answer) == KEYS
    assert answer["crop"] == "Solanum lycopersicum"
    assert set(answer["model"]) == {"name", "version", "sha256"}
    assert set(answer["timing_ms"]) == {"decode", "infer", "total"}


def test_each_photo_a_plant(photos: list[Path]) -> None:
    answers = said(ghalla("diagnose", "--each", "--json", "--crop", "LYPES", *photos))
    assert [answer["photo"] for answer in answers] == [str(photo) for photo in photos]


@pytest.mark.parametrize("crop", ["Zea mays", "ZEAMX", "maize", "Corn"])
def test_crop_by_any_name(crop: str, photos: list[Path]) -> None:
    [answer] = said(ghalla("diagnose", "--json", "--crop", crop, photos[0]))
    assert answer["crop"] == "Zea mays"


def test_a_crop_without_a_model(photos: list[Path]) -> None:
    [answer] = said(ghalla("diagnose", "--json", "--crop", "wheat", photos[0]))
    assert (answer["status"], answer["candidates"], answer["model"]) == ("no_model", [], None)
    assert answer["crop"] == "Triticum aestivum"
    assert "rust" in ghalla("diagnose", "--crop", "wheat", photos[0]).stdout


@pytest.mark.parametrize("lang", LANGS)
def test_people_are_answered_in_their_language(lang: str, photos: list[Path]) -> None:
    result = ghalla("diagnose", "--lang", lang, "--crop", "olive", photos[0])
    assert result.exit_code == 0
    letters = {"ar": "ا", "zgh": "ⵉ", "fr": "é", "en": "e"}
    assert letters[lang] in result.stdout


def test_a_bad_photo_does_not_stop_the_others(photos: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "report.jpg"
    bad.write_bytes(b"%PDF-1.7")
    absent = tmp_path / "absent.jpg"
    result = ghalla("diagnose", "--each", "--json", photos[0], bad, absent, photos[1])
    assert result.exit_code == 1
    answers = said(result)
    assert [a.get("error") for a in answers] == [None, "not_an_image", "not_an_image", None]
    assert "report.jpg" in result.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["diagnose", "--crop", "unobtainium"], 1),
        (["diagnose", "--lang", "tlh"], 2),
        (["diagnose", "--no-such-option"], 2),
    ],
)
def test_wrong_words(words: list[str], code: int, photos: list[Path]) -> None:
    assert ghalla(*words, photos[0]).exit_code == code


def test_seven_photos_are_too_many_for_one_plant(photos: list[Path]) -> None:
    result = ghalla("diagnose", "--json", *([photos[0]] * 7))
    assert result.exit_code == 1
    assert said(result)[0]["error"] == "too_many_photos"


def test_init_check_and_model_list(tmp_path: Path) -> None:
    home = tmp_path / "home"
    missing = ghalla("check", "--home", home, "--json")
    assert missing.exit_code == 3
    assert said(missing)[0]["error"] == "no_home"
    [made] = said(ghalla("init", "--home", home, "--json"))
    assert said(ghalla("init", "--home", home, "--json")) == [made]
    [health] = said(ghalla("check", "--home", home, "--json"))
    parts = {part["name"] for part in health["parts"]}
    always = {"store", "disk", "model", "traps", "audit", "clock", "advice", "languages"}
    of_machines = {"heat", "power", "memory"}  # where the machine tells
    assert parts - of_machines == always | {"satellite", "weather", "photos", "card"}
    models = json.loads(ghalla("model", "list", "--json").stdout)
    assert models[0]["name"] == "leaf_health"
    shown = ghalla("model", "list").stdout
    assert "leaf_health" in shown
    assert "traps: tuta, yellow" in shown


def test_bad_settings_are_the_keepers(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("prot = 80")
    result = ghalla("check", "--home", tmp_path)
    assert result.exit_code == 3
    assert "prot" in result.stderr


def test_a_broken_model_is_the_publishers(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_app.node.MODEL_FOLDER", tmp_path)
    assert ghalla("diagnose", photos[0]).exit_code == 4


def test_serve_refuses_a_home_and_a_port_in_use(tmp_path: Path) -> None:
    with ServedNode(tmp_path / "home") as node:
        second = ghalla("serve", "--home", node.home, "--json")
        assert second.exit_code == 3
        assert said(second)[0]["error"] == "home_in_use"
        port = node.address.rsplit(":", 1)[1]
        other = ghalla("serve", "--home", tmp_path / "other", "--port", port, "--json")
        assert other.exit_code == 3
        assert said(other)[0]["error"] == "port_in_use"
        assert node.stop() == 0


def test_agents_list_and_erasing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ServedNode(home) as node:
        page = node.diagnose(leaf_jpeg())["page"]
        other = node.diagnose(leaf_jpeg(seed=2))["page"]
        assert node.request("POST", f"{page}/agent")[0] in (200, 303)
        [waiting] = said(ghalla("asked", "--home", home, "--json"))
        assert waiting["page"].endswith(page.rsplit("/", 1)[1])
        assert waiting["code"] in ghalla("asked", "--home", home).stdout
        assert said(ghalla("forget", "--home", home, "--older-than", "1", "--json")) == [
            {"erased": 0}
        ]
        erased = ghalla("forget", "--home", home, "--code", waiting["code"], "--json")
        assert said(erased) == [{"erased": 1}]
        assert node.request("GET", page)[0] == 404
        assert node.request("GET", other)[0] == 200
        assert ghalla("forget", "--home", home, "--code", waiting["code"]).exit_code == 1
        assert ghalla("forget", "--home", home).exit_code == 2


def test_a_folder_that_cannot_be_used_is_the_keepers(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = ghalla("init", "--home", tmp_path / "file" / "home", "--json")
    assert result.exit_code == 3
    assert said(result)[0]["error"] == "home_unusable"
