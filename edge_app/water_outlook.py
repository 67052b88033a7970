"""What is known of a field's water on one day, as pages, advice and the command line take it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.water.advice import WaterAdvice


class Why(StrEnum):
    """Why nothing is known of a field's water."""

    NO_WEATHER = "no_weather"
    NO_DAY = "no_day"
    NO_SEASON = "no_season"
    CROP_NOT_KNOWN = "crop_not_known"
    SEASON_OVER = "season_over"
    WEATHER_GAPS = "weather_gaps"


@dataclass(frozen=True, slots=True)
class Asked:
    """Something to ask people, and what was taken instead; "" where there is nothing to take."""

    what: str
    default: str = ""


@dataclass(frozen=True, slots=True)
class WaterDay:
    """One day of the balance, ``ahead`` if it is not over; mm but for ``ks`` and ``kcb``.

    ``irrigation`` is what left the pump; ``depletion_low`` and ``depletion_high`` hold the middle
    eight tenths of what it may be."""

    day: int
    ahead: bool
    et0: float
    etc: float
    eta: float
    rain: float
    irrigation: float
    depletion: float
    depletion_low: float
    depletion_high: float
    raw: float
    taw: float
    ks: float
    kcb: float


@dataclass(frozen=True, slots=True)
class Amount:
    """What to give: cubic metres for the field with their range, hours of its pump and turns of
    its canal for the middle; NaN where the pump or the canal is not known."""

    m3: float
    low_m3: float
    high_m3: float
    pump_hours: float
    turns: float
    turn_days: float


@dataclass(frozen=True, slots=True)
class WaterOutlook:
    """The water of a field on ``as_of``; ``why`` is None where it is known.

    ``days`` run to the end of the forecast.  ``et0_by`` says how the reference was found
    (``penman_monteith``, ``hargreaves``, ``mixed``), ``ndvi_share`` 0 to 1 how much the last week's
    coefficient rests on the field's own NDVI."""

    field: str
    as_of: int
    asked: tuple[Asked, ...] = ()
    why: Why | None = None
    crop: str = ""
    season: str = ""
    texture: str = ""
    method: str = ""
    rainfed: bool = False
    days: tuple[WaterDay, ...] = ()
    advice: WaterAdvice | None = None
    amount: Amount | None = None
    et0_by: str = ""
    ndvi_share: float = 0.0
    weather_state: str = ""
    missing_rain_days: int = 0
    sources: tuple[str, ...] = ()
