"""A run: what waits goes to the hub until nothing waits, or the bytes or seconds are used up.

Whatever stops a run, the next one goes on where the hub says it is.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from field_data.errors import GhallaError, HubError, NetworkError, PublisherError
from field_data.events import Event
from field_data.uplinks import Parcel
from sync import backoff
from sync.conversation import Conversation, RefusedError, refusal
from sync.departures import Departures, Segment
from sync.parcels import GUESS_BYTES, Parcels
from sync.planner import (
    MOST_RECORDS,
    RECEIPT_BYTES,
    RECORD_BYTES,
    REQUEST_BYTES,
    SIGNED_BYTES,
    fits,
    part_next,
    record_bytes,
    records_next,
    whole_cost,
)
from sync.receipts import decode
from sync.transport import Allowance, Link, Reply, SpentError
from sync.types import Refusal

# Records of the first segment of a run, and of one when the link is good.
FIRST, MOST = 100, MOST_RECORDS
# A segment that took longer was too large for the link.
_QUICK_S = 8.0
# Of a photo at once: as much as it has, and less on a link that breaks, since the hub may not hear
# of a break for a while and then knows only of the pieces that it answered.
MOST_PART, _LEAST_PART = 1 << 20, 8 << 10
_SPLIT = frozenset({Refusal.BAD_SEGMENT, Refusal.TOO_LARGE, Refusal.DAMAGED})
_RENUMBER = frozenset({Refusal.DIVERGED, Refusal.SUPERSEDED})
_MOST_EPOCHS = 3


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to try again without headway, and how long to rest before (`sync.backoff`)."""

    attempts: int = 6
    base_s: float = backoff.BASE_S
    longest_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = field(default=random.random)

    def rest_s(self, tries: int, asked_s: float = 0.0) -> float:
        """Seconds to rest before try number ``tries``, at least as many as the hub asked for."""
        spread = {"base_s": self.base_s, "longest_s": self.longest_s}
        return backoff.rest_s(tries, self.chance(), asked_s=asked_s, **spread)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: records and bytes of photos at the hub, bytes on the wire."""

    records: int = 0
    photos: int = 0
    photo_bytes: int = 0
    wire_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """What a run did.  ``reason`` is the stable code of what stopped it, "" when all is sent."""

    records: int
    photos: int
    bytes_up: int
    bytes_down: int
    seconds: float
    resumed: int
    reason: str = ""
    detail: str = ""


@dataclass
class Client:
    """One run of a node: ``departures`` and ``parcels`` over the conversation ``hub``.

    ``after_up`` is called when everything is up and bytes are left: what comes down.  ``greet``:
    the hub has not heard of the node for long, and hears that it is well also if nothing waits.
    """

    hub: Conversation
    departures: Departures
    parcels: Parcels
    patience: Patience = field(default_factory=Patience)
    say: Callable[[Progress], None] = lambda _progress: None
    after_up: Callable[[Conversation], None] = lambda _hub: None
    greet: bool = False
    done: Progress = Progress()
    _most: int = FIRST
    _part: int = MOST_PART
    _epochs: int = 0

    @property
    def _link(self) -> Link:
        return self.hub.link

    @property
    def _allowance(self) -> Allowance:
        return self._link.allowance

    def run(self) -> Run:
        """Send until nothing waits or something stops it; never raises for what a link does.

        Raises:
            KeeperError: ``cloned``, ``hub_untrusted``, ``disk_full``: the keeper must act.
            HubError: ``unknown_node``, ``revoked``, ``bad_signature``, ``newer_schema``.
        """
        try:
            self.departures.tidy()
            self.parcels.tidy()
            stopped = self._until_stopped()
        finally:
            self._link.close()
        return self.report(stopped)

    def report(self, stopped: GhallaError | None = None) -> Run:
        """What was done so far."""
        link, allowance = self._link, self._allowance
        return Run(
            records=self.done.records,
            photos=self.done.photos,
            bytes_up=link.bytes_up,
            bytes_down=link.bytes_down,
            seconds=allowance.clock() - allowance.begun,
            resumed=link.resumed,
            reason="" if stopped is None else stopped.code,
            detail="" if stopped is None else str(stopped),
        )

    def _until_stopped(self) -> NetworkError | None:
        tries, before = 0, self.done
        while True:
            try:
                self._everything()
                return None
            except SpentError as spent:
                return spent
            except NetworkError as error:
                self._link.close()
                tries = 1 if self._moved(before) else tries + 1
                before = self.done
                if tries >= self.patience.attempts or not self._rest(tries, error):
                    return error

    def _moved(self, before: Progress) -> bool:
        return replace(self.done, wire_bytes=0) != replace(before, wire_bytes=0)

    def _rest(self, tries: int, error: NetworkError) -> bool:
        """Wait before the next try; False when there is no time left for that."""
        asked = error.details.get("retry_after_s", 0.0)
        wait_s = self.patience.rest_s(tries, asked if isinstance(asked, float) else 0.0)
        with suppress(SpentError):
            left = self._allowance.left_s()
            if left is None or wait_s < left:
                self.patience.sleep(wait_s)
                return True
        return False

    def _everything(self) -> None:
        while (segment := self.departures.next(self._records())) is not None:
            self._send(segment)
            self.greet = False
        if self.greet:
            self._send(self.departures.greeting())
            self.greet = False
        for parcel in self.parcels.waiting():
            ready = self.parcels.ready(parcel)
            if ready is not None:
                self._upload(*ready)
        self.after_up(self.hub)

    # --- records ------------------------------------------------------------------------------

    def _records(self) -> int:
        """How many records the next segment may have."""
        return records_next(self._most, *self._room())

    def _room(self) -> tuple[int | None, int]:
        """What the run may still cost, and what opening a connection costs of that."""
        return self._allowance.left_bytes(self._link.spent), self._link.opening_bytes

    def _afford(self, body: int) -> bool:
        return fits(body, *self._room())

    def _send(self, segment: Segment) -> None:
        records = len(segment.batch.records)
        if not self._afford(len(segment.data) + RECEIPT_BYTES):
            if records == 1 or not self._afford(RECORD_BYTES + RECEIPT_BYTES):
                raise SpentError("bytes")
            self.departures.split(segment, max(1, min(records // 2, self._records())))
            return
        began = self._allowance.clock()
        try:
            answer = self.hub.segment(segment.data)
        except RefusedError as error:
            self._refused(segment, error)
            return
        except NetworkError:
            self._most = max(10, min(records, self._most) // 2)
            if records > self._most:
                self.departures.split(segment, self._most)
            raise
        quick = self._allowance.clock() - began < _QUICK_S
        self._most = min(MOST, self._most * 2) if quick else max(10, self._most // 2)
        self._arrived(segment, answer)

    def _arrived(self, segment: Segment, answer: bytes) -> None:
        try:
            receipt = decode(answer)
        except PublisherError as error:
            raise NetworkError("no_hub", f"what answered is no hub: {error}") from error
        if receipt.hub != self.hub.hub or receipt.node != self.hub.node:
            raise HubError("other_hub", "another hub answered than the one this node belongs to")
        self.departures.arrived(segment, receipt)
        self._tell(records=self.done.records + len(segment.batch.records))

    def _refused(self, segment: Segment, error: RefusedError) -> None:
        if error.code in _RENUMBER and self._epochs < _MOST_EPOCHS:
            self._epochs += 1
            told = error.told.get("epoch")
            self.departures.new_epoch((told if isinstance(told, int) else 0) + 1)
        elif error.code == Refusal.UNKNOWN_DICTIONARY:
            told = error.told.get("dictionaries") or ()
            self.departures.reseal(segment, [n for n in told if isinstance(n, int)])
        elif error.code in _SPLIT and len(segment.batch.records) > 1:
            self.departures.split(segment, len(segment.batch.records) // 2)
        elif error.code in _SPLIT:
            self.departures.set_aside(segment, error.code)
        else:
            raise error

    # --- photos -------------------------------------------------------------------------------

    def _upload(self, parcel: Parcel, data: bytes) -> None:
        """Send what the hub does not have of a rendition, in as many pieces as it takes."""
        offset = self._asked(parcel) if parcel.offset else 0
        restarted = False
        while offset < len(data):
            piece = data[offset : offset + self._piece(len(data) - offset)]
            reply = self._patch(parcel, piece, offset, len(data))
            match reply.status:
                case 204:
                    further = _offset(reply, offset + len(piece))
                    self._part = min(MOST_PART, self._part * 2)
                case 409:
                    further = _offset(reply, offset)
                case 404 if not restarted:
                    restarted, further = True, 0
                case 460 if not restarted:
                    restarted, further = True, 0
                case 410:
                    self.parcels.drop(parcel)
                    return
                case _:
                    self._unwanted(parcel, reply)
                    return
            if further == offset and reply.status == 409:
                raise NetworkError("no_headway", "the hub does not say how far a photo came")
            self._tell(photo_bytes=self.done.photo_bytes + max(0, further - offset))
            offset, parcel = further, self.parcels.moved(parcel, further)
        self.parcels.delivered(parcel)
        self._tell(photos=self.done.photos + 1)

    def _asked(self, parcel: Parcel) -> int:
        """How many bytes the hub has of a rendition that was begun."""
        if not self._afford(SIGNED_BYTES - REQUEST_BYTES):
            raise SpentError("bytes")
        reply = self.hub.signed("HEAD", _path(parcel), headers={"Tus-Resumable": "1.0.0"})
        if reply.status == 404:
            return 0
        if reply.status not in (200, 204):
            raise refusal(reply)
        return _offset(reply, 0)

    def _piece(self, wanted: int) -> int:
        """How many bytes of a photo the next request may carry."""
        part = part_next(min(wanted, self._part), *self._room())
        if not part:
            raise SpentError("bytes")
        return part

    def _patch(self, parcel: Parcel, piece: bytes, offset: int, length: int) -> Reply:
        headers = {
            "Tus-Resumable": "1.0.0",
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
        }
        if not offset:
            headers["Upload-Length"] = str(length)
            headers["Upload-Metadata"] = f"photo {parcel.photo},rendition {parcel.rendition}"
        try:
            return self.hub.signed("PATCH", _path(parcel), piece, headers)
        except NetworkError:
            # Something of it may have arrived: the next try asks how far.
            self.parcels.moved(parcel, max(offset, 1))
            self._part = max(_LEAST_PART, min(self._part, len(piece)) // 2)
            raise

    def _unwanted(self, parcel: Parcel, reply: Reply) -> None:
        """The hub does not take this one: set it aside, unless it is the node that is refused."""
        error = refusal(reply)
        if not isinstance(error, RefusedError) or reply.status in (401, 403):
            raise error
        self.parcels.set_aside(parcel, error.code)

    def _tell(self, **changes: int) -> None:
        self.done = replace(self.done, wire_bytes=self._link.spent, **changes)
        self.say(self.done)


def forecast(events: Iterable[Event], parcels: Iterable[Parcel]) -> int:
    """About how many bytes on the wire it takes to send all of that."""
    records = [record_bytes(len(json.dumps(e.body)), len(e.photos)) for e in events]
    return whole_cost(records, [_left(parcel) for parcel in parcels])


def _left(parcel: Parcel) -> int:
    return max(1, (parcel.length or GUESS_BYTES[parcel.rendition]) - parcel.offset)


def _path(parcel: Parcel) -> str:
    return f"/n/1/photos/{parcel.sha256}"


def _offset(reply: Reply, otherwise: int) -> int:
    text = reply.headers.get("upload-offset", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else otherwise
