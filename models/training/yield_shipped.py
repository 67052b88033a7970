"""The shipped graph, as it is, on harvests that it was not fitted to: nothing is learnt here.

The manifest names the harvests of the training; all others of a folder are forecast and scored.
Two levels are tried: "earlier" takes only harvests and seasons before the one that is forecast, as
a node has them; "trained" those of the training, before and after, as leave-one-year-out does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from field_data.errors import PublisherError
from field_data.types import HORIZONS
from models.training import yield_morocco, yield_rules
from models.training.yield_data import Row, YieldSet, read_morocco, read_spain
from models.training.yield_fit import ARMS, Features, columns_of, features_of
from models.training.yield_judge import all_seasons, judged_years
from models.yield_evaluation import Judged, accuracy, coverage, ranges, rmse, skill, years_of
from models.yield_intervals import stretch_of
from models.yield_levels import Harvest, level
from models.yield_model import YieldModel
from sat_ingest.yield_features import NAMES

Floats = NDArray[np.float64]
Known = Callable[[Row, Row], bool]


def trained_rows(data: YieldSet) -> dict[str, list[int]]:
    """Years of the harvests by place, for the manifest."""
    return {p: sorted(r.year for r in data.rows if r.place == p) for p in data.places}


def report_shipped(folder: Path, *folders: Path) -> dict[str, Any]:
    """Figures of the model in ``folder`` on what the data ``folders`` hold beyond its training.

    Raises:
        PersonError: ``no_data``.  PublisherError: the model's, ``bad_manifest`` where it does not
            say what it was fitted to.
    """
    data, model = read_spain(*folders), YieldModel.load(folder, at_home=False)
    fitted = _fitted(model)
    unseen = [r for rows in judged_years(data).values() for r in rows
              if (r.place, r.year) not in fitted]  # fmt: skip
    known: Mapping[str, Known] = {
        "earlier": lambda row, one: one.year < row.year,
        "trained": lambda row, one: one != row and (one.place, one.year) in fitted,
    }
    found: dict[str, Any] = {
        "harvests": len(unseen),
        "without_satellite": sum(
            row.counted and not data.looked_at(row) and (row.place, row.year) not in fitted
            for row in data.rows
        ),
        "years": sorted({row.year for row in unseen}),
        "new_places": sorted({row.place for row in unseen} - {place for place, _ in fitted}),
    }
    if unseen:
        found |= {name: _figures(data, model, unseen, may) for name, may in known.items()}
    return found | {"morocco": _morocco(folder, *folders)}


def _fitted(model: YieldModel) -> set[tuple[str, int]]:
    rows = model.manifest.training.get("rows")
    if not isinstance(rows, Mapping):
        raise PublisherError("bad_manifest", "the manifest does not say what harvests it learnt")
    return {(place, year) for place, years in rows.items() for year in years}


def _figures(data: YieldSet, model: YieldModel, rows: Sequence[Row], may: Known) -> dict[str, Any]:
    """By arm and horizon, with the rules that know the same harvests."""
    kept = {row: [one for one in data.rows if may(row, one)] for row in rows}
    plain = {"mean": yield_rules.province_mean, "trend": yield_rules.trend}
    rules = {name: np.array([rule(kept[row], row) for row in rows]) for name, rule in plain.items()}
    truth = np.array([row.t_ha for row in rows])
    found: dict[str, Any] = {"rules": {n: accuracy(truth, said) for n, said in rules.items()}}
    for arm in ARMS:
        found[arm] = {
            horizon: _scored(*_judged(data, model, kept, arm, horizon), model, horizon, rules)
            for horizon in HORIZONS
        }
    return found


def _judged(
    data: YieldSet,
    model: YieldModel,
    kept: Mapping[Row, Sequence[Row]],
    arm: str,
    horizon: str,
) -> tuple[list[Judged], Floats]:
    """Forecasts, and how much wider each range is for inputs outside the training's."""
    judged, stretch = [], []
    for row, known in kept.items():
        own = [one for one in known if one.place == row.place]
        # None: a season is held against those before it, as on a node.
        later = any(one.year > row.year for one in known)
        archive = all_seasons(data) - {row.year} if later else None
        features = _seen(data, [row], arm, horizon, archive)
        past = _seen(data, own, arm, HORIZONS[-1], archive)
        usual = level(model.prior(), [
            Harvest(one.t_ha, 0.0 if one.counted else 0.5 * one.t_ha,
                    None if np.isnan(seen).all() else float(shift), row.year - one.year)
            for one, seen, shift in zip(own, past, model.shift(past, HORIZONS[-1]), strict=True)
        ])  # fmt: skip
        shift = float(model.shift(features, horizon)[0])
        judged.append(Judged(row.place, row.year, row.t_ha, usual.mean_t_ha, usual.sd_t_ha, shift))
        stretch.append(stretch_of(float(model.outside(features)[0])))
    return judged, np.array(stretch)


def _seen(
    data: YieldSet, rows: Sequence[Row], arm: str, horizon: str, archive: Collection[int] | None
) -> Features:
    found = features_of(data, rows, horizon, archive)
    found[:, np.setdiff1d(np.arange(len(NAMES)), columns_of(arm))] = np.nan
    return found


def _scored(
    judged: Sequence[Judged],
    stretch: Floats,
    model: YieldModel,
    horizon: str,
    rules: Mapping[str, Floats],
) -> dict[str, Any]:
    truth, years = np.array([one.t_ha for one in judged]), years_of(judged)
    said = np.array([one.forecast for one in judged])
    off, places = said - truth, np.array([one.place for one in judged])
    fitted = {place for place, _ in _fitted(model)}
    new = np.array([place not in fitted for place in places])
    return accuracy(truth, said) | {
        "by_year": {
            int(year): {
                "n": int((years == year).sum()),
                "rmse": rmse(off[years == year]),
                **{name: rmse((rule - truth)[years == year]) for name, rule in rules.items()},
            }
            for year in np.unique(years)
        },
        "places": {
            name: accuracy(truth[rows], said[rows])
            for name, rows in (("known", ~new), ("new", new))
            if rows.any()
        },
        "skill": {name: skill(truth, said, rule, years) for name, rule in rules.items()},
        "ranges": coverage(judged, ranges(judged, model.manifest.horizons[horizon], stretch)),
    }


def _morocco(folder: Path, *folders: Path) -> dict[str, Any]:
    """National wheat of years that no slope was tuned on, each from the years before it."""
    model = YieldModel.load(folder, at_home=False)
    data = read_morocco(*folders)
    known = yield_morocco.harvests_of(data)
    tuned = set(model.manifest.metrics["morocco"]["wheat"]["05"]["years"])
    found: dict[str, Any] = {"years": sorted(set(known) - tuned)}
    for horizon in HORIZONS if found["years"] else ():
        slope = model.manifest.horizons[horizon].slope
        said = yield_morocco.judge_morocco(
            partial(model.shift, horizon=horizon), data, horizon,
            years=found["years"], past=True, slope=slope,
        )  # fmt: skip
        found[horizon] = yield_morocco.errors(said)
    return found
