"""``ghalla model eval`` and ``audit`` on folders of made-up leaves, as a stranger runs them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from edge_app import cli_model_eval
from field_data.errors import KeeperError
from models.audit import BROKEN, Slice
from models.examine import Examination, confidently_wrong
from models.plots import Names, bands, draw_all, need_matplotlib, risk_curve
from tests.builders import leaf_jpeg
from tests.test_edge_app_cli import ghalla, said
from tests.test_models_evaluation import answer

HEAD = ["file", "crop", "condition", "source", "setting", "split"]
ROWS = [
    ["images/0.jpg", "Solanum lycopersicum", "ALTESO", "A", "field", "mine"],
    ["images/1.jpg", "LYPES", "healthy", "A", "lab", "mine"],
    ["images/2.jpg", "Zea mays", "PUCCSO", "B", "lab", "mine"],
    ["images/3.jpg", "LYPES", "NEWDIS", "B", "field", "mine"],
    ["images/4.jpg", "Triticum aestivum", "PUCCRT", "B", "field", "mine"],
    ["images/5.jpg", "Rosa", "black spot", "B", "field", "mine"],
    ["images/6.jpg", "negative", "OOD-GROUND", "C", "field", "mine"],
    ["images/7.jpg", "LYPES", "healthy", "A", "lab", "mine"],
    ["images/8.jpg", "LYPES", "healthy", "A", "lab", "other"],
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine rows; the photo of the eighth is none."""
    write(tmp_path, ROWS)
    (tmp_path / "images").mkdir()
    for number, row in enumerate(ROWS):
        (tmp_path / row[0]).write_bytes(leaf_jpeg(320, 240, seed=number))
    (tmp_path / "images/7.jpg").write_bytes(b"%PDF-1.7")
    return tmp_path


