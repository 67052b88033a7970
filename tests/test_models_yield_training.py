"""From files to graph: the traps of the data, honest judging, and the same numbers in ONNX."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from edge_app.cli import main
from field_data.errors import KeeperError, PersonError
from field_data.types import HORIZONS
from models.manifest import read_header
from models.training import (
    train_yield,
    yield_fit,
    yield_judge,
    yield_morocco,
    yield_report,
    yield_rules,
)
from models.training.yield_data import Row, YieldSet, end_of_window, read_morocco, read_spain
from models.training.yield_export import to_onnx
from models.training.yield_shipped import report_shipped
from models.yield_evaluation import Judged, rmse
from models.yield_manifest import parse_yield_manifest
from models.yield_model import YieldModel
from sat_ingest.yield_features import HALVES, MONTHS, NAMES
from tests import yield_sets
from tests.conftest import PHOTO_SET

REAL = PHOTO_SET.parent / "yield"
SHIPPED_TREES = yield_fit.TREES


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[pytest.MonkeyPatch]:
    """Few trees and few parts: what is tested is not how good a forest is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yield_fit, "TREES", 6)
        patch.setattr(yield_judge, "PARTS", 3)
        yield patch


@pytest.fixture
def full_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yield_fit, "TREES", SHIPPED_TREES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return yield_sets.write(tmp_path_factory.mktemp("yield") / "data", noise=0.03)


@pytest.fixture(scope="module")
def data(folder: Path) -> YieldSet:
    return read_spain(folder)


@pytest.fixture(scope="module")
def findings(folder: Path) -> yield_report.Findings:
    return yield_report.report(folder)


def off(judged: list[Judged]) -> float:
    return rmse(np.array([one.forecast - one.t_ha for one in judged]))


def test_what_is_wrong_is_dropped_and_what_is_tiny_is_not_scored(data: YieldSet) -> None:
    assert 33.7 not in {row.t_ha for row in data.rows}
    tiny = [row for row in data.rows if row.t_ha == 9.9]
    assert [row.counted for row in tiny] == [False]
    assert not any(row.t_ha == 9.9 for rows in yield_judge.judged_years(data).values()
                   for row in rows)  # fmt: skip


@pytest.mark.parametrize(
    ("source", "first", "last"),
    [
        ("ndvi", date(2013, 2, 26), date(2013, 3, 5)),
        ("ndvi", date(2012, 12, 26), date(2012, 12, 31)),
        ("fpar", date(2012, 2, 21), date(2012, 2, 29)),
        ("fpar", date(2013, 4, 11), date(2013, 4, 20)),
        ("fpar", date(2013, 12, 21), date(2013, 12, 31)),
    ],
)
def test_an_observation_is_dated_by_its_last_day(source: str, first: date, last: date) -> None:
    assert end_of_window(source, first) == last


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(PersonError, match="es_wheat_yield"):
        read_spain(tmp_path)


def test_years_left_out_are_forecast_better_than_by_the_mean(data: YieldSet) -> None:
    found = yield_judge.leave_year_out(data)
    assert set(found) == {(arm, h) for arm in ("both", "ndvi") for h in HORIZONS}
    for arm in ("both", "ndvi"):
        may = found[arm, "05"]
        means = [
            yield_rules.province_mean(
                [r for r in data.rows if r.year != one.year], Row(one.place, one.year, one.t_ha)
            )
            for one in may
        ]
        rule = rmse(np.array(means) - np.array([one.t_ha for one in may]))
        assert off(may) < 0.6 * rule


def spoilt(data: YieldSet, year: int, horizon: str) -> YieldSet:
    """What satellites saw after a horizon of one year, replaced by nonsense."""
    upto = 2 * MONTHS.index(horizon) + 2

    def nonsense(seasons: Mapping[int, NDArray[np.float64]]) -> dict[int, NDArray[np.float64]]:
        other = dict(seasons)
        other[year] = np.concatenate([seasons[year][:upto], np.full(len(HALVES) - upto, 0.99)])
        return other

    seen = {p: {s: nonsense(of) for s, of in sources.items()} for p, sources in data.seen.items()}
    return replace(data, seen=seen)


