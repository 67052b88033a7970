"""The outlook of a field's water as an item of advice; codes and facts: `edge_app.field_water`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edge_app.water_outlook import WaterOutlook
from field_data.season_advice import AdviceItem, Confidence, Source, Topic, Urgency
from field_data.types import Field

if TYPE_CHECKING:
    from models.water.advice import WaterAdvice

URL = "https://www.fao.org/4/x0490e/x0490e00.htm"
# Told of instead of a number of days where the need lies beyond the forecast.
BEYOND = 99
_DEFAULTS = ("texture", "sown", "method")
CODES = {
    "give": "water_give",
    "wait": "water_wait",
    "none": "water_none_needed",
    "stress": "water_rainfed_stress",
    "ripe": "water_none_needed",
}


def items_of(field: Field, outlook: WaterOutlook) -> tuple[AdviceItem, ...]:
    """The one item that an outlook is worth."""
    if outlook.advice is None:
        facts = {"why": str(outlook.why), **_common(outlook)}
        item = AdviceItem(
            field.id, Topic.WATER, "water_unknown", Urgency.NONE, Confidence.LOW,
            _source(outlook), facts=facts, evidence={"weather_state": outlook.weather_state},
        )  # fmt: skip
        return (item,)
    return (_known(field, outlook, outlook.advice),)


def _known(field: Field, outlook: WaterOutlook, advice: WaterAdvice) -> AdviceItem:
    gives = outlook.amount is not None
    last = advice.by_day if gives else None
    return AdviceItem(
        field.id,
        Topic.WATER,
        CODES[str(advice.verdict)],
        _urgency(outlook, advice),
        _confidence(outlook),
        _source(outlook),
        first_day=outlook.as_of if gives else None,
        last_day=last,
        amount=advice.mm,
        low=advice.low_mm,
        high=advice.high_mm,
        unit="mm" if gives else "",
        form="irrigation" if not outlook.rainfed else "",
        facts=_facts(outlook, advice),
        evidence=_evidence(outlook, advice),
    )


def _urgency(outlook: WaterOutlook, advice: WaterAdvice) -> Urgency:
    if str(advice.verdict) in ("none", "ripe"):
        return Urgency.NONE
    if str(advice.verdict) != "give" or advice.by_day is None:
        return Urgency.WEEK
    left = advice.by_day - outlook.as_of
    return Urgency.NOW if left <= 1 else Urgency.SOON if left <= 3 else Urgency.WEEK


def _confidence(outlook: WaterOutlook) -> Confidence:
    """Never high: no table is reviewed.  Low where weather or something asked is not known."""
    asked = {each.what for each in outlook.asked}
    sure = outlook.weather_state in ("fresh", "old") and not asked.intersection(
        (*_DEFAULTS, "two_sowings", "irrigation_too_much", "irrigation_no_figure")
    )
    return Confidence.MEDIUM if sure else Confidence.LOW


def _source(outlook: WaterOutlook) -> Source:
    text = outlook.sources[0] if outlook.sources else "FAO Irrigation and Drainage Paper 56, 1998"
    return Source(text, URL)


def _common(outlook: WaterOutlook) -> dict[str, str | float | int]:
    facts: dict[str, str | float | int] = {"crop": outlook.crop}
    facts["ask"] = ",".join(each.what for each in outlook.asked)
    for each in outlook.asked:
        if each.what in _DEFAULTS:
            facts[f"default_{each.what}"] = each.default
    return facts


def _facts(outlook: WaterOutlook, advice: WaterAdvice) -> Mapping[str, str | float | int]:
    facts = _common(outlook)
    left = BEYOND if advice.by_day is None else advice.by_day - outlook.as_of
    facts |= {"days_left": left, "rainfed": int(outlook.rainfed)}
    facts |= {"ripening": int(str(advice.verdict) == "ripe")}
    facts |= {"rain_mm": round(advice.rain_mm, 1)}
    facts |= {"stress_percent": round(100 * (1 - advice.stress))}
    amount = outlook.amount
    if amount is not None:
        told = {
            "net_mm": advice.net_mm, "later_mm": advice.later_mm, "m3": amount.m3,
            "low_m3": amount.low_m3, "high_m3": amount.high_m3, "pump_hours": amount.pump_hours,
            "turns": amount.turns, "turn_days": amount.turn_days,
        }  # fmt: skip
        facts |= {key: round(value, 1) for key, value in told.items() if not math.isnan(value)}
    return facts


def _evidence(outlook: WaterOutlook, advice: WaterAdvice) -> Mapping[str, float | str]:
    past = [day for day in outlook.days if not day.ahead] or list(outlook.days[:1])
    last, week, month = past[-1], past[-7:], past[-30:]
    figures = {
        "depletion_mm": last.depletion,
        "depletion_low_mm": last.depletion_low,
        "depletion_high_mm": last.depletion_high,
        "raw_mm": last.raw,
        "taw_mm": last.taw,
        "kcb": last.kcb,
        "et0_mm": sum(day.et0 for day in week) / len(week),
        "rain_7d_mm": advice.rain_mm,
        "irrigation_30d_mm": sum(day.irrigation for day in month),
        "ndvi_share": outlook.ndvi_share,
    }
    words = {
        "et0_by": outlook.et0_by,
        "weather_state": outlook.weather_state,
        "texture": outlook.texture,
        "method": outlook.method,
    }
    return {key: round(value, 2) for key, value in figures.items()} | words
