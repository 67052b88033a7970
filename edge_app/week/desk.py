"""The week of every field: what the advisers say, three of it chosen, all of it kept.

An adviser that cannot read its archive is left out and named; the others speak on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from edge_app.week.choosing import Week, by_urgency, choose
from edge_app.week.outcomes import Known, Scouted, Watered, asked, known_of, scouted, watered
from field_data import clock
from field_data.advice_log import AdviceLog, KeptAdvice
from field_data.days import day_of
from field_data.document_store import DocumentStore
from field_data.errors import GhallaError
from field_data.events import EventLog, Kind
from field_data.registry import Registry
from field_data.season_advice import AdviceItem
from field_data.types import Field, Instant

EMPTY = Week()


class Adviser(Protocol):
    """What has something to say about a field on a day, knowing what was known that day."""

    def items(self, field: Field, as_of: date) -> tuple[AdviceItem, ...]:
        """Advice for the days that begin with ``as_of``."""


@dataclass(frozen=True, slots=True)
class FieldWeek:
    """The week of one field; ``as_of`` is None on a box that does not know what day it is.

    ``silent`` names the advisers that failed.
    """

    field: Field
    as_of: date | None = None
    week: Week = EMPTY
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """How good the advice of a node was."""

    scouted: Scouted
    watered: Watered


class WeekDesk:
    """The weeks of one node; threads may share it.

    ``advisers`` by name; ``today`` tells the day for a field, None where nobody knows; ``revision``
    is another value whenever what the advisers know has changed.
    """

    def __init__(
        self,
        store: DocumentStore,
        registry: Registry,
        events: EventLog,
        advisers: Mapping[str, Adviser],
        today: Callable[[Field], date | None],
        revision: Callable[[], object],
        now: Callable[[], Instant] = clock.now,
    ) -> None:
        self.log = AdviceLog(store)
        self._registry, self._events = registry, events
        self._advisers, self._today, self._revision, self._now = advisers, today, revision, now
        self._made: tuple[object, dict[tuple[Field, date], FieldWeek]] = (None, {})

    def of(self, field: Field, as_of: date | None = None) -> FieldWeek:
        """The week that begins on a day; that of today (``as_of`` None) is kept.

        Raises:
            KeeperError: the store's own.
        """
        day = as_of or self._today(field)
        if day is None:
            return FieldWeek(field)
        made = self._known()
        told = made.get((field, day))
        if told is None:
            told = made[field, day] = self._work_out(field, day)
        if as_of is None:
            self.log.keep((*told.week.items, *told.week.data), day_of(day), self._now())
        return told

    def all(
        self, as_of: date | None = None, fields: Sequence[Field] | None = None
    ) -> list[FieldWeek]:
        """The weeks of these fields (None: of all), the most urgent first."""
        chosen = self._registry.fields() if fields is None else fields
        weeks = [self.of(field, as_of) for field in chosen]
        return [told for told, _ in by_urgency([(told, told.week) for told in weeks])]

    def daily(self) -> None:
        """Keep what is said today, whether somebody looks or not; drop what is too old."""
        told = self.all()
        days = [each.as_of for each in told if each.as_of]
        if days:
            self.log.tidy(day_of(max(days)))

    def asks(self, field: Field) -> KeptAdvice | None:
        """The advice to ask about now: was it followed, was the pest there?"""
        day = self._today(field)
        if day is None:
            return None
        kept = self.log.of(field.id)
        return asked(kept, self.known(field).answers, day_of(day)) if kept else None

    def known(self, field: Field) -> Known:
        """What people recorded of a field that tells how good advice was."""
        about = [e for e in self._events.about(field.id) if e.kind is Kind.OBSERVATION]
        return known_of(field, [e for e in about if not self._events.corrected(e.id)])

    def judged(self, fields: Iterable[Field] | None = None) -> Judged:
        """What came of the advice for these fields (None: for all)."""
        chosen = self._registry.fields(retired=True) if fields is None else fields
        each = [(self.log.of(field.id), self.known(field)) for field in chosen]
        return Judged(scouted(each), watered(each))

    def forget(self, ids: Sequence[str]) -> None:
        """Erase what is kept of these fields."""
        self.log.forget(ids)
        self._made = (None, {})

    def _known(self) -> dict[tuple[Field, date], FieldWeek]:
        """What was worked out already; begun anew when something new came."""
        key = self._revision()
        made = self._made
        if made[0] != key:
            made = self._made = (key, {})
        return made[1]

    def _work_out(self, field: Field, day: date) -> FieldWeek:
        items: list[AdviceItem] = []
        silent = []
        for name, adviser in self._advisers.items():
            try:
                items += adviser.items(field, day)
            except GhallaError as error:
                logging.getLogger(__name__).error("%s: %s: %s", name, error.code, error)
                silent.append(name)
        return FieldWeek(field, day, choose(items), tuple(silent))
