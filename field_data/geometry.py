"""Boundaries of fields on the ellipsoid: what is accepted, how large it is, what overlaps.

Rings are sequences of (longitude, latitude) degrees, EPSG:4326.  Areas are those of the geodesic
polygon on WGS 84 (C. F. F. Karney, "Algorithms for geodesics", J. Geodesy 87, 2013).  Fields are
small: crossings, centres and distances are taken in the plane of longitude and latitude, scaled
to metres at the field.  A field across the 180th meridian is refused as ``boundary_too_large``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import shapely
from geographiclib.geodesic import Geodesic

from field_data.errors import PersonError

Point = tuple[float, float]
Ring = tuple[Point, ...]

# Seven digits of a degree are 1 cm: what is kept is what an export writes.
DIGITS = 7
MAX_POINTS = 20_000
MAX_VERTICES = 500
SIMPLIFY_M = 1.0
MAX_EXTENT_M = 10_000.0
MAX_AREA_HA = 2_000.0
MIN_AREA_HA = 0.001
MIN_WIDTH_M = 1.0
USUAL_AREA_HA = (0.02, 200.0)

_MOST_TO_OVERLAP = 101
_M2_PER_HA = 10_000.0
_WGS84_A_M = 6_378_137.0
_WGS84_E2 = 6.694379990141316e-3


@dataclass(frozen=True, slots=True)
class Region:
    """A box of degrees: where a node's fields are expected."""

    west: float
    south: float
    east: float
    north: float

    def holds(self, points: Iterable[Point]) -> bool:
        """Whether all (longitude, latitude) lie inside."""
        return all(
            self.west <= lon <= self.east and self.south <= lat <= self.north for lon, lat in points
        )


MOROCCO = Region(-18.0, 20.0, 0.0, 36.0)
_EARTH = Region(-180.0, -90.0, 180.0, 90.0)


@dataclass(frozen=True, slots=True)
class Note:
    """Something to tell a person that does not refuse: a stable ``code`` and what fills it in."""

    code: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outline:
    """A boundary that passed: closed, counter-clockwise, 7 digits; ``area_ha`` is geodesic."""

    ring: Ring
    area_ha: float
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Plane:
    """Metres east and north of a place: WGS 84's radii of curvature at its latitude.

    Within 10 km the error is below 0.2 %.
    """

    lon: float
    lat: float

    def metres(self, points: Iterable[Point]) -> list[Point]:
        """(longitude, latitude) degrees to (east, north) metres."""
        east, north = self._scale
        return [((lon - self.lon) * east, (lat - self.lat) * north) for lon, lat in points]

    def degrees(self, points: Iterable[Point]) -> list[Point]:
        """(east, north) metres to (longitude, latitude) degrees."""
        east, north = self._scale
        return [(self.lon + x / east, self.lat + y / north) for x, y in points]

    @property
    def _scale(self) -> Point:
        phi = math.radians(min(abs(self.lat), 89.9))
        root = 1 - _WGS84_E2 * math.sin(phi) ** 2
        prime_vertical = _WGS84_A_M / math.sqrt(root)
        meridional = _WGS84_A_M * (1 - _WGS84_E2) / root**1.5
        return math.radians(prime_vertical * math.cos(phi)), math.radians(meridional)


def outline(points: object, region: Region = MOROCCO) -> Outline:
    """Check a boundary that came from outside, and bring it to one form.

    ``points`` is a sequence of [longitude, latitude, …] numbers, closed or not.  More than
    `MAX_VERTICES` are simplified to `SIMPLIFY_M` (note ``simplified``).  Other notes:
    ``points_repeated``, ``outside_region``, ``area_unusual``.

    Raises:
        PersonError: ``boundary_not_numbers``, ``boundary_empty``, ``boundary_too_long``,
            ``axes_swapped`` (``suggested`` holds the ring the other way round),
            ``boundary_out_of_range``, ``too_few_points``, ``boundary_too_large``,
            ``self_crossing`` (``lon``, ``lat`` say where), ``boundary_sliver``,
            ``boundary_too_small``.
    """
    given = points_of(points)
    _must_be_here(given, region)
    ring, repeated = _distinct(given)
    notes = [Note("points_repeated", {"points": repeated})] if repeated else []
    _must_be_field_sized(ring)
    _must_be_a_polygon(ring)
    if len(ring) > MAX_VERTICES + 1:
        before, ring = len(ring) - 1, _simplified(ring)
        counts = {"before": before, "after": len(ring) - 1, "tolerance_m": SIMPLIFY_M}
        notes.append(Note("simplified", counts))
    area = area_ha(ring)
    _must_have_area(ring, area)
    return Outline(_counter_clockwise(ring), area, (*notes, *_oddities(ring, area, region)))


