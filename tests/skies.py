"""Fields at Meknes and what satellites saw of them, made up for the tests of pages."""

from __future__ import annotations

import datetime as dt

import numpy as np

from field_data.days import day_of
from field_data.geometry import outline
from field_data.types import Field
from sat_ingest.archive import ARCHIVE, Archive
from sat_ingest.grid import field_grid
from sat_ingest.windows import Window
from tests.people import Staff

DAY = day_of(dt.date(2025, 3, 1))
VEGETATION, CLOUD = 4, 9


def square(place: int) -> list[list[float]]:
    """A field of some 300 m at Meknes, one beside the other."""
    west, south, side = -5.55 + place * 0.004, 33.89, 0.003
    return [
        [west, south], [west + side, south], [west + side, south + side], [west, south + side],
        [west, south],
    ]  # fmt: skip


def seen(field: Field, day: int, ndvi: float, scl: int = VEGETATION) -> Window:
    """A field on one day, all of it alike."""
    grid = field_grid(field.boundary)
    shape = (grid.height, grid.width)
    red = np.full(shape, 1000, np.uint16)
    nir = np.full(shape, round(1000 * (1 + ndvi) / (1 - ndvi)), np.uint16)
    return Window(
        field.id, day, f"S2A_{day}", grid, {"red": red, "nir": nir}, np.full(shape, scl, np.uint8)
    )


def five_fields(staff: Staff) -> list[Field]:
    """Five fields of wheat in a row."""
    registry = staff.ground.registry
    farm = registry.add_farm("keeper", "a farm")
    return [
        registry.add_field("keeper", farm.id, f"field {n}", outline(square(n)), crop="TRZAX")[0]
        for n in range(5)
    ]


def spring(staff: Staff, fields: list[Field]) -> None:
    """All fields turn green alike; the first one loses it at the end."""
    with Archive(staff.home / ARCHIVE) as archive, archive.transaction():
        for field in fields:
            for step in range(11):
                archive.put(seen(field, DAY + 5 * step, 0.2 + 0.05 * step))
            last = 0.3 if field is fields[0] else 0.72
            archive.put(seen(field, DAY + 60, last))
        archive.put(seen(fields[1], DAY + 65, 0.0, CLOUD))
