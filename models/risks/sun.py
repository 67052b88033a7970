"""When the sun rises and sets, by FAO Irrigation and Drainage Paper 56, equations 24, 25 and 33."""

from __future__ import annotations

import math
from datetime import date

from field_data.days import date_of, day_of
from models.risks.wetness import DAY_S


def sun_hours(lat: float, lon: float, day: int) -> tuple[float, float]:
    """Sunrise and sunset of a day, UTC seconds since 1970; equal where it does not rise.

    ``lat`` and ``lon`` in degrees.  Within about five minutes at the latitudes of Morocco.
    """
    turn = 2 * math.pi * (1 + day - day_of(date(date_of(day).year, 1, 1))) / 365
    declination = 0.409 * math.sin(turn - 1.39)
    reach = -math.tan(math.radians(lat)) * math.tan(declination)
    half_h = math.acos(min(1.0, max(-1.0, reach))) * 12 / math.pi
    b = 2 * math.pi * (turn * 365 / (2 * math.pi) - 81) / 364
    equation_h = 0.1645 * math.sin(2 * b) - 0.1255 * math.cos(b) - 0.025 * math.sin(b)
    noon = day * DAY_S + (12 - lon / 15 - equation_h) * 3600
    return noon - half_h * 3600, noon + half_h * 3600
