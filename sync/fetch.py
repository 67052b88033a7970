"""Bundles over a weak link: what is already here is never fetched again.

The part of a bundle that has arrived lies in ``home/bundles/incoming/<sha256>.part``; the next
attempt begins at its end.  The head is known and checked before a byte of the files is asked for.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from field_data.errors import KeeperError, PublisherError
from field_data.files import disk_full_named, free_bytes, make_folder, sync_folder
from sync.bundle_manifest import MOST_BYTES, MOST_HEAD, Signed
from sync.slots import BUNDLES

INCOMING = "incoming"
SUFFIX = ".ghb"  # as sync.bundle_file's, which loads zstandard
# Asked for at once: what a cut can lose.  It grows while the link is quick.
_LEAST_PIECE, _MOST_PIECE = 16 * 1024, 256 * 1024
_QUICK_S = 2.0


class Fetcher(Protocol):
    """What the link gives."""

    def get_range(self, path: str, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop``.

        Raises:
            NetworkError: the link was cut.
            HubError: the hub has no such thing.
        """


@dataclass(frozen=True, slots=True)
class Offer:
    """A bundle that the hub offers: its file's SHA-256 and length, and its signed head."""

    sha256: str
    bytes: int
    signed: Signed

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef"):
            raise ValueError("no SHA-256")
        if not 0 < self.bytes <= MOST_BYTES + MOST_HEAD + 64:
            raise ValueError("no length of a bundle")


@dataclass(frozen=True, slots=True)
class Fetched:
    """``path`` is the whole bundle, None where bytes are missing; ``spent``: bytes received."""

    path: Path | None
    spent: int
    missing: int


def fetch(
    home: Path, fetcher: Fetcher, offer: Offer, *, most: int | None = None, keep_free: int = 0
) -> Fetched:
    """Go on fetching a bundle, ``most`` bytes now at most.

    Raises:
        NetworkError: the link was cut; what arrived is kept.
        KeeperError: ``disk_full``.
        PublisherError: ``bundle_damaged``: what arrived is not what was offered; it is removed.
    """
    folder = home / BUNDLES / INCOMING
    make_folder(folder)
    part = folder / f"{offer.sha256}.part"
    whole = part.with_suffix(SUFFIX)
    if whole.exists():  # it could not be taken in last time: no byte is asked for again
        return Fetched(whole, 0, 0)
    have = part.stat().st_size if part.exists() else 0
    _check_space(home, offer.bytes - have + offer.signed.manifest.total, keep_free)
    end = offer.bytes if most is None else min(offer.bytes, have + most)
    spent = 0
    with disk_full_named(part), part.open("ab") as file:
        try:
            for chunk in _pieces(fetcher, offer.sha256, have, end):
                file.write(chunk[: end - have - spent])
                spent += len(chunk)
        finally:
            file.flush()
            os.fsync(file.fileno())
    missing = offer.bytes - part.stat().st_size
    return Fetched(_whole(part, offer) if missing <= 0 else None, spent, max(0, missing))


def _pieces(fetcher: Fetcher, sha256: str, start: int, end: int) -> Iterator[bytes]:
    size = _LEAST_PIECE
    while start < end:
        stop, begun = min(end, start + size), time.monotonic()
        data = fetcher.get_range(f"/n/1/bundles/{sha256}", start, stop)
        yield data
        if len(data) < stop - start:
            return  # less than was asked for: the next attempt goes on
        start = stop
        if time.monotonic() - begun < _QUICK_S:
            size = min(_MOST_PIECE, 2 * size)


def _whole(part: Path, offer: Offer) -> Path:
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != offer.sha256:
        part.unlink()
        raise PublisherError("bundle_damaged", "what arrived is not what was offered")
    path = part.with_suffix(SUFFIX)
    part.replace(path)
    sync_folder(path.parent)
    return path


def _check_space(home: Path, more: int, keep_free: int) -> None:
    free = free_bytes(home)
    if free - more < keep_free:
        raise KeeperError(
            "disk_full", f"{more} bytes are to be written, {free} are free, {keep_free} must stay"
        )


def forget_others(home: Path, wanted: Iterable[str]) -> None:
    """Remove what arrived of bundles that are offered no more, or are in use."""
    names = set(wanted)
    for path in (home / BUNDLES / INCOMING).glob("*"):
        if path.stem not in names:
            path.unlink(missing_ok=True)
