"""Advice made up for tests: items of every code, and advisers that say what they are given."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from edge_app.ground import Ground
from edge_app.week.desk import WeekDesk
from field_data.days import day_of
from field_data.errors import KeeperError
from field_data.events import Draft, Kind
from field_data.forms.checking import check
from field_data.forms.library import shipped_forms
from field_data.ids import new_id
from field_data.season_advice import AdviceItem, Confidence, Source, Topic, Urgency
from field_data.types import Field, Instant, Trust
from tests.people import Staff

# A Tuesday.
TODAY = date(2026, 3, 3)
DAY = day_of(TODAY)
RULE = Source("A rule of these tests, 2026", "https://example.org/rule")


def instant(day: int) -> Instant:
    """Noon of a day, by a clock that can be believed."""
    return Instant(day * 86_400.0 + 43_200, Trust.NTP)


def item(code: str = "water_give", **more: Any) -> AdviceItem:
    """An item with what its code usually has."""
    topics = {"scout": Topic.SCOUT, "weather": Topic.WEATHER}
    first = code.split("_", maxsplit=1)[0]
    said: dict[str, Any] = {
        "field": "f",
        "topic": topics.get(first) or Topic(first),
        "code": code,
        "urgency": Urgency.WEEK,
        "confidence": Confidence.MEDIUM,
        "source": RULE,
    }
    return AdviceItem(**(said | more))


def watering(day: int = DAY, mm: float = 25.0, **more: Any) -> AdviceItem:
    """Water so much within two days."""
    said: dict[str, Any] = {
        "urgency": Urgency.SOON,
        "first_day": day,
        "last_day": day + 2,
        "amount": mm,
        "low": mm - 5,
        "high": mm + 5,
        "unit": "mm",
        "facts": {"volume_m3": 10 * mm * 9.0, "pump_hours": 3.0, "turns": 2},
        "evidence": {"depletion_mm": mm, "et0_7d_mm": 31.4, "unheard_of_w_m2": math.nan},
    }
    return item("water_give", **(said | more))


def scouting(day: int = DAY, pest: str = "GNORAB", **more: Any) -> AdviceItem:
    """Look for a pest in four days."""
    said: dict[str, Any] = {
        "first_day": day + 4,
        "last_day": day + 4,
        "pest": pest,
        "card": "LYPES.GNORAB",
        "form": "scouting",
        "evidence": {"degree_days": 412.0},
    }
    return item("scout_stage", **(said | more))


def no_spraying(day: int = DAY, **more: Any) -> AdviceItem:
    """Do not spray tomorrow."""
    said: dict[str, Any] = {
        "urgency": Urgency.NOW,
        "first_day": day + 1,
        "last_day": day + 1,
        "confidence": Confidence.HIGH,
        "evidence": {"wind_10m_ms": 8.5},
    }
    return item("spray_not_wind", **(said | more))


@dataclass
class Told:
    """An adviser that says of every field what it is given for it."""

    of: dict[str, list[AdviceItem]] = field(default_factory=dict)
    broken: bool = False
    calls: int = 0

    def items(self, field: Field, as_of: date) -> tuple[AdviceItem, ...]:
        """As the real ones."""
        self.calls += 1
        if self.broken:
            raise KeeperError("archive_damaged", "no database")
        return tuple(self.of.get(field.id, ()))


def advising(staff: Staff, adviser: Told, day: date | None = TODAY) -> WeekDesk:
    """Give a node an adviser in place of its own, and a day."""
    ground = staff.ground
    desk = WeekDesk(
        ground.store,
        ground.registry,
        ground.events,
        {"told": adviser},
        today=lambda _field: day,
        revision=lambda: (ground.registry.revision(), adviser.broken, repr(adviser.of)),
        now=lambda: instant(day_of(day) if day else 0),
    )
    ground.week = desk
    return desk


def observed(ground: Ground, field: Field, form: str, on: int, **answers: Any) -> None:
    """Keep an observation on a field as it is kept when a tablet brings it."""
    known = shipped_forms().named(form)
    values = check(known, answers, None, None).values
    body = {"form": form, "version": known.version, "values": values, "place": None}
    draft = Draft(new_id(), Kind.OBSERVATION, field.id, "agent", instant(on), body)
    ground.events.append(draft)
