"""What agents work with on one node: events, land, people, forms; wired once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_app.access.gate import Gate
from edge_app.health import store_of
from edge_app.settings import Settings, read_settings
from field_data.audit_log import AuditLog
from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.events import EventLog
from field_data.node_identity import node_id
from field_data.people import People
from field_data.photos import PhotoStore
from field_data.privacy import Privacy
from field_data.retention import Retention, Rules
from field_data.review_desk import ReviewDesk


class Ground:
    """The ground truth of one node; pages and the tablets' API reach it through here."""

    def __init__(
        self, store: DocumentStore, photos: PhotoStore, node: str, settings: Settings | None = None
    ) -> None:
        self.store = store
        self.photos = photos
        self.node = node
        self.settings = settings or Settings()
        self.events = EventLog(store, node, photos)
        self.people = People(store)
        self.audit = AuditLog(store, photos.folder.parent)
        self.gate = Gate(store, self.people, self.audit)
        log = DiagnosisLog(store, photos)
        self.reviews = ReviewDesk(store, log, self.events, self.settings.shares)
        self.privacy = Privacy(
            store, photos, self.events, self.people, self.audit, self.gate.forget_person
        )
        self.retention = Retention(self._rules(), store, photos, self.events, self.audit)

    def daily(self) -> None:
        """What is done once a day: what is too old goes."""
        self.gate.sessions.tidy()
        self.retention.run()

    def _rules(self) -> Rules:
        return Rules(
            self.settings.keep_answers_days,
            self.settings.keep_observation_photos_days,
            self.settings.keep_audit_days,
        )


@contextmanager
def open_ground(home: Path) -> Iterator[Ground]:
    """The ground truth of a home, beside a server that may be running.

    Raises:
        KeeperError: ``no_home``, ``store_damaged``, ``bad_settings`` or the store's own.
    """
    with DocumentStore(store_of(home), set_aside=False) as store:
        yield Ground(store, PhotoStore(home / "photos"), node_id(store), read_settings(home))
