"""``ghalla forecast`` and ``ghalla fields season``: one node, its fields, its harvests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_app.cli import main
from field_data.types import Field
from models.yield_model import YieldModel
from tests.people import Staff
from tests.yielding import grown, harvested, wheat_field, yield_model

KEYS = {"t_ha_p10", "t_ha_p50", "t_ha_p90", "horizon", "level_source", "evidence", "model"}
DAY = "2025-06-02"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Staff(tmp_path) as staff:
        field = wheat_field(staff)
        grown(staff, field, dict.fromkeys(range(2020, 2025), 0.6) | {2025: 0.72})
        harvested(staff.ground, wheat_field(staff, "maize", 3, "ZEAMX"), 2024, 2.0)
    (tmp_path / "settings.toml").touch()
    return tmp_path


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(YieldModel, "load", classmethod(lambda _: yield_model()))


def run(home: Path, *args: str) -> Result:
    return CliRunner().invoke(main, [*args, "--home", str(home)])


def said(home: Path, *args: str) -> dict[str, Any]:
    result = run(home, *args, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


@pytest.mark.usefixtures("model")
def test_a_field_gets_its_forecast_once_its_usual_yield_is_known(home: Path) -> None:
    relative = said(home, "forecast", "Bled 1", "--as-of", DAY)
    assert relative.keys() >= KEYS
    assert (relative["t_ha_p50"], relative["level_source"]) == (None, "none")
    said(home, "fields", "season", "Bled 1", "--usual", "20 q/ha", "--sown", "2024-11-20")
    told = said(home, "forecast", "Bled 1", "--as-of", DAY)
    assert told["t_ha_p10"] < told["t_ha_p50"] < told["t_ha_p90"]
    assert (told["horizon"], told["level_source"]) == ("05", "declared")
    assert told["evidence"]["archive_seasons"] == 5
    assert told["model"]["name"] == "wheat_yield"
    plain = run(home, "forecast", "Bled 1", "--as-of", DAY).output
    assert "0 local harvests" in plain
    assert "not validated at field level; not for credit" in plain


@pytest.mark.usefixtures("model")
def test_no_forecast_is_exit_code_1_with_the_reason(home: Path) -> None:
    early = run(home, "forecast", "Bled 1", "--as-of", "2025-02-01")
    assert (early.exit_code, "end of February" in early.output) == (1, True)
    other = run(home, "forecast", "maize", "--as-of", DAY, "--json")
    assert (other.exit_code, json.loads(other.stdout)["state"]) == (1, "other_crop")
    assert run(home, "forecast", "nobody").exit_code == 1
    assert run(home, "forecast").exit_code == 2
    assert run(home, "forecast", "Bled 1", "--all").exit_code == 2


@pytest.mark.usefixtures("model")
def test_all_fields_are_one_line_each(home: Path) -> None:
    result = run(home, "forecast", "--all", "--as-of", DAY, "--json")
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["state"] for each in lines] == ["forecast", "other_crop"]


def test_without_a_model_the_exit_code_is_4(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = YieldModel.load.__func__  # type: ignore[attr-defined]
    missing = classmethod(lambda cls: real(cls, home / "none"))
    monkeypatch.setattr(YieldModel, "load", missing)
    result = run(home, "forecast", "Bled 1", "--as-of", DAY)
    assert (result.exit_code, "no yield model" in result.output) == (4, True)


@pytest.mark.usefixtures("model")
def test_skill_counts_only_what_was_said_in_time(home: Path) -> None:
    run(home, "fields", "season", "Bled 1", "--usual", "20 q/ha")
    run(home, "forecast", "Bled 1", "--as-of", DAY)
    with Staff(home) as staff:
        field: Field = staff.ground.registry.fields()[0]
        harvested(staff.ground, field, 2025, 2.3)
    found = said(home, "forecast", "skill")
    assert (found["n"], found["made_after_harvest"], found["validated"]) == (0, 1, False)
    assert found["rmse_t_ha"] is None
    text = run(home, "forecast", "skill").output
    assert "no pair yet" in text
    assert "Not validated at field level" in text


def test_a_usual_yield_in_the_wrong_unit_is_asked_back(home: Path) -> None:
    asked = run(home, "fields", "season", "Bled 1", "--usual", "25 t/ha")
    assert asked.exit_code == 1
    assert "do you mean 25 q/ha (2.5 t/ha)?" in asked.output
    for odd in ("25", "q/ha", "25 sacks"):
        assert run(home, "fields", "season", "Bled 1", "--usual", odd).exit_code == 1
    assert run(home, "fields", "seasons", "Bled 1").output == ""


def test_a_season_is_corrected_by_its_id(home: Path) -> None:
    first = said(
        home, "fields", "season", "Bled 1", "--crop", "Wheat", "--sown", "2024-11-20",
        "--usual", "2,5 t/ha",
    )  # fmt: skip
    assert (first["crop"], first["usual_t_ha"]) == ("TRZAX", 2.5)
    changed = said(
        home, "fields", "season", "Bled 1", "--correct", first["season"], "--harvested", DAY
    )
    assert (changed["sown"], changed["harvested"], changed["usual_t_ha"]) == (
        "2024-11-20",
        DAY,
        2.5,
    )
    assert said(home, "fields", "seasons", "Bled 1") == changed
    swapped = ("--correct", first["season"], "--harvested", "2024-01-01")
    assert run(home, "fields", "season", "Bled 1", *swapped).exit_code == 1
    assert run(home, "fields", "season", "maize", "--correct", first["season"]).exit_code == 1
