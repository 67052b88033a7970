"""Where things lie on a USB stick that carries what the link cannot (docs/sync.md).

The signed index says which photo a file is a rendition of; segments and receipts say it themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2

from field_data.errors import PublisherError
from field_data.ids import is_id
from sync.keys import PublicKey, SecretKey

UP, DOWN = "ghalla-up", "ghalla-down"
INDEX = "photos.index"
MOST_INDEX = 16 << 20
RENDITIONS = ("thumb", "view", "original")
_PURPOSE = b"ghalla stick index 1\n"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StickPhoto:
    """One file of `photos_folder`: its own ``sha256``, the kept photo it shows, its bytes."""

    sha256: str
    photo: str
    rendition: str
    length: int

    def __post_init__(self) -> None:
        if not (_SHA256.fullmatch(self.sha256) and _SHA256.fullmatch(self.photo)):
            raise ValueError("a photo is named by its SHA-256 in hex")
        if self.rendition not in RENDITIONS or type(self.length) is not int or self.length < 1:
            raise ValueError("no such rendition, or no length")


def up_folder(stick: Path, node: str) -> Path:
    """What a node sends up."""
    return stick / UP / node


def photos_folder(stick: Path, node: str) -> Path:
    """Files named by the SHA-256 of their bytes."""
    return up_folder(stick, node) / "photos"


def segment_file(stick: Path, node: str, epoch: int, first: int, last: int) -> Path:
    """One segment; the name is for order and for people, what counts is inside."""
    return up_folder(stick, node) / f"{epoch:05}-{first:012}-{last:012}.seg"


def receipt_file(stick: Path, node: str) -> Path:
    """The hub's signed word for a node."""
    return stick / DOWN / "receipts" / f"{node}.receipt"


def bundles_folder(stick: Path) -> Path:
    """Bundles and their slips, for any node."""
    return stick / DOWN / "bundles"


def seal_index(node: str, photos: Iterable[StickPhoto], key: SecretKey) -> bytes:
    """The bytes of `INDEX`: CBOR ``[node, [[sha256, photo, rendition, length] …]]``, signed."""
    said = cbor2.dumps([node, [[p.sha256, p.photo, p.rendition, p.length] for p in photos]])
    return cbor2.dumps([said, key.sign(_PURPOSE + said)])


def open_index(data: bytes, key_of: Callable[[str], PublicKey]) -> tuple[str, list[StickPhoto]]:
    """The node and its photos; ``key_of`` gives a node's key or raises.

    Raises:
        PublisherError: ``bad_index``, ``bad_signature``.
    """
    try:
        if len(data) > MOST_INDEX:
            raise ValueError("too large")
        said, signature = _pair(cbor2.loads(data))
        node, rows = _pair(cbor2.loads(said))
        if not isinstance(node, str) or not is_id(node):
            raise ValueError("names no node")
    except (ValueError, TypeError, RecursionError, cbor2.CBORError) as error:
        raise PublisherError("bad_index", f"not an index of photos: {error}") from error
    key_of(node).check(_PURPOSE + said, signature)
    try:
        return node, [StickPhoto(*row) for row in rows]
    except (ValueError, TypeError) as error:
        raise PublisherError("bad_index", f"not an index of photos: {error}") from error


def _pair(said: Any) -> list[Any]:
    if not isinstance(said, list) or len(said) != 2:
        raise ValueError("not two parts")
    return said