def write(folder: Path, rows: list[list[str]], head: list[str] = HEAD) -> None:
    with (folder / "classification.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([head, *rows])


@pytest.mark.parametrize("verb", ["eval", "audit"])
def test_help_and_json(verb: str) -> None:
    result = ghalla("model", verb, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_what_the_model_cannot_know_is_counted_apart(folder: Path) -> None:
    each = folder / "out" / "each.jsonl"
    result = ghalla("model", "eval", "leaf_health", "--data", folder, "--split", "mine",
                    "--each", each, "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    [figures] = said(result)
    assert figures["all"]["photos"] == figures["crop_not_given"]["photos"] == 3
    assert set(figures["by_crop"]) == {"LYPES", "ZEAMX"}
    assert set(figures["by_setting"]) == {"lab", "field"}
    assert figures["not_a_crop"]["photos"] == 1
    assert set(figures["unknown_crops"]["by_kind"]) == {"TRZAX", "Rosa"}
    assert set(figures["unknown_conditions"]["by_kind"]) == {"LYPES NEWDIS"}
    assert figures["unreadable"] == [{"file": "images/7.jpg", "error": "not_an_image"}]
    assert len(figures["all"]["interval"]["accuracy"]) == 2
    lines = [json.loads(line) for line in each.read_text().splitlines()]
    assert len(lines) == 3 + 3 + 1 + 2 + 1
    right = [line["right"] for line in lines if line["asked"] == "crop given"][:3]
    assert sum(right) / 3 == pytest.approx(figures["all"]["accuracy"], abs=1e-4)


def test_a_table_for_people(folder: Path) -> None:
    result = ghalla("model", "eval", "leaf_health", "--data", folder, "--split", "all")
    assert result.exit_code == 0
    assert "all, crop given" in result.stdout
    assert "unreadable photos: 1" in result.stdout
    assert "crops that the model does not know: 2" in result.stdout


def test_a_set_of_strangers_only(folder: Path) -> None:
    write(folder, [ROWS[4], ROWS[6]])
    result = ghalla("model", "eval", "leaf_health", "--data", folder, "--split", "mine")
    assert result.exit_code == 0
    assert "no photo of a condition that the model knows" in result.stdout
    audit = ghalla("model", "audit", "leaf_health", "--data", folder, "--json")
    assert (audit.exit_code, said(audit)[0]["error"]) == (1, "bad_dataset")


@pytest.mark.parametrize(
    ("rows", "head", "why"),
    [
        ([], HEAD, "no row"),
        ([row[:-1] for row in ROWS], HEAD[:-1], "split"),
        ([["../0.jpg", *ROWS[0][1:]]], HEAD, "not inside"),
        ([["images/absent.jpg", *ROWS[0][1:]]], HEAD, "absent.jpg"),
        ([[*ROWS[0][:-1], "train"]], HEAD, "there are: train"),
    ],
)
@pytest.mark.parametrize("verb", ["eval", "audit"])
def test_a_bad_folder_is_the_persons(
    verb: str, rows: list[list[str]], head: list[str], why: str, folder: Path
) -> None:
    write(folder, rows, head)
    result = ghalla("model", verb, "leaf_health", "--data", folder, "--split", "mine", "--json")
    assert result.exit_code == 1
    [told] = said(result)
    assert told["error"] == "bad_dataset"
    assert why in told["message"]


def test_unknown_and_unsound_models(folder: Path, tmp_path: Path) -> None:
    words = ("--data", folder, "--split", "mine", "--json")
    absent = ghalla("model", "eval", "wheat_rust", *words)
    assert (absent.exit_code, said(absent)[0]["error"]) == (1, "unknown_model")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{}")
    for verb in ("eval", "audit"):
        assert ghalla("model", verb, tmp_path / "broken", *words).exit_code == 4
    assert ghalla("model", "eval", "leaf_health").exit_code == 2


def test_audit_says_every_slice(folder: Path) -> None:
    result = ghalla("model", "audit", "leaf_health", "--data", folder, "--split", "mine", "--json")
    [told] = said(result)
    assert result.exit_code == 0
    assert told["ok"]
    kinds = {one["by"] for one in told["slices"]}
    assert kinds == {"all", "crop", "setting", "source", "brightness", "blur"}
    assert {one["verdict"] for one in told["slices"]} == {"too few"}


def test_a_broken_promise_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Slice("setting", "field", "right_when_confident", 40, 30, 0.6, (0.4, 0.8), 0.9)
    monkeypatch.setattr(cli_model_eval, "_slices", lambda *_: [bad])
    for flags in ((), ("--json",)):
        result = ghalla("model", "audit", "leaf_health", "--data", folder, *flags)
        assert result.exit_code == 4
        assert "setting field" in result.stderr
    [told] = said(result)
    assert not told["ok"]
    assert told["worst"]["verdict"] == BROKEN


def test_bands_and_curve_by_hand() -> None:
    ten = [answer("x", "x" if n < 7 else "y", probability=0.75) for n in range(10)]
    [band] = bands([*ten, answer("x", "x", probability=0.1), answer("x", None)])
    assert band.sure == pytest.approx(0.75)
    assert (band.right, band.photos) == (0.7, 10)
    assert 0.39 < band.low < 0.40 < 0.89 < band.high < 0.90
    four = [answer("x", "x", probability=0.9), answer("x", "y", probability=0.8),
            answer("x", "x", probability=0.7), answer("x", None)]  # fmt: skip
    assert risk_curve(four) == ([0.25, 0.5, 0.75], [0, 0.5, pytest.approx(1 / 3)])
    worst = confidently_wrong([answer("x", "y", probability=0.99), answer("x", "y", sure=True)], 1)
    assert worst[0].sure


def test_without_matplotlib_the_keeper_hears_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(KeeperError, match=r"ghalla\[plots\]"):
        need_matplotlib()
    result = ghalla("model", "eval", "leaf_health", "--data", folder, "--split", "mine",
                    "--plots", folder / "plots")  # fmt: skip
    assert result.exit_code == 3
    assert "ghalla[plots]" in result.stderr


def test_every_picture_is_drawn(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    result = ghalla("model", "eval", "leaf_health", "--data", folder, "--split", "mine",
                    "--plots", folder / "plots", "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    drawn = [Path(path) for path in said(result)[0]["plots"]]
    names = {path.name for path in drawn}
    assert {"reliability.png", "risk_coverage.png", "slices.png", "confusion_LYPES.png"} <= names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert draw_all(Examination(), folder, Names({}, {}), folder / "none") == []
