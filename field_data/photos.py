"""Kept photos: JPEG files named by the hash of their bytes, without anything but the picture."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from field_data.files import (
    disk_full_named,
    make_folder,
    remove_leftovers,
    sync_folder,
    write_atomic,
)
from field_data.types import Photo

_SHA256 = re.compile(r"[0-9a-f]{64}")
# What a picture needs: tables, frames, scans, JFIF (E0), colour profile (E2), Adobe's colour
# transform (EE).  Everything else that can carry words or places (EXIF and XMP in E1, IPTC in ED,
# comments in FE, unknown application segments) is refused.
_ALLOWED = frozenset({*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD, 0xE0, 0xE2, 0xEE})
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
# Inside a scan FF 00 is data and FF D0 … D7 are restarts; any other marker ends it.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


class Budget(Protocol):
    """How many bytes may be kept: `field_data.photo_quota.Budget`."""

    @property
    def taken(self) -> int:
        """Bytes taken now."""

    def take(self, bytes: int) -> None:
        """So many will be kept, or ``KeeperError("photos_full")``."""

    def give_back(self, bytes: int) -> None:
        """So many are free again."""


class PhotoStore:
    """Photos in ``folder``, spread over 256 folders by the first two letters of the hash.

    With a ``budget`` only so many bytes are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.budget: Budget | None = None
        if not folder.is_dir():
            make_folder(folder)
            # All at once, so that the first photos need not wait for a folder of their own.
            with disk_full_named(folder):
                for shard in range(256):
                    (folder / f"{shard:02x}").mkdir(exist_ok=True)
                sync_folder(folder)

    def put(self, jpeg: bytes) -> Photo:
        """Keep ``jpeg``, durably; keeping the same bytes again costs no space.

        The caller has rebuilt the picture from its pixels.  Raises `ValueError` if there is
        anything but a picture in it, ``KeeperError`` if it does not fit: ``disk_full``, or
        ``photos_full`` when the budget is used up.
        """
        refuse_metadata(jpeg)
        photo = photo_of(jpeg)
        path = self._path(photo.sha256)
        if self.has(photo.sha256):
            # Another thread may have renamed it a moment ago and not yet synced the folder.
            sync_folder(path.parent)
        else:
            with self._budgeted(photo.bytes):
                make_folder(path.parent)
                write_atomic(path, jpeg)
        return photo

    @contextmanager
    def _budgeted(self, bytes: int) -> Iterator[None]:
        if self.budget is None:
            yield
            return
        self.budget.take(bytes)
        try:
            yield
        except BaseException:
            self.budget.give_back(bytes)
            raise

    def put_many(self, jpegs: Sequence[bytes]) -> list[Photo]:
        """`put` several at once: the disk makes them durable together, four times as fast for six.

        If one fails the others may have been kept.
        """
        with ThreadPoolExecutor(max_workers=max(1, len(jpegs))) as pool:
            return list(pool.map(self.put, jpegs))

    def has(self, sha256: str) -> bool:
        """Whether the photo is kept here; raises `ValueError` for anything but a hash."""
        return self._path(sha256).is_file()

    def get(self, sha256: str) -> bytes | None:
        """The JPEG bytes, None if not kept; raises `ValueError` for anything but a hash."""
        try:
            return self._path(sha256).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, sha256: str) -> None:
        """Erase the photo, durably; nothing to do if it is not kept."""
        path = self._path(sha256)
        if path.is_file():
            bytes = _size(path)
            with disk_full_named(path):
                path.unlink(missing_ok=True)
                if self.budget is not None:
                    self.budget.give_back(bytes)
                sync_folder(path.parent)

    def size(self, sha256: str) -> int:
        """Bytes of a photo, 0 if it is not kept."""
        return _size(self._path(sha256))

    def names(self) -> Iterator[str]:
        """The hashes of all kept photos, in no order."""
        return (path.stem for path in self.folder.glob("??/*.jpg"))

    def taken_bytes(self) -> int:
        """Bytes of all kept photos: as the budget counts them, else `total_bytes`."""
        return self.total_bytes() if self.budget is None else self.budget.taken

    def total_bytes(self) -> int:
        """Bytes of all kept photos (looks at every file)."""
        return sum(map(_size, self.folder.glob("??/*.jpg")))

    def tidy(self) -> None:
        """Remove half-written files of an earlier life.  Only at boot, under the home's lock."""
        for shard in self.folder.glob("??"):
            remove_leftovers(shard)

    def _path(self, sha256: str) -> Path:
        if not is_photo_name(sha256):
            raise ValueError("not a sha256 in hex")
        return self.folder / sha256[:2] / f"{sha256}.jpg"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # never kept, or removed a moment ago
        return 0


def is_photo_name(text: str) -> bool:
    """Whether ``text`` has the form of the name of a photo: SHA-256 in hex."""
    return _SHA256.fullmatch(text) is not None


def photo_of(jpeg: bytes) -> Photo:
    """What the bytes are called when they are kept."""
    return Photo(hashlib.sha256(jpeg).hexdigest(), len(jpeg))


def refuse_metadata(jpeg: bytes) -> None:
    """Raise `ValueError` unless ``jpeg`` is one whole JPEG picture and nothing else.

    Walks the markers (ITU-T T.81, annex B) without decoding, to the end-of-image marker, which
    must be the last thing: phones hide a second picture or a film behind it.
    """
    if jpeg[:2] != bytes((0xFF, _START)):
        raise ValueError("not a JPEG")
    at = 2
    while (marker := _marker(jpeg, at)) != _END:
        if marker not in _ALLOWED:
            raise ValueError(f"a JPEG segment FF{marker:02X} that may tell more than the picture")
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        if marker == _SCAN:
            at = _end_of_scan(jpeg, at)
    if at + 2 != len(jpeg):
        raise ValueError("something follows the picture")


def _marker(jpeg: bytes, at: int) -> int:
    if len(jpeg) < at + 2 or jpeg[at] != 0xFF:
        raise ValueError("a damaged JPEG")
    return jpeg[at + 1]


def _end_of_scan(jpeg: bytes, at: int) -> int:
    found = _AFTER_SCAN.search(jpeg, at)
    if found is None:
        raise ValueError("a truncated JPEG")
    return found.start()
