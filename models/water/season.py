"""The water of one field through a season, as it is known on one day, with what is not known.

What is uncertain is played through: soil, water in the ground at the start, the crop's coefficient,
rain that nobody measured or that is only forecast.  Each combination is a member of an ensemble
that `models.water.balance` computes at once; the first member holds the middle of everything, and
ranges are read off the weighted others.  The spreads below are choices of ours, on the safe side.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field

import numpy as np
from numpy.typing import NDArray

from field_data.weather import DayWeather, Origin, Weather
from models.water.balance import Balance, Canopy, Forcing, Start, balance, climate_term
from models.water.crops import YEAR, Crop, curve, height_of, roots_of, steered
from models.water.et0 import day_of_year
from models.water.reference import How, Reference, reference
from models.water.soils import Method, ground_of, soils, unknown

Floats = NDArray[np.float64]
# Bare soil is followed for so long before sowing, so that first rains count.
BARE_DAYS = 60
# A crop is thought of as still there so long after its usual last day, when nobody says it is cut.
OVERTIME_DAYS = 30
# Share of its water that the ground lacks at the start: middle, and how much it may differ.
DRY_RAINFED, DRY_IRRIGATED, DRY_MAY_DIFFER = 0.8, 0.4, 0.3
# Standard deviation of a coefficient off the calendar alone.
CALENDAR_SD = 0.15
# A forecast without a chance is believed so far; from this chance on rain is sure to come.
USUAL_CHANCE, SURE = 0.6, 0.9
# The wet side of a forecast, and of days of which nobody knows the rain.
WETTER, UNMEASURED_WETTER = 1.5, 2.0
BARE_KC = 0.15
# Temperatures are bridged over so many days.
BRIDGE_DAYS = 7
MIDDLE, LOW, HIGH = 0, 1, 2
_WEIGHT = {MIDDLE: 0.5, LOW: 0.25, HIGH: 0.25}


@dataclass(frozen=True, slots=True)
class Case:
    """A field in a season.

    ``start_day`` is that of sowing, or of the year's growth (days since 1970-01-01);
    ``given`` mm over the field by day, as it left the pump; ``method`` how, None for a rainfed
    field; ``texture`` None where nobody has said it; ``ndvi_days`` and ``ndvi`` are clear
    observations, days increasing, ``ndvi_noise`` one standard deviation (NaN: not known).
    """

    crop: Crop
    start_day: int
    texture: str | None = None
    method: Method | None = None
    given: Mapping[int, float] = dataclass_field(default_factory=dict)
    ndvi_days: tuple[int, ...] = ()
    ndvi: tuple[float, ...] = ()
    ndvi_noise: float = math.nan

    @property
    def roots_m(self) -> float:
        """Final rooting depth: FAO-56 gives the lesser for scheduling irrigation."""
        return self.crop.roots_irrigated_m if self.method else self.crop.roots_rainfed_m


@dataclass(frozen=True, slots=True)
class SeasonWater:
    """A season, day by day from ``days[0]``; ``today`` is the place of the first day that is not
    over.  ``balance`` holds the members, (members, days), the first being the middle one;
    ``weights`` sum to 1.  ``rain`` (members, days) and ``given`` (days,) are mm as they fell,
    ``reference``, ``reference_mm`` without its holes, and ``ndvi_share`` are (days,).
    ``unknown_et0_days`` are too far from any day that is known."""

    case: Case
    days: NDArray[np.int64]
    today: int
    balance: Balance
    weights: Floats
    rain: Floats
    given: Floats
    kcb: Floats
    reference: Reference
    reference_mm: Floats
    ndvi_share: Floats
    unknown_et0_days: int

    @property
    def hargreaves_days(self) -> int:
        """Past days of which temperatures alone are known."""
        return int(np.count_nonzero(self.reference.how[: self.today] == How.HARGREAVES))


def season_water(case: Case, weather: Weather, today: int) -> SeasonWater | None:
    """Play a season through to the end of the forecast; None without weather up to ``today``."""
    begin = today - YEAR if case.crop.perennial else case.start_day - BARE_DAYS
    known = [day for day in weather.days if day.day >= begin]
    if not known or not known[0].day <= today <= known[-1].day:
        return None
    days = np.array([day.day for day in known], np.int64)
    sky = _sky(known, weather, days)
    et0, holes = _bridged(sky.et0)
    if holes == len(et0):
        return None
    now = int(np.searchsorted(days, today))
    plan = _plan(case)
    kcb, kcb_sd, share = _coefficients(case, days, sky)
    rain = np.array(_rains(known, now))
    given = np.array([case.given.get(day, 0.0) for day in days.tolist()])
    forcing = _forcing(case, plan, et0, rain, given, sky)
    canopy = _canopy(case, plan, days, kcb, kcb_sd)
    found = balance(
        ground_of([soils()[each.texture] for each in plan]), canopy, forcing, _start(case, plan)
    )
    weights = np.array([each.weight for each in plan])
    return SeasonWater(
        case, days, now, found, weights / weights.sum(), forcing.rain, given, kcb, sky, et0, share,
        holes,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Member:
    """One combination: texture, and MIDDLE, LOW or HIGH of the rest."""

    texture: str
    weight: float
    start: int
    kcb: int
    rain: int


def _plan(case: Case) -> list[_Member]:
    """Every combination, the middle one first."""
    middle, between = unknown()
    textures = [(case.texture, 1.0)] if case.texture else [(each, 1.0) for each in between]
    textures.sort(key=lambda each: each[0] != middle)
    sides = (MIDDLE, LOW, HIGH)
    return [
        _Member(name, share * _WEIGHT[a] * _WEIGHT[b] * _WEIGHT[c], a, b, c)
        for (name, share), a, b, c in itertools.product(textures, sides, sides, sides)
    ]


def _sky(known: list[DayWeather], weather: Weather, days: NDArray[np.int64]) -> Reference:
    def column(name: str) -> Floats:
        return np.array([getattr(day, name) for day in known], np.float64)

    return reference(
        column("tmin_c"), column("tmax_c"), dew=column("dew_c"), wind=column("wind_2m_ms"),
        radiation=column("radiation_mj_m2"), latitude=weather.place.lat,
        elevation=weather.place.elevation_m, day=day_of_year(days),
    )  # fmt: skip


def _bridged(et0: Floats) -> tuple[Floats, int]:
    """Without holes, and how many days are too far from any known one to be believed."""
    at = np.flatnonzero(np.isfinite(et0))
    if not len(at):
        return et0, len(et0)
    every = np.arange(len(et0))
    after = np.clip(np.searchsorted(at, every), 0, len(at) - 1)
    before = np.clip(after - 1, 0, len(at) - 1)
    nearest = np.minimum(np.abs(every - at[after]), np.abs(every - at[before]))
    return np.interp(every, at, et0[at]), int(np.count_nonzero(nearest > BRIDGE_DAYS))


def _coefficients(
    case: Case, days: NDArray[np.int64], sky: Reference
) -> tuple[Floats, Floats, Floats]:
    """Basal coefficient, its standard deviation, and the share NDVI has in it, all (days,).

    The calendar's is fitted to the climate by (70), with the means of these days."""
    since, crop = days - case.start_day, case.crop
    calendar, height = curve(crop, since), height_of(crop, since)
    dry = climate_term(sky.wind, np.where(np.isfinite(sky.rh_min), sky.rh_min, 45.0), height)
    growing = calendar >= 0.45
    if growing.any():
        calendar = calendar + np.where(growing, float(dry[growing].mean()), 0)
    clear = [pair for pair in zip(case.ndvi_days, case.ndvi, strict=True) if pair[0] >= days[0]]
    kcb, share = steered(
        calendar, days, [day for day, _ in clear], crop.ndvi.kcb([value for _, value in clear])
    )
    noise = 0.0 if math.isnan(case.ndvi_noise) else crop.ndvi.slope * case.ndvi_noise
    sd = share * math.hypot(crop.ndvi.sd, noise) + (1 - share) * CALENDAR_SD
    return kcb, np.where(kcb > 0, sd, 0), share


