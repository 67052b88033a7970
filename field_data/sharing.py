"""What leaves the node, and what those see who have no right to the exact place.

Names of persons, farms and fields stay here; ids are pseudonyms and travel.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from field_data.events import Event, Kind
from field_data.geometry import Ring, centre
from field_data.types import Field

# The one list of what stays.  A farm is mostly called by its owner's name, a field by what people
# there call it; the commune is that of thousands and travels.
PRIVATE_KEYS: Mapping[Kind, frozenset[str]] = {
    Kind.FARM: frozenset({"name"}),
    Kind.FIELD: frozenset({"name"}),
}

# The first wording of a consent that named the hub: a yes to an older one keeps things on the box.
FIRST_NAMING_HUB = (2026, 2)
_WORDING = re.compile(r"(\d{4})-(\d{1,4})", re.ASCII)

# Cells a degree: 0.01° is about 1.1 km north-south and 0.9 km east-west in Morocco.
CELLS = 100


def travelling(event: Event) -> Event:
    """The event as it may leave the node: without the `PRIVATE_KEYS` of its kind."""
    private = PRIVATE_KEYS.get(event.kind, frozenset())
    if not private & event.body.keys():
        return event
    return replace(event, body={k: v for k, v in event.body.items() if k not in private})


def names_hub(wording: str | None) -> bool:
    """Whether who agreed to that version of a wording was told that the hub gets it too."""
    found = _WORDING.fullmatch(wording or "")
    return found is not None and (int(found[1]), int(found[2])) >= FIRST_NAMING_HUB


def coarse(lon: float, lat: float) -> tuple[float, float]:
    """The centre of the cell of 0.01° that a place lies in, degrees."""
    return _cell_centre(lon, 180), _cell_centre(lat, 90)


def coarse_field(field: Field) -> Field:
    """A field for anyone without the right to its place: the square cell of its centre.

    The name is gone and the area has one digit: the exact one would point at a parcel.
    """
    ring = coarse_ring(field.boundary)
    return replace(field, boundary=ring, name="", area_ha=one_digit(field.area_ha))


def coarse_ring(boundary: Ring) -> Ring:
    """The outline of the cell that the centre of a boundary lies in, closed, degrees."""
    lon, lat = coarse(*centre(boundary))
    half = 0.5 / CELLS
    corners = ((-half, -half), (half, -half), (half, half), (-half, half), (-half, -half))
    return tuple((round(lon + x, 2), round(lat + y, 2)) for x, y in corners)


def _cell_centre(degrees: float, end: int) -> float:
    # Nine digits first: 33.9 * 100 is a little less than 3390.
    cell = min(math.floor(round(degrees * CELLS, 9)), end * CELLS - 1)
    return (cell + 0.5) / CELLS


def one_digit(value: float) -> float:
    """A number of which only the size is told."""
    return float(f"{value:.1g}")
