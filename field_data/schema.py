"""How the store of a home is laid out, and how older ones become what it is now.

A migration is never changed once it has been released: the next change is a new one, at the end.
It may run twice, and it only adds what older code does not look at: so the release before can take
the store back and nothing that was recorded meanwhile is lost (docs/updates.md).  A change that
older code cannot bear is made in two releases: the first adds the new beside the old and reads
both; the second, when no box has older code to go back to, leaves the old, and raises `WORKS_FROM`.
"""

from __future__ import annotations

from pathlib import Path

from field_data.document_store import DocumentStore, Migration

# What an erasure writes in SQLite's log before the log is emptied stays well below this.
RESERVE_BYTES = 4 * 1024 * 1024


def photos_of_events_are_used(store: DocumentStore) -> None:
    """1: events name their photos in ``photo_uses``, so that no start tidies them away."""
    uses = store.table("photo_uses")
    known = {(use["photo"], use["owner"]) for use in uses.all()}
    named = {(photo, row["id"]): None for row in store.table("events") for photo in row["photos"]}
    uses.insert_multiple({"photo": p, "owner": id} for p, id in named if (p, id) not in known)


MIGRATIONS: tuple[Migration, ...] = (photos_of_events_are_used,)

# Older code that knows at least so many of them can work on with what these leave.
WORKS_FROM = 1


def open_store(path: Path, *, set_aside: bool = True) -> DocumentStore:
    """The store of a home, brought to the present layout; see `DocumentStore`.

    Raises:
        KeeperError: ``store_newer``, ``store_damaged`` without ``set_aside``, ``store_failed``,
            ``disk_full``.
    """
    return DocumentStore(
        path,
        migrations=MIGRATIONS,
        set_aside=set_aside,
        reserve_bytes=RESERVE_BYTES,
        works_from=WORKS_FROM,
    )
