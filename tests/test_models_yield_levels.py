"""What a place usually gives, after each harvest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.yield_levels import Harvest, Prior, declared, level

PRIOR = Prior(2.6, 1.0, season_sd=0.2, unseen_sd=0.35)
YIELDS = st.floats(0.0, 8.0)


def test_without_a_harvest_the_prior_speaks() -> None:
    found = level(PRIOR, [])
    assert (found.mean_t_ha, found.sd_t_ha, found.n) == (2.6, 1.0, 0)


@given(st.lists(YIELDS, min_size=1, max_size=8))
def test_every_harvest_leaves_less_doubt_and_the_mean_between_prior_and_harvests(
    yields: list[float],
) -> None:
    found = [level(PRIOR, [Harvest(y, 0.1, 0.0) for y in yields[:n]]) for n in range(len(yields))]
    whole = level(PRIOR, [Harvest(y, 0.1, 0.0) for y in yields])
    assert min([2.6, *yields]) - 1e-9 <= whole.mean_t_ha <= max([2.6, *yields]) + 1e-9
    assert whole.sd_t_ha < PRIOR.sd_t_ha
    assert all(each.n == n for n, each in enumerate(found))


def test_the_same_harvest_again_and_again_becomes_the_level() -> None:
    sds = [level(PRIOR, [Harvest(1.2, 0.1, 0.0)] * n).sd_t_ha for n in range(6)]
    assert sds == sorted(sds, reverse=True)
    assert level(PRIOR, [Harvest(1.2, 0.1, 0.0)] * 200).mean_t_ha == pytest.approx(1.2, abs=0.02)


def test_a_poor_harvest_of_a_poor_season_is_no_poor_field() -> None:
    drought = level(PRIOR, [Harvest(1.6, 0.1, -0.4)] * 5)
    usual = level(PRIOR, [Harvest(1.6, 0.1, 0.0)] * 5)
    assert drought.mean_t_ha > 2.4 > 2.0 > usual.mean_t_ha


def test_a_ruined_season_does_not_shout() -> None:
    assert level(PRIOR, [Harvest(1.0, 0.1, -0.99)]).mean_t_ha < 3.0


def test_what_is_noisy_unseen_or_long_ago_says_less() -> None:
    prior = Prior(2.6, 1.0, 0.2, 0.35, drift=0.12)
    clear = level(prior, [Harvest(1.0, 0.1, 0.0)]).mean_t_ha
    for doubtful in (Harvest(1.0, 1.0, 0.0), Harvest(1.0, 0.1), Harvest(1.0, 0.1, 0.0, apart=-9)):
        assert clear < level(prior, [doubtful]).mean_t_ha < prior.mean_t_ha


def test_what_a_farmer_calls_usual_is_believed_as_far_as_it_is_sure() -> None:
    sure, unsure = declared(PRIOR, 1.5, 0.2), declared(PRIOR, 1.5, 0.8)
    assert sure.mean_t_ha == unsure.mean_t_ha == 1.5
    assert sure.sd_t_ha < unsure.sd_t_ha
    harvest = [Harvest(2.5, 0.2, 0.0)]
    assert 1.5 < level(sure, harvest).mean_t_ha < level(unsure, harvest).mean_t_ha < 2.5
    assert sure.season_sd == PRIOR.season_sd


def test_impossible_numbers_are_refused() -> None:
    for wrong in ((-1.0, 0.1), (float("nan"), 0.1), (1.0, -0.1), (float("inf"), 0.1)):
        with pytest.raises(ValueError, match="negative"):
            Harvest(*wrong)
    with pytest.raises(ValueError, match="positive"):
        Prior(0.0, 1.0, 0.2, 0.3)
