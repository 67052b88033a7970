"""What goes up next, as signed segments, and what follows from the hub's word on them.

A segment that was made is kept in a file until the hub has answered: whatever happens in between,
the same bytes are sent again, so that one revision of a record never has two contents.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from field_data.clock import now
from field_data.document_store import DocumentStore
from field_data.errors import HubError, PublisherError
from field_data.events import Event, EventLog
from field_data.files import make_folder, write_atomic
from field_data.outbox import Outbox
from field_data.uplinks import Sent, Uplink
from sync.dictionaries import Dictionary, best, versions
from sync.keys import SecretKey
from sync.outgoing import UNKNOWN_FORM, Held, Outgoing, has_place
from sync.segments import open_segment, seal
from sync.types import ERASED_REV, Receipt, Record, RecordBatch, Refusal, Stream, in_s
from sync.wire import why_not

# Reasons of what is held back: `UNKNOWN_FORM` is tried again by itself, these wait for a person.
UNFIT = "unfit"
# Events looked at for alerts at a time, and alerts that go ahead of one segment.
_SCANNED, _MOST_ALERTS = 5000, 50
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that waits for the hub's word: its bytes, and what is in it."""

    data: bytes
    batch: RecordBatch


@dataclass
class Departures:
    """The events of one node on their way to the hub of ``uplink``; ``folder`` keeps the segment.

    ``health`` gives what the hub shows of this node; ``alert`` says which events go before others.
    """

    node: str
    store: DocumentStore
    events: EventLog
    outbox: Outbox
    outgoing: Outgoing
    uplink: Uplink
    key: SecretKey
    folder: Path
    health: Callable[[], Mapping[str, Any]] = field(default=dict)
    alert: Callable[[Event], bool] = lambda _event: False

    # --- numbering ----------------------------------------------------------------------------

    def stream(self) -> Stream:
        """The numbering in force; the first one is made when it is first asked for."""
        state = self.uplink.state()
        if "token" not in state:
            return self._begin(0, self._base())
        return Stream(self.node, state["epoch"], bytes.fromhex(state["token"]), state["base"])

    def new_epoch(self, at_least: int = 0) -> Stream:
        """Begin another numbering: the hub has other events than this node at some numbers."""
        epoch = max(self.stream().epoch, at_least - 1) + 1
        with self.store.transaction():
            self.drop()
            made = self._begin(epoch, self._base())
            # What the node has forgotten may be a consent: how all of it is told is said again.
            old = self.events.since(0, made.base)
            self.uplink.again(each.seq for each in old if self._varies(each))
            return made

    def _varies(self, event: Event) -> bool:
        """Whether it depends on a consent what leaves of an event."""
        return has_place(event.body) or bool(self.outgoing.photos(event))

    def _base(self) -> int:
        """All events up to it are at the hub; a node under a new name has older ones there, too."""
        held = self.outbox.held(self.uplink.hub)
        return min([self.outbox.acknowledged(self.uplink.hub), *(seq - 1 for seq in held)])

    def _begin(self, epoch: int, base: int) -> Stream:
        token = secrets.token_bytes(8)
        self.uplink.keep(epoch=epoch, token=token.hex(), base=base, gap=-1, ahead=[], scanned=0)
        return Stream(self.node, epoch, token, base)

    # --- the next segment ---------------------------------------------------------------------

    def pending(self) -> Segment | None:
        """The first segment that was made and has no answer yet."""
        for digest, _upto, _seqs in self._queue()[:1]:
            found = self._opened(digest)
            if found is None:
                self.drop()  # damaged: its records are made anew
            return found
        return None

    def _opened(self, digest: str) -> Segment | None:
        data = self._read(digest)
        with suppress(PublisherError, ValueError):
            return Segment(data, open_segment(data, lambda _node: self.key.public))
        return None

    def tidy(self) -> None:
        """Remove segments that a power cut left before they were remembered."""
        wanted = {self._path(digest) for digest, _upto, _seqs in self._queue()}
        for path in set(self.folder.glob("*.seg")) - wanted:
            path.unlink(missing_ok=True)

    def _queue(self) -> list[list[Any]]:
        """What was made, as ``[SHA-256 of the segment, the number it ends at, its numbers]``."""
        return list(self.uplink.state().get("pending", ()))

    def _entry(self, segment: Segment, upto: int) -> list[Any]:
        return [_digest(segment.data), upto, [r.seq for r in segment.batch.records]]

    def next(self, most: int) -> Segment | None:
        """The segment to be sent now, of at most ``most`` records if it is a new one.

        None when nothing is left that can go.
        """
        return self.pending() or self._more(most)

    def all(self, most: int) -> list[Segment]:
        """Everything that can go, as segments; for a stick, which comes back with one receipt."""
        while self._more(most) is not None:
            pass
        return [segment for entry in self._queue() if (segment := self._opened(entry[0]))]

    def greeting(self) -> Segment:
        """A segment without records, which the hub answers all the same."""
        return self._seal([], self._dictionary())

    def _more(self, most: int) -> Segment | None:
        """Another segment behind those that wait already."""
        found = None
        while found is None and self._some_wait():
            found = self._make(most)
        return found

    def _some_wait(self) -> bool:
        """Whether there may be something to send; what is held back for a person does not count."""
        held = self.outbox.held(self.uplink.hub)
        fresh = self.events.last_seq() > self._looked_at()
        return fresh or bool(self._to_revise(held)) or any(map(self._can_go, self._unknown(held)))

    def _looked_at(self) -> int:
        """The number up to which all events are at the hub, in a segment, or held back."""
        sealed = [upto for _digest, upto, _seqs in self._queue()]
        return max(self.outbox.acknowledged(self.uplink.hub), *map(int, sealed), 0)

    def _unknown(self, held: Mapping[int, str]) -> list[int]:
        sealed = {seq for _digest, _upto, seqs in self._queue() for seq in seqs}
        return [seq for seq, why in held.items() if why == UNKNOWN_FORM and seq not in sealed]

    def _can_go(self, seq: int) -> bool:
        return any(isinstance(self._record(each), Record) for each in self._events([seq]))

    def _to_revise(self, held: Mapping[int, str]) -> list[int]:
        """What is sent again; not what a node recorded under another name, see `_base`."""
        known, stream = self._looked_at(), self.stream()
        least = 0 if stream.epoch else stream.base
        again = self.uplink.to_revise()
        return [seq for seq in again if least < seq <= known and seq not in held]

    def _make(self, most: int) -> Segment | None:
        with self.store.transaction():
            records, held, upto = self._choose(most)
            segment = self._sealed(records, held)
            if segment is None and records and len(records) > 1 and not _all(records, held):
                return self._make(len(records) // 2)  # together they are too much
            self.outbox.hold(self.uplink.hub, held)
            if segment is None:
                self._nothing_until(upto)
                return None
            self._write(segment.data)
            made = segment.batch.records
            self.uplink.sealed({r.seq: Sent(r.rev, r.coarse, self._bare(r)) for r in made})
            self.uplink.keep(pending=[*self._queue(), self._entry(segment, upto)])
            return segment

    def _choose(self, most: int) -> tuple[list[Record], dict[int, str], int]:
        """Records to send, what cannot go, and the number up to which all was looked at."""
        upto, before = self._looked_at(), self.outbox.held(self.uplink.hub)
        older = [*self._to_revise(before)[:most], *self._unknown(before)]
        records: list[Record] = []
        held: dict[int, str] = {}
        for event in [*self._events(older), *self._alerts(upto + most)]:
            if len(records) < most:
                _sort(self._record(event), records, held)
        ahead = set(self.uplink.state().get("ahead", ()))
        for event in self.events.since(upto, most - len(records)) if len(records) < most else ():
            upto = event.seq
            gone_ahead = event.seq in ahead and self._unchanged(event)
            if not gone_ahead and before.get(event.seq, UNKNOWN_FORM) == UNKNOWN_FORM:
                _sort(self._record(event), records, held)
        self._remember_ahead(record.seq for record in records if record.seq > upto)
        return sorted(records, key=lambda record: record.seq), held, upto

    def _alerts(self, after: int) -> list[Event]:
        """What cannot wait for its turn, among events that were not looked at for that yet."""
        scanned = max(after, self.uplink.state().get("scanned", 0))
        events = self.events.since(scanned, _SCANNED)
        if events:
            self.uplink.keep(scanned=events[-1].seq)
        return [event for event in events if not event.erased and self.alert(event)][:_MOST_ALERTS]

    def _remember_ahead(self, seqs: Iterable[int]) -> None:
        ahead = [*self.uplink.state().get("ahead", ()), *seqs]
        known = self.outbox.acknowledged(self.uplink.hub)
        self.uplink.keep(ahead=[seq for seq in ahead if seq > known])

    def _unchanged(self, event: Event) -> bool:
        sent = self.uplink.sent(event.seq)
        return self.outgoing.how(event, sent.rev) == sent

    def _record(self, event: Event) -> Record | Held:
        """Its next revision; one that went ahead and changed since is one, too."""
        before = self.uplink.known(event.seq)
        if before is None and event.seq in self.uplink.state().get("ahead", ()):
            before = Sent()
        return self.outgoing.record(event, before)

    def _events(self, seqs: Iterable[int]) -> list[Event]:
        found = (self.events.since(seq - 1, 1) for seq in seqs)
        return [each for events in found for each in events]

    def _sealed(self, records: list[Record], held: dict[int, str]) -> Segment | None:
        """The segment of those records that can be written; the others join ``held``."""
        known = self._dictionary()
        try:
            return self._seal(records, known) if records else None
        except ValueError:
            empty = self._batch([])
            wrong = {r.seq for r in records if len(records) == 1 or why_not(r, empty, known)}
        held.update(dict.fromkeys(wrong, UNFIT))
        fit = [record for record in records if record.seq not in wrong]
        return self._sealed(fit, held) if wrong else None

    def _seal(self, records: list[Record], known: Dictionary) -> Segment:
        batch = self._batch(records)
        return Segment(seal(batch, self.key, known), batch)

    def _batch(self, records: list[Record]) -> RecordBatch:
        return RecordBatch(
            stream=self.stream(),
            last=self.events.last_seq(),
            acknowledged=self.outbox.acknowledged(self.uplink.hub),
            sent=in_s(now()),
            records=tuple(records),
            health=self.health(),
        )

    def _dictionary(self) -> Dictionary:
        return best(self.uplink.state().get("dictionaries") or versions())

    def _bare(self, record: Record) -> bool:
        events = self._events([record.seq])
        return bool(events and self.outgoing.photos(events[0])) and not record.photos

    def _nothing_until(self, upto: int) -> None:
        """All up to that number, beyond what is sealed, is held back."""
        queue = self._queue()
        if not queue:
            self._pass(upto)
            return
        *before, (digest, sealed, seqs) = queue
        self.uplink.keep(pending=[*before, [digest, max(sealed, upto), seqs]])

    def _pass(self, upto: int) -> None:
        """All up to that number is at the hub or held back."""
        if upto > self.outbox.acknowledged(self.uplink.hub):
            self.outbox.acknowledge(self.uplink.hub, upto)

    # --- the hub's word -----------------------------------------------------------------------

    def arrived(self, segment: Segment, receipt: Receipt) -> None:
        """The hub has that segment; durable when this returns."""
        hub, queue, digest = self.uplink.hub, self._queue(), _digest(segment.data)
        entry = next((each for each in queue if each[0] == digest), None)
        if entry is None:
            return  # erased from meanwhile: what is left of it comes again
        aside = [each for each in receipt.refused if each.reason is not Refusal.OLDER]
        refused = {each.seq: f"{REFUSED}:{each.reason}" for each in aside}
        records = segment.batch.records
        with self.store.transaction():
            self._pass(entry[1])
            self.outbox.release(hub, [record.seq for record in records])
            self.outbox.hold(hub, {s: why for s, why in refused.items() if s in entry[2]})
            for record in records:
                self._follow(record)
            self._touched(records)
            self._outdo(records, receipt)
            left = [each for each in queue if each[0] != digest]
            self.uplink.keep(pending=left, dictionaries=list(receipt.dictionaries))
            self._look_for_gap(receipt, segment.batch.stream)
        self._path(digest).unlink(missing_ok=True)

    def _outdo(self, records: Iterable[Record], receipt: Receipt) -> None:
        """The hub has later revisions than this node knows of, told before the node was written
        from an old image: what the node says now is to be the latest."""
        told = {r.seq: r.detail for r in receipt.refused if r.reason is Refusal.OLDER}
        for record in records:
            how, rev = self.uplink.sent(record.seq), told.get(record.seq, "")
            if how.rev == record.rev and rev.isdecimal() and int(rev) < ERASED_REV - 1:
                self.uplink.sealed({record.seq: replace(how, rev=int(rev))})
                self.uplink.again([record.seq])

    def proven(self, receipt: Receipt) -> list[Segment]:
        """Segments that the hub has by a receipt which does not answer one of them.

        It tells of numbers alone: of a segment with later revisions it proves nothing.
        """
        known = self.outbox.acknowledged(self.uplink.hub)
        if receipt.epoch != self.stream().epoch:
            return []
        have = [e for e in self._queue() if min(e[2]) > known and max(e[2]) <= receipt.seq]
        return [segment for entry in have if (segment := self._opened(entry[0]))]

    def _follow(self, record: Record) -> None:
        """Photos go after their record, or stay."""
        if record.photos:
            self.uplink.leave(record.seq, record.photos)
            return
        self.uplink.stay(record.seq)
        for event in self._events([record.seq] if record.rev else []):
            self.outbox.take_back_photos(self.uplink.hub, self.outgoing.photos(event))

    def _touched(self, records: Iterable[Record]) -> None:
        """What of older records may leave now that could not before, or the other way round."""
        subjects: dict[str, None] = {}
        for event in self._events(record.seq for record in records):
            if not event.erased:
                subjects.update(dict.fromkeys(self.outgoing.touched(event)))
        acknowledged = self.outbox.acknowledged(self.uplink.hub)
        events = (each for subject in subjects for each in self.events.about(subject))
        self._again_where_changed(each for each in events if each.seq <= acknowledged)

    def _again_where_changed(self, events: Iterable[Event]) -> None:
        for event in events:
            before = self.uplink.sent(event.seq)
            if before.rev < ERASED_REV and self.outgoing.how(event, before.rev) != before:
                self.uplink.again([event.seq])

    def _look_for_gap(self, receipt: Receipt, stream: Stream) -> None:
        """A hub that lost what it had (a backup was put back) is sent it again, once a gap."""
        first = receipt.seq + 1
        known = self.outbox.acknowledged(self.uplink.hub)
        held = self.outbox.held(self.uplink.hub)
        is_gap = receipt.epoch == stream.epoch and stream.base < first <= known
        if is_gap and first not in held and self.uplink.state().get("gap") != first:
            self.uplink.again(seq for seq in range(first, known + 1) if seq not in held)
            self.uplink.keep(gap=first)

    def split(self, segment: Segment, first: int) -> None:
        """Make two of that segment, the first of ``first`` records; no record changes."""
        if not self._is_first(segment):
            return
        records, (upto, *rest) = segment.batch.records, [self._queue()[0][1], *self._queue()[1:]]
        head, tail = (self._again(segment, part) for part in (records[:first], records[first:]))
        known = self.outbox.acknowledged(self.uplink.hub)
        entries = [self._entry(head, max(known, records[first - 1].seq)), self._entry(tail, upto)]
        self._write(head.data)
        self._write(tail.data)
        self.uplink.keep(pending=[*entries, *rest])
        self._path(_digest(segment.data)).unlink(missing_ok=True)

    def _is_first(self, segment: Segment) -> bool:
        """False when something was erased while it was on its way: it is not to be sent again."""
        return [entry[0] for entry in self._queue()[:1]] == [_digest(segment.data)]

    def _again(self, segment: Segment, records: tuple[Record, ...]) -> Segment:
        batch = replace(segment.batch, records=records)
        return Segment(seal(batch, self.key, self._dictionary()), batch)

    def set_aside(self, segment: Segment, reason: str) -> None:
        """The hub does not take the one record of that segment; a person may look why."""
        if not self._is_first(segment):
            return
        (entry, *rest), record = self._queue(), segment.batch.records[0]
        with self.store.transaction():
            self.outbox.hold(self.uplink.hub, {record.seq: f"{REFUSED}:{reason}"})
            self._pass(entry[1])
            self.uplink.keep(pending=rest)
        self._path(entry[0]).unlink(missing_ok=True)

    def reseal(self, segment: Segment, dictionaries: Iterable[int]) -> None:
        """The same records again, written with a dictionary that the hub knows.

        Raises:
            HubError: ``unknown_dictionary`` when there is none that both know.
        """
        if not self._is_first(segment):
            return
        (entry, *rest), can = self._queue(), list(dictionaries)
        data = seal(segment.batch, self.key, best(can))
        if data == segment.data:
            raise HubError("unknown_dictionary", "the hub and this node share no dictionary")
        self._write(data)
        self.uplink.keep(pending=[[_digest(data), *entry[1:]], *rest], dictionaries=can)
        self._path(entry[0]).unlink(missing_ok=True)

    def drop(self) -> None:
        """Forget the segments that wait; their records are made anew, as later revisions."""
        drop_sealed(self.uplink, self.folder)

    # --- files --------------------------------------------------------------------------------

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.seg"

    def _read(self, digest: str) -> bytes:
        """Empty when it is not there, or is not what was written."""
        try:
            data = self._path(digest).read_bytes()
        except OSError:
            return b""
        return data if _digest(data) == digest else b""

    def _write(self, data: bytes) -> None:
        make_folder(self.folder)
        write_atomic(self._path(_digest(data)), data)


def drop_sealed(uplink: Uplink, folder: Path) -> None:
    """Forget the segments that wait for a hub's answer.

    To be called when something was erased, since it stands in their files.  What is left of their
    records is sent as later revisions: the hub may have them already.
    """
    seqs = [seq for _digest, _upto, seqs in uplink.state().get("pending", ()) for seq in seqs]
    if seqs:
        uplink.again(seqs)
        ahead = [seq for seq in uplink.state().get("ahead", ()) if seq not in seqs]
        uplink.keep(pending=[], ahead=ahead)
    for path in folder.glob("*.seg"):
        path.unlink(missing_ok=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _all(records: Iterable[Record], held: Mapping[int, str]) -> bool:
    return all(record.seq in held for record in records)


def _sort(made: Record | Held, records: list[Record], held: dict[int, str]) -> None:
    if isinstance(made, Held):
        held[made.seq] = made.reason
    else:
        records.append(made)
