"""Features of a season: against its own place, and never from beyond the horizon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_data.days import day_of
from field_data.types import HORIZONS
from sat_ingest.yield_features import (
    GROUPS,
    HALVES,
    NAMES,
    REACH,
    Features,
    archive_seasons,
    clear_dates,
    features,
    halves,
    last_day,
    members,
)
from tests.yield_sets import green

PLACE = "ES004"


@dataclass
class Series:
    days: list[int]
    values: list[float]


def series(first: int, last: int, step: int = 7, lift: float = 0.0) -> Series:
    """NDVI from October before the first season to the end of the last one."""
    day, found = date(first - 1, 10, 1), Series([], [])
    while day < date(last, 7, 1):
        found.days.append(day_of(day))
        found.values.append(green(day, PLACE) + lift)
        day += timedelta(days=step)
    return found


def of(name: str, row: Features) -> float:
    return float(row[NAMES.index(name)])


@given(st.sampled_from(HORIZONS), st.randoms(use_true_random=False))
def test_what_comes_after_the_horizon_changes_nothing(horizon: str, rng) -> None:  # type: ignore[no-untyped-def]
    whole = series(2010, 2014)
    end = day_of(last_day(2013, horizon))
    later = [v for d, v in zip(whole.days, whole.values, strict=True) if d > end]
    rng.shuffle(later)
    known = sum(d <= end for d in whole.days)
    other = Series(whole.days, whole.values[:known] + [v + rng.random() for v in later])
    cut = Series(whole.days[:known], whole.values[:known])
    expected = features({"ndvi": whole}, 2013, horizon)
    for series_ in (other, cut):
        np.testing.assert_array_equal(features({"ndvi": series_}, 2013, horizon), expected)


def test_a_season_like_the_others_is_usual_and_a_greener_one_is_not() -> None:
    flat = [series(2010, 2010, lift=lift).values for lift in (0.0, 0.0, 0.0, 0.1)]
    days = [series(y, y).days for y in (2010, 2011, 2012, 2013)]
    n = min(map(len, flat))
    joined = Series([d for each in days for d in each[:n]], [v for each in flat for v in each[:n]])
    same = Series(joined.days[: 3 * n], joined.values[: 3 * n])
    assert abs(of("ndvi_late_spring", features({"ndvi": same}, 2012, "05"))) < 0.02
    row = features({"ndvi": joined}, 2013, "05")
    assert all(of(f"ndvi_{group}", row) > 0.1 for group in GROUPS)
    assert np.isnan(row[[n.startswith("fpar") for n in NAMES]]).all()


def test_an_early_horizon_says_nothing_of_later_months() -> None:
    row = features({"ndvi": series(2010, 2013)}, 2013, "02")
    spoken = {name for name, value in zip(NAMES, row, strict=True) if np.isfinite(value)}
    assert "ndvi_02b" in spoken
    assert not {"ndvi_03a", "ndvi_05b", "ndvi_03", "ndvi_late_spring"} & spoken


def test_fewer_seasons_in_the_archive_draw_the_season_towards_usual() -> None:
    whole = series(2010, 2014)
    rows = [features({"ndvi": whole}, 2014, "05", {2010}),
            features({"ndvi": whole}, 2014, "05", {2010, 2014})]  # fmt: skip
    np.testing.assert_array_equal(rows[0], rows[1])
    seasons = halves(whole)
    growth = seasons[2010].max() - 0.1
    expected = (seasons[2014][12] - seasons[2010][12]) / 2 / growth
    assert of("ndvi_04a", rows[0]) == pytest.approx(expected, abs=1e-6)


def test_no_date_no_archive_and_a_season_not_begun_say_nothing() -> None:
    whole = series(2010, 2013)
    nothing = Series(whole.days, [float("nan")] * len(whole.days))
    for seen, year in ((nothing, 2013), (whole, 2010), (whole, 2015), (Series([], []), 2013)):
        assert np.isnan(features({"ndvi": seen}, year, "05")).all()
    assert np.isnan(features({}, 2013, "05")).all()


def test_one_date_speaks_for_its_neighbours_and_no_further() -> None:
    whole = series(2010, 2012)
    day = day_of(date(2013, 2, 10))
    one = Series([*whole.days, day], [*whole.values, 0.6])
    row = features({"ndvi": one}, 2013, "05")
    at = HALVES.index("02a")
    spoken = np.flatnonzero(np.isfinite(row[: len(HALVES)]))
    assert spoken.tolist() == list(range(at - REACH, at + REACH + 1))
    assert clear_dates(one, 2013, "05") == 1
    assert clear_dates(one, 2013, "02") == 1


def test_the_archive_is_counted_up_to_the_horizon() -> None:
    assert archive_seasons({"ndvi": series(2010, 2013)}, 2013, "05") == 3
    assert archive_seasons({"ndvi": series(2010, 2013)}, 2010, "05") == 0
    assert archive_seasons({}, 2013, "05") == 0


def test_each_number_belongs_to_one_group() -> None:
    parts = [i for group in GROUPS for i in members(group)]
    assert sorted(parts) == list(range(len(NAMES)))


def test_another_horizon_is_refused() -> None:
    with pytest.raises(ValueError, match="06"):
        last_day(2013, "06")
    assert last_day(2012, "02") == date(2012, 2, 29)
