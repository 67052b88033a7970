"""The shipped yield model on a node: good seasons, odd inputs, and manifests that lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_app.cli_common import EXIT
from field_data.errors import PublisherError
from field_data.types import HORIZONS, Driver, Evidence, LevelSource, YieldForecast
from models.probe import probe
from models.registry import list_models
from models.yield_levels import Level
from models.yield_manifest import parse_yield_manifest
from models.yield_model import FOLDER, YieldModel


@pytest.fixture(scope="module")
def model() -> YieldModel:
    return YieldModel.load()


def season(model: YieldModel, value: float, source: str = "ndvi_") -> Any:
    names = model.manifest.features
    return np.array([value if n.startswith(source) else np.nan for n in names], np.float32)


def raw() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text())
    return found


@pytest.mark.parametrize("horizon", HORIZONS)
def test_greener_than_usual_is_better_than_usual(model: YieldModel, horizon: str) -> None:
    rows = np.array([season(model, value) for value in (-0.3, 0.0, 0.3)])
    poor, usual, rich = model.shift(rows, horizon)
    assert poor < -0.03 < 0.03 < rich
    assert abs(usual) < 0.1


def test_a_season_nobody_saw_is_usual(model: YieldModel) -> None:
    nothing = np.full((2, len(model.manifest.features)), np.nan, np.float32)
    assert np.abs(model.shift(nothing, "05")).max() < 0.1
    assert model.outside(nothing).tolist() == [0.0, 0.0]
    assert model.shift(nothing[:0], "05").shape == (0,)


def test_a_row_speaks_the_same_alone_and_among_others(model: YieldModel) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(0, 0.2, (40, len(model.manifest.features))).astype(np.float32)
    rows[::3, len(model.manifest.features) // 2 :] = np.nan
    alone = np.concatenate([model.shift(row[None], "04") for row in rows])
    np.testing.assert_allclose(model.shift(rows, "04"), alone, atol=1e-6)


def test_morocco_moves_further_than_spain_for_the_same_season(model: YieldModel) -> None:
    row = season(model, -0.3)[None]
    abroad = YieldModel.load(at_home=False)
    for horizon in HORIZONS:
        slope = model.manifest.horizons[horizon].slope
        assert model.shift(row, horizon) == pytest.approx(slope * abroad.shift(row, horizon))
        assert slope > 1


def test_what_moved_a_forecast_is_the_part_that_was_unusual(model: YieldModel) -> None:
    names = model.manifest.features
    row = season(model, 0.0)
    late = model.manifest.groups["late_spring"]
    row[[names.index(n) for n in late if n.startswith("ndvi_")]] = -0.4
    moved = model.drivers(row, "05")
    assert next(iter(moved)) == "late_spring"
    assert moved["late_spring"] < -0.05
    assert moved["autumn"] == pytest.approx(0.0, abs=1e-6)


def test_inputs_outside_the_training_widen_the_range(model: YieldModel) -> None:
    far = season(model, 5.0)[None]
    outside = float(model.outside(far)[0])
    assert outside > 1
    level = Level(2.0, 0.3, 2)
    plain, wide = (model.interval(0.1, level, "05", o) for o in (0.0, outside))
    assert wide.high - wide.middle == pytest.approx(2 * (plain.high - plain.middle))
    assert model.relative_interval(0.1, "02").high > model.relative_interval(0.1, "05").high


def test_later_months_and_more_harvests_narrow_the_range(model: YieldModel) -> None:
    def width(horizon: str, sd: float) -> float:
        found = model.interval(0.0, Level(2.0, sd, 1), horizon)
        return found.high - found.low

    assert width("05", 0.3) < width("02", 0.3)
    assert width("05", 0.1) < width("05", 0.5)


def test_a_node_knows_the_model_and_finds_it_sound() -> None:
    entry = next(each for each in list_models() if each["name"] == "wheat_yield")
    assert entry["ok"]
    assert entry["crops"] == ["TRZAX", "TRZDU"]
    assert probe(FOLDER)["variant"] == "model.onnx"
    assert (FOLDER / "model.onnx").stat().st_size < 3_000_000


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "detector"},
        {"crops": []},
        {"least": [0.0]},
        {"unseen_sd": 0},
        {"unseen_sd": "much"},
        {"drift": -1},
        {"groups": {"autumn": ["rain"]}},
        {"horizons": {}},
        {"surprise": 1},
        {"files": {}},
    ],
)
def test_a_manifest_that_lies_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(PublisherError) as told:
        parse_yield_manifest(json.dumps(raw() | change))
    assert told.value.code == "bad_manifest"
    assert EXIT[PublisherError] == 4


def test_a_range_turned_inside_out_is_refused() -> None:
    manifest = raw()
    manifest["horizons"]["05"]["low90"] = 0.1
    with pytest.raises(PublisherError, match="narrower"):
        parse_yield_manifest(json.dumps(manifest))


def test_a_changed_graph_is_refused(tmp_path: Path) -> None:
    for name in ("manifest.json", "model.onnx"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    with (tmp_path / "model.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(PublisherError) as told:
        YieldModel.load(tmp_path)
    assert told.value.code == "model_corrupt"


def forecast(model: YieldModel, **changes: Any) -> YieldForecast:
    from datetime import date

    plain: dict[str, Any] = {
        "field": "f", "crop": "TRZAX", "season_year": 2025, "horizon": "04",
        "as_of": date(2025, 5, 1), "t_ha_p10": 1.0, "t_ha_p50": 1.5, "t_ha_p90": 2.0,
        "relative": -0.1, "relative_p10": -0.4, "relative_p90": 0.2, "level_t_ha": 1.7,
        "level_source": LevelSource.HARVESTS, "evidence": Evidence(3, 14, 6),
        "drivers": (Driver("winter", -0.05, -0.08),), "model": model.ref,
    }  # fmt: skip
    return YieldForecast(**(plain | changes))


@pytest.mark.parametrize(
    "change",
    [
        {"horizon": "06"},
        {"t_ha_p10": -0.1},
        {"t_ha_p50": 2.5},
        {"relative_p10": 0.0},
        {"level_source": LevelSource.NONE},
        {"level_t_ha": None},
    ],
)
def test_a_forecast_that_cannot_be_is_refused(model: YieldModel, change: dict[str, Any]) -> None:
    assert forecast(model).evidence.harvests == 3
    with pytest.raises(ValueError, match=r"need|known|horizon"):
        forecast(model, **change)
