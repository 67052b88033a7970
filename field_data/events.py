"""What was recorded, as an append-only log: nothing is changed in place.

An event has an id that whoever records it makes up (a tablet out of reach can), and gets a number
``seq`` when the node has it: ``(node, seq)`` is what travels.  To correct is to add an event that
``supersedes`` another one.  The same event arriving twice is a success; the same id with other
content is refused, and what came is kept beside.

The one exception is erasure: an erased event keeps its id, kind and number and says nothing more,
so that it cannot come back from a tablet that still has it.  What a tablet brings later about a
person or their land that were erased is empty at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from tinydb import where
from tinydb.table import Document

from field_data.bodies import plain
from field_data.clock import now
from field_data.document_store import DocumentStore
from field_data.errors import PersonError
from field_data.ids import is_id
from field_data.photo_uses import PhotoUses
from field_data.photos import PhotoStore, is_photo_name
from field_data.types import Instant, Trust

TABLE = "events"
REFUSED = "events_refused"
BARRED = "subjects_erased"
# Of one id: a tablet that makes up its content anew at every try must not fill the disk.
MOST_REFUSED = 20
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


# What else than its subject an event about land is about.
_BELONGS_TO: Mapping[str, str] = {Kind.FARM: "owner", Kind.FIELD: "farm", Kind.SEASON: "field"}


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
        if not all(map(is_photo_name, self.photos)):
            raise ValueError("a photo is named by its SHA-256 in hex")


@dataclass(frozen=True, slots=True)
class Event(Draft):
    """An event that the node has: numbered from 1 by ``seq``, ``received`` at that moment.

    Of an ``erased`` one only ``id``, ``kind``, ``supersedes``, ``node``, ``seq`` and ``received``
    are left.
    """

    node: str = ""
    seq: int = 0
    received: Instant = _NEVER
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """``event`` is durable; ``replayed`` says that it already was."""

    event: Event
    replayed: bool


class EventLog:
    """The events of the node with id ``node`` in ``store``, their photos in ``photos``."""

    def __init__(self, store: DocumentStore, node: str, photos: PhotoStore) -> None:
        self._store = store
        self._node = node
        self._uses = PhotoUses(store, photos)
        self._events = store.table(TABLE)
        self._refused = store.table(REFUSED)
        self._barred = store.table(BARRED)
        for field in ("id", "subject", "supersedes", "kind"):
            store.index(TABLE, field)
        store.index(REFUSED, "id")
        store.index(BARRED, "subject")

    def append(self, draft: Draft) -> Receipt:
        """Keep the event, or find that it is kept already; durable when this returns.

        Its photos must be kept before it comes; they stay as long as it does.  An event that was
        erased here is not written again: its receipt says ``replayed``; what is `of_the_erased` is
        erased at once.  Inside `DocumentStore.transaction` it joins what else is written there.

        Raises:
            PersonError: ``id_taken`` when another event has that id (what came, of one id the first
                `MOST_REFUSED`, is kept for the keeper to look at), ``nothing_to_correct`` when
                ``supersedes`` is not known here, ``photo_missing`` with the ``photos`` that are
                not here, ``too_deep``, ``too_large``, ``not_json``.
            KeeperError: ``disk_full``.
        """
        said = plain(_said(draft))
        with self._store.transaction():
            known = self.get(draft.id)
            if known is None:
                return Receipt(self._insert(draft, said), replayed=False)
        if known.erased:
            self._uses.remove_unused(draft.photos)  # sent again before it
        if known.erased or _said(known) == said:
            return Receipt(known, replayed=True)
        if not self.of_the_erased(draft):
            self._refuse(said)
        raise PersonError("id_taken", f"another record is already called {draft.id}", id=draft.id)

    def _insert(self, draft: Draft, said: dict[str, Any]) -> Event:
        row = {**said, "received": asdict(now())}
        if draft.supersedes is not None and self.get(draft.supersedes) is None:
            raise PersonError("nothing_to_correct", "the corrected record is not here")
        if self.of_the_erased(draft):
            _empty(row)  # else the erased record would be back in other words
            self._uses.remove_unused(draft.photos)
        else:
            self._claim(draft)
        return _event(self._node, self._events.insert(row), row)

    def _claim(self, draft: Draft) -> None:
        if missing := self._uses.missing(draft.photos):
            message = f"{len(missing)} photos of the record are not here yet"
            raise PersonError("photo_missing", message, photos=missing)
        self._uses.claim(draft.id, draft.photos)

    def _refuse(self, said: dict[str, Any]) -> None:
        with self._store.transaction():
            kept = self.get(said["id"])
            if kept is None or kept.erased:  # a moment ago: then this must not stay either
                return
            before = self._refused.search(where("id") == said["id"])
            known = any({**row, **said} == row for row in before)
            if not known and len(before) < MOST_REFUSED:
                self._refused.insert({"received": asdict(now()), **said})

    def erase(self, ids: Iterable[str]) -> list[str]:
        """Empty those events, and remove the photos that no other record uses; durable then.

        A record and its corrections are one: all of them go, else what was corrected would stand
        again.  Returns the ids of all that are empty now; ids that are not here are passed over.
        """
        with self._store.erasing():
            whole = self.with_corrections(ids)
            for id in whole:
                self._uses.release(id)
                self._events.update(_empty, where("id") == id)
                self._refused.remove(where("id") == id)
        return whole

    def bar(self, subjects: Iterable[str]) -> None:
        """From now on what comes about those persons, farms, fields and seasons is empty."""
        with self._store.transaction():
            new = [id for id in dict.fromkeys(subjects) if not self._bars(id)]
            self._barred.insert_multiple({"subject": id} for id in new)
            for row in self._refused.all():
                if set(_about(row)) & set(new):
                    self._refused.remove(doc_ids=[row.doc_id])

    def of_the_erased(self, draft: Draft) -> bool:
        """Whether it corrects what was erased here, or is about what is barred (see `bar`)."""
        corrected = None if draft.supersedes is None else self.get(draft.supersedes)
        if corrected is not None and corrected.erased:
            return True
        return draft.kind is not Kind.ERASURE and any(map(self._bars, _about(_said(draft))))

    def _bars(self, subject: str) -> bool:
        return self._barred.contains(where("subject") == subject)

    def with_corrections(self, ids: Iterable[str]) -> list[str]:
        """Those events and all that correct them or are corrected by them, which are one record."""
        found: dict[str, None] = {}
        ahead = list(ids)
        while ahead:
            event = self.get(ahead.pop())
            if event is None or event.id in found:
                continue
            found[event.id] = None
            ahead += [row["id"] for row in self._events.search(where("supersedes") == event.id)]
            ahead += [event.supersedes] if event.supersedes else []
        return list(found)

    def get(self, id: str) -> Event | None:
        """The event of that id, corrected, erased or not."""
        found = self._events.get(where("id") == id)
        return None if found is None else self._of(found)

    def since(self, seq: int, limit: int = 1000) -> list[Event]:
        """Events numbered above ``seq``, erased or not, in order."""
        return [self._of(row) for row in self._events.after(seq, limit)]

    def about(self, subject: str) -> list[Event]:
        """Events about a farm, field, season, person or diagnosis, in order, but erased ones."""
        return self._left(self._events.search(where("subject") == subject))

    def of_kind(self, kind: Kind) -> list[Event]:
        """All events of a kind, in order, but erased ones."""
        return self._left(self._events.search(where("kind") == str(kind)))

    def corrected(self, id: str) -> bool:
        """Whether a later event supersedes that one."""
        return self._events.contains(where("supersedes") == id)

    def last_seq(self) -> int:
        """The number of the latest event, 0 for none."""
        return self._events.last_id()

    def _left(self, rows: Iterable[Document]) -> list[Event]:
        return [event for event in map(self._of, rows) if not event.erased]

    def _of(self, row: Document) -> Event:
        return _event(self._node, row.doc_id, row)


def standing(events: list[Event]) -> list[Event]:
    """The events that none of the others supersedes, in order."""
    gone = {event.supersedes for event in events}
    return [event for event in events if event.id not in gone]


def _about(said: Mapping[str, Any]) -> list[str]:
    """Ids of what an event is about: its subject, and what a piece of land belongs to."""
    owner = said["body"].get(_BELONGS_TO.get(said["kind"], ""))
    return [said["subject"], owner] if isinstance(owner, str) else [said["subject"]]


def _said(draft: Draft) -> dict[str, Any]:
    """What whoever recorded the event said."""
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
        erased=row.get("erased", False),
    )


def _empty(row: MutableMapping[str, Any]) -> None:
    nothing = {"subject": "", "author": "", "at": asdict(_NEVER), "body": {}, "photos": []}
    row.update(nothing, erased=True)


def _instant(plain: Mapping[str, Any]) -> Instant:
    return Instant(plain["utc_s"], Trust(plain["trust"]))
