"""When the weather lets one spray: step by step of three hours, else roughly by day. Pure.

This is about wind, rain and air; whether to spray at all is for the advice card and the label.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from field_data.weather import STEP_S, DayWeather, StepWeather, Weather
from models.risks.sun import sun_hours
from models.risks.wetness import DAY_S, LOCAL_S, Basis
from models.risks.work_rules import SprayRules

# From 10 m, where wind is forecast, down to 2 m (equation 47 of FAO-56).
TO_2M = 0.748


class Why(StrEnum):
    """Why not; the first that holds is told."""

    RAIN = "rain"
    WIND = "wind"
    HEAT = "heat"  # hot or dry: drops are gone before they land
    INVERSION = "inversion"  # calm, or air in layers: what is sprayed hangs and drifts
    DAMP = "damp"  # dew or fog: it runs off
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SprayStep:
    """Three hours: ``why`` is None where spraying is possible; ``bees``: they fly then."""

    start_utc_s: int
    why: Why | None
    bees: bool
    wind_2m_ms: float
    delta_t_c: float
    temp_c: float


@dataclass(frozen=True, slots=True)
class SprayDay:
    """One local day: the best hours, from ``start_utc_s`` on, or why there are none."""

    day: int
    basis: Basis
    why: Why | None
    start_utc_s: int = 0
    hours: int = 0
    bees: bool = False
    wind_2m_ms: float = math.nan
    delta_t_c: float = math.nan


def wet_bulb_c(temp_c: float, rh_percent: float) -> float:
    """Stull's formula (2011, Journal of Applied Meteorology and Climatology 50:2267-2269, eq. 1),
    for 5 to 99 % and -20 to 50 °C at sea level; within about 1 °C."""
    rh = min(max(rh_percent, 5.0), 99.0)
    return (
        temp_c * math.atan(0.151977 * math.sqrt(rh + 8.313659))
        + math.atan(temp_c + rh)
        - math.atan(rh - 1.676331)
        + 0.00391838 * math.pow(rh, 1.5) * math.atan(0.023101 * rh)
        - 4.686035
    )


def spray_steps(
    steps: Sequence[StepWeather], lat: float, lon: float, rules: SprayRules
) -> list[SprayStep]:
    """A verdict on each step with the sun up; steps of the night are left out."""
    found = []
    for place, step in enumerate(steps):
        middle = step.start_utc_s + STEP_S / 2
        rise, sets = sun_hours(lat, lon, (step.start_utc_s + LOCAL_S) // DAY_S)
        if rise <= middle <= sets:
            after = rain_after(steps, place, rules.rain_after_hours)
            found.append(
                _judged(step, (middle - rise) / 3600, (sets - middle) / 3600, after, rules)
            )
    return found


def rain_after(steps: Sequence[StepWeather], place: int, hours: float) -> float:
    """Rain in mm within some hours after a step; NaN where that is not known."""
    end = steps[place].start_utc_s + STEP_S
    later = [each for each in steps[place + 1 :] if end <= each.start_utc_s < end + hours * 3600]
    whole = len(later) >= hours * 3600 / STEP_S
    return sum(each.rain_mm for each in later) if whole else math.nan


def _judged(
    step: StepWeather, since_rise_h: float, to_set_h: float, after: float, rules: SprayRules
) -> SprayStep:
    wind = step.wind_10m_ms * TO_2M
    delta = step.temp_c - wet_bulb_c(step.temp_c, step.rh_percent)
    layers = since_rise_h < rules.layers_after_sunrise_h or to_set_h < rules.layers_before_sunset_h
    rests = min(since_rise_h, to_set_h) < rules.bees_rest_h
    known = all(map(math.isfinite, (wind, delta, step.rain_mm)))
    rain = step.rain_mm >= rules.rain_step_mm or after >= rules.rain_after_mm
    checks = (
        (Why.UNKNOWN, not known),
        (Why.RAIN, rain),
        (Why.WIND, wind > rules.wind_most_ms),
        (Why.HEAT, step.temp_c > rules.temp_most_c or delta > rules.delta_t_most_c),
        (Why.INVERSION, layers or wind < rules.wind_least_ms),
        (Why.DAMP, delta < rules.delta_t_least_c),
    )
    why = next((each for each, holds in checks if holds), None)
    bees = step.temp_c >= rules.bees_temp_c and not rests
    return SprayStep(step.start_utc_s, why, bees, wind, delta, step.temp_c)


def spray_days(weather: Weather, first: int, last: int, rules: SprayRules) -> list[SprayDay]:
    """A verdict on each day from ``first`` to ``last`` that is known."""
    judged = spray_steps(weather.steps, weather.place.lat, weather.place.lon, rules)
    by_day: dict[int, list[SprayStep]] = {}
    for step in judged:
        by_day.setdefault((step.start_utc_s + LOCAL_S) // DAY_S, []).append(step)
    found = []
    for day in range(first, last + 1):
        known = [each for each in by_day.get(day, []) if each.why is not Why.UNKNOWN]
        if known:
            found.append(_best(day, known))
        elif (told := weather.on(day)) is not None:
            found.append(_rough(told, rules))
    return found


def _best(day: int, steps: Sequence[SprayStep]) -> SprayDay:
    """The longest run of good steps, one without bees before all others."""
    runs: list[list[SprayStep]] = []
    for step in steps:
        joins = runs and step.start_utc_s - runs[-1][-1].start_utc_s == STEP_S
        if step.why is None and joins and runs[-1][0].bees == step.bees:
            runs[-1].append(step)
        elif step.why is None:
            runs.append([step])
    if not runs:
        reasons = Counter(step.why for step in steps)
        return SprayDay(day, Basis.STEPS, reasons.most_common(1)[0][0])
    best = max(runs, key=lambda run: (not run[0].bees, len(run), -run[0].start_utc_s))
    count = len(best)
    return SprayDay(
        day,
        Basis.STEPS,
        None,
        best[0].start_utc_s,
        count * STEP_S // 3600,
        best[0].bees,
        sum(step.wind_2m_ms for step in best) / count,
        sum(step.delta_t_c for step in best) / count,
    )


def _rough(day: DayWeather, rules: SprayRules) -> SprayDay:
    """By the day alone: rain and gusts forbid; whether there are good hours is not known."""
    if day.rain_mm >= rules.day_rain_mm:
        return SprayDay(day.day, Basis.DAILY, Why.RAIN)
    if day.wind_2m_ms > rules.wind_most_ms or day.gust_ms > rules.day_gust_ms:
        return SprayDay(day.day, Basis.DAILY, Why.WIND, wind_2m_ms=day.wind_2m_ms)
    return SprayDay(day.day, Basis.DAILY, Why.UNKNOWN)
