"""A season that was played through, told as an outlook: days, amounts, what it rests on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edge_app.water_outlook import Amount, WaterDay, WaterOutlook
from field_data.types import Field
from field_data.waterings import Setup

if TYPE_CHECKING:
    from models.water.advice import WaterAdvice
    from models.water.season import SeasonWater

# 1 mm on 1 ha.
M3_PER_MM_HA = 10.0
# The last days before today, of which the outlook tells the means.
LATELY_DAYS = 7


def outlook_of(
    field: Field, season: SeasonWater, advice: WaterAdvice, setup: Setup
) -> WaterOutlook:
    """The outlook of a field whose season and advice are worked out."""
    from models.water.soils import unknown

    case = season.case
    lately = slice(max(season.today - LATELY_DAYS, 0), max(season.today, 1))
    return WaterOutlook(
        field.id,
        int(season.days[season.today]),
        crop=case.crop.code,
        texture=case.texture or unknown()[0],
        method=case.method.id if case.method else "rainfed",
        rainfed=case.method is None,
        days=days_of(season),
        advice=advice,
        amount=_amount(field, advice, setup),
        et0_by=_et0_by(season),
        ndvi_share=float(season.ndvi_share[lately].mean()),
        sources=_sources(season),
    )


def days_of(season: SeasonWater) -> tuple[WaterDay, ...]:
    """The days of the middle member, with the range that all members span."""
    from models.water.advice import RANGE
    from models.water.season import weighted

    found = season.balance
    ends = np.array([weighted(each, season.weights, RANGE) for each in found.depletion.T])
    columns = (
        season.reference_mm, found.etc[0], found.eta[0], season.rain[0], season.given,
        found.depletion[0], ends[:, 0], ends[:, 1], found.raw[0], found.taw[0], found.ks[0],
        season.kcb,
    )  # fmt: skip
    return tuple(
        WaterDay(int(day), place >= season.today, *(float(each[place]) for each in columns))
        for place, day in enumerate(season.days)
    )


def _amount(field: Field, advice: WaterAdvice, setup: Setup) -> Amount | None:
    """What the advice is on this field, with this pump and this canal."""
    if math.isnan(advice.mm):
        return None
    per_mm = M3_PER_MM_HA * field.area_ha
    m3 = advice.mm * per_mm
    return Amount(
        m3,
        advice.low_mm * per_mm,
        advice.high_mm * per_mm,
        m3 / setup.flow_m3_h,
        m3 / setup.turn_m3,
        setup.turn_days,
    )


def _et0_by(season: SeasonWater) -> str:
    past = max(season.today, 1)
    share = season.hargreaves_days / past
    return "penman_monteith" if share == 0 else "hargreaves" if share > 0.9 else "mixed"


def _sources(season: SeasonWater) -> tuple[str, ...]:
    from models.water.tables import table

    texts = [table("crops.toml")["source"]["text"], table("soils.toml")["source"]["text"]]
    if season.ndvi_share.any():
        texts.append(season.case.crop.ndvi.text)
    return tuple(texts)
