"""How long things are kept: rules in days, carried out by a daily job."""

from __future__ import annotations

from dataclasses import dataclass

from field_data.audit_log import NODE, Action, AuditLog
from field_data.clock import now
from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.events import Event, EventLog, Kind
from field_data.photo_uses import PhotoUses
from field_data.photos import PhotoStore
from field_data.types import Instant, Trust

_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Rules:
    """Days after which things go; 0 keeps them."""

    diagnoses_days: int = 0
    observation_photos_days: int = 0
    audit_days: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """What goes, or went."""

    diagnoses: int
    observation_photos: int
    audit_entries: int


class Retention:
    """The rules on one node."""

    def __init__(
        self,
        rules: Rules,
        store: DocumentStore,
        photos: PhotoStore,
        events: EventLog,
        audit: AuditLog,
    ) -> None:
        self._rules = rules
        self._store = store
        self._diagnoses = DiagnosisLog(store, photos)
        self._uses = PhotoUses(store, photos)
        self._events = events
        self._audit = audit

    def run(self, present: Instant | None = None, *, dry: bool = False) -> Due:
        """Remove what is older than the rules say, or with ``dry`` only count it.

        Nothing goes while the clock cannot be trusted, and nothing that was dated by a clock that
        could not: a wrong clock must never erase.
        """
        moment = present or now()
        if moment.trust is Trust.UNKNOWN:
            return Due(0, 0, 0)
        old = self._old_diagnoses(moment)
        shown = self._old_photos(moment)
        entries = self._before(moment, self._rules.audit_days)
        due = Due(len(old), len(shown), self._audit.older_than(entries) if entries else 0)
        if not dry and due != Due(0, 0, 0):
            self._remove(old, shown)
            counts = {"answers": due.diagnoses, "observations": due.observation_photos}
            self._audit.append(NODE, Action.RETENTION, details=counts)
            if entries:
                self._audit.trim(entries)
        return due

    def _remove(self, diagnoses: list[str], events: list[Event]) -> None:
        self._diagnoses.forget(diagnoses, here_alone=True)
        with self._store.erasing():
            for event in events:
                self._uses.release(event.id)

    def _before(self, moment: Instant, days: int) -> float | None:
        return moment.utc_s - days * _DAY_S if days else None

    def _old_diagnoses(self, moment: Instant) -> list[str]:
        before = self._before(moment, self._rules.diagnoses_days)
        return self._diagnoses.older_than(before) if before else []

    def _old_photos(self, moment: Instant) -> list[Event]:
        """Observations whose photos are kept still and too old; dated by the node's own clock."""
        before = self._before(moment, self._rules.observation_photos_days)
        if before is None:
            return []
        return [
            event
            for event in self._events.of_kind(Kind.OBSERVATION)
            if event.received.trust is not Trust.UNKNOWN
            and event.received.utc_s < before
            and self._uses.of(event.id)
        ]
