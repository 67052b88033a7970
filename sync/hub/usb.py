"""What comes on a stick (`sync.stick`): the same segments, photos by a signed index, receipts back.

Nothing of the stick is removed; one that comes twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import func, select

from field_data.errors import GhallaError, HubError, NetworkError, PublisherError
from field_data.files import make_folder, write_atomic
from field_data.ids import is_id
from sync import receipts
from sync.hub.app import Hub
from sync.hub.gate import known_node
from sync.hub.ingest import ingest
from sync.hub.photos import OffsetError, Photos, Upload
from sync.hub.tables import PHOTOS, STREAMS
from sync.segments import MAX_BYTES, open_segment
from sync.stick import INDEX, MOST_INDEX, UP, StickPhoto, open_index, photos_folder, receipt_file
from sync.types import Receipt, Refusal, Refused

_PIECE = 1 << 20
# These end the import: they say nothing about the stick.
_OURS = (Refusal.FULL, "database_down", "blobs_down")


@dataclass(slots=True)
class StickNode:
    """What one node's folder held.  ``problems`` are (file, reason, detail)."""

    node: str
    segments: int = 0
    records: int = 0
    photos: int = 0
    receipt: Receipt | None = None
    problems: list[tuple[str, str, str]] = field(default_factory=list)


def take_stick(hub: Hub, stick: Path) -> list[StickNode]:
    """Take in all of a stick, a node after the other, and leave receipts on it.

    Raises:
        HubError: ``full``.
        NetworkError: ``database_down``, ``blobs_down``: bring the stick again.
        OSError: the stick cannot be read or written.
    """
    folders = sorted(p for p in (stick / UP).glob("*") if is_id(p.name) and _plain_folder(p))
    return [_take_node(hub, stick, folder) for folder in folders]


def _take_node(hub: Hub, stick: Path, folder: Path) -> StickNode:
    done = StickNode(folder.name)
    refused: dict[int, Refused] = {}
    for path in sorted(folder.glob("*.seg")):
        try:
            receipt = _segment(hub, path, done)
        except GhallaError as error:
            _note(done, path, error)
            continue
        refused |= {each.seq: each for each in receipt.refused}
        if done.receipt is None or receipt.epoch >= done.receipt.epoch:
            done.receipt = receipt
    listed = _photos(hub, stick, folder, done)
    if done.receipt is not None:
        done.receipt = replace(
            _standing(hub, done.receipt),
            refused=tuple(refused[seq] for seq in sorted(refused)),
            photos=_whole(hub, done.node, listed),
            time_s=time.time(),
        )
        path = receipt_file(stick, done.node)
        make_folder(path.parent)
        write_atomic(path, receipts.sign(done.receipt, hub.identity.key))
    return done


def _segment(hub: Hub, path: Path, done: StickNode) -> Receipt:
    data = _read(path, MAX_BYTES)
    batch = open_segment(data, lambda node: known_node(hub, node).key)
    if batch.stream.node != done.node:
        raise PublisherError(Refusal.BAD_SEGMENT, "a segment of another node")
    receipt = ingest(hub, batch, late=True)
    done.segments += 1
    done.records += len(batch.records)
    return receipt


def _photos(hub: Hub, stick: Path, folder: Path, done: StickNode) -> list[StickPhoto]:
    path = folder / INDEX
    if not path.exists():
        return []
    try:
        node, listed = open_index(_read(path, MOST_INDEX), lambda id: known_node(hub, id).key)
        if node != done.node:
            raise PublisherError("bad_index", "an index of another node")
    except GhallaError as error:
        _note(done, path, error)
        return []
    for each in listed:
        file = photos_folder(stick, node) / each.sha256
        try:
            done.photos += _photo(Photos(hub), Upload(node, *_told(each)), file)
        except GhallaError as error:
            _note(done, file, error)
    return listed


def _told(photo: StickPhoto) -> tuple[str, str, str, int]:
    return photo.sha256, photo.photo, photo.rendition, photo.length


def _photo(photos: Photos, upload: Upload, path: Path) -> bool:
    """Go on with a rendition where the hub stands; False where its file is not on the stick."""
    if not path.is_file() or path.is_symlink():
        return False
    if path.stat().st_size != upload.length:
        raise HubError(Refusal.DAMAGED, "the file is cut, or longer than it was")
    offset = photos.begin(upload)
    for piece in _pieces(path, offset):
        try:
            offset = photos.append(upload.node, upload.sha256, offset, piece)
        except OffsetError:  # comes over the network at the same time
            return True
    photos.settled(upload.node, upload.sha256)
    return True


def _pieces(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while piece := file.read(_PIECE):
            yield piece


def _standing(hub: Hub, receipt: Receipt) -> Receipt:
    """The receipt with the stream's number as it is now."""
    c = STREAMS.c
    mine = (c.node == receipt.node, c.epoch == receipt.epoch)
    with hub.database.reading() as connection:
        seq = connection.execute(select(func.max(c.seq)).where(*mine)).scalar_one()
    return replace(receipt, seq=seq)


def _whole(hub: Hub, node: str, listed: list[StickPhoto]) -> tuple[str, ...]:
    """Kept photos of the stick of which every rendition on it is whole at the hub."""
    c = PHOTOS.c
    with hub.database.reading() as connection:
        whole = set(
            connection.execute(
                select(c.sha256).where(c.node == node, c.whole_s.is_not(None))
            ).scalars()
        )
    missing = {each.photo for each in listed if each.sha256 not in whole}
    return tuple(sorted({each.photo for each in listed} - missing))


def _read(path: Path, most: int) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise PublisherError(Refusal.BAD_SEGMENT, "not a file")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise PublisherError(Refusal.TOO_LARGE, f"more than {most} bytes")
    return data


def _plain_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _note(done: StickNode, path: Path, error: GhallaError) -> None:
    if isinstance(error, NetworkError) or error.code in _OURS:
        raise error
    done.problems.append((path.name, str(error.code), str(error)))
