"""Land made up for tests: rings of known form, and records about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from field_data.events import Draft, Kind
from field_data.geometry import DIGITS, Plane, Point, Ring
from field_data.ids import new_id
from field_data.types import Instant, Trust

HERE = (-5.1, 33.9)
AT = Instant(1_790_000_000.0, Trust.TABLET)


def degrees(metres: Sequence[Point], place: Point = HERE) -> Ring:
    """Points in metres around a place as a closed ring of degrees with 7 digits."""
    ring = [(round(x, DIGITS), round(y, DIGITS)) for x, y in Plane(*place).degrees(metres)]
    return (*ring, ring[0])


def box(width: float = 100, height: float = 100, place: Point = HERE) -> Ring:
    """A rectangle in metres whose south-western corner is at a place."""
    return degrees([(0, 0), (width, 0), (width, height), (0, height)], place)


@st.composite
def stars(draw: st.DrawFn) -> Ring:
    """Simple rings, convex or not: 3 to 12 corners seen from a middle that lies inside."""
    radii = draw(st.lists(st.floats(15, 600), min_size=3, max_size=12))
    turn = draw(st.floats(0, 2 * math.pi))
    lon, lat = draw(st.floats(-12, -1.5)), draw(st.floats(21, 35.5))
    step = 2 * math.pi / len(radii)
    corners = [
        (r * math.cos(turn + i * step), r * math.sin(turn + i * step)) for i, r in enumerate(radii)
    ]
    return degrees(corners, (lon, lat))


def record(kind: Kind, body: dict[str, Any], *, subject: str = "", **more: Any) -> Draft:
    """An event as a tablet sends it."""
    given = {"author": "agent-1", "at": AT, **more}
    return Draft(given.pop("id", new_id()), kind, subject or new_id(), body=body, **given)
