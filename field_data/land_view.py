"""Farms, fields and crop seasons as the events about them say now: the reading side.

Everything is kept as events; the tables here are a projection that can be thrown away and made
again (`LandView.rebuild`).  It is brought up to date in the transaction of whoever appends, or at
the next reading, so that threads and processes agree and what is rolled back leaves no trace.
The latest event about a subject says what it is.
"""

from __future__ import annotations

import datetime
from dataclasses import asdict
from typing import Any, cast

from tinydb import where
from tinydb.table import Document

from field_data.document_store import DocumentStore, DocumentTable
from field_data.errors import PersonError
from field_data.events import Event, EventLog, Kind
from field_data.geometry import MOROCCO, Region
from field_data.land import farm_of, field_of, season_of
from field_data.neighbours import Neighbours
from field_data.types import Farm, Field, Season

FARMS, FIELDS, SEASONS, STATE = "land_farms", "land_fields", "land_seasons", "land_state"
_TABLES = {Kind.FARM: FARMS, Kind.FIELD: FIELDS, Kind.SEASON: SEASONS}
DATES = ("sown", "harvested")
_BATCH = 1000


class LandView:
    """The land of the node whose events are in ``events``, both in ``store``.

    ``region`` is where fields are expected.
    """

    def __init__(self, store: DocumentStore, events: EventLog, *, region: Region = MOROCCO) -> None:
        self._store = store
        self._events = events
        self._region = region
        self._neighbours = Neighbours(store)
        for table in _TABLES.values():
            store.index(table, "id")
        store.index(FIELDS, "farm")
        store.index(SEASONS, "field")

    def farms(self, *, retired: bool = False) -> list[Farm]:
        """All farms in the order of their arrival; those retired only when asked for."""
        rows = self._table(FARMS).all()
        return [_farm(row) for row in rows if retired or not row["retired"]]

    def farm(self, id: str) -> Farm | None:
        """The farm of that id, retired or not."""
        row = self._table(FARMS).get(where("id") == id)
        return None if row is None else _farm(row)

    def fields(self, farm: str | None = None, *, retired: bool = False) -> list[Field]:
        """The fields of one farm, or of all; those retired only when asked for."""
        table = self._table(FIELDS)
        rows = table.all() if farm is None else table.search(where("farm") == farm)
        return [_field(row) for row in rows if retired or not row["retired"]]

    def field(self, id: str) -> Field | None:
        """The field of that id, retired or not."""
        row = self._table(FIELDS).get(where("id") == id)
        return None if row is None else _field(row)

    def seasons(self, field: str) -> list[Season]:
        """The seasons of a field by date of sowing; those without one come first."""
        rows = self._table(SEASONS).search(where("field") == field)
        kept = [_season(row) for row in rows if not row["retired"]]
        return sorted(kept, key=lambda each: each.sown or datetime.date.min)

    def season(self, id: str) -> Season | None:
        """The season of that id, retired or not."""
        row = self._table(SEASONS).get(where("id") == id)
        return None if row is None else _season(row)

    def season_on(self, field: str, day: datetime.date) -> Season | None:
        """What grew on a field on a day: of the seasons that hold it, the one sown last.

        Without a date of sowing or harvest a season is open on that side, as trees are.
        """
        holding = [
            each
            for each in self.seasons(field)
            if (each.sown is None or each.sown <= day)
            and (each.harvested is None or day <= each.harvested)
        ]
        return holding[-1] if holding else None

    def revision(self) -> int:
        """Another number whenever anything may have changed."""
        return self._events.last_seq()

    def rebuild(self) -> None:
        """Make the projection again from the events, in one transaction.

        To be called in the transaction that takes events away (erasure); it happens by itself
        when an erasure arrives as an event.
        """
        with self._store.transaction():
            for table in (*_TABLES.values(), STATE):
                self._store.table(table).truncate()
            self._neighbours.clear()
            self._project_from(0)

    def _table(self, name: str) -> DocumentTable:
        """A table of the projection, up to date."""
        if self._events.last_seq() > self._projected():
            with self._store.transaction():
                self._project_from(self._projected())
        return self._store.table(name)

    def _projected(self) -> int:
        state = self._store.table(STATE).get(doc_id=1)
        return 0 if state is None else cast(int, state["seq"])

    def _project_from(self, seq: int) -> None:
        at = seq
        while fresh := self._events.since(at, _BATCH):
            if seq and any(event.kind is Kind.ERASURE for event in fresh):
                self.rebuild()
                return
            for event in fresh:
                self._project(event)
            at = fresh[-1].seq
        self._store.table(STATE).upsert(Document({"seq": at}, 1))

    def _project(self, event: Event) -> None:
        table = _TABLES.get(event.kind)
        if table is None:
            return
        try:
            thing = self._read(event)
        except PersonError:  # it came in unchecked, or was emptied: it says nothing
            return
        self._store.table(table).upsert(_row(thing), where("id") == event.subject)
        if isinstance(thing, Field):
            self._neighbours.put(thing)

    def _read(self, event: Event) -> Farm | Field | Season:
        if event.kind is Kind.FARM:
            return farm_of(event.subject, event.body, event.id)
        if event.kind is Kind.FIELD:
            return field_of(event.subject, event.body, self._region, event.id)[0]
        return season_of(event.subject, event.body, event.id)


def _row(thing: Farm | Field | Season) -> dict[str, Any]:
    """As JSON keeps it: dates in text."""
    plain = asdict(thing)
    return {k: v.isoformat() if isinstance(v, datetime.date) else v for k, v in plain.items()}


def _farm(row: Document) -> Farm:
    return Farm(**row)


def _field(row: Document) -> Field:
    return Field(**{**row, "boundary": tuple((lon, lat) for lon, lat in row["boundary"])})


def _season(row: Document) -> Season:
    dates = {key: row[key] and datetime.date.fromisoformat(row[key]) for key in DATES}
    return Season(**{**row, **dates})
