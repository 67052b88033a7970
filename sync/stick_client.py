"""A node's side of a USB stick: what goes onto it, and what comes back on it (docs/sync.md).

The stick may be pulled out at any moment, be full, or be another node's: whole files only are
written, one after the other, and what is on it already is not written again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from field_data.errors import KeeperError, PersonError, PublisherError
from field_data.files import make_folder, remove_leftovers, write_atomic
from sync.departures import Departures, Segment
from sync.keys import PublicKey
from sync.parcels import Parcels
from sync.receipts import MAX_BYTES, open_receipt
from sync.stick import (
    INDEX,
    StickPhoto,
    photos_folder,
    receipt_file,
    seal_index,
    segment_file,
    up_folder,
)
from sync.types import Receipt, Refused

_MOST = 1000
_ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class Exported:
    """What is on the stick now: records and photos of this node, bytes written this time."""

    records: int
    photos: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What the hub said on the stick: records and photos of this node that it has."""

    records: int
    photos: int


@dataclass
class StickClient:
    """The node's files on the stick mounted at ``stick``; ``say`` hears how many are written."""

    stick: Path
    departures: Departures
    parcels: Parcels
    say: Callable[[int, int], None] = lambda _done, _all: None

    @property
    def _node(self) -> str:
        return self.departures.node

    def export(self) -> Exported:
        """Write everything that waits, photos in full size among it; again writes what is missing.

        Raises:
            PersonError: ``no_stick``, ``stick_full`` (what was written is whole and stays),
                ``stick_gone``.
        """
        if not self.stick.is_dir():
            raise PersonError("no_stick", f"{self.stick} is no folder")
        try:
            return self._export()
        except KeeperError as error:
            if error.code != "disk_full":
                raise
            message = "the stick is full; what is on it is whole. Bring it to the hub, then go on"
            raise PersonError("stick_full", message) from error
        except OSError as error:
            message = f"the stick cannot be written: {error.strerror or error}"
            raise PersonError("stick_gone", message) from error

    def _export(self) -> Exported:
        segments = self.departures.all(_MOST)
        folder, photos = up_folder(self.stick, self._node), photos_folder(self.stick, self._node)
        make_folder(photos)
        for each in (folder, photos):
            remove_leftovers(each)
        files = {self._file(segment): segment.data for segment in segments}
        for old in folder.glob("*.seg"):
            if old not in files:  # made anew since, maybe because something was erased
                old.unlink()
        written = sum(_write(path, data) for path, data in files.items())
        listed, of_photos = self._photos(segments, photos)
        if listed and not segments:  # the hub writes a receipt for who sends a segment
            written += _write(segment_file(self.stick, self._node, 0, 0, 0), self._greeting())
        written += of_photos
        return Exported(sum(len(s.batch.records) for s in segments), len(listed), written)

    def _greeting(self) -> bytes:
        return self.departures.greeting().data

    def _file(self, segment: Segment) -> Path:
        seqs = [record.seq for record in segment.batch.records]
        epoch = segment.batch.stream.epoch
        return segment_file(self.stick, self._node, epoch, min(seqs), max(seqs))

    def _photos(self, segments: list[Segment], folder: Path) -> tuple[list[StickPhoto], int]:
        """The kept photos themselves: whoever has them can make the small ones.

        The index goes first, so that whatever arrives of them is known.
        """
        kept, names = self.parcels.photos, self._waiting(segments)
        listed = [StickPhoto(name, name, _ORIGINAL, kept.size(name)) for name in names]
        for old in folder.iterdir():
            if old.name not in names:
                old.unlink()
        index, written = folder.parent / INDEX, 0
        if listed or index.exists():
            written += _write(index, seal_index(self._node, listed, self.departures.key))
        for done, name in enumerate(names, start=1):
            written += _write(folder / name, kept.get(name) or b"")
            self.say(done, len(names))
        return listed, written

    def _waiting(self, segments: list[Segment]) -> list[str]:
        fresh = (photo for s in segments for r in s.batch.records for photo in r.photos)
        older = (parcel.photo for parcel in self.parcels.uplink.parcels())
        return [p for p in dict.fromkeys((*older, *fresh)) if self.parcels.photos.has(p)]

    def import_(self, hub_key: PublicKey) -> Imported:
        """Read the hub's word for this node, and take off the stick what it has.

        Raises:
            PersonError: ``no_receipt``: none for this node, or not signed by its hub.
        """
        receipt = self._receipt(hub_key)
        proven = self.departures.proven(receipt)
        for segment in proven:
            self.departures.arrived(segment, replace(receipt, refused=_of(receipt, segment)))
            with suppress(OSError):
                self._file(segment).unlink(missing_ok=True)
        mine = {parcel.photo for parcel in self.parcels.uplink.parcels()}
        arrived = [photo for photo in receipt.photos if photo in mine]
        self.parcels.all_delivered(arrived)
        for photo in arrived:
            with suppress(OSError):
                (photos_folder(self.stick, self._node) / photo).unlink(missing_ok=True)
        return Imported(sum(len(s.batch.records) for s in proven), len(arrived))

    def _receipt(self, hub_key: PublicKey) -> Receipt:
        path = receipt_file(self.stick, self._node)
        try:
            with path.open("rb") as file:
                receipt = open_receipt(file.read(MAX_BYTES + 1), hub_key)
        except FileNotFoundError:
            message = "the hub has written nothing for this node onto that stick"
            raise PersonError("no_receipt", message) from None
        except (OSError, PublisherError) as error:
            raise PersonError("no_receipt", f"{path} is no receipt of this hub: {error}") from error
        if (receipt.hub, receipt.node) != (self.departures.uplink.hub, self._node):
            raise PersonError("no_receipt", f"{path} is for another node or of another hub")
        return receipt


def _of(receipt: Receipt, segment: Segment) -> tuple[Refused, ...]:
    seqs = {record.seq for record in segment.batch.records}
    return tuple(each for each in receipt.refused if each.seq in seqs)


def _write(path: Path, data: bytes) -> int:
    """Bytes written: none where the file is whole already."""
    with suppress(OSError):
        if path.stat().st_size == len(data) and _same(path, data):
            return 0
    if data:
        write_atomic(path, data)
    return len(data)


def _same(path: Path, data: bytes) -> bool:
    return hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(data).digest()
