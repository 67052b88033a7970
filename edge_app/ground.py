"""What agents work with on one node: events, land, people, forms; wired once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_app.health import store_of
from edge_app.settings import read_settings
from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.events import EventLog
from field_data.node_identity import node_id
from field_data.photos import PhotoStore
from field_data.review_desk import ReviewDesk
from field_data.reviews import Shares


class Ground:
    """The ground truth of one node; pages and the tablets' API reach it through here."""

    def __init__(
        self, store: DocumentStore, photos: PhotoStore, node: str, shares: Shares | None = None
    ) -> None:
        self.store = store
        self.photos = photos
        self.node = node
        self.events = EventLog(store, node)
        self.reviews = ReviewDesk(store, DiagnosisLog(store, photos), self.events, shares)


@contextmanager
def open_ground(home: Path) -> Iterator[Ground]:
    """The ground truth of a home, beside a server that may be running.

    Raises:
        KeeperError: ``no_home``, ``store_damaged``, ``bad_settings`` or the store's own.
    """
    with DocumentStore(store_of(home), set_aside=False) as store:
        photos = PhotoStore(home / "photos")
        yield Ground(store, photos, node_id(store), read_settings(home).shares)