def _canopy(
    case: Case, plan: list[_Member], days: NDArray[np.int64], kcb: Floats, sd: Floats
) -> Canopy:
    shift = {MIDDLE: 0.0, LOW: -1.0, HIGH: 1.0}
    shape = (len(plan), len(days))
    since = days - case.start_day
    return Canopy(
        np.clip([kcb + shift[each.kcb] * sd for each in plan], 0, None),
        np.broadcast_to(roots_of(case.crop, since, case.roots_m), shape),
        np.broadcast_to(height_of(case.crop, since), shape),
        np.full(shape[0], case.crop.p),
        np.full(shape[0], BARE_KC),
        np.full(shape[0], case.roots_m),
    )


def _rains(known: list[DayWeather], now: int) -> list[list[float]]:
    """Rain of all days: middle, low, high, (3, days)."""
    measured = [day.rain_mm for day in known[:now] if math.isfinite(day.rain_mm)]
    mean = sum(measured) / max(len(measured), 1)
    # A gauge that is rarely read is read when it rains: of the other days it says the less.
    share = len(measured) / max(now, 1)
    unread = (share * mean, 0.0, max(mean, UNMEASURED_WETTER * share * mean))
    triples = [_rain(day, place >= now, unread) for place, day in enumerate(known)]
    return [[triple[side] for triple in triples] for side in (MIDDLE, LOW, HIGH)]


