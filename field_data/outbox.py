"""What the hubs have of a node, and so what waits: the events above the last one acknowledged."""

from __future__ import annotations

from collections.abc import Iterable

from tinydb import where

from field_data.document_store import DocumentStore
from field_data.events import Event, EventLog
from field_data.photo_uses import PhotoUses


class Outbox:
    """The acknowledgements of hubs for ``events``, one row a hub; nothing else is kept of a send.

    A hub acknowledges events in their order, and photos one by one: they travel later and slowly.
    """

    def __init__(self, store: DocumentStore, events: EventLog, uses: PhotoUses) -> None:
        self._store = store
        self._events = events
        self._uses = uses
        self._hubs = store.table("acknowledged")
        store.index("acknowledged", "hub")

    def acknowledge(self, hub: str, seq: int) -> None:
        """``hub`` has all events up to number ``seq``; saying less than before changes nothing.

        Raises `ValueError` for a number that no event has yet.
        """
        with self._store.transaction():
            if seq > self._events.last_seq():
                raise ValueError(f"there is no event {seq} to acknowledge")
            if seq > self.acknowledged(hub):
                self._hubs.upsert({"hub": hub, "seq": seq}, where("hub") == hub)

    def acknowledge_photos(self, hub: str, photos: Iterable[str]) -> None:
        """``hub`` has those photos, whole and checked."""
        self._uses.sent(hub, photos)

    def acknowledged(self, hub: str) -> int:
        """The number of the last event that ``hub`` has, 0 for none."""
        row = self._hubs.get(where("hub") == hub)
        return 0 if row is None else int(row["seq"])

    def acknowledged_anywhere(self) -> int:
        """The number up to which one hub or another has all events."""
        return max((int(row["seq"]) for row in self._hubs.all()), default=0)

    def waiting(self, hub: str, limit: int = 1000) -> list[Event]:
        """The events that ``hub`` has not acknowledged, in order."""
        return self._events.since(self.acknowledged(hub), limit)
