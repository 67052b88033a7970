"""Taking in a batch: one transaction, after which all of it is durable or nothing is.

The row of the node is locked first, so that two processes never work on one node at once; numbers
of arrival are taken last (docs/sync.md, "At the hub").
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, case, select, update

from field_data.errors import HubError
from sync.dictionaries import versions
from sync.hub.app import Hub
from sync.hub.blob_removal import insert_or_leave, sweep
from sync.hub.erasing import erase
from sync.hub.event_store import held, mark_superseded, next_arrivals, write
from sync.hub.rows import Key, Row, UnkeptError, alike, other_event, row_of
from sync.hub.streams import Numbering, StreamRow, contiguous, judge, refusal
from sync.hub.tables import EVENTS, NODES, PHOTOS, REFUSED, STREAMS
from sync.types import ERASED_REV, Receipt, Record, RecordBatch, Refusal, Refused


@dataclass(slots=True)
class Sorted:
    """What is to become of a batch's records."""

    written: dict[Key, Row] = field(default_factory=dict)
    # What stood there before, of those that are replaced.
    before: dict[Key, Row] = field(default_factory=dict)
    refused: list[tuple[Refused, Row]] = field(default_factory=list)


def ingest(hub: Hub, batch: RecordBatch, late: bool = False) -> Receipt:
    """Keep the batch; ``late`` when it comes on a stick.  A batch that came before is a success.

    Raises:
        HubError: ``unknown_node``, ``revoked``, ``diverged``, ``superseded``, ``cloned``, ``full``.
        NetworkError: ``database_down``.
    """
    now_s = time.time()
    with hub.database.writing() as connection:
        receipt, doomed = _taken_in(connection, hub.identity.id, batch, now_s, late)
    if doomed:
        sweep(hub.database, hub.blobs)
    return receipt


def _taken_in(
    connection: Connection, hub: str, batch: RecordBatch, now_s: float, late: bool
) -> tuple[Receipt, bool]:
    node = batch.stream.node
    known = _locked(connection, node)
    stream = judge(batch, known, now_s, late)
    streams = [s for s in known if s.epoch != stream.epoch] + [stream]
    numbers = Numbering(streams, stream.epoch)
    sorted_ = _sort(connection, batch, numbers, stream)
    if len(streams) > 1:
        _recognise(connection, node, sorted_.written)
    gone = erase(connection, batch, numbers, sorted_.written)
    named = _superseded(batch.records, numbers, sorted_.written)
    ahead = _ahead(connection, node, numbers, stream.seq)
    for epoch, seq in {(numbers.owner(s), s) for s in ahead.values() if s}:
        if (epoch, seq) in sorted_.written:
            sorted_.written[epoch, seq]["superseded"] = True
    rows = list(sorted_.written.values())
    if rows:
        write(connection, rows, next_arrivals(connection, len(rows)))
    mark_superseded(connection, node, named)
    _set_aside(connection, node, sorted_.refused, now_s)
    doomed = gone.finish(connection, node, sorted_.before, sorted_.written)
    have = {record.seq for record in batch.records}
    have |= {seq for epoch, seq in sorted_.written if numbers.owner(seq) == epoch}
    mark = contiguous(stream.seq, have | ahead.keys())
    _note(connection, batch, stream, mark, now_s, late)
    return _receipt(connection, hub, batch, mark, sorted_.refused, now_s), doomed


def _locked(connection: Connection, node: str) -> list[StreamRow]:
    """The streams of a node that may send, its row locked."""
    row = connection.execute(
        select(NODES.c.revoked_s).where(NODES.c.id == node).with_for_update()
    ).first()
    if row is None:
        raise HubError(Refusal.UNKNOWN_NODE, "this node is not enrolled here")
    if row.revoked_s is not None:
        raise HubError(Refusal.REVOKED, "this node's right to send was withdrawn")
    c = STREAMS.c
    rows = connection.execute(
        select(c.epoch, c.token, c.base, c.seq, c.heard_s).where(c.node == node)
    )
    return [StreamRow(r.epoch, bytes(r.token), r.base, r.seq, r.heard_s) for r in rows]


def _sort(
    connection: Connection, batch: RecordBatch, numbers: Numbering, stream: StreamRow
) -> Sorted:
    node, done = batch.stream.node, Sorted()
    keys = [(numbers.owner(record.seq), record.seq) for record in batch.records]
    known = held(connection, node, keys)
    for key, record in zip(keys, batch.records, strict=True):
        try:
            row = row_of(record, node, key[0])
        except UnkeptError as error:
            done.refused.append(
                (Refused(record.seq, Refusal.DAMAGED, str(error)), {"epoch": key[0]})
            )
            continue
        was = done.written.get(key) or known.get(key)
        if was is not None and record.seq > batch.acknowledged and other_event(row, was):
            raise refusal(Refusal.DIVERGED, f"number {record.seq} is another event here", stream)
        if was is None or row["rev"] > was["rev"]:
            done.written[key] = row
            if key in known:
                done.before[key] = known[key]
        elif row["rev"] == was["rev"] != ERASED_REV and row["digest"] != bytes(was["digest"]):
            done.refused.append((Refused(record.seq, Refusal.CONFLICT, "another stands here"), row))
    return done


