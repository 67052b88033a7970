"""Degree-days against integrals worked out by other means."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.risks.degree_days import METHODS, degree_days

# A day in so many pieces; the middle of each.
TURN = (np.arange(20_000) + 0.5) / 20_000 * 2 * np.pi
DAYS = [
    (tmin, tmax, lower, upper)
    for tmin in (-6.0, 4.0, 9.9, 12.0, 31.0)
    for tmax in (tmin + 0.0, tmin + 3.0, tmin + 14.0, tmin + 27.0)
    for lower, upper in ((8.0, 37.3), (10.0, 31.1), (12.4, 33.0))
]


def counted(temps: np.ndarray, lower: float, upper: float) -> float:
    """The mean of what lies between the thresholds, by adding up."""
    return float(np.mean(np.clip(temps, lower, upper) - lower))


@pytest.mark.parametrize(("tmin", "tmax", "lower", "upper"), DAYS)
def test_one_sine_is_the_integral_of_the_day(
    tmin: float, tmax: float, lower: float, upper: float
) -> None:
    temps = (tmin + tmax) / 2 + (tmax - tmin) / 2 * np.sin(TURN)
    found = degree_days([tmin], [tmax], lower, upper)[0]
    assert found == pytest.approx(counted(temps, lower, upper), abs=1e-4)


def test_a_threshold_at_the_mean_gives_the_half_range_over_pi() -> None:
    # The integral of a positive half wave, known without any programme: 10 / pi.
    assert degree_days([0.0], [20.0], 10.0, 40.0)[0] == pytest.approx(10 / math.pi)
    # Cut off at the mean as well as beginning below: all of the mean but the same half wave.
    assert degree_days([0.0], [20.0], -5.0, 10.0)[0] == pytest.approx(15 - 10 / math.pi)


def test_two_sines_cool_down_to_the_next_morning() -> None:
    tmin, tmax, lower, upper = [2.0, 12.0, 6.0], [20.0, 25.0, 38.0], 8.0, 33.0
    found = degree_days(tmin, tmax, lower, upper, "double_sine")
    for day, after in enumerate([12.0, 6.0, 6.0]):
        middle = [(low + tmax[day]) / 2 for low in (tmin[day], after)]
        half = [(tmax[day] - low) / 2 for low in (tmin[day], after)]
        rising = middle[0] - half[0] * np.cos(TURN[:10_000])
        falling = middle[1] + half[1] * np.cos(TURN[:10_000])
        both = np.concatenate([rising, falling])
        assert found[day] == pytest.approx(counted(both, lower, upper), abs=1e-4)


def test_all_methods_agree_where_no_threshold_is_crossed() -> None:
    for method in METHODS:
        assert degree_days([12.0, 12.0], [24.0, 24.0], 8.0, 37.3, method) == pytest.approx([10, 10])


def test_what_is_not_known_stays_so_and_cold_days_give_nothing() -> None:
    found = degree_days([math.nan, -4.0, 38.0], [20.0, 6.0, 44.0], 8.0, 37.3)
    assert math.isnan(found[0])
    assert found[1:] == pytest.approx([0.0, 29.3])


def test_impossible_days_and_thresholds_are_refused() -> None:
    with pytest.raises(ValueError, match="below the upper"):
        degree_days([1.0], [2.0], 10.0, 10.0)
    with pytest.raises(ValueError, match="lowest"):
        degree_days([3.0], [2.0], 8.0, 30.0)
