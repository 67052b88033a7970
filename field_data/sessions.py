"""Sessions: who is logged in on which device, until when.

The device holds 256 random bits; only their SHA-256 is kept, so the store gives no session away.
A session ends by running time always, and by the calendar only between two moments of a clock that
could be trusted: a clock at 1970, or set meanwhile, logs nobody out.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from tinydb import where
from tinydb.queries import QueryLike
from tinydb.table import Document

from field_data.clock import now
from field_data.document_store import DocumentStore
from field_data.ids import new_id
from field_data.running_time import RunningTime
from field_data.types import Instant, Trust

TABLE = "sessions"
# Being seen is written down at most so often: memory cards wear out.
SEEN_EVERY_S = 300.0
MOST_OF_ONE_PERSON = 20
_NAME_LETTERS = 60


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment on both clocks: of the calendar, and of the node's running time in seconds."""

    at: Instant
    running_s: float

    def elapsed_s(self, later: Moment) -> float:
        """At least so many seconds lie between; see the top of this file."""
        ran_s = later.running_s - self.running_s
        if Trust.UNKNOWN in (self.at.trust, later.at.trust):
            return ran_s
        return max(ran_s, later.at.utc_s - self.at.utc_s)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lasts: without being used, and at all (None: no end)."""

    idle_s: float
    absolute_s: float | None


@dataclass(frozen=True, slots=True)
class Session:
    """A device that is logged in as ``person``; ``id`` names it in lists and opens nothing."""

    id: str
    person: str
    device: str
    tablet: bool
    started: Moment
    seen: Moment
    limits: Limits

    def ended(self, present: Moment) -> bool:
        """Whether it has lasted too long."""
        absolute_s = self.limits.absolute_s
        too_old = absolute_s is not None and self.started.elapsed_s(present) > absolute_s
        return too_old or self.seen.elapsed_s(present) > self.limits.idle_s


class Sessions:
    """The sessions in ``store``; ``clock`` gives the calendar's time."""

    def __init__(
        self, store: DocumentStore, running: RunningTime, clock: Callable[[], Instant] = now
    ) -> None:
        self._store = store
        self._sessions = store.table(TABLE)
        self._running = running
        self._clock = clock
        for field in ("token", "person", "id"):
            store.index(TABLE, field)

    def open(self, person: str, device: str, limits: Limits, *, tablet: bool = False) -> str:
        """Begin a session; returns the token for the device, which is kept nowhere else.

        Of one person the twenty last used are kept.
        """
        token, present = secrets.token_urlsafe(32), self._present()
        name = device[:_NAME_LETTERS]
        session = Session(new_id(), person, name, tablet, present, present, limits)
        with self._store.transaction():
            for old in self.of(person)[MOST_OF_ONE_PERSON - 1 :]:
                self.end(person, old.id)
            self._sessions.insert({"token": digest(token), **asdict(session)})
            self._running.keep()
        return token

    def find(self, token: str) -> Session | None:
        """The session of that token, if it lasts still; being asked keeps it from idling."""
        row = self._sessions.get(where("token") == digest(token))
        if row is None:
            return None
        session, present = _session(row), self._present()
        if session.ended(present):
            self._sessions.remove(doc_ids=[row.doc_id])
            return None
        return self._seen(row, session, present)

    def _seen(self, row: Document, session: Session, present: Moment) -> Session:
        # The first moment of a clock that is trusted replaces one that was not.
        told = present.at.trust is not Trust.UNKNOWN
        first = told and session.started.at.trust is Trust.UNKNOWN
        if not first and session.seen.elapsed_s(present) < SEEN_EVERY_S:
            return session
        started = replace(session.started, at=present.at) if first else session.started
        fields = {"started": asdict(started), "seen": asdict(present)}
        with self._store.transaction():
            self._sessions.update(fields, doc_ids=[row.doc_id])
            self._running.keep()
        return replace(session, started=started, seen=present)

    def of(self, person: str) -> list[Session]:
        """The sessions of a person that last still, last used first."""
        present = self._present()
        found = [_session(row) for row in self._sessions.search(where("person") == person)]
        lasting = [session for session in found if not session.ended(present)]
        return sorted(lasting, key=lambda session: session.seen.running_s, reverse=True)

    def end(self, person: str, id: str) -> bool:
        """End one session of a person; False if there is none of that id."""
        mine = (where("person") == person) & (where("id") == id)
        return bool(self._sessions.remove(mine))

    def end_all(self, person: str, *, but: str | None = None) -> int:
        """End all sessions of a person, but the one named; how many."""
        mine: QueryLike = where("person") == person
        rows = self._sessions.search(mine)
        ended = [row.doc_id for row in rows if row["id"] != but]
        return len(self._sessions.remove(doc_ids=ended))

    def tidy(self) -> int:
        """Remove sessions that have ended; how many."""
        present = self._present()
        old = [row.doc_id for row in self._sessions.all() if _session(row).ended(present)]
        return len(self._sessions.remove(doc_ids=old))

    def _present(self) -> Moment:
        return Moment(self._clock(), self._running.now_s())


def digest(token: str) -> str:
    """What is kept of a secret made of enough random bits: SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def _moment(plain: dict[str, Any]) -> Moment:
    at = plain["at"]
    return Moment(Instant(at["utc_s"], Trust(at["trust"])), plain["running_s"])


def _session(row: Document) -> Session:
    return Session(
        id=row["id"],
        person=row["person"],
        device=row["device"],
        tablet=row["tablet"],
        started=_moment(row["started"]),
        seen=_moment(row["seen"]),
        limits=Limits(**row["limits"]),
    )
