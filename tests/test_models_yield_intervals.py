"""Ranges that hold as often as they say, also when whole years go wrong together."""

from __future__ import annotations

import numpy as np
import pytest

from models.yield_evaluation import (
    Judged,
    accuracy,
    coverage,
    horizon_of,
    left_out_ranges,
    skill,
    years_of,
)
from models.yield_intervals import quantile, range_of, relative_range, stretch_of
from models.yield_levels import Level
from models.yield_manifest import Horizon

HORIZON = Horizon(0.2, 1.3, 1.3, 1.7, 1.7)


def world(years: int = 40, places: int = 12, level_sd: float = 0.2) -> list[Judged]:
    """Forecasts off by a share that half belongs to the year and half to the place."""
    rng = np.random.default_rng(4)
    found = []
    for year in range(years):
        shared = rng.normal(0, 0.14)
        for place in range(places):
            level = 2 + 0.2 * place
            off = level * (shared + rng.normal(0, 0.14)) + rng.normal(0, level_sd)
            found.append(Judged(str(place), year, level + off, level, level_sd, 0.0))
    return found


def test_ranges_learnt_from_other_years_hold_as_often_as_they_say() -> None:
    judged = world()
    said = coverage(judged, left_out_ranges(judged))
    assert said["80"]["coverage"] == pytest.approx(0.8, abs=0.04)
    assert said["90"]["coverage"] == pytest.approx(0.9, abs=0.03)
    assert said["80"]["worst_year"] == min(said["80"]["by_year"].values())
    assert said["80"]["mean_width"] < said["90"]["mean_width"]


def test_a_year_that_went_wrong_is_not_in_its_own_ends() -> None:
    judged = world(10)
    spoilt = [
        Judged(j.place, j.year, j.t_ha + 9 * (j.year == 3), j.level_t_ha, j.level_sd, j.shift)
        for j in judged
    ]
    own = years_of(judged) == 3
    before, after = (left_out_ranges(each)[80] for each in (judged, spoilt))
    np.testing.assert_array_equal(before[1][own], after[1][own])
    assert (after[1][~own] > before[1][~own]).all()


def test_each_year_weighs_the_same_however_many_places_it_has() -> None:
    scores = np.array([1.0] * 98 + [5.0, 6.0])
    years = np.array([2001] * 98 + [2002, 2003])
    assert quantile(scores, years, 0.5) == 5.0
    with pytest.raises(ValueError, match="score"):
        quantile(np.zeros(0), np.zeros(0, np.int64), 0.8)


def test_a_range_never_falls_below_nothing() -> None:
    found = range_of(-0.9, Level(0.5, 0.4, 1), HORIZON)
    assert found.low == 0.0 < found.middle < found.high
    assert range_of(-1.5, Level(2.0, 0.4, 1), HORIZON).middle == 0.0
    assert relative_range(-1.5, HORIZON).low == -1.0


def test_doubt_about_the_level_and_strange_inputs_widen_a_range() -> None:
    def width(sd: float, stretch: float = 1.0) -> float:
        found = range_of(0.1, Level(3.0, sd, 1), HORIZON, stretch)
        return found.high - found.low

    assert width(0.0) < width(0.3) < width(0.9)
    assert width(0.9) >= 2 * HORIZON.low * 0.9 * 1.1
    assert width(0.3, stretch_of(0.5)) == pytest.approx(1.5 * width(0.3))
    assert stretch_of(0.0) == 1.0
    assert stretch_of(99.0) == stretch_of(5.0) == 2.0


def test_the_season_is_what_is_left_beyond_the_levels_doubt() -> None:
    horizon = horizon_of(world(200))
    assert horizon.season_sd == pytest.approx(0.2, abs=0.02)
    assert horizon.low == horizon.high == pytest.approx(1.28, abs=0.12)


def test_skill_tells_a_better_forecast_from_a_lucky_one() -> None:
    judged = world(20)
    truth, years = np.array([one.t_ha for one in judged]), years_of(judged)
    rng = np.random.default_rng(1)
    rule = np.full(len(truth), truth.mean())
    good = skill(truth, truth + rng.normal(0, 0.2, len(truth)), rule, years)
    lucky = skill(truth, rule + rng.normal(0, 0.3, len(truth)), rule, years)
    assert good["interval"][0] > 0.3
    assert lucky["interval"][1] < 0.1
    said = accuracy(truth, truth + 0.3)
    assert said["rmse"] == pytest.approx(0.3)
    assert said["bias"] == pytest.approx(0.3)
    assert said["nrmse_percent"] == pytest.approx(30 / truth.mean())
