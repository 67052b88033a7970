"""What agents work with on one node: events, land, people, forms; wired once."""

from __future__ import annotations

from edge_app.access.gate import Gate
from edge_app.settings import Settings
from field_data.audit_log import AuditLog
from field_data.document_store import DocumentStore
from field_data.events import EventLog
from field_data.people import People
from field_data.photos import PhotoStore


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
