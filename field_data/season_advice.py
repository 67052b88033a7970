"""Advice for the season: what to do on one field, when, how much, and why we think so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from enum import IntEnum, StrEnum


class Topic(StrEnum):
    """What an item is about."""

    WATER = "water"
    SCOUT = "scout"
    SPRAY = "spray"
    SOW = "sow"
    HARVEST = "harvest"
    FROST = "frost"
    HEAT = "heat"
    CHERGUI = "chergui"
    WEATHER = "weather"  # about the data itself: too old, missing


class Confidence(StrEnum):
    """How sure an item may sound; never surer than its source."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Urgency(IntEnum):
    """How soon somebody must act; lists are sorted by it."""

    NONE = 0
    WEEK = 1
    SOON = 2  # within three days
    NOW = 3  # today or tomorrow


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rule comes from; ``reviewed`` only when a named agronomist has signed it."""

    text: str
    url: str = ""
    reviewed: bool = False


@dataclass(frozen=True, slots=True)
class AdviceItem:
    """One thing to do, or not to do, on one field.

    ``code`` is stable and names the sentence (``water_give``, ``spray_not_wind`` …); what the
    sentence fills in comes from ``facts`` and the amounts.  ``first_day`` and ``last_day`` count
    from 1970-01-01.  ``amount`` (with its range ``low`` to ``high``) is in ``unit``; NaN where
    nothing is measured out.  ``pest`` is an EPPO code, ``card`` the id of the advice card, ``form``
    that of the form in which to write down what was seen.  ``evidence`` holds the figures it rests
    on, by stable name with the unit in it (``depletion_mm``, ``rain_7d_mm``).
    """

    field: str
    topic: Topic
    code: str
    urgency: Urgency
    confidence: Confidence
    source: Source
    first_day: int | None = None
    last_day: int | None = None
    amount: float = math.nan
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    pest: str = ""
    card: str = ""
    form: str = ""
    facts: Mapping[str, str | float | int] = dataclass_field(default_factory=dict)
    evidence: Mapping[str, float | str] = dataclass_field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.first_day is None) != (self.last_day is None):
            raise ValueError("both ends of a span of days, or none")
        if not math.isnan(self.amount) and not (self.unit and self.low <= self.amount <= self.high):
            raise ValueError("an amount has a unit and lies in its range")
