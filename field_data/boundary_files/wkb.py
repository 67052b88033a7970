"""Well-known binary (OGC 06-103r4, chapter 8), polygons only: two levels deep, whatever it says."""

from __future__ import annotations

import struct

from field_data.boundary_files.found import MAX_PARTS, Rings, not_a_polygon
from field_data.errors import PersonError

_POLYGON, _MULTIPOLYGON = 3, 6
_NAMES = {1: "a point", 2: "a line", 4: "points", 5: "lines", 7: "a collection"}
# PostGIS marks height, measure and reference system with bits, OGC with thousands.
_Z, _M, _SRID = 0x80000000, 0x40000000, 0x20000000


def polygons_of(wkb: bytes) -> tuple[Rings, ...]:
    """The polygons of a Polygon or MultiPolygon; heights and measures are dropped.

    Raises:
        PersonError: ``not_a_polygon``, ``bad_geometry``, ``too_many_parts``.
    """
    try:
        return _Cursor(wkb).polygons()
    except struct.error as error:
        raise PersonError("bad_geometry", "the geometry is cut short") from error


class _Cursor:
    def __init__(self, wkb: bytes) -> None:
        self._wkb = wkb
        self._at = 0

    def polygons(self) -> tuple[Rings, ...]:
        kind, order, dims = self._header()
        if kind == _POLYGON:
            return (self._rings(order, dims),)
        if kind != _MULTIPOLYGON:
            raise not_a_polygon(_NAMES.get(kind, "a curve"))
        return tuple(self._member() for _ in range(self._count(order)))

    def _member(self) -> Rings:
        kind, order, dims = self._header()
        if kind != _POLYGON:
            raise PersonError("bad_geometry", "a multipolygon holds something else")
        return self._rings(order, dims)

    def _header(self) -> tuple[int, str, int]:
        """Kind of geometry, byte order for `struct`, numbers a point."""
        order = "<" if self._take("B")[0] == 1 else ">"
        code = self._take(f"{order}I")[0]
        if code & _SRID:
            self._take("4x")
        thousands, kind = divmod(code & 0x1FFFFFFF, 1000)
        has_z = bool(code & _Z) or thousands in (1, 3)
        has_m = bool(code & _M) or thousands in (2, 3)
        return kind, order, 2 + has_z + has_m

    def _rings(self, order: str, dims: int) -> Rings:
        return tuple(self._ring(order, dims) for _ in range(self._count(order)))

    def _ring(self, order: str, dims: int) -> list[tuple[float, float]]:
        (points,) = self._take(f"{order}I")
        if points * dims * 8 > len(self._wkb) - self._at:
            raise PersonError("bad_geometry", "the geometry is cut short")
        numbers = self._take(f"{order}{points * dims}d")
        return list(zip(numbers[::dims], numbers[1::dims], strict=True))

    def _count(self, order: str) -> int:
        count = int(self._take(f"{order}I")[0])
        if count > MAX_PARTS:
            raise PersonError("too_many_parts", f"{count} parts; {MAX_PARTS} is the limit")
        return count

    def _take(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from(form, self._wkb, self._at)
        self._at += struct.calcsize(form)
        return values