@pytest.mark.parametrize("horizon", ["02", "04"])
def test_a_left_out_years_future_does_not_change_its_forecast(data: YieldSet, horizon: str) -> None:
    year = yield_sets.YEARS[-1]
    archive = yield_judge.all_seasons(data) - {year}
    said = []
    for world in (data, spoilt(data, year, horizon)):
        fold = yield_fit.fit(world, [r for r in world.rows if r.year != year], archive,
                             ("both",), (horizon,))  # fmt: skip
        rows = yield_judge.judged_years(world)[year]
        judged = yield_judge.judge_rows(world, fold, rows, archive)["both", horizon]
        said.append([one.forecast for one in judged])
    assert said[0] == said[1]


def test_rolling_origin_looks_at_no_later_harvest_and_no_later_season(data: YieldSet) -> None:
    year = yield_sets.YEARS[-2]
    rows = tuple(replace(r, t_ha=9.0) if r.year > year else r for r in data.rows)
    other = replace(spoilt(data, year + 1, "02"), rows=rows)
    before, after = (
        [one.forecast for one in yield_judge.rolling(each, ("ndvi",))["ndvi", "04"]
         if one.year <= year]
        for each in (data, other)
    )  # fmt: skip
    assert before
    assert before == after


def test_local_harvests_teach_a_new_place(data: YieldSet) -> None:
    found = yield_judge.new_places(data, strict=True)
    errors = {k: off(judged) for k, judged in found["level"].items()}
    assert errors[5] < errors[1] < errors[0]
    assert off(found["model"][5]) < errors[5]


def test_places_and_years_that_appear_are_simply_there(tmp_path: Path) -> None:
    more = yield_sets.write(
        tmp_path / "more", (*yield_sets.PLACES, "ES010"), (*yield_sets.YEARS, 2014)
    )
    judged = yield_judge.leave_year_out(read_spain(more), ("ndvi",))["ndvi", "05"]
    assert {2014} <= {one.year for one in judged}
    assert "ES010" in {one.place for one in judged}


def test_a_place_that_no_satellite_saw_still_has_a_level(data: YieldSet) -> None:
    rows = (*data.rows, *(Row("ES999", year, 3.0) for year in (2010, 2011)))
    blind = replace(data, rows=rows)
    fold = yield_fit.fit(blind, blind.rows, yield_judge.all_seasons(blind), ("ndvi",), ("05",))
    assert 2.5 < fold.level("ES999", 2012).mean_t_ha < 3.5
    assert yield_judge.local_prior(blind, fold, "ES999", {2010}) == fold.prior


def test_rules_say_what_their_names_say() -> None:
    rows = [Row("A", year, 1.0 + 0.1 * (year - 2000)) for year in range(2000, 2010)]
    ahead = Row("A", 2012, 0.0)
    assert yield_rules.province_mean(rows, ahead) == pytest.approx(1.45)
    assert yield_rules.trend(rows, ahead) == pytest.approx(2.2)
    assert yield_rules.last_harvests(rows, ahead) == pytest.approx(1.8)
    rain = {("A", row.year): 100.0 * row.t_ha for row in rows} | {("A", 2012): 290.0}
    assert yield_rules.rain_rule(rows, [ahead], rain) == pytest.approx([2.9])
    assert np.isnan(yield_rules.rain_rule(rows, [Row("A", 2013, 0.0)], rain)).all()


def test_morocco_learns_its_own_slope_as_far_as_its_years_allow() -> None:
    shifts = np.linspace(-0.3, 0.3, 10)
    few = yield_morocco.adapt(shifts[::4], 2 * (1 + 2.0 * shifts[::4]))
    many = yield_morocco.adapt(np.tile(shifts, 30), np.tile(2 * (1 + 2.0 * shifts), 30))
    assert 1 < few.slope < many.slope < 2.001
    assert many.slope == pytest.approx(2.0, abs=0.05)
    assert many.forecast(-0.9) == 0.0


def test_the_nation_is_judged_year_by_year(folder: Path, data: YieldSet) -> None:
    fold = yield_fit.fit(data, data.rows, yield_judge.all_seasons(data), ("ndvi",))
    said = yield_morocco.judge_morocco(fold.arms["ndvi", "05"].shift, read_morocco(folder), "05")
    errors = {kind: rmse(np.array([one[kind] - one["truth"] for one in said.values()]))
              for kind in ("model", "mean")}  # fmt: skip
    assert errors["model"] < 0.7 * errors["mean"]


