"""What a node must remember of one hub to send each thing once: numbering, revisions, photos.

What the hub has of the events themselves is in `field_data.outbox`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tinydb import where
from tinydb.queries import QueryLike
from tinydb.table import Document

from field_data.document_store import DocumentStore

RENDITIONS = ("thumb", "view")


@dataclass(frozen=True, slots=True)
class Sent:
    """How a record travelled: its revision, with a ``coarse`` place, ``bare`` of its photos."""

    rev: int = 0
    coarse: bool = False
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """One rendition of a photo on its way; ``sha256`` is "" until it was made.

    ``seq`` is the record that shows it, ``offset`` of ``length`` bytes are at the hub, ``reason``
    says why it is set aside.
    """

    photo: str
    rendition: str
    seq: int
    sha256: str = ""
    length: int = 0
    offset: int = 0
    reason: str = ""


class Uplink:
    """The rows about ``hub`` in ``store``; every method is one durable step."""

    def __init__(self, store: DocumentStore, hub: str) -> None:
        self.hub = hub
        self._store = store
        self._state = store.table("uplinks")
        self._revisions = store.table("revisions_sent")
        self._parcels = store.table("photos_leaving")
        store.index("uplinks", "hub")
        for field in ("seq", "again"):
            store.index("revisions_sent", field)
        for field in ("seq", "photo"):
            store.index("photos_leaving", field)

    # --- numbering and the rest of what is known ----------------------------------------------

    def state(self) -> dict[str, Any]:
        """What was last kept with `keep`; empty for a hub that is not known."""
        row = self._state.get(where("hub") == self.hub)
        return {} if row is None else {k: v for k, v in row.items() if k != "hub"}

    def keep(self, **values: Any) -> None:
        """Remember plain values by name, beside those that are there."""
        self._state.upsert({"hub": self.hub, **values}, where("hub") == self.hub)

    def forget(self) -> None:
        """Drop every row about the hub."""
        with self._store.transaction():
            for table in (self._state, self._revisions, self._parcels):
                table.remove(where("hub") == self.hub)

    # --- revisions ----------------------------------------------------------------------------

    def sent(self, seq: int) -> Sent:
        """How that record was sent last; a whole first revision leaves no row."""
        return self.known(seq) or Sent()

    def known(self, seq: int) -> Sent | None:
        """The same, None where there is no row: it was never sealed, or once and whole."""
        row = self._revisions.get(self._of("seq", seq))
        return None if row is None else Sent(row["rev"], row["coarse"], row["bare"])

    def sealed(self, sent: Mapping[int, Sent]) -> None:
        """Those records were sealed for sending in that way."""
        with self._store.transaction():
            for seq, how in sent.items():
                here = self._of("seq", seq)
                if how == Sent():
                    self._revisions.remove(here)
                else:
                    row = {"rev": how.rev, "coarse": how.coarse, "bare": how.bare}
                    self._revisions.upsert(
                        {"hub": self.hub, "seq": seq, **row, "again": False}, here
                    )

    def again(self, seqs: Iterable[int]) -> None:
        """Send those records again, as the revision after the one that was sealed last."""
        with self._store.transaction():
            for seq in seqs:
                how = self.sent(seq)
                row = {"rev": how.rev, "coarse": how.coarse, "bare": how.bare, "again": True}
                self._revisions.upsert({"hub": self.hub, "seq": seq, **row}, self._of("seq", seq))

    def to_revise(self) -> list[int]:
        """Numbers of the records to be sent again, in order."""
        rows = self._revisions.search(where("again") == True)  # noqa: E712 - TinyDB's query
        return sorted(int(row["seq"]) for row in rows if row["hub"] == self.hub)

    # --- photos -------------------------------------------------------------------------------

    def leave(self, seq: int, photos: Iterable[str]) -> None:
        """The photos of a record that the hub has may follow it; what leaves already stays."""
        with self._store.transaction():
            for photo in dict.fromkeys(photos):
                for rendition in RENDITIONS:
                    if self._parcel(photo, rendition) is None:
                        self._parcels.insert(
                            {"hub": self.hub, "seq": seq, "photo": photo, "rendition": rendition}
                        )

    def stay(self, seq: int) -> None:
        """The photos of a record may not leave any more; those that are there stay there."""
        self._parcels.remove(self._of("seq", seq))

    def parcels(self) -> list[Parcel]:
        """What is still to be sent, with what was set aside, in the order in which it came."""
        return [_parcel(row) for row in self._parcels.all() if row["hub"] == self.hub]

    def progress(self, parcel: Parcel) -> None:
        """Remember how far a parcel has come; one whose row is gone stays gone."""
        row = self._parcel(parcel.photo, parcel.rendition)
        if row is not None:
            keys = ("sha256", "length", "offset", "reason")
            said = {key: getattr(parcel, key) for key in keys}
            self._parcels.update(said, doc_ids=[row.doc_id])

    def delivered(self, parcel: Parcel) -> None:
        """The hub has that rendition, or nobody ever will."""
        row = self._parcel(parcel.photo, parcel.rendition)
        if row is not None:
            self._parcels.remove(doc_ids=[row.doc_id])

    def _parcel(self, photo: str, rendition: str) -> Document | None:
        here = self._of("photo", photo)
        return next((r for r in self._parcels.search(here) if r["rendition"] == rendition), None)

    def _of(self, key: str, value: object) -> QueryLike:
        here: QueryLike = (where(key) == value) & (where("hub") == self.hub)
        return here


def known_hubs(store: DocumentStore) -> list[str]:
    """The ids of the hubs that this node knows."""
    return [str(row["hub"]) for row in store.table("uplinks").all()]


def photos_wait(store: DocumentStore, seq: int) -> bool:
    """Whether photos of the record of that number are still to go to a hub."""
    return bool(store.table("photos_leaving").contains(where("seq") == seq))


def _parcel(row: Mapping[str, Any]) -> Parcel:
    keys = ("sha256", "length", "offset", "reason")
    return Parcel(
        row["photo"], row["rendition"], row["seq"], **{k: row[k] for k in keys if k in row}
    )
