"""Which record uses which photo, and which hub has it: one row each.

The same photo may serve two records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tinydb import where

from field_data.document_store import DocumentStore
from field_data.photos import PhotoStore

TABLE = "photo_uses"
SENT = "photos_sent"


class PhotoUses:
    """The rows ``{"photo": SHA-256, "owner": id}`` of ``store`` and the ``photos`` they keep.

    A photo that no row names is removed at the next start.
    """

    def __init__(self, store: DocumentStore, photos: PhotoStore) -> None:
        self._store = store
        self._photos = photos
        self._uses = store.table(TABLE)
        store.index(TABLE, "photo")
        store.index(TABLE, "owner")
        self._sent = store.table(SENT)
        store.index(SENT, "photo")

    def missing(self, photos: Iterable[str]) -> list[str]:
        """Those that are not kept here, in order.

        Inside a transaction the others stay until it ends: nothing is removed outside of one.
        """
        return [photo for photo in photos if not self._photos.has(photo)]

    def of(self, owner: str) -> list[str]:
        """The photos of a record, in the order in which it claimed them."""
        return [use["photo"] for use in self._uses.search(where("owner") == owner)]

    def owners(self, photo: str) -> list[str]:
        """The records that use a photo."""
        return [use["owner"] for use in self._uses.search(where("photo") == photo)]

    def all_owners(self) -> dict[str, list[str]]:
        """The records that use it, by photo."""
        found: dict[str, list[str]] = {}
        for use in self._uses.all():
            found.setdefault(use["photo"], []).append(use["owner"])
        return found

    def sent(self, hub: str, photos: Iterable[str]) -> None:
        """Note that ``hub`` has those of ``photos`` that a record uses."""
        with self._store.transaction():
            for photo in set(photos):
                here = where("photo") == photo
                known = self._sent.contains(here & (where("hub") == hub))
                if not known and self._uses.contains(here):
                    self._sent.insert({"photo": photo, "hub": hub})

    def taken_back(self, hub: str, photos: Iterable[str]) -> None:
        """``hub`` has those no longer: somebody withdrew their yes."""
        with self._store.transaction():
            for photo in set(photos):
                self._sent.remove((where("photo") == photo) & (where("hub") == hub))

    def all_sent(self) -> set[str]:
        """The photos that one hub or another has."""
        return {row["photo"] for row in self._sent.all()}

    def claim(self, owner: str, photos: Iterable[str]) -> None:
        """Note that ``owner`` uses ``photos``; what it used before it uses still."""
        with self._store.transaction():
            used = set(self.of(owner))
            new = [photo for photo in dict.fromkeys(photos) if photo not in used]
            if new:
                self._uses.insert_multiple({"photo": photo, "owner": owner} for photo in new)

    def release(self, owner: str, these: Collection[str] | None = None) -> None:
        """Drop the uses of ``owner`` (all, or ``these``), and the photos that nobody uses then.

        Photos go before the commit: on a full disk that makes the room which the commit needs.
        """
        with self._store.transaction():
            photos = [photo for photo in self.of(owner) if these is None or photo in these]
            for photo in photos:
                self._uses.remove((where("owner") == owner) & (where("photo") == photo))
            self.remove_unused(photos)

    def remove_unused(self, photos: Iterable[str]) -> None:
        """Remove those of ``photos`` that no record uses."""
        # Inside a transaction no other thread or process can begin to use one of them.
        with self._store.transaction():
            for photo in set(photos):
                if not self._uses.contains(where("photo") == photo):
                    self._sent.remove(where("photo") == photo)
                    self._photos.remove(photo)

    def tidy(self) -> None:
        """Remove every photo that no record uses: `remove_unused`, for all at once."""
        with self._store.transaction():
            used = self.all_owners()
            self.remove_unused(photo for photo in self._photos.names() if photo not in used)
