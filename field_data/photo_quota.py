"""How many bytes of photos a node keeps, and which ones go when there are too many.

Only what a hub has may go, with all records that use it; the longest untouched go first.  A photo
that waits to be sent, that a diagnosis uses (asked, reviewed or not) or that was taught stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from field_data.document_store import DocumentStore
from field_data.errors import KeeperError
from field_data.events import EventLog
from field_data.outbox import Outbox
from field_data.photo_uses import PhotoUses
from field_data.photos import PhotoStore

# Looking for what may go costs a look at every photo, so that more than is needed goes at once.
_SPARE = 20


@dataclass(frozen=True, slots=True)
class Kept:
    """One photo: its size, the numbers of the events that use it, what else is known of it.

    ``owners`` has None for an owner that is no event; ``sent`` says that a hub has the photo.
    """

    name: str
    bytes: int
    owners: tuple[int | None, ...]
    sent: bool


def evictable(photo: Kept, acknowledged: int) -> bool:
    """Whether a hub has the photo and every record of it: events up to number ``acknowledged``.

    A photo without owners was sent by a tablet a moment ago, and its event is still to come.
    """
    owned = bool(photo.owners) and all(n is not None and n <= acknowledged for n in photo.owners)
    return photo.sent and owned


def to_evict(photos: Iterable[Kept], acknowledged: int, need: int) -> list[str]:
    """Names of photos that make ``need`` bytes free, all that may go if those are not enough.

    The order is that of the latest event of each: numbers, since clocks go wrong.
    """
    may_go = [photo for photo in photos if evictable(photo, acknowledged)]
    gone: list[str] = []
    for photo in sorted(may_go, key=lambda photo: (max(n or 0 for n in photo.owners), photo.name)):
        if need <= 0:
            break
        gone.append(photo.name)
        need -= photo.bytes
    return gone


class Budget:
    """Bytes taken of ``limit``; ``make_room`` is asked when they do not suffice.  For threads.

    ``measure`` looks at every photo: at the start, and when the limit seems to be reached, since
    another process may have removed some.
    """

    def __init__(
        self, limit: int, measure: Callable[[], int], make_room: Callable[[int], None]
    ) -> None:
        self._limit = limit
        self._measure = measure
        self._taken = measure()
        self._make_room = make_room
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """Bytes taken now."""
        return self._taken

    def take(self, bytes: int) -> None:
        """Take so many.

        Raises:
            KeeperError: ``photos_full`` with ``limit`` when they are not there and nothing may go.
        """
        if self._took(bytes):
            return
        self._taken = self._measure()
        if self._took(bytes):
            return
        self._make_room(self._taken + bytes - self._limit + self._limit // _SPARE)
        if not self._took(bytes):
            message = f"photos fill the {self._limit} bytes allowed and none of them may go yet"
            raise KeeperError("photos_full", message, limit=self._limit)

    def _took(self, bytes: int) -> bool:
        with self._lock:
            fits = self._taken + bytes <= self._limit
            self._taken += bytes if fits else 0
            return fits

    def give_back(self, bytes: int) -> None:
        """So many are free again."""
        with self._lock:
            self._taken -= bytes


class Evictor:
    """Removes photos that a hub has; see `to_evict`."""

    def __init__(
        self, store: DocumentStore, photos: PhotoStore, events: EventLog, outbox: Outbox
    ) -> None:
        self._store = store
        self._photos = photos
        self._events = events
        self._outbox = outbox
        self._uses = PhotoUses(store, photos)

    def make_room(self, bytes: int) -> None:
        """Remove photos of so many bytes, or as many as may go.  Their events stay."""
        # Inside a transaction no event can begin to use one of them.
        with self._store.transaction():
            for name in to_evict(self._kept(), self._outbox.acknowledged_anywhere(), bytes):
                self._photos.remove(name)

    def _kept(self) -> list[Kept]:
        sent, owners = self._uses.all_sent(), self._uses.all_owners()
        return [
            Kept(name, self._photos.size(name), tuple(map(self._seq, owners.get(name, ()))), True)
            for name in self._photos.names()
            if name in sent  # the others may not go, and need not be looked at
        ]

    def _seq(self, owner: str) -> int | None:
        """None for what is no event, and for one that is held back from the hub."""
        event = self._events.get(owner)
        return event.seq if event and self._outbox.arrived(event.seq) else None


def limit_photos(
    photos: PhotoStore, limit: int, store: DocumentStore, events: EventLog, outbox: Outbox
) -> None:
    """Let ``photos`` keep no more than ``limit`` bytes from now on; looks at every file once."""
    evictor = Evictor(store, photos, events, outbox)
    photos.budget = Budget(limit, photos.total_bytes, evictor.make_room)
