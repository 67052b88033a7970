"""What agents work with on one node: events, land, people, forms; wired once."""

from __future__ import annotations

from field_data.document_store import DocumentStore
from field_data.events import EventLog
from field_data.photos import PhotoStore


class Ground:
    """The ground truth of one node; pages and the tablets' API reach it through here."""

    def __init__(self, store: DocumentStore, photos: PhotoStore, node: str) -> None:
        self.store = store
        self.photos = photos
        self.node = node
        self.events = EventLog(store, node, photos)
