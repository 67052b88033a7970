"""What the hubs have of a node, and so what waits: the events above the last one acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tinydb import where

from field_data.document_store import DocumentStore
from field_data.events import Event, EventLog
from field_data.photo_uses import PhotoUses


class Outbox:
    """The acknowledgements of hubs for ``events``, one row a hub; nothing else is kept of a send.

    A hub acknowledges events in their order, and photos one by one: they travel later and slowly.
    An event that cannot go in its turn is held back, with the reason, and the others pass it.
    """

    def __init__(self, store: DocumentStore, events: EventLog, uses: PhotoUses) -> None:
        self._store = store
        self._events = events
        self._uses = uses
        self._hubs = store.table("acknowledged")
        self._held = store.table("held_back")
        store.index("acknowledged", "hub")
        store.index("held_back", "seq")

    def acknowledge(self, hub: str, seq: int) -> None:
        """``hub`` has all events up to number ``seq`` but those held back; saying less than before
        changes nothing.

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

    def take_back_photos(self, hub: str, photos: Iterable[str]) -> None:
        """``hub`` must not have those any more, and so keeps none of them for us."""
        self._uses.taken_back(hub, photos)

    def acknowledged(self, hub: str) -> int:
        """The number of the last event that ``hub`` has, 0 for none."""
        row = self._hubs.get(where("hub") == hub)
        return 0 if row is None else int(row["seq"])

    def acknowledged_anywhere(self) -> int:
        """The number up to which one hub or another has all events but those held back."""
        return max((int(row["seq"]) for row in self._hubs.all()), default=0)

    def waiting(self, hub: str, limit: int = 1000) -> list[Event]:
        """The events that ``hub`` has not acknowledged, in order; see also `held`."""
        return self._events.since(self.acknowledged(hub), limit)

    def hold(self, hub: str, reasons: Mapping[int, str]) -> None:
        """Events by number that do not go to ``hub`` now, and why (stable codes)."""
        with self._store.transaction():
            for seq, reason in reasons.items():
                here = (where("seq") == seq) & (where("hub") == hub)
                self._held.upsert({"hub": hub, "seq": seq, "reason": reason}, here)

    def release(self, hub: str, seqs: Iterable[int]) -> None:
        """Those events are held back no more."""
        with self._store.transaction():
            for seq in seqs:
                self._held.remove((where("seq") == seq) & (where("hub") == hub))

    def held(self, hub: str) -> dict[int, str]:
        """What is held back from ``hub``, in order of numbers, and why."""
        rows = [row for row in self._held.all() if row["hub"] == hub]
        return {int(row["seq"]): row["reason"] for row in sorted(rows, key=lambda r: int(r["seq"]))}

    def arrived(self, seq: int) -> bool:
        """Whether one hub or another has the event of that number."""
        held = {row["hub"] for row in self._held.search(where("seq") == seq)}
        return any(row["seq"] >= seq and row["hub"] not in held for row in self._hubs.all())
