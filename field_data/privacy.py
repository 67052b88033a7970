"""To see and to be forgotten (law 09-08): what is kept about a person, and its erasure.

Erased are the records that are *about* the person: their name and secret, sessions, consents,
farms, fields, seasons, every observation on their land, with photos, and the answers they name.
What they recorded about the land of others stays, since those others may ask for it; it bears an id
that names nobody any more.  The erasure itself is an event, so that it travels to the hub.

What is to be erased is written down before the first byte goes and struck out after the last, so a
power cut in between only delays it: :meth:`Privacy.resume` goes on at the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tinydb import where

from field_data.audit_log import Action, AuditLog
from field_data.belongings import Belongings, belongings
from field_data.clock import now
from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.events import Draft, EventLog, Kind
from field_data.ids import new_id
from field_data.people import People
from field_data.photo_uses import PhotoUses
from field_data.photos import PhotoStore

PENDING = "erasures_pending"
# Ids in one event: far below what a record may weigh.
_IDS_OF_ONE = 1000


@dataclass(frozen=True, slots=True)
class Erased:
    """How much went."""

    events: int
    photos: int
    diagnoses: int


class Privacy:
    """Erasing on one node; ``end_sessions`` logs a person out everywhere."""

    def __init__(
        self,
        store: DocumentStore,
        photos: PhotoStore,
        events: EventLog,
        people: People,
        audit: AuditLog,
        end_sessions: Callable[[str], object],
    ) -> None:
        self._store = store
        self._events = events
        self._people = people
        self._audit = audit
        self._diagnoses = DiagnosisLog(store, photos)
        self._uses = PhotoUses(store, photos)
        self._end_sessions = end_sessions
        # What others worked out of the events, to be made anew without what was erased.
        self.projections: list[Callable[[], object]] = []
        # What others keep of farms, fields and seasons beside the store; told their ids.
        self.elsewhere: list[Callable[[Sequence[str]], object]] = []
        self._pending = store.table(PENDING)
        store.index(PENDING, "person")

    def belongings(self, person: str) -> Belongings:
        """What is about a person, and what they made."""
        return belongings(self._events, person)

    def erase(self, actor: str, person: str, diagnoses: Sequence[str] = ()) -> Erased:
        """Erase what is about ``person`` because ``actor`` says so; again it finds nothing more.

        ``diagnoses`` are the answers that the person shows to be theirs.

        Raises:
            PersonError: ``last_keeper``, ``unknown_person``.
            KeeperError: ``disk_full`` before anything was erased.
        """
        with self._store.erasing():
            known = self._people.erased(person)
            self._people.erase(person)  # refuses what must not be; all else follows
            plan = self._plan(actor, person, diagnoses)
            self._events.bar((person, *plan["subjects"]))
            if known and not any(plan[part] for part in ("events", "photos", "diagnoses")):
                return Erased(0, 0, 0)
            self._pending.insert(plan)
        return self._carry_out(plan)

    def _plan(self, actor: str, person: str, diagnoses: Sequence[str]) -> dict[str, Any]:
        theirs = self.belongings(person)
        ids = self._events.with_corrections(event.id for event in theirs.about)
        known = [id for id in diagnoses if self._diagnoses.get(id) is not None]
        photos = self._only_used_by({*ids, *known})
        spans = range(0, max(len(ids), len(photos)), _IDS_OF_ONE)
        drafts = [new_id() for _ in spans]
        return {
            "person": person,
            "actor": actor,
            "subjects": sorted(theirs.subjects),
            "events": ids,
            "photos": photos,
            "diagnoses": known,
            "drafts": drafts,
        }

    def _only_used_by(self, owners: set[str]) -> list[str]:
        used = self._uses.all_owners().items()
        return sorted(photo for photo, by in used if owners.issuperset(by))

    def _carry_out(self, plan: dict[str, Any]) -> Erased:
        """All of it, whether it was begun before or not."""
        person, ids, photos = plan["person"], plan["events"], plan["photos"]
        with self._store.erasing():
            for at, draft in enumerate(plan["drafts"]):
                span = slice(at * _IDS_OF_ONE, (at + 1) * _IDS_OF_ONE)
                self._say(draft, plan, {"events": ids[span], "photos": photos[span]})
            self._events.erase(ids)
            self._diagnoses.forget(plan["diagnoses"])
            for rebuild in self.projections:
                rebuild()
        for forget in self.elsewhere:
            forget(plan.get("subjects", ()))
        self._end_sessions(person)
        erased = Erased(len(ids), len(photos), len(plan["diagnoses"]))
        counts = {"events": erased.events, "photos": erased.photos, "answers": erased.diagnoses}
        self._audit.append(plan["actor"], Action.ERASED, person, counts)
        self._pending.remove(where("person") == person)
        return erased

    def _say(self, id: str, plan: dict[str, Any], body: dict[str, Any]) -> None:
        if self._events.get(id) is None:
            self._events.append(Draft(id, Kind.ERASURE, plan["person"], plan["actor"], now(), body))

    def resume(self) -> int:
        """Go on with what a power cut interrupted; how many persons.  To be called at start."""
        plans = [dict(row) for row in self._pending.all()]
        for plan in plans:
            self._carry_out(plan)
        return len(plans)

    def pending(self) -> int:
        """How many erasures wait to be gone on with."""
        return len(self._pending)