def points_of(points: object) -> list[Point]:
    """The (longitude, latitude) of a sequence of [longitude, latitude, …], 7 digits.

    Raises:
        PersonError: ``boundary_not_numbers``, ``boundary_empty``, ``boundary_too_long``.
    """
    if not isinstance(points, Sequence) or isinstance(points, str | bytes):
        raise PersonError("boundary_not_numbers", "a boundary is a list of points")
    if not points:
        raise PersonError("boundary_empty", "the boundary has no points")
    if len(points) > MAX_POINTS:
        message = f"the boundary has {len(points)} points; {MAX_POINTS} is the limit"
        raise PersonError("boundary_too_long", message, points=len(points), limit=MAX_POINTS)
    return [_point(each) for each in points]


def _point(each: object) -> Point:
    if isinstance(each, Sequence) and not isinstance(each, str | bytes) and 2 <= len(each) <= 4:
        lon, lat = each[0], each[1]
        if _is_finite(lon) and _is_finite(lat):
            return round(float(lon), DIGITS), round(float(lat), DIGITS)
    raise PersonError("boundary_not_numbers", "a point is a pair of numbers: longitude, latitude")


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e9  # False for NaN; an integer of a thousand digits is no float


def _must_be_here(points: Sequence[Point], region: Region) -> None:
    turned = [(lat, lon) for lon, lat in points]
    if not region.holds(points) and region.holds(turned):
        message = "longitude and latitude are swapped: the other way round the field is here"
        raise PersonError("axes_swapped", message, suggested=[list(each) for each in turned])
    if not _EARTH.holds(points):
        message = "not degrees: longitude is -180 to 180, latitude -90 to 90"
        raise PersonError("boundary_out_of_range", message)


def _distinct(points: Sequence[Point]) -> tuple[Ring, int]:
    """The closed ring without points that repeat the one before, and how many those were."""
    ring = [points[0]] + [b for a, b in pairwise(points) if a != b]
    repeated = len(points) - len(ring)
    if len(ring) > 1 and ring[0] == ring[-1]:
        ring.pop()
    if len(set(ring)) < 3:
        message = f"a field needs three corners; these are {len(set(ring))}"
        raise PersonError("too_few_points", message, points=len(set(ring)))
    return (*ring, ring[0]), repeated


def _must_be_field_sized(ring: Ring) -> None:
    across = _extent_m(ring)
    if across > MAX_EXTENT_M:
        message = f"the boundary is {across / 1000:.0f} km across; a field is below 10 km"
        raise PersonError("boundary_too_large", message, km=round(across / 1000))


def _must_be_a_polygon(ring: Ring) -> None:
    """No line crosses or touches another; what has no width is a sliver, not a crossing."""
    if _width_m(shapely.convex_hull(_in_metres(ring))) < MIN_WIDTH_M:
        raise PersonError("boundary_sliver", "the boundary has no width")
    polygon = shapely.Polygon(ring)
    if not polygon.is_valid:
        lon, lat = _crossing(polygon, ring)
        message = f"the boundary crosses or touches itself near {lon:.5f}, {lat:.5f}"
        raise PersonError("self_crossing", message, lon=lon, lat=lat)


def _crossing(polygon: shapely.Polygon, ring: Ring) -> Point:
    """Where, out of a sentence such as ``Self-intersection[-5.1 33.9]``."""
    where = shapely.is_valid_reason(polygon).rpartition("[")[2].rstrip("]").split()
    try:
        return float(where[0]), float(where[1])
    except (IndexError, ValueError):
        return ring[0]


def _must_have_area(ring: Ring, area: float) -> None:
    if area > MAX_AREA_HA:
        message = f"{area:.0f} ha is more than a field ({MAX_AREA_HA:.0f} ha)"
        raise PersonError("boundary_too_large", message, area_ha=area)
    if area < MIN_AREA_HA:
        message = f"{area * _M2_PER_HA:.1f} m² is less than a field ({MIN_AREA_HA * 1e4:.0f} m²)"
        raise PersonError("boundary_too_small", message, area_ha=area)
    if _width_m(_in_metres(ring)) < MIN_WIDTH_M:
        raise PersonError("boundary_sliver", "the boundary is less than 1 m wide")


def _oddities(ring: Ring, area: float, region: Region) -> list[Note]:
    low, high = USUAL_AREA_HA
    notes = [] if region.holds(ring) else [Note("outside_region")]
    if not low <= area <= high:
        notes.append(Note("area_unusual", {"area_ha": round(area, 4)}))
    return notes


