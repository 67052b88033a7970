"""Receipts: what the hub has, as CBOR; signed where it travels on a stick.

A map of short keys; what is usual is left out.  Signed: ``GHR`` + schema (1 byte) + Ed25519
signature (64 bytes) of the purpose, those 4 bytes and the CBOR that follows.  A signed receipt
names its hub and its node, so that another's is not taken for one's own.
"""

from __future__ import annotations

from typing import Any

from field_data.errors import PublisherError
from field_data.ids import is_id
from sync.cbor import Unfit, dump, load
from sync.columns import id_bytes, id_text, is_hash, names_bytes
from sync.keys import PublicKey, SecretKey
from sync.layouts import whole
from sync.types import Receipt, Refusal, Refused

SCHEMA = 1
MAX_BYTES = 1 << 20
_MAGIC = b"GHR"
_PURPOSE = b"ghalla receipt 1\n"
_HEAD_BYTES, _SIGNATURE_BYTES = 4, 64
_LONGEST_DETAIL, _LONGEST_HUB = 500, 64


def encode(receipt: Receipt) -> bytes:
    """The receipt as CBOR.

    Raises:
        ValueError: A receipt that `decode` would refuse.
    """
    said: dict[str, Any] = {
        "h": receipt.hub,
        "n": id_bytes(receipt.node) if names_bytes(receipt.node) else receipt.node,
        "e": receipt.epoch,
        "s": receipt.seq,
        "r": [[one.seq, str(one.reason), one.detail] for one in receipt.refused],
        "p": [bytes.fromhex(photo) for photo in receipt.photos],
        "d": list(receipt.dictionaries),
        "t": receipt.time_s,
    }
    data = dump({key: value for key, value in said.items() if value or key in "hns"})
    if _decode(data) != receipt:
        raise ValueError("the receipt would not come back the same")
    return data


def decode(data: bytes) -> Receipt:
    """What `encode` wrote; other keys than the known ones are left to later versions.

    Raises:
        PublisherError: ``too_large``, ``damaged``.
    """
    if len(data) > MAX_BYTES:
        raise PublisherError(Refusal.TOO_LARGE, f"a receipt of {len(data)} bytes")
    try:
        return _decode(data)
    except ValueError as error:
        raise PublisherError(Refusal.DAMAGED, f"not a receipt: {error}") from error


def sign(receipt: Receipt, key: SecretKey) -> bytes:
    """The signed receipt, for a USB stick."""
    head, body = _MAGIC + bytes([SCHEMA]), encode(receipt)
    return head + key.sign(_PURPOSE + head + body) + body


def open_receipt(data: bytes, key: PublicKey) -> Receipt:
    """The receipt if ``key``, the hub's, signed it.

    Raises:
        PublisherError: ``too_large``, ``damaged``, ``newer_schema``, ``bad_signature``.
    """
    start = _HEAD_BYTES + _SIGNATURE_BYTES
    if len(data) > MAX_BYTES:
        raise PublisherError(Refusal.TOO_LARGE, f"a receipt of {len(data)} bytes")
    if not data.startswith(_MAGIC) or len(data) < start:
        raise PublisherError(Refusal.DAMAGED, "no signed receipt, or a cut one")
    if data[3] > SCHEMA:
        raise PublisherError(Refusal.NEWER_SCHEMA, f"schema {data[3]}, known is {SCHEMA}")
    head, body = data[:_HEAD_BYTES], data[start:]
    key.check(_PURPOSE + head + body, data[_HEAD_BYTES:start])
    return decode(body)


def _decode(data: bytes) -> Receipt:
    said = load(data)
    if type(said) is not dict or not {"h", "n", "s"} <= said.keys():
        raise Unfit("a map with other keys")
    return Receipt(
        hub=_text(said["h"], _LONGEST_HUB),
        node=_node(said["n"]),
        epoch=whole(said.get("e", 0), 0, (1 << 16) - 1),
        seq=whole(said["s"], 0),
        refused=tuple(map(_refused, _list(said.get("r", [])))),
        photos=tuple(map(_photo, _list(said.get("p", [])))),
        dictionaries=tuple(whole(one, 0, 255) for one in _list(said.get("d", []))),
        time_s=_time(said.get("t", 0.0)),
    )


def _refused(item: Any) -> Refused:
    """A reason of a later version counts as ``conflict`` and is told: a receipt must be read."""
    if len(_list(item)) != 3:
        raise Unfit("a refusal with other parts")
    seq, reason, detail = whole(item[0], 1), _text(item[1], 32), _text(item[2], _LONGEST_DETAIL)
    if reason not in list(Refusal):
        return Refused(seq, Refusal.CONFLICT, f"{reason}: {detail}"[:_LONGEST_DETAIL])
    return Refused(seq, Refusal(reason), detail)


def _photo(item: Any) -> str:
    if type(item) is not bytes or not is_hash(item.hex()):
        raise Unfit("a photo is 32 bytes")
    return item.hex()


def _node(item: Any) -> str:
    text = id_text(item) if type(item) is bytes else item
    if type(text) is not str or not is_id(text):
        raise Unfit("a node is 16 bytes")
    return text


def _time(item: Any) -> float:
    if type(item) not in (int, float):
        raise Unfit("a time is a number")
    return float(item)


def _text(item: Any, most: int) -> str:
    if type(item) is not str or len(item) > most:
        raise Unfit("a text that is none, or too long")
    return item


def _list(item: Any) -> list[Any]:
    if type(item) is not list:
        raise Unfit("not a list")
    return item
