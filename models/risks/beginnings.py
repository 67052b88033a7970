"""What people saw here sets the beginning: trap readings first, then sightings, then the date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from field_data.days import date_of, day_of
from models.risks.definition import Biofix, RiskModel
from models.risks.phenology import Beginning, Heat, warmth_since

# What a date that stands in for a catch may be off, days to both sides: a choice of ours.
DATE_SLACK = 14
SOWING_SLACK = 3


@dataclass(frozen=True, slots=True)
class TrapReading:
    """What a trap held on ``day``, hung or emptied ``days`` before; ``trap`` is its kind."""

    day: int
    days: int
    count: int
    trap: str
    pest: str = ""

    @property
    def per_day(self) -> float:
        """Insects a day."""
        return self.count / max(self.days, 1)


def readings_for(model: RiskModel, readings: Sequence[TrapReading]) -> list[TrapReading]:
    """Those of traps that catch this pest, by day; of traps for several, those that name it.

    A kind of trap that catches one pest alone needs no name.
    """
    if model.biofix is None:
        return []
    alone = {"tuta"}
    fit = [
        each
        for each in readings
        if each.trap in model.biofix.traps
        and (each.pest == model.pest or (not each.pest and each.trap in alone))
    ]
    return sorted(fit, key=lambda each: each.day)


def beginning_of(
    model: RiskModel,
    as_of: int,
    readings: Sequence[TrapReading] = (),
    sown: int | None = None,
    sightings: Sequence[int] = (),
    heat: Heat | None = None,
) -> Beginning:
    """When adding up begins, by what was known on ``as_of`` (days since 1970-01-01).

    ``sightings``: days on which people saw the pest on this field.  One that is earlier than the
    stage whose signs they saw could be moves the beginning back, never forward: nobody sees the
    first one.
    """
    biofix = model.biofix
    if biofix is None:
        raise ValueError(f"{model.id} adds up no warmth")
    start = day_of(date(date_of(as_of).year, biofix.month, biofix.day))
    if start > as_of and date_of(as_of).month < model.months[0] and biofix.month >= 9:
        start = day_of(date(date_of(as_of).year - 1, biofix.month, biofix.day))
    caught = _caught(biofix, readings_for(model, readings), as_of)
    if caught is not None:
        return caught
    told = Beginning(start, start - DATE_SLACK, start + DATE_SLACK, "date")
    if biofix.sowing:
        told = Beginning(start, start, start, "date")
        if sown is not None and start < sown <= as_of:
            told = Beginning(sown, sown - SOWING_SLACK, sown + SOWING_SLACK, "sowing")
    return _seen_earlier(model, told, as_of, sightings, heat) or told


def _caught(biofix: Biofix, readings: Sequence[TrapReading], as_of: int) -> Beginning | None:
    """The first of enough readings in a row with a catch, in the year of ``as_of``."""
    year = date_of(as_of).year
    known = [
        each
        for each in readings
        if each.day <= as_of
        and date_of(each.day).year == year
        and date_of(each.day).month <= biofix.latest_month
    ]
    for place, first in enumerate(known):
        run = known[place : place + biofix.readings]
        if len(run) == biofix.readings and all(each.count > 0 for each in run):
            since = max(first.days, 1)
            return Beginning(first.day - since // 2, first.day - since + 1, first.day, "trap")
    return None


def _seen_earlier(
    model: RiskModel, told: Beginning, as_of: int, sightings: Sequence[int], heat: Heat | None
) -> Beginning | None:
    signs = next((stage for stage in model.stages if stage.signs), None)
    year = date_of(as_of).year
    seen = sorted(day for day in sightings if day <= as_of and date_of(day).year == year)
    if signs is None or heat is None or not seen:
        return None
    if not warmth_since(model, heat, told.day, seen[0]) < signs.total and seen[0] >= told.day:
        return None
    start = seen[0]
    while start > heat.first and not warmth_since(model, heat, start, seen[0]) >= signs.total:
        start -= 1
    if start == heat.first or start >= told.day:
        return None
    return Beginning(start, start - 5, start + 5, "sighting")
