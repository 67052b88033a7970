"""Names and units of the figures that advice rests on; an unknown one is shown by its own name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

LABELS: dict[str, LazyString] = {
    "depletion_mm": _l("Water missing in the root zone"),
    "raw_mm": _l("Water that roots reach easily"),
    "taw_mm": _l("Water that the soil can hold for the roots"),
    "et0_mm": _l("Thirst of the air (reference evapotranspiration)"),
    "et0_7d_mm": _l("Thirst of the air in seven days"),
    "etc_7d_mm": _l("Water that the crop used in seven days"),
    "rain_7d_mm": _l("Rain of the last seven days"),
    "rain_ahead_mm": _l("Rain that is forecast"),
    "rain_mm": _l("Rain that is forecast"),
    "irrigation_7d_mm": _l("Water given in seven days"),
    "degree_days": _l("Warmth gathered (degree days)"),
    "wind_10m_ms": _l("Wind"),
    "gust_ms": _l("Strongest gust"),
    "temp_c": _l("Temperature"),
    "tmin_c": _l("Coldest"),
    "tmax_c": _l("Hottest"),
    "rh_percent": _l("Humidity of the air"),
    "ndvi": _l("Green cover (NDVI)"),
    "ks": _l("Share of its thirst that the crop can drink"),
}
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
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            continue
        yield Figure(name, LABELS.get(name), _text(name, value))


def _text(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    unit = next((unit for end, unit in _UNITS if name.endswith(end)), "")
    number = f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"
    return f"{number} {unit}".strip()
