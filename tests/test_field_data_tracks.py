"""Walking around a field: what noise does, and what is said about it."""

from __future__ import annotations

import math
from statistics import pstdev

import numpy as np
import pytest
from numpy.typing import NDArray

from field_data.errors import PersonError
from field_data.geometry import Plane, Point
from field_data.tracks import Fix, area_sd_ha, walked
from tests.land import HERE


def around(width: float, height: float, step: float = 2.0) -> NDArray[np.float64]:
    """Positions in metres, shape [n, 2], every ``step`` along a rectangle."""
    x, y = np.arange(0, width, step), np.arange(0, height, step)
    sides = [
        (x, np.zeros_like(x)),
        (np.full_like(y, width), y),
        (width - x, np.full_like(x, height)),
        (np.zeros_like(y), height - y),
    ]
    return np.concatenate([np.stack(side, axis=1) for side in sides])


def fixes(metres: NDArray[np.float64] | list[Point], accuracy_m: float = 4.0) -> list[Fix]:
    points = [(float(x), float(y)) for x, y in metres]
    return [Fix(lon, lat, accuracy_m) for lon, lat in Plane(*HERE).degrees(points)]


def noisy(width: float, height: float, sd: float, seed: int) -> list[Fix]:
    """A walk whose error wanders as a receiver's does: neighbours err alike."""
    rng = np.random.default_rng(seed)
    path = around(width, height)
    white = rng.normal(0, sd, path.shape)
    wander = np.stack(
        [np.convolve(c, np.ones(15) / math.sqrt(15), "same") for c in white.T], axis=1
    )
    return fixes(path + wander, sd * 1.515)


@pytest.mark.parametrize("seed", range(5))
def test_the_area_of_a_noisy_walk_lies_within_its_own_uncertainty(seed: int) -> None:
    walk = walked(noisy(200, 120, 2.0, seed))
    assert abs(walk.outline.area_ha - 2.4) < 3 * walk.area_sd_ha
    assert walk.area_sd_ha < 0.25
    assert len(walk.outline.ring) < 150


def test_the_uncertainty_is_that_of_many_walks() -> None:
    rng = np.random.default_rng(3)
    corners = np.array([(0, 0), (150, 0), (180, 90), (60, 140)], dtype=float)
    areas = []
    for _ in range(4_000):
        x, y = (corners + rng.normal(0, 3, corners.shape)).T
        areas.append(float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2))
    said = area_sd_ha([(float(x), float(y)) for x, y in corners], 3)
    assert said == pytest.approx(pstdev(areas) / 10_000, rel=0.05)


def test_poor_positions_and_spikes_are_left_out_and_counted() -> None:
    good = fixes(around(100, 100))
    spiked = [*good[:60], *fixes([(400, 300)]), *good[60:], *fixes([(-900, 0)] * 3, 80.0)]
    walk = walked(spiked)
    assert {note.code: note.details["points"] for note in walk.outline.notes} == {
        "poor_fixes_dropped": 3,
        "spikes_dropped": 1,
    }
    assert walk.outline.area_ha == pytest.approx(1.0, abs=0.03)
    assert walk.used == len(good)


def test_corners_far_apart_are_no_spikes() -> None:
    walk = walked(fixes([(0, 0), (100, 0), (100, 100), (0, 100)]))
    assert walk.outline.area_ha == pytest.approx(1.0, rel=0.01)
    assert walk.outline.notes == ()


def test_an_end_that_crosses_the_start_is_cut_and_told() -> None:
    path = np.concatenate([around(100, 100), np.array([(-4, -3), (8, -5), (12, 6)])])
    walk = walked(fixes(path, 2.0))
    assert "loops_cut" in [note.code for note in walk.outline.notes]
    assert walk.outline.area_ha == pytest.approx(1.0, abs=0.05)


def test_a_figure_of_eight_is_not_mended() -> None:
    with pytest.raises(PersonError) as error:
        walked(fixes([(0, 0), (100, 100), (100, 0), (0, 100)]))
    assert error.value.code == "self_crossing"


def test_a_walk_that_stopped_half_way_is_told() -> None:
    half = around(200, 200)[:205]
    assert "walk_open" in [note.code for note in walked(fixes(half)).outline.notes]


@pytest.mark.parametrize(
    ("track", "code"),
    [
        ([], "too_few_fixes"),
        (fixes(around(50, 50), 40.0), "too_few_fixes"),
        ([Fix(*HERE, math.nan)] * 9, "too_few_fixes"),
        ([Fix(*HERE, 3.0)] * 30, "too_few_points"),
        ([Fix(math.nan, 33.9, 3.0)] * 30, "boundary_not_numbers"),
        ([Fix(*HERE, 3.0)] * 20_001, "boundary_too_long"),
    ],
)
def test_a_bad_walk_is_refused_by_name(track: list[Fix], code: str) -> None:
    with pytest.raises(PersonError) as error:
        walked(track)
    assert error.value.code == code
