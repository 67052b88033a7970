"""What was recorded, as an append-only log: nothing is changed in place.

An event has an id that whoever records it makes up (a tablet out of reach can), and gets a number
``seq`` when the node has it: ``(node, seq)`` is what travels.  To correct is to add an event that
``supersedes`` another one.  The same event arriving twice is a success; the same id with other
content is refused, and what came is kept beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from tinydb import where
from tinydb.table import Document

from field_data.clock import now
from field_data.document_store import DocumentStore
from field_data.errors import PersonError
from field_data.ids import is_id
from field_data.types import Instant, Trust

TABLE = "events"
REFUSED = "events_refused"
_NEVER = Instant(0.0, Trust.UNKNOWN)


class Kind(StrEnum):
    """What an event is about."""

    OBSERVATION = "observation"
    FARM = "farm"
    FIELD = "field"
    SEASON = "season"
    CONSENT = "consent"
    REVIEW = "review"
    ERASURE = "erasure"


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before the node has numbered it.

    ``subject`` is what it is about: the id of a farm, field, season, person or diagnosis.
    ``author`` is the id of a person.  ``body`` is JSON; ``photos`` are SHA-256 in hex;
    ``supersedes`` is the id of the event that this one corrects.
    """

    id: str
    kind: Kind
    subject: str
    author: str
    at: Instant
    body: Mapping[str, Any]
    photos: tuple[str, ...] = ()
    supersedes: str | None = None

    def __post_init__(self) -> None:
        if not is_id(self.id) or (self.supersedes is not None and not is_id(self.supersedes)):
            raise ValueError("an event is named by an id")
        if self.supersedes == self.id:
            raise ValueError("an event cannot correct itself")


@dataclass(frozen=True, slots=True)
class Event(Draft):
    """An event that the node has: numbered from 1 by ``seq``, ``received`` at that moment."""

    node: str = ""
    seq: int = 0
    received: Instant = _NEVER


@dataclass(frozen=True, slots=True)
class Receipt:
    """``event`` is durable; ``replayed`` says that it already was."""

    event: Event
    replayed: bool


class EventLog:
    """The events of the node with id ``node``, in ``store``."""

    def __init__(self, store: DocumentStore, node: str) -> None:
        self._store = store
        self._node = node
        self._events = store.table(TABLE)
        self._refused = store.table(REFUSED)
        for field in ("id", "subject", "supersedes", "kind"):
            store.index(TABLE, field)

    def append(self, draft: Draft) -> Receipt:
        """Keep the event, or find that it is kept already; durable when this returns.

        Inside `DocumentStore.transaction` it joins what else is written there.

        Raises:
            PersonError: ``id_taken`` when another event has that id (what came is kept for the
                keeper to look at), ``nothing_to_correct`` when ``supersedes`` is not known here.
            KeeperError: ``disk_full``.
        """
        with self._store.transaction():
            known = self.get(draft.id)
            if known is None:
                return Receipt(self._insert(draft), replayed=False)
        if _said(known) == _said(draft):
            return Receipt(known, replayed=True)
        self._refused.insert({"received": asdict(now()), **_said(draft)})
        raise PersonError("id_taken", f"another record is already called {draft.id}", id=draft.id)

    def _insert(self, draft: Draft) -> Event:
        if draft.supersedes is not None and self.get(draft.supersedes) is None:
            raise PersonError("nothing_to_correct", "the corrected record is not here")
        received = now()
        seq = self._events.insert({**_said(draft), "received": asdict(received)})
        return _event(self._node, seq, {**_said(draft), "received": asdict(received)})

    def get(self, id: str) -> Event | None:
        """The event of that id, corrected or not."""
        found = self._events.get(where("id") == id)
        return None if found is None else self._of(found)

    def since(self, seq: int, limit: int = 1000) -> list[Event]:
        """Events numbered above ``seq``, in order."""
        return [self._of(row) for row in self._events.after(seq, limit)]

    def about(self, subject: str) -> list[Event]:
        """All events about a farm, field, season, person or diagnosis, in order."""
        return [self._of(row) for row in self._events.search(where("subject") == subject)]

    def of_kind(self, kind: Kind) -> list[Event]:
        """All events of a kind, in order."""
        return [self._of(row) for row in self._events.search(where("kind") == str(kind))]

    def corrected(self, id: str) -> bool:
        """Whether a later event supersedes that one."""
        return self._events.contains(where("supersedes") == id)

    def last_seq(self) -> int:
        """The number of the latest event, 0 for none."""
        return self._events.last_id()

    def _of(self, row: Document) -> Event:
        return _event(self._node, row.doc_id, row)


def standing(events: list[Event]) -> list[Event]:
    """The events that none of the others supersedes, in order."""
    gone = {event.supersedes for event in events}
    return [event for event in events if event.id not in gone]


def _said(draft: Draft) -> dict[str, Any]:
    """What whoever recorded the event said, as JSON gives it back."""
    return {
        "id": draft.id,
        "kind": str(draft.kind),
        "subject": draft.subject,
        "author": draft.author,
        "at": {"utc_s": draft.at.utc_s, "trust": str(draft.at.trust)},
        "body": dict(draft.body),
        "photos": list(draft.photos),
        "supersedes": draft.supersedes,
    }


def _event(node: str, seq: int, row: Mapping[str, Any]) -> Event:
    return Event(
        id=row["id"],
        kind=Kind(row["kind"]),
        subject=row["subject"],
        author=row["author"],
        at=_instant(row["at"]),
        body=row["body"],
        photos=tuple(row["photos"]),
        supersedes=row["supersedes"],
        node=node,
        seq=seq,
        received=_instant(row["received"]),
    )


def _instant(plain: Mapping[str, Any]) -> Instant:
    return Instant(plain["utc_s"], Trust(plain["trust"]))
