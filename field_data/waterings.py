"""What people said of a field's water: what it was given, how, and on which soil.

Read from the observations on it.  An irrigation said twice counts once, one of a part of the field
is spread over it, and what cannot be right is set aside with the reason.  Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from field_data.days import day_of
from field_data.events import Event, Kind
from field_data.observations import believed_at
from field_data.types import Field

IRRIGATION, SOIL, SETUP = "irrigation", "soil", "water_setup"
RAINFED = "rainfed"
# mm in one go: more than any basin is given; a slip of unit or comma.
MOST_MM = 400.0
# Areas walked and told never agree; beyond this the water went to other fields as well.
AREA_SLACK = 1.3
# Two reports of one day closer than this share are one irrigation told by two people.
SAME_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Watering:
    """``mm`` over the whole field on ``day`` (since 1970-01-01), as it left pump or canal."""

    event: str
    day: int
    mm: float
    method: str
    larger_than_field: bool = False


@dataclass(frozen=True, slots=True)
class Unused:
    """An irrigation that does not count, and why: ``twice``, ``too_much``, ``no_figure``,
    ``no_date``, ``in_future``, ``unchecked``."""

    event: str
    reason: str


@dataclass(frozen=True, slots=True)
class Setup:
    """How a field is watered: ``method`` as the forms call it, "" where nobody has said it; the
    pump's ``flow_m3_h``, and of the canal's turn ``turn_days`` between two and ``turn_m3``; NaN
    where not known."""

    method: str = ""
    flow_m3_h: float = math.nan
    turn_days: float = math.nan
    turn_m3: float = math.nan


@dataclass(frozen=True, slots=True)
class FieldWaterings:
    """All of a field: ``given`` by day, ``unused``, ``texture`` None where not known."""

    given: tuple[Watering, ...]
    unused: tuple[Unused, ...]
    setup: Setup
    texture: str | None

    def by_day(self) -> dict[int, float]:
        """mm over the field by day."""
        total: dict[int, float] = {}
        for each in self.given:
            total[each.day] = total.get(each.day, 0.0) + each.mm
        return total


def waterings_of(field: Field, events: Iterable[Event], until: date) -> FieldWaterings:
    """What the observations on a field that stand say up to a day.

    A sample counts before what was only told of the soil; of each the latest.  Without a word on
    the method it is that of the last irrigation."""
    observed = [event for event in events if event.kind is Kind.OBSERVATION]
    last = day_of(until)
    told = [_watering(field, event, last) for event in _of(observed, IRRIGATION)]
    unused = [each for each in told if isinstance(each, Unused)]
    given, twice = _once(sorted((e for e in told if isinstance(e, Watering)), key=_day_of))
    setups = [event for event in _of(observed, SETUP) if _said_by(event, last)]
    samples = [event for event in _of(observed, SOIL) if _said_by(event, last)]
    setup = _setup(setups[-1].body["values"]) if setups else Setup()
    if not setup.method and given:
        setup = Setup(method=given[-1].method)
    return FieldWaterings(tuple(given), (*unused, *twice), setup, _texture(samples, setups))


def _of(events: list[Event], form: str) -> list[Event]:
    found = [event for event in events if event.body.get("form") == form]
    return sorted(found, key=lambda event: believed_at(event).utc_s)


def _day_of(watering: Watering) -> int:
    return watering.day


def _said_by(event: Event, last: int) -> bool:
    """Whether a form can be read and was filled in by then."""
    if event.body.get("unchecked") or not isinstance(event.body.get("values"), Mapping):
        return False
    return day_of(_date(event)) <= last


def _date(event: Event) -> date:
    return datetime.fromtimestamp(believed_at(event).utc_s, UTC).date()


def _watering(field: Field, event: Event, last: int) -> Watering | Unused:
    values = event.body.get("values")
    if event.body.get("unchecked") or not isinstance(values, Mapping):
        return Unused(event.id, "unchecked")
    day = _day(values.get("day"))
    if day is None:
        return Unused(event.id, "no_date")
    if day > last:
        return Unused(event.id, "in_future")
    mm, area = _number(values, "total_mm"), _number(values, "area")
    if math.isnan(mm) or math.isnan(area):
        return Unused(event.id, "no_figure")
    if mm > MOST_MM:
        return Unused(event.id, "too_much")
    share = min(area / field.area_ha, 1.0) if field.area_ha else 1.0
    larger = bool(field.area_ha) and area > AREA_SLACK * field.area_ha
    return Watering(event.id, day, mm * share, str(values.get("method", "other")), larger)


def _once(waterings: list[Watering]) -> tuple[list[Watering], list[Unused]]:
    """Without what was said twice of one day."""
    kept: list[Watering] = []
    twice = []
    for each in waterings:
        if any(_same(each, other) for other in kept):
            twice.append(Unused(each.event, "twice"))
        else:
            kept.append(each)
    return kept, twice


def _same(one: Watering, other: Watering) -> bool:
    alike = abs(one.mm - other.mm) <= SAME_SHARE * max(one.mm, other.mm)
    return one.day == other.day and one.method == other.method and alike


def _setup(values: Mapping[str, Any]) -> Setup:
    hours, flow = _number(values, "turn_hours"), _number(values, "turn_flow")
    return Setup(
        str(values.get("method", "")),
        _number(values, "flow"),
        _number(values, "turn_days"),
        hours * flow * 3.6,
    )


def _texture(samples: list[Event], setups: list[Event]) -> str | None:
    """The uppermost of the last day's samples, else what was last told."""
    known = [each for each in samples if each.body["values"].get("texture")]
    if known:
        same = [each for each in known if _date(each) == _date(known[-1])]
        top = min(same, key=lambda each: _number(each.body["values"], "top"))
        return str(top.body["values"]["texture"])
    told = [each.body["values"].get("texture") for each in setups]
    return next((str(each) for each in reversed(told) if each), None)


def _number(values: Mapping[str, Any], key: str) -> float:
    value = values.get(key)
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if good else math.nan  # type: ignore[arg-type]


def _day(value: Any) -> int | None:
    try:
        return day_of(date.fromisoformat(value))
    except (TypeError, ValueError):
        return None