def test_trained_again_the_bytes_are_the_same_and_the_graph_equals_the_library(
    folder: Path,
    data: YieldSet,
    findings: yield_report.Findings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(train_yield, "report", lambda *_, **__: findings)
    assert train_yield.train(folder, tmp_path / "one") <= train_yield.MOST_OFF
    fold = yield_fit.fit(data, data.rows, yield_judge.all_seasons(data), ("both", "ndvi"))
    graph = to_onnx(fold)
    assert graph == (tmp_path / "one" / "model.onnx").read_bytes()
    assert train_yield.farthest(fold, YieldModel.load(tmp_path / "one", False), data) <= 1e-5
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert manifest["features"] == list(NAMES)
    assert manifest["training"]["data_sha256"] == train_yield.data_hash(folder)
    card = (tmp_path / "one" / "CARD.md").read_text()
    assert "must not be\nused for credit, insurance, tax" in card
    assert f"{manifest['metrics']['leave_one_year_out']['ndvi']['05']['rmse']:.3f}" in card


def test_eval_prints_every_scheme_and_draws(
    folder: Path,
    findings: yield_report.Findings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(yield_report, "report", lambda *_, **__: findings)
    arguments = ["model", "eval", "wheat_yield", "--data", str(folder)]
    done = CliRunner().invoke(main, [*arguments, "--json", "--plots", str(tmp_path / "plots")])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert set(said) >= {"leave_one_year_out", "rolling_origin", "new_place", "morocco"}
    assert set(said["leave_one_year_out"]["rules"]) == {"mean", "trend", "last_3", "rain"}
    assert set(said["morocco"]) == {"wheat", "barley"}
    assert len(said["plots"]) == 4
    assert all(Path(path).stat().st_size > 5_000 for path in said["plots"])
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code == 0, told.output
    for words in ("leave one year out", "new place, place and year out", "Morocco, barley"):
        assert words in told.stdout


def test_eval_without_the_extra_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(KeeperError, match=r"ghalla\[yield\]"):
        yield_fit.need_sklearn()
    done = CliRunner().invoke(
        main, ["model", "eval", "wheat_yield", "--data", str(folder), "--json"]
    )
    assert done.exit_code == 3
    assert json.loads(done.stdout)["error"] == "no_sklearn"


def test_photos_are_not_measured_without_a_split(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, ["model", "eval", "leaf_health", "--data", str(tmp_path), "--json"]
    )
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"] == "no_split"


def test_the_shipped_manifest_holds_what_its_card_says() -> None:
    from models.yield_model import FOLDER

    manifest = parse_yield_manifest((FOLDER / "manifest.json").read_text())
    card = (FOLDER / "CARD.md").read_text()
    assert read_header(FOLDER).kind == "yield"
    for arm in ("both", "ndvi"):
        for horizon in HORIZONS:
            rmse_said = manifest.metrics["leave_one_year_out"][arm][horizon]["rmse"]
            assert f"{rmse_said:.3f}" in card


@pytest.mark.data
@pytest.mark.usefixtures("full_size")
def test_real_spain_is_forecast_as_well_as_promised() -> None:
    found = yield_judge.leave_year_out(read_spain(REAL))
    assert off(found["both", "05"]) <= 0.62
    assert off(found["both", "03"]) <= 0.75
    assert off(found["ndvi", "05"]) <= 0.64


@pytest.mark.data
@pytest.mark.usefixtures("full_size")
def test_the_shipped_graph_equals_a_fit_to_the_real_data() -> None:
    data = read_spain(REAL)
    fold = yield_fit.fit(data, data.rows, yield_judge.all_seasons(data), ("both", "ndvi"))
    assert train_yield.farthest(fold, YieldModel.load(at_home=False), data) <= 1e-5


@pytest.fixture(scope="module")
def shipped(
    folder: Path, findings: yield_report.Findings, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model fitted to the folder."""
    out = tmp_path_factory.mktemp("shipped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_yield, "report", lambda *_, **__: findings)
        train_yield.train(folder, out)
    return out


def test_the_shipped_graph_is_judged_on_what_it_has_not_seen_alone(
    folder: Path, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A judge adds years and a province, in the same files or beside them; nothing is fitted."""
    years = (*yield_sets.YEARS, 2014, 2015)
    wider = yield_sets.write(tmp_path / "wider", [*yield_sets.PLACES, "ES010"], years, noise=0.03)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    none = report_shipped(shipped, folder)
    assert (none["harvests"], none["years"], none["morocco"]["years"]) == (0, [], [])
    said = report_shipped(shipped, wider)
    assert said["new_places"] == ["ES010"]
    assert said["harvests"] == 2 * 9 + len(years)
    assert said["morocco"]["years"] == [2014, 2015]
    assert said["morocco"]["05"]["model"] < said["morocco"]["05"]["mean"]
    for scheme in ("earlier", "trained"):
        for arm in ("both", "ndvi"):
            of = said[scheme][arm]["05"]
            assert of["n"] == said["harvests"] == sum(one["n"] for one in of["by_year"].values())
            assert of["by_year"][2014]["rmse"] < of["by_year"][2014]["mean"]
            assert set(of["ranges"]["80"]["by_year"]) == set(said["years"])
    assert json.dumps(said["earlier"]["ndvi"]) != json.dumps(said["trained"]["ndvi"])


def test_new_harvests_may_lie_in_a_folder_of_their_own(
    folder: Path, shipped: Path, tmp_path: Path
) -> None:
    wider = yield_sets.write(tmp_path / "wider", years=(*yield_sets.YEARS, 2014), noise=0.03)
    path = wider / "spain" / "es_wheat_yield.csv"
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, *(x for x in lines if ",2014," in x)]) + "\n")
    alone = ["model", "eval", str(shipped), "--shipped", "--data", str(folder)]
    done = CliRunner().invoke(main, [*alone, "--data", str(wider), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["years"] == [2014]
    assert said["earlier"]["ndvi"]["05"]["n"] == 9
    told = CliRunner().invoke(main, [*alone, "--data", str(wider)])
    assert told.exit_code == 0, told.output
    assert "2014, NDVI alone, May: 9 harvests" in told.stdout


def test_unseen_harvests_that_no_satellite_saw_are_counted_and_not_scored(
    folder: Path, shipped: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more" / "spain"
    more.mkdir(parents=True)
    head = (folder / "spain" / "es_wheat_yield.csv").read_text().splitlines()[0]
    (more / "es_wheat_yield.csv").write_text(f"{head}\nES001,2019,2.5,9000,,\nES002,2019,,9000,,\n")
    said = report_shipped(shipped, folder, more.parent)
    assert (said["harvests"], said["without_satellite"]) == (0, 1)


def test_later_harvests_and_seasons_do_not_change_a_shipped_forecast(
    shipped: Path, tmp_path: Path
) -> None:
    short, long = (
        report_shipped(
            shipped, yield_sets.write(tmp_path / str(last), years=range(2006, last + 1))
        )["earlier"]["both"]["04"]["by_year"][2014]
        for last in (2014, 2015)
    )
    assert short == long


def test_every_number_of_harvests_is_tried_on_the_same_forecasts(
    findings: yield_report.Findings,
) -> None:
    for of in findings.figures["new_place"].values():
        assert len(set(of["n"].values())) == 1


def test_the_nation_is_forecast_from_earlier_years_alone(folder: Path, data: YieldSet) -> None:
    fold = yield_fit.fit(data, data.rows, yield_judge.all_seasons(data), ("ndvi",))
    shift, nation = fold.arms["ndvi", "05"].shift, read_morocco(folder)
    cut = replace(
        nation,
        rows=tuple(row for row in nation.rows if row.year <= 2011),
        seen={place: {"ndvi": {y: v for y, v in of["ndvi"].items() if y <= 2011}}
              for place, of in nation.seen.items()},
    )  # fmt: skip
    whole, early = (
        yield_morocco.judge_morocco(shift, each, "05", past=True) for each in (nation, cut)
    )
    assert early[2011] == whole[2011]
    assert max(whole) > 2011
