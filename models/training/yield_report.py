"""All figures of the yield model, fitted anew so often as honesty asks: `report` prints none twice.

Everything is learnt from the folder given: years and provinces that are added to it are simply
there, in the training of the others and in the score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from field_data.types import HORIZONS
from models.training import yield_judge, yield_morocco, yield_rules
from models.training.yield_data import Row, YieldSet, read_morocco, read_spain
from models.training.yield_fit import fit
from models.yield_evaluation import (
    Judged,
    accuracy,
    coverage,
    horizon_of,
    left_out_ranges,
    ranges,
    rmse,
    skill,
    years_of,
)

Floats = NDArray[np.float64]
Watch = Callable[[str], None]
SIZES = (3, 6, 10)


@dataclass(frozen=True, slots=True)
class Findings:
    """``figures`` for the manifest and for people, and the forecasts for pictures."""

    figures: dict[str, Any]
    year_out: yield_judge.Forecasts
    rolled: yield_judge.Forecasts
    rules: Mapping[str, Floats]


def report(folder: Path, *more: Path, watch: Watch = lambda _: None) -> Findings:
    """Every figure of a data folder, or of several read as one.

    Raises:
        PersonError: ``no_data``.  KeeperError: ``no_sklearn``.
    """
    folders = (folder, *more)
    data = read_spain(*folders)
    watch("leave-one-year-out")
    year_out = yield_judge.leave_year_out(data)
    watch("rolling origin")
    rolled = yield_judge.rolling(data)
    rules = _rules(folders, data, year_out["both", "05"], lambda row, one: row.year != one.year)
    past = _rules(folders, data, rolled["both", "05"], lambda row, one: row.year < one.year)
    figures = {
        "harvests": len(data.rows),
        "places": len(data.places),
        "tiny": sum(not row.counted for row in data.rows),
        "years": data.years,
        "leave_one_year_out": _scheme(year_out, rules),
        "rolling_origin": _scheme(rolled, past, with_ranges=False),
    }
    watch("places left out")
    figures["new_place"] = new_place_figures(data, year_out["both", "05"])
    watch("learning curve")
    figures["learning_curve_april"] = learning_curve(data)
    watch("Morocco")
    figures["morocco"] = morocco_figures(folders, data)
    return Findings(figures, year_out, rolled, rules)


def _rows(judged: Sequence[Judged]) -> list[Row]:
    return [Row(one.place, one.year, one.t_ha) for one in judged]


def _rules(
    folders: Sequence[Path],
    data: YieldSet,
    judged: Sequence[Judged],
    may: Callable[[Row, Judged], bool],
    horizon: str = "05",
) -> dict[str, Floats]:
    kept = {one.year: [row for row in data.rows if may(row, one)] for one in judged}
    return yield_rules.ruled(_rows(judged), kept, yield_rules.read_rain(folders, horizon))


def _scheme(
    forecasts: yield_judge.Forecasts,
    rules: Mapping[str, Floats],
    with_ranges: bool = True,
) -> dict[str, Any]:
    """Accuracy, skill and ranges by arm and horizon, and the rules on the same rows."""
    first = next(iter(forecasts.values()))
    truth, years = np.array([one.t_ha for one in first]), years_of(first)
    found: dict[str, Any] = {"rules": {}}
    for name, said in rules.items():
        known = np.isfinite(said)
        if known.any():
            found["rules"][name] = accuracy(truth[known], said[known])
    wet = np.isfinite(rules["rain"])
    for (arm, horizon), judged in sorted(forecasts.items()):
        said = np.array([one.forecast for one in judged])
        figures: dict[str, Any] = accuracy(truth, said)
        figures["by_year"] = _by_year(truth, said, years)
        figures["skill"] = {name: skill(truth, said, rules[name], years)
                            for name in ("mean", "trend")}  # fmt: skip
        if wet.any():
            figures["rmse_where_rain_is_known"] = rmse((said - truth)[wet])
        if with_ranges and len(set(years)) > 1:
            figures["ranges"] = coverage(judged, left_out_ranges(judged))
        found.setdefault(arm, {})[horizon] = figures
    return found


def _by_year(truth: Floats, said: Floats, years: NDArray[np.int64]) -> dict[int, float]:
    return {int(year): rmse((said - truth)[years == year]) for year in np.unique(years)}


def new_place_figures(data: YieldSet, year_out: Sequence[Judged]) -> dict[str, Any]:
    """RMSE of places that nothing was learnt from, by protocol and number of local harvests.

    ``place_out``: the place is left out; ``place_and_year_out``: every harvest of the forecast's
    year, too.  Harvests are those just before the forecast, or (``drawn``) any other years; all
    columns are of the same forecasts, those with the most harvests before them.  ``held_80``: how
    often the 80 % range held, ``width_80`` its mean width, t/ha; its ends are learnt from other
    places and other years.
    """
    found: dict[str, Any] = {}
    for name, strict in (("place_out", False), ("place_and_year_out", True)):
        judged = yield_judge.new_places(data, strict)
        alike = _of_the_same(judged)
        found[name] = {
            kind: {str(k): rmse(np.array([one.t_ha - one.forecast for one in each]))
                   for k, each in by_k.items() if each}
            for kind, by_k in alike.items()
        }  # fmt: skip
        said = {str(k): coverage(each, _strangers_ranges(each, year_out))["80"]
                for k, each in alike["model"].items() if each}  # fmt: skip
        found[name]["held_80"] = {k: of["coverage"] for k, of in said.items()}
        found[name]["width_80"] = {k: of["mean_width"] for k, of in said.items()}
        found[name]["n"] = {k: len(each) for k, each in alike["model"].items()}
    return found


def _of_the_same(
    judged: Mapping[str, Mapping[int, list[Judged]]],
) -> dict[str, dict[int, list[Judged]]]:
    """Only forecasts that every number of harvests has: else five would be tried on later, other
    years than none."""
    by_k = judged["model"]
    most = max((k for k, each in by_k.items() if each), default=0)
    kept = {(one.place, one.year) for one in by_k[most]}
    return {
        kind: {k: [one for one in each if (one.place, one.year) in kept] for k, each in of.items()}
        for kind, of in judged.items()
    }


def _strangers_ranges(
    judged: Sequence[Judged], year_out: Sequence[Judged]
) -> Mapping[int, tuple[Floats, Floats]]:
    """Ranges whose ends know neither the place nor the year of the forecast."""
    found = {80: (np.empty(len(judged)), np.empty(len(judged)))}
    for i, one in enumerate(judged):
        others = [o for o in year_out if o.place != one.place and o.year != one.year]
        (found[80][0][i],), (found[80][1][i],) = ranges([one], horizon_of(others))[80]
    return found


def learning_curve(data: YieldSet, horizon: str = "04") -> dict[str, float]:
    """Leave-one-year-out RMSE of April when fewer years are there to learn from."""
    rng = np.random.default_rng(yield_judge.SEED)
    years = list(yield_judge.judged_years(data))
    errors: dict[str, list[float]] = {}
    for year in years:
        others = [other for other in years if other != year]
        for size in (*(s for s in SIZES if s < len(others)), len(others)):
            kept = set(rng.choice(others, size, replace=False).tolist())
            unseen = set(data.years) - set(years)
            rows = [r for r in data.rows if r.year in kept | unseen]
            archive = yield_judge.all_seasons(data) - {year}
            fold = fit(data, rows, archive, ("both",), (horizon,))
            own = yield_judge.judged_years(data)[year]
            judged = yield_judge.judge_rows(data, fold, own, archive)["both", horizon]
            errors.setdefault(str(size), []).extend(one.t_ha - one.forecast for one in judged)
    return {size: rmse(np.array(off)) for size, off in errors.items()}


def morocco_figures(folders: Sequence[Path], data: YieldSet) -> dict[str, Any]:
    """National wheat and barley, t/ha: every year from all others, and from those before it."""
    fold = fit(data, data.rows, yield_judge.all_seasons(data), ("ndvi",))
    found: dict[str, Any] = {}
    for crop in ("wheat", "barley"):
        national = read_morocco(*folders, crop=crop)

        def errors(horizon: str, past: bool, national: YieldSet = national) -> dict[str, Any]:
            shift = fold.arms["ndvi", horizon].shift
            return yield_morocco.errors(
                yield_morocco.judge_morocco(shift, national, horizon, past=past)
            )

        found[crop] = {horizon: errors(horizon, False) for horizon in HORIZONS}
        found[crop]["rolling_origin"] = {horizon: errors(horizon, True) for horizon in HORIZONS}
        found[crop]["slopes"] = yield_morocco.slopes(fold, national)
    return found
