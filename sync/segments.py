"""Segments: a batch, signed by its node; the same bytes go over the network and on a USB stick.

``GHS`` + schema (1 byte) + dictionary (1 byte) + node (16 bytes) + Ed25519 signature (64 bytes) +
payload (`sync.wire`).  Signed is the purpose followed by all but the signature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from field_data.errors import PublisherError
from sync.columns import ID_BYTES, id_bytes, id_text, names_bytes
from sync.dictionaries import Dictionary, dictionary
from sync.keys import PublicKey, SecretKey
from sync.types import RecordBatch, Refusal
from sync.wire import decode, encode

SCHEMA = 1
MAX_BYTES = 1 << 20
_MAGIC = b"GHS"
_PURPOSE = b"ghalla segment 1\n"
_SIGNATURE_BYTES = 64
_HEAD_BYTES = len(_MAGIC) + 2 + ID_BYTES
_LEAST = _HEAD_BYTES + _SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a segment says of itself before anything was checked."""

    schema: int
    dictionary: int
    node: str


def seal(batch: RecordBatch, key: SecretKey, known: Dictionary) -> bytes:
    """The signed segment of a batch, written with a dictionary that the hub can read.

    Raises:
        ValueError: as `sync.wire.encode`, or more than `MAX_BYTES`: take fewer records.
    """
    if not names_bytes(batch.stream.node):
        raise ValueError("a node is named by 16 bytes")
    head = _MAGIC + bytes([SCHEMA, known.version]) + id_bytes(batch.stream.node)
    payload = encode(batch, known)
    if len(payload) > MAX_BYTES - _LEAST:
        raise ValueError(f"a segment of {_LEAST + len(payload)} bytes, {MAX_BYTES} are allowed")
    return head + key.sign(_PURPOSE + head + payload) + payload


def peek(data: bytes) -> Envelope:
    """Who claims to have written a segment, unchecked.

    Raises:
        PublisherError: ``too_large``, ``bad_segment``.
    """
    if len(data) > MAX_BYTES:
        raise PublisherError(Refusal.TOO_LARGE, f"{len(data)} bytes, {MAX_BYTES} are allowed")
    if not data.startswith(_MAGIC) or len(data) < _LEAST:
        raise PublisherError(Refusal.BAD_SEGMENT, "no segment, or a cut one")
    return Envelope(data[3], data[4], id_text(data[5:_HEAD_BYTES]))


def open_segment(data: bytes, key_of: Callable[[str], PublicKey]) -> RecordBatch:
    """The batch of a segment whose signature holds.

    ``key_of`` gives the public key of a node and raises what it likes for one that it refuses.

    Raises:
        PublisherError: with a code of `Refusal`: ``too_large``, ``bad_segment``, ``newer_schema``,
            ``bad_signature``, ``unknown_dictionary``.
    """
    told = peek(data)
    if told.schema > SCHEMA:
        raise PublisherError(Refusal.NEWER_SCHEMA, f"schema {told.schema}, known is {SCHEMA}")
    if told.schema != SCHEMA:
        raise PublisherError(Refusal.BAD_SEGMENT, f"there is no schema {told.schema}")
    head, payload = data[:_HEAD_BYTES], data[_LEAST:]
    key_of(told.node).check(_PURPOSE + head + payload, data[_HEAD_BYTES:_LEAST])
    return decode(payload, told.node, dictionary(told.dictionary))
