"""Was the advice any good?  What was advised beside what people found and did.  Pure.

A scouting advice is right when somebody looked and the pest was there; one that nobody followed
says nothing.  Water is judged by what was given in the days that the advice was about.  The same
advice said on several days is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from math import isfinite
from statistics import mean, median
from typing import Any

from field_data.advice_log import KeptAdvice
from field_data.days import day_of
from field_data.events import Event, Kind
from field_data.observations import believed_at
from field_data.season_advice import Topic
from field_data.types import Field, Trust

FORM = "advice_outcome"
# The question is asked after a week, and no longer when a month has passed.
ASK_AFTER, ASK_UNTIL = 7, 28
# What was found or given so many days after the last day that was named still belongs to it.
_LATE_LOOK, _LATE_WATER = 7, 2
# The same advice within so many days is one.
_ONE_DAYS = 10
# A pest that was found without a word of advice in so many days before was missed.
_MISSED_DAYS = 21
GIVES = "water_give"
# What needs no hand is not asked about.
_SILENT = frozenset({"water_wait", "water_none_needed", "water_unknown", "spray_unknown"})


class Found(StrEnum):
    """What became of a scouting advice."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    NOT_LOOKED = "not_looked"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered about an advice; ``advice`` is empty when the answer names none."""

    advice: str
    topic: str
    day: int
    done: str
    found: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """A scouting visit: whether ``pest`` (EPPO code) was there that day."""

    day: int
    pest: str
    there: bool


@dataclass(frozen=True, slots=True)
class Given:
    """Water given on a day, in mm over the whole field."""

    day: int
    mm: float


@dataclass(frozen=True, slots=True)
class Known:
    """What people recorded of one field."""

    answers: tuple[Answer, ...] = ()
    sights: tuple[Sight, ...] = ()
    given: tuple[Given, ...] = ()


@dataclass(frozen=True, slots=True)
class Episode:
    """One advice, said on one day or on several: ``first`` to ``last`` day that it is about."""

    said: tuple[KeptAdvice, ...]

    @property
    def first(self) -> int:
        """When it was first said."""
        return self.said[0].day

    @property
    def last(self) -> int:
        """The last day that it names, else the last on which it was said."""
        return max(each.item.last_day or each.day for each in self.said)


@dataclass(frozen=True, slots=True)
class Scouted:
    """Scouting advice and what came of it; ``missed`` pests were found without advice."""

    advised: int
    found: int
    not_found: int
    missed: int

    @property
    def looked(self) -> int:
        """How many were followed by somebody who looked."""
        return self.found + self.not_found

    @property
    def hit_rate(self) -> float | None:
        """Share of those looked at where the pest was there, 0 to 1."""
        return self.found / self.looked if self.looked else None


@dataclass(frozen=True, slots=True)
class Watered:
    """Advice to water, and the water given: millimetres over the field."""

    advised: int
    followed: int
    advised_mm: float | None = None
    given_mm: float | None = None
    median_ratio: float | None = None


def known_of(field: Field, events: Iterable[Event]) -> Known:
    """What the standing observations of a field say about advice."""
    answers, sights, given = [], [], []
    for event in events:
        values = event.body.get("values")
        day = _day_of(event)
        if event.kind is not Kind.OBSERVATION or not isinstance(values, Mapping) or day is None:
            continue
        form = event.body.get("form")
        if form == FORM:
            answers.append(_answer(values, day))
        elif form == "scouting":
            sights.append(_sight(values, day))
        elif form == "irrigation":
            given += [each for each in [_given(field, values, day)] if each]
    return Known(tuple(answers), tuple(sights), tuple(given))


def asked(kept: Sequence[KeptAdvice], answers: Sequence[Answer], today: int) -> KeptAdvice | None:
    """The one advice to ask about now: the latest that is a week old and has no answer."""
    answered = {each.advice for each in answers}
    due = [
        episode.said[-1]
        for episode in episodes(kept)
        if not answered & {each.id for each in episode.said}
        and ASK_AFTER <= today - episode.first <= ASK_UNTIL
        and episode.said[0].item.topic is not Topic.WEATHER
        and episode.said[0].item.code not in _SILENT
    ]
    return max(due, key=lambda each: (each.item.urgency, each.day), default=None)


