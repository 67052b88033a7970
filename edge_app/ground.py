"""What agents work with on one node: events, land, people, forms; wired once."""

from __future__ import annotations

from field_data.document_store import DocumentStore
from field_data.events import EventLog
from field_data.outbox import Outbox
from field_data.photo_quota import limit_photos
from field_data.photo_uses import PhotoUses
from field_data.photos import PhotoStore


class Ground:
    """The ground truth of one node; pages and the tablets' API reach it through here.

    ``photo_bytes`` is how much of photos is kept, 0 for no limit.
    """

    def __init__(
        self, store: DocumentStore, photos: PhotoStore, node: str, photo_bytes: int = 0
    ) -> None:
        self.store = store
        self.photos = photos
        self.node = node
        self.events = EventLog(store, node, photos)
        self.outbox = Outbox(store, self.events, PhotoUses(store, photos))
        if photo_bytes:
            limit_photos(photos, photo_bytes, store, self.events, self.outbox)
