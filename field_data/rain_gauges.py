"""Rain that people read from a gauge at a field, out of the observations on it.  Pure but for the
events it reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from field_data.days import day_of
from field_data.events import Event, EventLog, Kind, standing
from field_data.observations import believed_at
from field_data.types import Field

FORM = "rain_gauge"
# More in a day has never been measured in Morocco by a factor of two.
MOST_MM_A_DAY = 500.0
MOST_DAYS = 31


@dataclass(frozen=True, slots=True)
class Reading:
    """``rain_mm`` fell on ``days`` days, of which ``day`` (since 1970-01-01) is the last."""

    day: int
    days: int
    rain_mm: float


@dataclass(frozen=True, slots=True)
class Readings:
    """Of one field, a later reading of the same day after an earlier; ``elevation_m`` of the field
    above sea as people told it last, NaN where nobody did."""

    kept: tuple[Reading, ...] = ()
    elevation_m: float = math.nan

    def rain(self, first: int, last: int, otherwise: Sequence[float]) -> list[float]:
        """mm a day from ``first`` to ``last`` (inclusive), NaN where nobody read a gauge.

        A reading of several days is shared out as the rain that is known ``otherwise`` on these
        days, or evenly where there is none.
        """
        found = [math.nan] * (last - first + 1)
        for each in self.kept:
            days = range(each.day - each.days + 1, each.day + 1)
            known = [otherwise[d - first] if first <= d <= last else 0.0 for d in days]
            weights = [0.0 if math.isnan(mm) else mm for mm in known]
            if sum(weights) <= 0:
                weights = [1.0] * each.days
            for day, weight in zip(days, weights, strict=True):
                if first <= day <= last:
                    found[day - first] = each.rain_mm * weight / sum(weights)
        return found


def readings_of(events: EventLog, field: Field, before: int) -> Readings:
    """The readings at a field or at its farm of rain that fell before a day."""
    told = [*events.about(field.farm), *events.about(field.id)]
    return read(told, before)


def read(events: Iterable[Event], before: int) -> Readings:
    """The readings among observations, in the order of arrival."""
    kept: dict[int, Reading] = {}
    elevation = math.nan
    for event in standing([each for each in events if _is_reading(each)]):
        values = event.body["values"]
        elevation = _number(values, "elevation", elevation)
        found = _reading(event, values)
        if found is not None and found.day < before:
            kept[found.day] = found
    return Readings(tuple(kept[day] for day in sorted(kept)), elevation)


def _is_reading(event: Event) -> bool:
    return (
        event.kind is Kind.OBSERVATION
        and event.body.get("form") == FORM
        and not event.body.get("unchecked")
        and isinstance(event.body.get("values"), Mapping)
    )


def _reading(event: Event, values: Mapping[str, Any]) -> Reading | None:
    """None for what cannot be right: a day after the reading was written down, more than falls."""
    rain, days = _number(values, "rain"), _number(values, "days", 1.0)
    try:
        day = day_of(date.fromisoformat(values["day"]))
    except (KeyError, TypeError, ValueError):
        return None
    at = believed_at(event)
    if not 1 <= days <= MOST_DAYS or not 0 <= rain <= MOST_MM_A_DAY * days:
        return None
    return Reading(day, int(days), rain) if day <= at.utc_s // 86_400 + 1 else None


def _number(values: Mapping[str, Any], key: str, otherwise: float = math.nan) -> float:
    value = values.get(key)
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else otherwise  # type: ignore[arg-type]