def episodes(kept: Iterable[KeptAdvice]) -> list[Episode]:
    """Advice of one field, the same on several days as one."""
    runs: dict[tuple[str, str], list[list[KeptAdvice]]] = {}
    for each in sorted(kept, key=lambda each: each.day):
        about = runs.setdefault((_family(each), each.item.pest), [])
        if about and each.day - about[-1][-1].day <= _ONE_DAYS:
            about[-1].append(each)
        else:
            about.append([each])
    return [Episode(tuple(run)) for of_one in runs.values() for run in of_one]


def scouted(fields: Iterable[tuple[Sequence[KeptAdvice], Known]]) -> Scouted:
    """How often a pest was there where we said to look, over these fields."""
    counts = dict.fromkeys(Found, 0)
    each_field = [
        ([e for e in episodes(kept) if e.said[0].item.topic is Topic.SCOUT], known)
        for kept, known in fields
    ]
    # Of pests that no rule speaks of, none can be missed.
    spoken_of = {e.said[0].item.pest for about, _ in each_field for e in about}
    missed = 0
    for about, known in each_field:
        for episode in about:
            counts[became(episode, known)] += 1
        there = [s for s in known.sights if s.there and s.pest in spoken_of]
        missed += sum(_missed(sight, about) for sight in there)
    return Scouted(sum(counts.values()), counts[Found.FOUND], counts[Found.NOT_FOUND], missed)


def became(episode: Episode, known: Known) -> Found:
    """What came of one scouting advice; a visit says more than a tap."""
    pest, until = episode.said[0].item.pest, episode.last + _LATE_LOOK
    visits = [each for each in known.sights if episode.first <= each.day <= until]
    if any(each.there and each.pest == pest for each in visits):
        return Found.FOUND
    ids = {each.id for each in episode.said}
    taps = {each.found for each in known.answers if each.advice in ids}
    if "yes" in taps:
        return Found.FOUND
    return Found.NOT_FOUND if visits or "no" in taps else Found.NOT_LOOKED


def watered(fields: Iterable[tuple[Sequence[KeptAdvice], Known]]) -> Watered:
    """How much water was given where we said to water, over these fields."""
    pairs, advised = [], 0
    for kept, known in fields:
        for episode in episodes(each for each in kept if each.item.code == GIVES):
            advised += 1
            until = episode.last + _LATE_WATER
            given = [each for each in known.given if episode.first <= each.day <= until]
            if given:
                pairs.append((_said_before(episode, given[0].day), sum(g.mm for g in given)))
    if not pairs:
        return Watered(advised, 0)
    ratios = [given / said for said, given in pairs if said > 0]
    return Watered(
        advised,
        len(pairs),
        round(mean(said for said, _ in pairs), 1),
        round(mean(given for _, given in pairs), 1),
        round(median(ratios), 2) if ratios else None,
    )


def _said_before(episode: Episode, day: int) -> float:
    """The millimetres that stood when the water was given."""
    before = [each for each in episode.said if each.day <= day and isfinite(each.item.amount)]
    return before[-1].item.amount if before else 0.0


def _missed(sight: Sight, about: Sequence[Episode]) -> bool:
    """Whether a pest was found without advice to look for it in the weeks before."""
    said = (e for e in about if e.said[0].item.pest == sight.pest)
    return not any(e.first <= sight.day <= e.last + _MISSED_DAYS for e in said)


def _family(kept: KeptAdvice) -> str:
    """Scouting for one pest is one thing, whichever rule says so."""
    return str(kept.item.topic) if kept.item.topic is Topic.SCOUT else kept.item.code


def _answer(values: Mapping[str, Any], day: int) -> Answer:
    said = [str(values.get(key) or "") for key in ("advice", "topic", "done", "found")]
    return Answer(said[0], said[1], day, said[2], said[3])


def _sight(values: Mapping[str, Any], day: int) -> Sight:
    condition = str(values.get("condition") or "")
    return Sight(day, condition, condition != "healthy" and values.get("incidence") != 0)


def _given(field: Field, values: Mapping[str, Any], day: int) -> Given | None:
    m3 = values.get("total_m3")
    if isinstance(m3, bool) or not isinstance(m3, int | float) or field.area_ha <= 0:
        return None
    said = values.get("day")
    try:
        day = day_of(date.fromisoformat(said)) if isinstance(said, str) else day
    except ValueError:
        return None
    return Given(day, float(m3) / (10 * field.area_ha)) if isfinite(m3) else None


def _day_of(event: Event) -> int | None:
    at = believed_at(event)
    at = event.received if at.trust is Trust.UNKNOWN else at
    return None if at.utc_s <= 0 else day_of(datetime.fromtimestamp(at.utc_s, UTC).date())