def _recognise(connection: Connection, node: str, written: dict[Key, Row]) -> None:
    """Mark what says the same as a record of another epoch."""
    fresh = {key: row for key, row in written.items() if row["rev"] != ERASED_REV}
    if not fresh:
        return
    c = EVENTS.c
    found = connection.execute(
        select(c.epoch, c.seq, c.kind, c.subject, c.author, c.at_s, c.body).where(
            c.node == node,
            c.kind.in_({row["kind"] for row in fresh.values()}),
            c.at_s.in_({row["at_s"] for row in fresh.values()}),
            c.rev < ERASED_REV,
            c.same_as.is_(None),
        )
    )
    by_words: dict[bytes, list[Key]] = {}
    for each in found.mappings():
        by_words.setdefault(alike(dict(each)), []).append((each["epoch"], each["seq"]))
    for (epoch, _), row in fresh.items():
        others = [key for key in by_words.get(alike(row), ()) if key[0] != epoch]
        row["same_as"] = f"{others[0][0]}:{others[0][1]}" if others else None


def _superseded(records: Iterable[Record], numbers: Numbering, written: dict[Key, Row]) -> set[Key]:
    """Numbers corrected by those written; of those in the same batch the row is marked at once."""
    left = set()
    for record in records:
        if record.supersedes and (numbers.owner(record.seq), record.seq) in written:
            key = (numbers.owner(record.supersedes), record.supersedes)
            if key in written:
                written[key]["superseded"] = True
            left.add(key)
    return left - written.keys()


def _ahead(
    connection: Connection, node: str, numbers: Numbering, mark: int
) -> dict[int, int | None]:
    """Numbers beyond the first gap that are here, with what each supersedes."""
    found: dict[int, int | None] = {}
    for span in numbers.above(mark):
        for table in (REFUSED, EVENTS):
            c = table.c
            corrects = c.supersedes if table is EVENTS else c.seq - c.seq
            rows = connection.execute(
                select(c.seq, corrects).where(
                    c.node == node, c.epoch == span.epoch, c.seq > span.low, c.seq <= span.high
                )
            )
            found |= {row[0]: row[1] for row in rows}
    return found


def _set_aside(
    connection: Connection, node: str, refused: Sequence[tuple[Refused, Row]], now_s: float
) -> None:
    if not refused:
        return
    rows = [
        {
            "node": node,
            "epoch": row["epoch"],
            "seq": why.seq,
            "digest": row.get("digest", b""),
            "reason": str(why.reason),
            "detail": why.detail,
            "content": {"body": row.get("body"), "at_s": row.get("at_s"), "kind": row.get("kind")},
            "received_s": now_s,
        }
        for why, row in refused
    ]
    connection.execute(insert_or_leave(connection, REFUSED), rows)


def _note(
    connection: Connection,
    batch: RecordBatch,
    stream: StreamRow,
    mark: int,
    now_s: float,
    late: bool,
) -> None:
    """What the hub knows of the stream and of the node."""
    node, heard_s = batch.stream.node, stream.heard_s if late else now_s
    key = {"node": node, "epoch": stream.epoch}
    where = (STREAMS.c.node == node, STREAMS.c.epoch == stream.epoch)
    told = {"seq": mark, "heard_s": heard_s}
    if not connection.execute(update(STREAMS).where(*where).values(**told)).rowcount:
        whole = {**key, "token": stream.token, "base": stream.base, **told}
        connection.execute(STREAMS.insert().values(**whole))
    about: dict[str, Any] = {"epoch": _greatest(NODES.c.epoch, stream.epoch)}
    if not late:
        off = now_s - batch.sent.utc_s
        about |= {"heard_s": now_s, "clock_off_s": off, "health": dict(batch.health)}
    connection.execute(update(NODES).where(NODES.c.id == node).values(**about))


def _greatest(column: Any, value: int) -> Any:
    return case((column < value, value), else_=column)


def _receipt(
    connection: Connection,
    hub: str,
    batch: RecordBatch,
    mark: int,
    refused: Sequence[tuple[Refused, Row]],
    now_s: float,
) -> Receipt:
    return Receipt(
        hub=hub,
        node=batch.stream.node,
        epoch=batch.stream.epoch,
        seq=mark,
        refused=tuple(why for why, _ in refused),
        photos=_whole(connection, batch),
        dictionaries=versions(),
        time_s=now_s,
    )


def _whole(connection: Connection, batch: RecordBatch) -> tuple[str, ...]:
    """Photos of the batch of which more than the thumbnail is here."""
    named = {photo for record in batch.records for photo in record.photos}
    if not named:
        return ()
    c = PHOTOS.c
    whole = select(c.photo).where(
        c.node == batch.stream.node,
        c.photo.in_(named),
        c.rendition != "thumb",
        c.whole_s.is_not(None),
    )
    return tuple(sorted(set(connection.execute(whole).scalars())))
