"""On which days infection is likely: published rules over steps of three hours. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from models.risks.definition import HumidDays, RainEvent, Rule, WetSpell
from models.risks.wetness import STEP_H, STEPS_A_DAY, WET_RAIN_MM, Air, Basis, wet

# From this share of what a rule asks on, a day is worth a remark.
HALF_WAY = 0.6


class Level(IntEnum):
    """How likely infection is on a day, as the rule has it."""

    UNKNOWN = -1
    NONE = 0
    SOME = 1  # part of what the rule asks
    HIGH = 2  # all that it asks


@dataclass(frozen=True, slots=True)
class DayRisk:
    """One day: ``hours`` wet or humid, ``share`` of what the rule asks for (1: all of it)."""

    day: int
    level: Level
    share: float
    hours: float
    basis: Basis


def risk_by_day(rule: Rule, air: Air) -> tuple[DayRisk, ...]:
    """The risk of each day of ``air``; a day whose air is not known is ``UNKNOWN``."""
    match rule:
        case HumidDays():
            share, hours = _humid_days(rule, air)
        case WetSpell():
            share, hours = _wet_spell(rule, air)
        case RainEvent():
            share, hours = _rain_event(rule, air)
    return tuple(
        DayRisk(
            air.first + place,
            _level(share[place], basis),
            float(np.nan_to_num(share[place])),
            float(hours[place]),
            basis,
        )
        for place, basis in enumerate(air.basis)
    )


def _level(share: float, basis: Basis) -> Level:
    if basis is Basis.UNKNOWN or np.isnan(share):
        return Level.UNKNOWN
    return Level.HIGH if share >= 1 else Level.SOME if share >= HALF_WAY else Level.NONE


Figures = tuple[NDArray[np.float64], NDArray[np.float64]]


def _humid_days(rule: HumidDays, air: Air) -> Figures:
    """All of it on the last of enough good days in a row; half way on an earlier good one."""
    hours = (air.rh >= rule.rh_percent).sum(axis=1) * STEP_H
    good = (hours >= rule.hours) & (_lowest(air) >= rule.tmin_c)
    run, share = 0, np.zeros(len(good))
    for place, one in enumerate(good):
        run = run + 1 if one else 0
        share[place] = 1.0 if run >= rule.days else HALF_WAY if run else 0.0
    return share, hours.astype(float)


def _lowest(air: Air) -> NDArray[np.float64]:
    """Of each day; NaN of a day not known."""
    return np.asarray(air.temp.min(axis=1))


def _wet_spell(rule: WetSpell, air: Air) -> Figures:
    """The largest share that a spell reaches on each day, by its mean temperature so far."""
    is_wet = wet(air, rule.rh_percent) & np.isfinite(air.temp)
    share = np.zeros(len(air.basis))
    length = warmth = dry = 0.0
    for place, (one, temp) in enumerate(zip(is_wet.ravel(), air.temp.ravel(), strict=True)):
        if not one:
            dry += STEP_H
            if dry >= max(rule.dry_hours, STEP_H):
                length = warmth = 0.0
            continue
        dry, length, warmth = 0.0, length + STEP_H, warmth + STEP_H * temp
        day = place // STEPS_A_DAY
        share[day] = max(share[day], length / hours_needed(rule, warmth / length))
    return share, is_wet.sum(axis=1) * STEP_H


def hours_needed(rule: WetSpell, temp_c: float) -> float:
    """Hours of wet that infection takes at a temperature; infinite where there is none."""
    temps, hours = zip(*rule.points, strict=True)
    return float(np.interp(temp_c, temps, hours, left=np.inf, right=np.inf))


def _rain_event(rule: RainEvent, air: Air) -> Figures:
    """The rain of the last days that stayed warm enough, against what is asked; only on days with
    rain."""
    fallen = np.where(_lowest(air) >= rule.tmin_c, air.rain.sum(axis=1), 0.0)
    share = np.zeros(len(fallen))
    for place in range(len(fallen)):
        window = fallen[max(0, place - rule.days + 1) : place + 1]
        share[place] = 0.0 if fallen[place] < WET_RAIN_MM else window.sum() / rule.rain_mm
    return share, (air.rain >= WET_RAIN_MM).sum(axis=1) * STEP_H
