"""What people saw of pests: trap readings and scouting of a field, reviewed diagnoses of the node.

Only what stands and was there on a day is read; a record without a day one can believe says
nothing of when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge_app.review_figures import ENDED
from field_data.days import day_of
from field_data.events import Event, Kind
from field_data.observations import believed_at
from field_data.reviews import Case, outcome
from field_data.types import HEALTHY, Instant, Trust
from models.risks.beginnings import TrapReading


@dataclass(frozen=True, slots=True)
class Sighting:
    """A pest or disease that people saw: EPPO codes, days since 1970-01-01."""

    crop: str
    pest: str
    day: int


@dataclass(frozen=True, slots=True)
class Signs:
    """Of one field, by day: what its traps held, and what was seen on its plants."""

    traps: tuple[TrapReading, ...] = ()
    seen: tuple[Sighting, ...] = ()


def signs_of(events: Iterable[Event], until: int) -> Signs:
    """What the observations say that stand, up to a day."""
    traps: list[TrapReading] = []
    seen: list[Sighting] = []
    for event in events:
        values, day = event.body.get("values"), _day(believed_at(event))
        sound = event.kind is Kind.OBSERVATION and isinstance(values, Mapping)
        if not sound or day is None or day > until or event.body.get("unchecked"):
            continue
        if event.body.get("form") == "trap_reading":
            traps += _reading(values or {}, day)
        elif event.body.get("form") == "scouting":
            seen += _sighting(values or {}, day)
    return Signs(
        tuple(sorted(traps, key=lambda each: each.day)),
        tuple(sorted(seen, key=lambda each: each.day)),
    )


def reviewed_sightings(cases: Iterable[Case]) -> tuple[Sighting, ...]:
    """What people made of photos, of all fields together: no diagnosis says in which it was."""
    found = []
    for case in cases:
        end, day = outcome(case.reviews), _day(case.diagnosis.at)
        if end.state in ENDED and end.label and day is not None:
            crop, condition = end.label
            if condition and condition != HEALTHY:
                found.append(Sighting(crop, condition, day))
    return tuple(sorted(found, key=lambda each: each.day))


def days_seen(seen: Sequence[Sighting], pest: str, first: int, last: int) -> list[int]:
    """The days on which that pest was seen, on whatever crop it was."""
    return [each.day for each in seen if each.pest == pest and first <= each.day <= last]


def _reading(values: Mapping[str, Any], day: int) -> list[TrapReading]:
    count, days, trap = values.get("count"), values.get("days"), values.get("trap")
    if type(count) is not int or type(days) is not int or not isinstance(trap, str):
        return []
    return [TrapReading(day, days, count, trap, str(values.get("pest") or ""))]


def _sighting(values: Mapping[str, Any], day: int) -> list[Sighting]:
    crop, pest = values.get("crop"), values.get("condition")
    if not isinstance(crop, str) or not isinstance(pest, str) or pest == HEALTHY:
        return []
    return [] if values.get("incidence") == 0 else [Sighting(crop, pest, day)]


def _day(at: Instant) -> int | None:
    """The day; None by a clock that nobody vouches for."""
    if at.trust is Trust.UNKNOWN:
        return None
    return day_of(datetime.fromtimestamp(at.utc_s, UTC).date())