def _rain(
    day: DayWeather, ahead: bool, unread: tuple[float, float, float]
) -> tuple[float, float, float]:
    if not math.isfinite(day.rain_mm):
        return unread
    if day.rain_origin is Origin.CLIMATOLOGY:
        return day.rain_mm, 0.0, UNMEASURED_WETTER * day.rain_mm
    if not ahead:
        return day.rain_mm, day.rain_mm, day.rain_mm
    chance = day.rain_chance if math.isfinite(day.rain_chance) else USUAL_CHANCE
    low = 0.5 * day.rain_mm if chance >= SURE else 0.0
    return chance * day.rain_mm, low, WETTER * day.rain_mm


def _forcing(
    case: Case, plan: list[_Member], et0: Floats, rain: Floats, given: Floats, sky: Reference
) -> Forcing:
    shape = (len(plan), len(et0))
    efficiency = case.method.efficiency if case.method else 1.0
    wetted = case.method.wetted if case.method else 1.0
    humid = np.where(np.isfinite(sky.rh_min), sky.rh_min, 45.0)
    return Forcing(
        np.broadcast_to(et0, shape),
        rain[[each.rain for each in plan]],
        np.broadcast_to(efficiency * given, shape),
        np.full(shape, wetted),
        np.broadcast_to(sky.wind, shape),
        np.broadcast_to(humid, shape),
    )


def _start(case: Case, plan: list[_Member]) -> Start:
    middle = DRY_IRRIGATED if case.method else DRY_RAINFED
    lacks = {
        MIDDLE: middle,
        LOW: max(middle - DRY_MAY_DIFFER, 0.0),
        HIGH: min(middle + DRY_MAY_DIFFER, 0.95),
    }
    share = np.array([lacks[each.start] for each in plan])
    held = np.array([soils()[each.texture].available_mm_m for each in plan])
    first = case.crop.roots_at_sowing_m if not case.crop.perennial else case.roots_m
    roots = share * held * first
    tew = np.array([soils()[each.texture].tew for each in plan])
    return Start(roots, share * held * (case.roots_m - first), tew)


def weighted(values: Floats, weights: Floats, shares: tuple[float, ...]) -> Floats:
    """Quantiles of members, (shares,), each holding its weight; ``values`` is (members,)."""
    order = np.argsort(values)
    heap = np.cumsum(weights[order])
    at = np.clip(np.searchsorted(heap, np.array(shares) - 1e-9), 0, len(values) - 1)
    out: Floats = values[order][at]
    return out