def _simplified(ring: Ring) -> Ring:
    plane = Plane(*ring[0])
    metres = plane.metres(ring)
    less = thinned(metres, SIMPLIFY_M)
    if len(less) > MAX_VERTICES + 1:
        message = f"even at {SIMPLIFY_M} m the boundary needs more than {MAX_VERTICES} corners"
        raise PersonError("boundary_too_long", message, points=len(less), limit=MAX_VERTICES)
    if not shapely.Polygon(less).is_valid:  # rare, and slow to avoid
        kept = shapely.simplify(shapely.Polygon(metres), SIMPLIFY_M, preserve_topology=True)
        less = list(_corners(kept.exterior))
    rounded, _ = _distinct(
        [(round(lon, DIGITS), round(lat, DIGITS)) for lon, lat in plane.degrees(less)]
    )
    _must_be_a_polygon(rounded)
    return rounded


def _counter_clockwise(ring: Ring) -> Ring:
    return ring if shapely.is_ccw(shapely.LinearRing(ring)) else ring[::-1]


def _in_metres(ring: Ring) -> shapely.Polygon:
    return shapely.Polygon(Plane(*ring[0]).metres(ring))


def _width_m(shape: Any) -> float:
    """Width of the long rectangle with the same area and perimeter: 2 A / P."""
    return 2 * float(shape.area) / float(shape.length) if shape.area else 0.0


def _extent_m(ring: Ring) -> float:
    west, south, east, north = bounds(ring)
    (x, y) = Plane((west + east) / 2, (south + north) / 2).metres([(east, north)])[0]
    return 2 * math.hypot(x, y)


def bounds(ring: Iterable[Point]) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees."""
    lons, lats = zip(*ring, strict=True)
    return min(lons), min(lats), max(lons), max(lats)


def area_ha(ring: Sequence[Point]) -> float:
    """Area in hectares of the geodesic polygon on WGS 84, whatever the direction; >= 0."""
    polygon = Geodesic.WGS84.Polygon()
    for lon, lat in ring[:-1] if ring[0] == ring[-1] else ring:
        polygon.AddPoint(lat, lon)
    return abs(float(polygon.Compute(False, True)[2])) / _M2_PER_HA


def plane_ha(points: Sequence[Point]) -> float:
    """Area in hectares as in a plane (shoelace formula): quick, for any points; 0.5 % off."""
    flat = Plane(*points[0]).metres(points)
    turned = zip(flat, (*flat[1:], flat[0]), strict=True)
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in turned)) / 2 / _M2_PER_HA


def overlap_ha(a: Sequence[Point], b: Sequence[Point]) -> float:
    """Area in hectares that two valid rings share: a's area by the share taken in degrees.

    Rings of more than 100 corners are simplified first: two combs would meet in 60,000 pieces.
    """
    first, second = _simple(a), _simple(b)
    return area_ha(a) * float(shapely.intersection(first, second).area / first.area)


def _simple(ring: Sequence[Point]) -> shapely.Polygon:
    """A valid polygon of few corners; those of a walked field move by a few metres at most."""
    polygon, tolerance = shapely.Polygon(ring), 1e-5  # degrees: 1 m
    while shapely.get_num_coordinates(polygon) > _MOST_TO_OVERLAP and tolerance < 1.0:
        polygon = shapely.simplify(polygon, tolerance, preserve_topology=True)
        tolerance *= 2
    return polygon


def _corners(ring: shapely.LinearRing) -> Ring:
    return tuple((float(x), float(y)) for x, y in shapely.get_coordinates(ring))


def centre(ring: Sequence[Point]) -> Point:
    """Centroid (longitude, latitude) of a valid ring; it may lie outside a bent field."""
    middle = shapely.Polygon(ring).centroid
    return float(middle.x), float(middle.y)


def distance_m(a: Point, b: Point) -> float:
    """Metres between two (longitude, latitude), along the geodesic."""
    return float(Geodesic.WGS84.Inverse(a[1], a[0], b[1], b[0], Geodesic.DISTANCE)["s12"])


def thinned(metres: Sequence[Point], tolerance_m: float) -> list[Point]:
    """A line in metres with fewer of its points, none further off than the tolerance.

    D. H. Douglas and T. K. Peucker, "Algorithms for the reduction of the number of points",
    Cartographica 10(2), 1973.
    """
    if len(metres) < 3:
        return list(metres)
    line = shapely.simplify(shapely.LineString(metres), tolerance_m, preserve_topology=False)
    return [(float(x), float(y)) for x, y in shapely.get_coordinates(line)]


def largest_loop(metres: Sequence[Point]) -> tuple[list[Point], float]:
    """Of a ring in metres that may cross itself: its largest loop, and the share of the area."""
    faces = shapely.get_parts(shapely.polygonize([shapely.node(shapely.LinearRing(metres))]))
    if len(faces) < 2:
        return list(metres), 1.0
    areas = shapely.area(faces)
    largest = int(areas.argmax())
    return list(_corners(faces[largest].exterior)), float(areas[largest] / areas.sum())
