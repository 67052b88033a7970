"""What an erasure means at the hub: records emptied, in all epochs, and photos removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, select

from field_data.events import Kind
from sync.hub.blob_removal import doom, insert_or_leave
from sync.hub.event_store import batched, drop_refused, held, photos_in_use
from sync.hub.rows import Key, Row, empty_row, key_of
from sync.hub.streams import Numbering
from sync.hub.tables import ERASED_PHOTOS, EVENTS, PHOTO_PARTS, PHOTOS
from sync.types import ERASED_REV, RecordBatch

_SHA256_LETTERS = 64
# Whoever or whatever such a record was about is erased with it: the order may come after the empty
# records, and then nothing tells any more what they were about.
_WHOLE = frozenset({Kind.FARM, Kind.FIELD, Kind.SEASON, Kind.CONSENT})


@dataclass(slots=True)
class Gone:
    """What goes with a batch: numbers emptied, photos that may have lost their last record."""

    keys: set[Key] = field(default_factory=set)
    photos: set[str] = field(default_factory=set)

    def finish(
        self,
        connection: Connection,
        node: str,
        before: Mapping[Key, Row],
        written: Mapping[Key, Row],
    ) -> bool:
        """Once the rows are written: photos that nothing names go; whether blobs are to go."""
        named = {photo for row in written.values() for photo in row["photos"]}
        if named:  # named again, by a consent that was given again
            c = ERASED_PHOTOS.c
            connection.execute(delete(ERASED_PHOTOS).where(c.node == node, c.photo.in_(named)))
        for row in before.values():
            self.photos |= set(row["photos"]) - named
        # What was set aside may tell more than the later revision does.
        drop_refused(connection, node, self.keys | {k for k, row in written.items() if row["rev"]})
        if not self.photos:
            return False
        return _remove_photos(connection, node, self.photos - set(photos_in_use(connection, node)))


def erase(
    connection: Connection, batch: RecordBatch, numbers: Numbering, written: dict[Key, Row]
) -> Gone:
    """Empty what the erasures among the records name; ``written`` gets the empty rows."""
    gone, node = Gone(), batch.stream.node
    orders = [r for r in batch.records if r.kind is Kind.ERASURE and not r.erased]
    orders = [r for r in orders if (numbers.owner(r.seq), r.seq) in written]
    for key in (key for key, row in written.items() if row["rev"] == ERASED_REV):
        gone.keys.add(key)
    for order in orders:
        seqs = _numbers(order.body.get("seqs"), batch.last)
        gone.keys |= {(numbers.owner(seq), seq) for seq in seqs}
        gone.photos |= set(_hashes(order.body.get("photos")))
    if not gone.keys and not gone.photos:
        return gone
    rows = held(connection, node, gone.keys)
    if len(numbers.spans) > 1 or _epochs(connection, node) > 1:
        subjects = {order.subject for order in orders}
        subjects |= {row["subject"] for row in rows.values() if orders or row["kind"] in _WHOLE}
        rows |= _elsewhere(connection, node, numbers, gone.keys, rows, subjects)
    for key in gone.keys | rows.keys():
        was = rows.get(key) or written.get(key)
        gone.photos |= set(was["photos"]) if was else set()
        written[key] = empty_row(node, *key, was["kind"] if was else "")
    gone.keys |= rows.keys()
    return gone


def _epochs(connection: Connection, node: str) -> int:
    found = select(EVENTS.c.epoch).where(EVENTS.c.node == node, EVENTS.c.epoch > 0).limit(1)
    return 2 if connection.execute(found).first() else 1


def _elsewhere(
    connection: Connection,
    node: str,
    numbers: Numbering,
    keys: Iterable[Key],
    rows: Mapping[Key, Row],
    subjects: set[str],
) -> dict[Key, Row]:
    """The same records of other epochs, and what of the subjects only other epochs know."""
    names = {f"{epoch}:{seq}" for epoch, seq in keys}
    names |= {row["same_as"] for row in rows.values() if row["same_as"]}
    found = _rows(connection, node, EVENTS.c.same_as, names)
    found |= held(connection, node, [key_of(name) for name in names])
    orphans = _rows(connection, node, EVENTS.c.subject, subjects - {""})
    return found | {key: row for key, row in orphans.items() if numbers.owner(key[1]) != key[0]}


def _rows(
    connection: Connection, node: str, column: ColumnElement[Any], values: Iterable[str]
) -> dict[Key, Row]:
    stands = select(EVENTS).where(EVENTS.c.node == node, EVENTS.c.rev < ERASED_REV)
    found: dict[Key, Row] = {}
    for some in batched(values):
        rows = connection.execute(stands.where(column.in_(some))).mappings()
        found |= {(row["epoch"], row["seq"]): dict(row) for row in rows}
    return found


def _remove_photos(connection: Connection, node: str, photos: set[str]) -> bool:
    if not photos:
        return False
    rows = [{"node": node, "photo": photo} for photo in photos]
    connection.execute(insert_or_leave(connection, ERASED_PHOTOS), rows)
    gone = [_remove_some(connection, node, some) for some in batched(photos)]
    return any(gone)


def _remove_some(connection: Connection, node: str, photos: list[str]) -> bool:
    c, p = PHOTOS.c, PHOTO_PARTS.c
    mine = (c.node == node, c.photo.in_(photos))
    renditions = list(connection.execute(select(c.sha256).where(*mine)).scalars())
    parts = (p.node == node, p.sha256.in_(renditions))
    blobs = list(connection.execute(select(p.blob).where(*parts)).scalars())
    connection.execute(delete(PHOTO_PARTS).where(*parts))
    connection.execute(delete(PHOTOS).where(*mine))
    return doom(connection, [*blobs, *(f"photos/{node}/{sha}" for sha in renditions)])


def _numbers(said: Any, last: int) -> list[int]:
    """Numbers of an erasure's body; what is none is passed over."""
    listed = said if isinstance(said, list) else []
    return [each for each in listed if type(each) is int and 0 < each <= last]


def _hashes(said: Any) -> list[str]:
    listed = said if isinstance(said, list) else []
    return [each for each in listed if isinstance(each, str) and len(each) == _SHA256_LETTERS]
