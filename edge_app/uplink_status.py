"""What waits for the hub and why, what it costs, and what the month has cost already."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_app.ground import Ground
from edge_app.settings import MB
from field_data.clock import now
from field_data.events import Event, EventLog
from field_data.uplinks import RENDITIONS, Parcel, Uplink
from sync.client import forecast
from sync.outgoing import UNKNOWN_FORM, Outgoing

# What the status counts by kind; beyond, only how many.
_COUNTED = 5000


@dataclass(frozen=True, slots=True)
class Status:
    """What waits for a hub and why, what it takes, and how the last run went.

    ``records`` by kind; ``held`` by reason; ``aside`` what waits for a person, one by one.
    ``bytes`` is an estimate of what all of it costs on the wire.  ``last`` is the last run as plain
    values, empty before one.
    """

    hub: str
    url: str
    organisation: str
    region: str
    waiting: int
    records: Mapping[str, int]
    photos: Mapping[str, int]
    held: Mapping[str, int]
    aside: tuple[Mapping[str, Any], ...]
    bytes: int
    month_bytes: int
    month_limit_bytes: int
    last: Mapping[str, Any] = field(default_factory=dict)
    heard_s: float | None = None


def status_of(ground: Ground, uplink: Uplink, outgoing: Outgoing) -> Status:
    """What waits for the hub of ``uplink``."""
    state, outbox, events = uplink.state(), ground.outbox, ground.events
    acknowledged, held = outbox.acknowledged(uplink.hub), outbox.held(uplink.hub)
    again = [seq for seq in uplink.to_revise() if seq <= acknowledged and seq not in held]
    fresh = events.since(acknowledged, _COUNTED)
    parcels = uplink.parcels()
    going = [parcel for parcel in parcels if not parcel.reason]
    going += _coming(outgoing, fresh, {parcel.photo for parcel in parcels})
    return Status(
        hub=uplink.hub,
        url=state.get("url", ""),
        organisation=state.get("organisation", ""),
        region=state.get("region", ""),
        waiting=events.last_seq() - acknowledged + len(again),
        records=dict(Counter(str(event.kind) for event in fresh)),
        photos=dict(Counter(parcel.rendition for parcel in going)),
        held=dict(Counter(held.values())),
        aside=(*_aside(events, held), *_aside_photos(uplink)),
        bytes=forecast([*fresh, *_of(events, again)], going),
        month_bytes=Meter(uplink).bytes,
        month_limit_bytes=ground.settings.hub_monthly_mb * MB,
        last=state.get("last", {}),
        heard_s=state.get("heard_s"),
    )


def _coming(outgoing: Outgoing, events: Iterable[Event], known: set[str]) -> Iterator[Parcel]:
    """Photos that follow records which wait still."""
    for event in events:
        photos = set() if event.erased else set(outgoing.photos(event)) - known
        if photos and outgoing.leave(event).photos:
            known |= photos
            yield from (Parcel(p, name, event.seq) for p in photos for name in RENDITIONS)


def _of(events: EventLog, seqs: Iterable[int]) -> Iterator[Event]:
    for seq in seqs:
        yield from events.since(seq - 1, 1)


def _aside(events: EventLog, held: Mapping[int, str]) -> Iterator[Mapping[str, Any]]:
    """But not what goes by itself once the form is here."""
    waiting = {seq: reason for seq, reason in held.items() if reason != UNKNOWN_FORM}
    for event in _of(events, waiting):
        reason = waiting[event.seq]
        yield {"what": str(event.kind), "seq": event.seq, "id": event.id, "reason": reason}


def _aside_photos(uplink: Uplink) -> Iterator[Mapping[str, Any]]:
    for parcel in uplink.parcels():
        if parcel.reason:
            what = f"photo {parcel.rendition}"
            yield {"what": what, "seq": parcel.seq, "id": parcel.photo, "reason": parcel.reason}


class Meter:
    """Bytes on the wire in the present month, kept as they are spent."""

    def __init__(self, uplink: Uplink) -> None:
        self._uplink = uplink
        state = uplink.state()
        self._month = f"{dt.datetime.fromtimestamp(max(0, now().utc_s), dt.UTC):%Y-%m}"
        self._before = state.get("month_bytes", 0) if state.get("month") == self._month else 0
        self.bytes: int = self._before

    def count(self, spent: int) -> None:
        """So many were spent since this began."""
        self.bytes = self._before + spent
        self._uplink.keep(month=self._month, month_bytes=self.bytes)
