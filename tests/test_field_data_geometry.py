"""Boundaries: what passes, what is refused and how it is said, and how large things are."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from field_data.errors import PersonError
from field_data.geometry import (
    MAX_POINTS,
    MAX_VERTICES,
    Plane,
    Region,
    Ring,
    area_ha,
    centre,
    distance_m,
    outline,
    overlap_ha,
    plane_ha,
)
from tests.land import HERE, box, degrees, stars

EARTH_HA = 510_065_621.724 * 100  # WGS 84's surface in km² (Karney 2013), in hectares


def codes(ring: object) -> list[str]:
    return [note.code for note in outline(ring).notes]


def test_an_eighth_of_the_earth_is_an_eighth_of_its_known_surface() -> None:
    assert area_ha([(0, 0), (90, 0), (0, 90)]) == pytest.approx(EARTH_HA / 8, rel=1e-9)


def test_a_cell_between_parallels_has_its_closed_form_area() -> None:
    """J. P. Snyder, "Map projections: a working manual", 1987, equation 3-12 integrated."""
    south, north, width = 33.9, 33.91, 0.01
    e = math.sqrt(6.694379990141316e-3)

    def to_pole(lat: float) -> float:
        s = e * math.sin(math.radians(lat))
        return s / (1 - s * s) + math.atanh(s)

    a = 6_378_137.0
    area = a * a * (1 - e * e) / (2 * e) * math.radians(width) * (to_pole(north) - to_pole(south))
    lons = [HERE[0] + width * n / 100 for n in range(101)]
    ring = [*((lon, south) for lon in lons), *((lon, north) for lon in reversed(lons))]
    assert area_ha(ring) == pytest.approx(area / 10_000, rel=1e-8)


@settings(deadline=None)
@given(stars(), st.integers(0, 11), st.booleans())
def test_area_knows_neither_start_nor_direction(ring: Ring, start: int, turned: bool) -> None:
    corners = list(ring[:-1])
    start %= len(corners)
    other = corners[start:] + corners[:start]
    if turned:
        other.reverse()
    assert outline(other).area_ha == pytest.approx(outline(ring).area_ha, rel=1e-9)
    assert plane_ha(ring) == pytest.approx(area_ha(ring), rel=0.005)


@settings(deadline=None)
@given(stars())
def test_a_boundary_that_passed_passes_unchanged(ring: Ring) -> None:
    once = outline(ring)
    assert outline(once.ring) == once
    assert once.ring[0] == once.ring[-1]
    assert shapely.LinearRing(once.ring).is_ccw


@settings(deadline=None)
@given(stars(), stars())
def test_overlap_is_mutual_and_no_more_than_the_smaller(a: Ring, b: Ring) -> None:
    shift = (a[0][0] - b[0][0], a[0][1] - b[0][1])
    moved = tuple((lon + shift[0], lat + shift[1]) for lon, lat in b)
    shared = overlap_ha(a, moved)
    assert shared == pytest.approx(overlap_ha(moved, a), rel=0.005, abs=1e-6)
    assert shared <= min(area_ha(a), area_ha(moved)) * 1.005
    assert overlap_ha(a, a) == pytest.approx(area_ha(a), rel=1e-9)


def test_half_a_field_is_shared_or_nothing() -> None:
    east = box(place=Plane(*HERE).degrees([(50, 0)])[0])
    far = box(place=Plane(*HERE).degrees([(500, 0)])[0])
    assert overlap_ha(box(), east) == pytest.approx(0.5, rel=1e-3)
    assert overlap_ha(box(), far) == 0
    assert overlap_ha(box(), box(place=box()[2])) == 0  # a corner
    assert centre(box()) == pytest.approx(Plane(*HERE).degrees([(50, 50)])[0], abs=1e-7)
    assert distance_m(box()[0], box()[1]) == pytest.approx(100, abs=0.02)


SWAPPED = [(lat, lon) for lon, lat in box()]
BOW_TIE = degrees([(0, 0), (100, 100), (100, 0), (0, 100)])
TOUCHING = degrees([(0, 0), (100, 0), (50, 50), (100, 100), (0, 100), (50, 50)])
SPIKED = degrees([(0, 0), (100, 0), (100, 50), (300, 50), (100, 50), (100, 100), (0, 100)])


@pytest.mark.parametrize(
    ("ring", "code"),
    [
        (BOW_TIE, "self_crossing"),
        (TOUCHING, "self_crossing"),
        (SPIKED, "self_crossing"),
        ([], "boundary_empty"),
        (SWAPPED, "axes_swapped"),
        ([(-180, -90), (180, -90), (180, 90), (-180, 90)], "boundary_too_large"),
        ([(-6, 33), (-5, 33), (-5, 34)], "boundary_too_large"),
        (box(6000, 6000), "boundary_too_large"),
        ([HERE, HERE, HERE, HERE], "too_few_points"),
        ([HERE, box()[1], HERE], "too_few_points"),
        (degrees([(0, 0), (50, 50), (100, 100)]), "boundary_sliver"),
        (box(500, 0.4), "boundary_sliver"),
        (box(2, 2.1), "boundary_too_small"),
        (
            [(300_000, 3_700_000), (300_100, 3_700_000), (300_100, 3_700_100)],
            "boundary_out_of_range",
        ),
        ([(math.nan, 1), (2, 2), (3, 1)], "boundary_not_numbers"),
        ([(math.inf, 1), (2, 2), (3, 1)], "boundary_not_numbers"),
        ([(10**400, 1), (2, 2), (3, 1)], "boundary_not_numbers"),
        ([("-5.1", "33.9"), (2, 2), (3, 1)], "boundary_not_numbers"),
        ([(True, False), (2, 2), (3, 1)], "boundary_not_numbers"),
        ([(1,), (2, 2), (3, 1)], "boundary_not_numbers"),
        ("POLYGON((0 0))", "boundary_not_numbers"),
        (None, "boundary_not_numbers"),
        ({"a": 1}, "boundary_not_numbers"),
        ([HERE] * (MAX_POINTS + 1), "boundary_too_long"),
    ],
)
def test_a_bad_boundary_is_refused_by_name(ring: object, code: str) -> None:
    with pytest.raises(PersonError) as error:
        outline(ring)
    assert error.value.code == code


def test_a_crossing_is_located() -> None:
    with pytest.raises(PersonError) as error:
        outline(BOW_TIE)
    where = error.value.details["lon"], error.value.details["lat"]
    assert distance_m(where, centre(box())) < 1  # type: ignore[arg-type]


def test_swapped_axes_come_with_the_ring_the_right_way_round() -> None:
    with pytest.raises(PersonError) as error:
        outline(SWAPPED)
    assert outline(error.value.details["suggested"]).ring == outline(box()).ring


def test_only_where_it_would_help_axes_are_called_swapped() -> None:
    abroad = box(place=(36.8, -1.3))  # Nairobi; turned it lies in the sea, not in Morocco
    assert codes(abroad) == ["outside_region"]
    assert outline(abroad, Region(30, -5, 40, 5)).notes == ()


def test_open_rings_are_closed_and_repeated_points_told() -> None:
    ring = box()
    assert outline(ring[:-1]) == outline(ring)
    assert outline([(lon, lat, 431.0) for lon, lat in ring]) == outline(ring)
    assert codes([ring[0], ring[0], *ring[1:]]) == ["points_repeated"]


@pytest.mark.parametrize("size", [11, 2500])
def test_an_unusual_size_is_told(size: float) -> None:
    assert codes(box(size, size)) == ["area_unusual"]


def wobbly(points: int, wobble_m: float) -> list[Any]:
    rng = random.Random(7)
    turns = [2 * math.pi * n / points for n in range(points)]
    radii = [400 + rng.uniform(-wobble_m, wobble_m) for _ in turns]
    return list(
        degrees([(r * math.cos(t), r * math.sin(t)) for r, t in zip(radii, turns, strict=True)])
    )


@pytest.mark.parametrize("wobble_m", [0.0, 0.05, 0.1])
def test_ten_thousand_corners_are_simplified_within_a_metre_and_it_is_told(wobble_m: float) -> None:
    given_ring = wobbly(10_000, wobble_m)
    shape = outline(given_ring)
    [note] = [note for note in shape.notes if note.code == "simplified"]
    assert note.details["before"] == 10_000
    assert note.details["after"] == len(shape.ring) - 1 <= MAX_VERTICES
    plane = Plane(*given_ring[0])
    before, after = (shapely.LinearRing(plane.metres(ring)) for ring in (given_ring, shape.ring))
    assert shapely.hausdorff_distance(before, after) <= 1.05
    assert shape.area_ha == pytest.approx(area_ha(given_ring), rel=0.005)


def test_what_a_metre_does_not_simplify_enough_is_refused() -> None:
    teeth = [(n * 2.0, 20.0 * (n % 2)) for n in range(2_000)]
    with pytest.raises(PersonError) as error:
        outline(degrees([*teeth, (4_000, 500), (0, 500)]))
    assert error.value.code == "boundary_too_long"


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
        lambda x: st.lists(x, max_size=5),
    )
)
def test_whatever_comes_is_refused_by_name(junk: object) -> None:
    with pytest.raises(PersonError):
        outline(junk)


def _comb(*, turned: bool) -> list[list[float]]:
    """A square of 4 km with 124 teeth, 498 corners."""
    side, teeth = 0.04, 124
    width = side / (2 * teeth)
    points = [(0.0, -width), (side, -width)]
    for n in range(teeth):
        right = side - 2 * n * width
        left = right - width
        points += [(right, side), (left, side), (left, 0.0), (left - width, 0.0)]
    return [[-5.5 + (y if turned else x), 33.9 + (x if turned else y)] for x, y in points[:498]]


def test_two_fields_like_combs_are_held_against_each_other_at_once() -> None:
    one, other = outline(_comb(turned=False)), outline(_comb(turned=True))
    begun = time.process_time()
    shared = overlap_ha(one.ring, other.ring)
    assert time.process_time() - begun < 0.5
    assert 0 < shared <= one.area_ha


def test_the_overlap_of_a_walked_field_of_many_corners_is_near_the_exact_one() -> None:
    def circle(east: float) -> list[list[float]]:
        turns = [2 * math.pi * n / 450 for n in range(450)]
        return [[-5.5 + east + 1e-3 * math.cos(t), 33.9 + 1e-3 * math.sin(t)] for t in turns]

    one, other = outline(circle(0.0)), outline(circle(1e-3))
    lens = 2 / 3 - math.sqrt(3) / (2 * math.pi)  # of a circle by one of its size through its centre
    assert overlap_ha(one.ring, other.ring) / one.area_ha == pytest.approx(lens, abs=0.005)
