"""Yields as people say them: units, and what cannot be meant.

Moroccan farmers count in quintals (100 kg) a hectare, statistics in tonnes: a figure in the wrong
unit is off by ten and is asked back, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from field_data.errors import PersonError

# EPPO codes of the crops that these ranges are for.
CEREALS = frozenset({"TRZAX", "TRZDU", "HORVX", "AVESA", "TTLSS", "SECCE"})
# Of a usual year, t/ha: below nobody sows again, above no field of cereals lies on average.
LEAST_USUAL, MOST_USUAL = 0.3, 10.0
# Of one harvest, t/ha: a little grain that was brought in, and less than what has ever been weighed
# on a field of wheat (17 t/ha) but more than any in this climate.
LEAST_HARVEST, MOST_HARVEST = 0.05, 12.0
# Of any crop: tomatoes under glass stay below.
MOST_OF_ALL = 500.0


class Unit(StrEnum):
    """What a yield is counted in."""

    Q_HA = "q/ha"
    T_HA = "t/ha"
    KG_HA = "kg/ha"


_A_TONNE = {Unit.Q_HA: 10.0, Unit.T_HA: 1.0, Unit.KG_HA: 1000.0}


@dataclass(frozen=True, slots=True)
class Meant:
    """A figure read in one unit, and the t/ha that it then is."""

    value: float
    unit: Unit
    t_ha: float


def usual_t_ha(value: float, unit: Unit, crop: str) -> float:
    """What a field usually gives, in t/ha.

    Raises:
        PersonError: ``yield_unlikely``; the detail ``meant`` lists the `Meant` that would make
            sense, to be asked back.
    """
    t_ha = value / _A_TONNE[unit]
    if not believable(t_ha, crop):
        meant = tuple(other_readings(value, crop))
        asked = " or ".join(f"{m.value:g} {m.unit} ({m.t_ha:g} t/ha)" for m in meant)
        said = f"no field of {crop} usually gives {value:g} {unit}"
        said += f"; do you mean {asked}?" if asked else ""
        raise PersonError("yield_unlikely", said, value=value, unit=str(unit), meant=meant)
    return round(t_ha, 4)


def other_readings(
    value: float, crop: str, least: float = LEAST_USUAL, most: float = MOST_USUAL
) -> Iterator[Meant]:
    """The units in which a figure would make sense for a cereal."""
    if crop in CEREALS:
        for unit, per in _A_TONNE.items():
            if least <= value / per <= most:
                yield Meant(value, unit, round(value / per, 4))


def believable(t_ha: float, crop: str) -> bool:
    """Whether a field can usually give that; False for what is no number."""
    if not math.isfinite(t_ha):
        return False
    if crop in CEREALS:
        return LEAST_USUAL <= t_ha <= MOST_USUAL
    return 0 < t_ha <= MOST_OF_ALL


def number_in(text: str) -> float:
    """A decimal number as people type it: comma or point, any digits.

    Raises:
        PersonError: ``not_a_number``.
    """
    try:
        value = float(text.strip().replace(",", ".").replace("٫", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or len(text) > 20:
        raise PersonError("not_a_number", f"{text!r:.40} is no number")
    return value
