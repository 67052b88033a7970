"""What a hub has, read past its own software: straight from its tables."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, create_engine, select, update
from sqlalchemy.pool import NullPool

from sync.hub.app import Hub
from sync.hub.tables import EVENTS, METADATA, NODES, PHOTOS, REFUSED, STREAMS

Rows = Sequence[Any]


@dataclass(frozen=True, slots=True)
class HubView:
    """The hub with that database (SQLAlchemy URL)."""

    url: str

    def rows(self, table: Table) -> Rows:
        """All rows of a table."""
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.connect() as connection:
            return connection.execute(select(table)).all()

    def all_events(self) -> Rows:
        """All records of all nodes."""
        return self.rows(EVENTS)

    def events(self, node: str) -> Rows:
        """The rows of a node by epoch and number."""
        found = (row for row in self.rows(EVENTS) if row.node == node)
        return sorted(found, key=lambda row: (row.epoch, row.seq))

    def streams(self, node: str) -> Rows:
        """The numberings of a node."""
        return [row for row in self.rows(STREAMS) if row.node == node]

    def age(self, seconds: float) -> None:
        """So much time passes since the hub heard the last word of anybody."""
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            for table in (STREAMS, NODES):
                connection.execute(update(table).values(heard_s=table.c.heard_s - seconds))

    def whole_photos(self) -> dict[str, set[str]]:
        """The renditions that are whole, by the photo that they show."""
        found: dict[str, set[str]] = {}
        for row in self.rows(PHOTOS):
            if row.whole_s is not None:
                found.setdefault(row.photo, set()).add(row.rendition)
        return found

    def refused(self) -> Rows:
        """What was set aside."""
        return self.rows(REFUSED)

    def words(self) -> str:
        """Everything that the tables say, as one text to look for what must not be there."""
        tables = METADATA.sorted_tables
        return "\n".join(repr(tuple(row)) for table in tables for row in self.rows(table))


def digests(hub: Hub) -> set[str]:
    """The SHA-256 of everything that lies among the blobs of a hub, in hex."""
    found = (hub.blobs.get(name) for name in hub.blobs.names())
    return {hashlib.sha256(data).hexdigest() for data in found if data is not None}
