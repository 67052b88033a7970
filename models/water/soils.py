"""Soils by texture, and what each way of watering wastes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from models.water.balance import Ground
from models.water.tables import bad_table, number, table

FILE = "soils.toml"


@dataclass(frozen=True, slots=True)
class Soil:
    """Water content in m3/m3, evaporable water in mm, the curve number; see `balance.Ground`."""

    texture: str
    fc: float
    wp: float
    rew: float
    tew: float
    cn2: float

    @property
    def available_mm_m(self) -> float:
        """Water that roots can take out of a metre of it."""
        return 1000 * (self.fc - self.wp)


@dataclass(frozen=True, slots=True)
class Method:
    """A way of watering: the share that the root zone gets, that of the surface that it wets, and
    the most that the root zone is given at once, mm."""

    id: str
    efficiency: float
    wetted: float
    most_mm: float


@cache
def soils() -> Mapping[str, Soil]:
    """The twelve textures by name.

    Raises:
        PublisherError: ``bad_water_table``.
    """
    read = table(FILE)
    curve = {group: number(read["runoff"], group, 30, 98, FILE) for group in "ABCD"}
    found = {}
    for name, row in read["texture"].items():
        fc, wp = number(row, "fc", 0.05, 0.6, name), number(row, "wp", 0.01, 0.4, name)
        rew, tew = number(row, "rew", 1, 15, name), number(row, "tew", 2, 40, name)
        if wp >= fc or rew >= tew or row.get("source") not in ("fao56", "saxton_rawls"):
            raise bad_table(name, "wp below fc, rew below tew, and a source are needed")
        found[name] = Soil(name, fc, wp, rew, tew, curve[row["group"]])
    return found


def unknown() -> tuple[str, tuple[str, ...]]:
    """The texture taken when nobody has said it, and those between which it may lie."""
    row = table(FILE)["unknown"]
    return row["texture"], tuple(row["between"])


@cache
def methods() -> Mapping[str, Method]:
    """Ways of watering by name.

    Raises:
        PublisherError: ``bad_water_table``.
    """
    return {
        name: Method(
            name,
            number(row, "efficiency", 0.2, 1, name),
            number(row, "wetted", 0.05, 1, name),
            number(row, "most_mm", 5, 200, name),
        )
        for name, row in table(FILE)["method"].items()
    }


def ground_of(chosen: Sequence[Soil]) -> Ground:
    """The soils of so many fields as arrays (fields,)."""
    columns = ([getattr(each, name) for each in chosen] for name in Ground.__slots__)
    return Ground(*(np.array(column, np.float64) for column in columns))
