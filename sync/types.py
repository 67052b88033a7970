"""What travels between a node and a hub, in the words both use (see docs/sync.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from field_data.events import Kind
from field_data.ids import is_id
from field_data.types import Instant

# The highest revision: an erased record, which nothing replaces.
ERASED_REV = 255


class Refusal(StrEnum):
    """Why the hub does not take a segment, a photo or one record; stable, and never "error"."""

    UNKNOWN_NODE = "unknown_node"
    REVOKED = "revoked"
    BAD_SIGNATURE = "bad_signature"
    BAD_SEGMENT = "bad_segment"
    UNKNOWN_DICTIONARY = "unknown_dictionary"
    NEWER_SCHEMA = "newer_schema"
    TOO_LARGE = "too_large"
    GAP = "gap"
    DIVERGED = "diverged"
    SUPERSEDED = "superseded"
    CLONED = "cloned"
    CONFLICT = "conflict"
    FULL = "full"
    DAMAGED = "damaged"
    ERASED = "erased"
    OLDER = "older"


def in_ms(instant: Instant) -> Instant:
    """The moment in whole milliseconds, which no clock here is better than: a node's has seven
    digits, and each of them would take bytes in every record."""
    return replace(instant, utc_s=round(instant.utc_s, 3))


def in_s(instant: Instant) -> Instant:
    """The moment in whole seconds: enough to tell how far a clock is off."""
    return replace(instant, utc_s=float(round(instant.utc_s)))


@dataclass(frozen=True, slots=True)
class Stream:
    """One numbering of one node's events.

    ``node`` is its id.  ``epoch`` counts from 0; a node whose store went back in time (a card
    written from an old image) begins the next one.  ``token`` is 8 random bytes made with the
    epoch, so that two boxes written from one image are told apart.  ``base`` is the number after
    which the epoch begins: events up to it belong to earlier epochs.
    """

    node: str
    epoch: int
    token: bytes
    base: int

    def __post_init__(self) -> None:
        if not is_id(self.node) or len(self.token) != 8:
            raise ValueError("a stream has a node and a token of 8 bytes")
        if not 0 <= self.epoch < 1 << 16 or self.base < 0:
            raise ValueError("epoch and base are not negative")


@dataclass(frozen=True, slots=True)
class Record:
    """An event as it travels: numbered, without an id of its own and without what stays at home.

    ``(stream, seq)`` names it; ``supersedes`` is the ``seq`` of the event it corrects.  ``rev``
    is 0 when it first travels and grows when what may travel of it changes (a consent given or
    withdrawn); the highest revision stands, and `ERASED_REV` is that of an erased record, which has
    no subject, author, body or photos.  ``coarse`` says that places in it are those of a cell.
    Senders round ``at`` and ``received`` to milliseconds (`in_ms`).
    """

    seq: int
    kind: Kind
    subject: str
    author: str
    at: Instant
    received: Instant
    body: Mapping[str, Any]
    photos: tuple[str, ...] = ()
    supersedes: int | None = None
    rev: int = 0
    coarse: bool = False

    def __post_init__(self) -> None:
        if self.seq < 1 or not 0 <= self.rev <= ERASED_REV:
            raise ValueError("seq counts from 1, rev is 0 to 255")

    @property
    def erased(self) -> bool:
        """Whether nothing is left of it but its number."""
        return self.rev == ERASED_REV


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records of one stream in the order of ``seq``, which may leave numbers out.

    ``last`` is the number of the node's latest event; ``acknowledged`` what it believes that the
    hub has; ``sent`` its clock.  ``health`` is what the hub shows of it (software version, backlog
    …): short keys, plain values.
    """

    stream: Stream
    last: int
    acknowledged: int
    sent: Instant
    records: tuple[Record, ...] = ()
    health: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """One record that the hub set aside, and why; it counts as received and blocks nothing."""

    seq: int
    reason: Refusal
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the hub has, durable when it says so.

    ``seq``: all events of the stream up to it.  ``photos``: SHA-256 of those of the batch's photos
    that the hub has whole.  ``dictionaries``: versions that it can decode, newest first.
    ``time_s``: its clock.
    """

    hub: str
    node: str
    epoch: int
    seq: int
    refused: tuple[Refused, ...] = ()
    photos: tuple[str, ...] = ()
    dictionaries: tuple[int, ...] = ()
    time_s: float = 0.0
