"""A field's boundary from walking around it with a GPS: noisy positions in, a ring out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from field_data.errors import PersonError
from field_data.geometry import (
    MAX_VERTICES,
    MOROCCO,
    SIMPLIFY_M,
    Note,
    Outline,
    Plane,
    Point,
    Region,
    largest_loop,
    outline,
    points_of,
    thinned,
)

# What a phone says under open sky is 3 to 5 m; beyond this it stood under trees or had just woken.
WORST_M = 15.0
MAX_FIXES = 20_000
# Phones give the radius around the true place with 68 % of positions; of a two-dimensional normal
# distribution that is 1.515 standard deviations along one axis.
_RADIUS_SD = 1.515
# A spike leads out and back: both legs this long, the foot half as wide.
_SPIKE_M = 10.0
_SPIKE_FOOT = 0.5
_OPEN_SHARE = 0.25
_LOOP_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Fix:
    """One position: degrees, and the radius in metres that the device vouches for."""

    lon: float
    lat: float
    accuracy_m: float


@dataclass(frozen=True, slots=True)
class Walk:
    """The boundary that was walked; ``area_sd_ha`` is one standard deviation of its area.

    ``used`` of the positions were used.
    """

    outline: Outline
    area_sd_ha: float
    used: int


def walked(fixes: Sequence[Fix], *, worst_m: float = WORST_M, region: Region = MOROCCO) -> Walk:
    """Make a boundary of the positions, in the order in which they were taken.

    Positions worse than ``worst_m`` and spikes (out and back at one point) go; the rest is
    simplified to half of its own accuracy.  Where the walk crosses itself, at its end mostly, the
    largest loop stays.  Notes besides those of `outline`: ``poor_fixes_dropped``,
    ``spikes_dropped``, ``walk_open`` (the ends lie far apart), ``loops_cut``.

    Raises:
        PersonError: ``too_few_fixes``, and those of `outline`.
    """
    if len(fixes) > MAX_FIXES:
        raise PersonError("boundary_too_long", f"more than {MAX_FIXES} positions", limit=MAX_FIXES)
    good = [fix for fix in fixes if 0 < fix.accuracy_m <= worst_m]
    if len(good) < 3:
        message = f"{len(good)} of {len(fixes)} positions are good to {worst_m:.0f} m"
        raise PersonError("too_few_fixes", message, good=len(good), of=len(fixes))
    places = points_of([(fix.lon, fix.lat) for fix in good])
    plane = Plane(*places[0])
    path = _without_spikes(plane.metres(places))
    accuracy = median(fix.accuracy_m for fix in good)
    ring, loop_notes = _loop(thinned(path, max(SIMPLIFY_M, accuracy / 2)))
    shape = outline(plane.degrees(ring), region)
    notes = [
        *_counted("poor_fixes_dropped", len(fixes) - len(good)),
        *_counted("spikes_dropped", len(good) - len(path)),
        *_open(path),
        *loop_notes,
    ]
    sd = area_sd_ha(plane.metres(shape.ring[:-1]), accuracy / _RADIUS_SD)
    return Walk(replace(shape, notes=(*notes, *shape.notes)), sd, len(path))


def area_sd_ha(corners: Sequence[Point], sd_m: float) -> float:
    """Standard deviation of a polygon's area when its corners err independently.

    ``corners`` in metres, not closed; ``sd_m`` along each axis.  By propagation through the
    shoelace formula each corner adds ``(sd_m / 2)² |next - previous|²``.
    """
    before = (corners[-1], *corners[:-1])
    after = (*corners[1:], corners[0])
    across = (math.dist(a, b) ** 2 for a, b in zip(before, after, strict=True))
    return sd_m / 2 * math.sqrt(sum(across)) / 10_000


def _without_spikes(path: list[Point]) -> list[Point]:
    kept: list[Point] = []
    for point in path:
        kept.append(point)
        # What stands in front of a removed spike may itself be one.
        while len(kept) >= 3 and _is_spike(*kept[-3:]):
            del kept[-2]
    return kept


def _is_spike(before: Point, point: Point, after: Point) -> bool:
    leg = min(math.dist(before, point), math.dist(point, after))
    return leg > _SPIKE_M and math.dist(before, after) < _SPIKE_FOOT * leg


def _open(path: Sequence[Point]) -> list[Note]:
    """Whether the ends lie far apart: beside the length of the walk, and beside its steps."""
    gap = math.dist(path[0], path[-1])
    steps = [math.dist(a, b) for a, b in pairwise(path)]
    far = gap > _OPEN_SHARE * sum(steps) and gap > 2 * max(steps, default=0)
    return [Note("walk_open", {"gap_m": round(gap)})] if far else []


def _loop(ring: list[Point]) -> tuple[list[Point], list[Note]]:
    if not 3 < len(set(ring)) <= MAX_VERTICES:
        return ring, []
    loop, share = largest_loop(ring)
    if share == 1.0 or share < _LOOP_SHARE:  # a figure of eight is not ours to mend
        return ring, []
    return loop, [Note("loops_cut", {"share": round(1 - share, 3)})]


def _counted(code: str, points: int) -> list[Note]:
    return [Note(code, {"points": points})] if points else []
