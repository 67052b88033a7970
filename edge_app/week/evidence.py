"""Names and units of the figures that advice rests on; an unknown one is shown by its own name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from field_data.days import date_of

LABELS: dict[str, LazyString] = {
    "depletion_mm": _l("Water missing in the root zone"),
    "raw_mm": _l("Water that roots reach easily"),
    "taw_mm": _l("Water that the soil can hold for the roots"),
    "et0_mm": _l("Thirst of the air, a day (reference evapotranspiration)"),
    "kcb": _l("Thirst of the crop beside that of grass"),
    "rain_7d_mm": _l("Rain expected in seven days"),
    "irrigation_30d_mm": _l("Water given in thirty days"),
    "ndvi_share": _l("How much the satellite had a say (0 to 1)"),
    "warmth_dd": _l("Warmth gathered (degree days)"),
    "stage_dd": _l("Warmth at which this stage comes (degree days)"),
    "lower_c": _l("It grows above"),
    "upper_c": _l("It grows no faster above"),
    "day": _l("Likeliest day"),
    "range_days": _l("The dates may be off by so many days in all"),
    "share": _l("How far the rule is met (1: fully)"),
    "wet_hours": _l("Hours with wet leaves"),
    "infection_day": _l("Day of the infection"),
    "per_day": _l("Caught in a day"),
    "diagnoses_21d": _l("Seen by people here in three weeks"),
    "wind_2m_ms": _l("Wind"),
    "delta_t_c": _l("How fast drops dry (delta T)"),
    "limit_c": _l("Harm begins at"),
    "rh_percent": _l("Humidity of the air"),
    "rain_mm": _l("Rain"),
    "asked_mm": _l("Rain that sowing needs"),
    "water": _l("Share of the soil's water that is there (0 to 1)"),
}
# For programs only: how the figures were come by.
_HIDDEN = frozenset(
    {"weather_state", "et0_by", "texture", "method", "depletion_low_mm", "depletion_high_mm"}
)
_DAYS = frozenset({"day", "infection_day"})
# The unit at the end of a name, as people write it.
_UNITS = (
    ("_mj_m2", "MJ/m²"),
    ("_percent", "%"),
    ("_mm", "mm"),
    ("_ms", "m/s"),
    ("_m3", "m³"),
    ("_km", "km"),
    ("_kmh", "km/h"),
    ("_ha", "ha"),
    ("_c", "°C"),
    ("_h", "h"),
    ("_m", "m"),
)


class Figure(NamedTuple):
    """One figure ready to show: ``label`` None where only its ``name`` is known."""

    name: str
    label: LazyString | None
    value: str


def figures(evidence: Mapping[str, float | str | None]) -> Iterator[Figure]:
    """The known ones of an item's evidence, in its order."""
    for name, value in evidence.items():
        if name in _HIDDEN or value is None:
            continue
        if isinstance(value, float) and not math.isfinite(value):
            continue
        yield Figure(name, LABELS.get(name), _text(name, value))


def _text(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if name in _DAYS:
        return f"{date_of(int(value)):%d/%m/%Y}"
    unit = next((unit for end, unit in _UNITS if name.endswith(end)), "")
    number = f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"
    return f"{number} {unit}".strip()
