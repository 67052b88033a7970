"""Smoothing and seasons: right against dense algebra, silent in gaps, close to a reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sat_ingest.phenology import seasons, turning_points
from sat_ingest.smoothing import Support, noise, smooth, v_curve, whittaker
from tests.sat_data import castilla, day_of_year

Days = np.ndarray


def hump(days: Days, peak: float = 120.0, width: float = 35.0, height: float = 0.6) -> Days:
    return 0.2 + height * np.exp(-(((days - peak) / width) ** 2))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 60), st.floats(0.1, 1e6))
def test_the_banded_solution_is_the_dense_one(seed: int, n: int, lam: float) -> None:
    rng = np.random.default_rng(seed)
    y, w = rng.normal(size=(n, 2)), rng.random((n, 2)) * (rng.random((n, 2)) < 0.5)
    w[[0, -1]] = 0.5
    bend = np.diff(np.eye(n), 2, axis=0)
    found = whittaker(y, w, lam)
    for k in range(2):
        matrix = np.diag(w[:, k]) + lam * bend.T @ bend
        dense = np.linalg.solve(matrix, w[:, k] * y[:, k])
        np.testing.assert_allclose(found[:, k], dense, atol=1e-6 * np.linalg.cond(matrix) ** 0.5)


@pytest.mark.parametrize("step", [1, 5, 8])
def test_a_straight_series_stays_straight_on_any_grid(step: int) -> None:
    days = np.array([20_003, 20_010, 20_011, 20_024, 20_050, 20_058], np.int32)
    values = 0.01 * (days - 20_000.0)[:, None] + np.array([0.0, 0.3])
    found = smooth(days, values, step=step)
    assert (found.days % step == 0).all()
    line = 0.01 * (found.days - 20_000.0)[:, None] + np.array([0.0, 0.3])
    known = found.support != Support.NONE
    np.testing.assert_allclose(found.values[known], line[known], atol=1e-7)
    assert (found.days[known[:, 0]] >= 20_003).all()
    assert (found.days[known[:, 0]] <= 20_058).all()


def test_noise_is_taken_off_and_told() -> None:
    rng = np.random.default_rng(5)
    days = np.sort(rng.choice(365, 70, replace=False)).astype(np.int32)
    clean = np.repeat(hump(days.astype(float))[:, None], 50, axis=1)
    noisy = clean + rng.normal(0, 0.04, clean.shape)
    noisy[rng.random(noisy.shape) < 0.1] = np.nan
    found = smooth(days, noisy)
    assert np.median(found.noise) == pytest.approx(0.04, rel=0.15)
    miss = found.values - hump(found.days.astype(float))[:, None]
    inside = found.support == Support.NEAR
    assert np.sqrt(np.mean(miss[inside] ** 2)) < 0.025


def test_single_clouds_do_not_move_the_noise() -> None:
    days = np.arange(0, 200, 5, dtype=np.int32)
    rng = np.random.default_rng(6)
    values = 0.5 + rng.normal(0, 0.02, (40, 1))
    clear = noise(days, values)[0]
    values[7] = values[25] = 0.05
    assert noise(days, values)[0] < 1.4 * clear
    assert np.isnan(noise(days, np.where(np.arange(40)[:, None] < 3, values, np.nan))[0])


def test_gaps_are_gaps_and_series_differ_in_them() -> None:
    days = np.arange(0, 300, 10, dtype=np.int32)
    values = np.repeat(hump(days.astype(float))[:, None], 3, axis=1)
    values[10:18, 0] = np.nan
    values[3:, 2] = np.nan
    found = smooth(days, values, max_gap=40)
    hole = (found.days > 90) & (found.days < 180)
    assert np.isnan(found.values[hole, 0]).all()
    assert (found.support[hole, 0] == Support.NONE).all()
    assert not np.isnan(found.values[:, 1]).any()
    assert np.isnan(found.values[:, 2]).all()
    bridged = smooth(days, values, max_gap=100)
    assert (bridged.support[hole, 0] == Support.BRIDGED).any()
    assert np.array_equal(bridged.support[:, 1], found.support[:, 1])


def test_cloudy_dates_weigh_less_and_the_envelope_lies_above() -> None:
    days = np.arange(0, 200, 5, dtype=np.int32)
    values = np.full((40, 1), 0.6)
    values[20] = 0.1
    full, light = smooth(days, values), smooth(days, values, np.where(values < 0.5, 0.05, 1.0))
    assert full.values[20, 0] < light.values[20, 0] - 0.05
    assert smooth(days, values, envelope=3).values[20, 0] > full.values[20, 0] + 0.05


def test_the_v_curve_wants_more_stiffness_where_there_is_more_noise() -> None:
    rng = np.random.default_rng(7)
    days = np.arange(0, 365, 5, dtype=np.int32)
    clean = hump(days.astype(float))[:, None] + np.zeros((1, 20))
    calm = v_curve(days, clean + rng.normal(0, 0.005, clean.shape))
    wild = v_curve(days, clean + rng.normal(0, 0.1, clean.shape))
    assert np.median(wild) > 2 * np.median(calm)


def test_one_season_is_found_where_it_is() -> None:
    days = np.arange(0, 300, 5, dtype=np.int32)
    (season,) = seasons(days, hump(days.astype(float)))
    reach = 35 * np.sqrt(np.log(5))
    assert season.peak == 120
    assert season.start == pytest.approx(120 - reach, abs=1.5)
    assert season.end == pytest.approx(120 + reach, abs=1.5)
    assert season.foot_start < season.start - 15
    assert season.foot_end > season.end + 15
    assert season.amplitude == pytest.approx(0.6, abs=0.01)
    assert season.started
    assert season.ended
    fine = np.linspace(season.start, season.end, 2000)
    assert season.integral == pytest.approx(np.trapezoid(hump(fine), fine), rel=0.01)


def test_two_seasons_a_year_and_a_small_bump_between() -> None:
    days = np.arange(0, 365, 5, dtype=np.int32)
    t = days.astype(float)
    curve = hump(t, 80, 25) + hump(t, 250, 30, 0.4) - 0.2 + 0.06 * np.exp(-(((t - 170) / 8) ** 2))
    first, second = seasons(days, curve)
    assert abs(first.peak - 80) <= 5
    assert abs(second.peak - 250) <= 5
    assert first.end < second.start


def test_a_season_under_way_says_so() -> None:
    days = np.arange(0, 135, 5, dtype=np.int32)
    (going,) = seasons(days, hump(days.astype(float)))
    assert going.started
    assert not going.ended
    late = np.arange(100, 300, 5, dtype=np.int32)
    (found,) = seasons(late, hump(late.astype(float)))
    assert not found.started
    assert found.ended


def test_no_season_is_drawn_across_a_gap_or_out_of_noise() -> None:
    days = np.arange(0, 300, 5, dtype=np.int32)
    curve = hump(days.astype(float))
    curve[(days > 90) & (days < 150)] = np.nan
    assert all(s.end <= 90 or s.start >= 150 for s in seasons(days, curve))
    flat = 0.2 + 0.05 * np.sin(days / 9.0)
    assert seasons(days, flat) == []
    assert turning_points(np.array([0.0, 1.0, 0.0, 1.0]), 0.5) == [
        *((0, False), (1, True), (2, False), (3, True))
    ]


@pytest.mark.data
def test_feet_of_the_castilla_season_lie_near_the_reference() -> None:
    days, ndvi, reference = castilla()
    series = ndvi.reshape(len(days), -1)
    found = smooth(days, series, max_gap=60)
    misses: dict[str, list[float]] = {"sos": [], "eos": []}
    for k in np.flatnonzero(np.isfinite(reference["sos"]).ravel()):
        best = max(seasons(found.days, found.values[:, k]), key=lambda s: s.amplitude)
        feet = day_of_year(np.array([best.foot_start, best.foot_end]), 2019)
        misses["sos"].append(abs(feet[0] - reference["sos"].ravel()[k]))
        misses["eos"].append(abs(feet[1] - reference["eos"].ravel()[k]))
    assert len(misses["sos"]) > 2_000
    assert np.median(misses["sos"]) <= 8
    assert np.median(misses["eos"]) <= 8
