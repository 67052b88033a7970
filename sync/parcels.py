"""Photos on their way: renditions made once, kept in files until the hub has them whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from field_data.errors import GhallaError
from field_data.files import make_folder, write_atomic
from field_data.outbox import Outbox
from field_data.photos import PhotoStore
from field_data.uplinks import RENDITIONS, Parcel, Uplink

# What a rendition weighs before it is made, for plans.
GUESS_BYTES = {"thumb": 3_000, "view": 22_000}
UNREADABLE = "unreadable"
# Makes a rendition of a kept JPEG by its name in `RENDITIONS`.
Render = Callable[[bytes, str], bytes]


@dataclass
class Parcels:
    """What of the kept ``photos`` goes to the hub of ``uplink``; ``folder`` holds renditions."""

    uplink: Uplink
    outbox: Outbox
    photos: PhotoStore
    folder: Path
    render: Render

    def waiting(self) -> list[Parcel]:
        """What can go, all small renditions first; a photo follows its record."""
        known = self.outbox.acknowledged(self.uplink.hub)
        there = [parcel for parcel in self.uplink.parcels() if parcel.seq <= known]
        found = [parcel for parcel in there if not parcel.reason]
        return sorted(found, key=lambda parcel: RENDITIONS.index(parcel.rendition))

    def ready(self, parcel: Parcel) -> tuple[Parcel, bytes] | None:
        """The parcel with its bytes; None when there is nothing to send, which is remembered."""
        data = self._kept(parcel)
        if data is not None:
            return parcel, data
        jpeg = self.photos.get(parcel.photo)
        if jpeg is None:  # erased or too old meanwhile
            self.uplink.delivered(parcel)
            return None
        try:
            data = self.render(jpeg, parcel.rendition)
        except (GhallaError, ValueError) as error:
            self.set_aside(parcel, f"{UNREADABLE}: {error}")
            return None
        made = replace(parcel, sha256=hashlib.sha256(data).hexdigest(), length=len(data), offset=0)
        make_folder(self.folder)
        write_atomic(self._path(made), data)
        self.uplink.progress(made)
        return made, data

    def _kept(self, parcel: Parcel) -> bytes | None:
        try:
            data = self._path(parcel).read_bytes() if parcel.sha256 else b""
        except OSError:
            return None
        return data if data and hashlib.sha256(data).hexdigest() == parcel.sha256 else None

    def moved(self, parcel: Parcel, offset: int) -> Parcel:
        """The hub has so many bytes of it."""
        further = replace(parcel, offset=offset)
        self.uplink.progress(further)
        return further

    def delivered(self, parcel: Parcel) -> None:
        """The hub has it whole, or wants it no more."""
        if parcel.rendition == RENDITIONS[-1]:
            self.outbox.acknowledge_photos(self.uplink.hub, [parcel.photo])
        self.drop(parcel)

    def all_delivered(self, photos: Iterable[str]) -> None:
        """The hub has those photos in a size that makes the others needless."""
        wanted = set(photos)
        self.outbox.acknowledge_photos(self.uplink.hub, wanted)
        for parcel in self.uplink.parcels():
            if parcel.photo in wanted:
                self.drop(parcel)

    def drop(self, parcel: Parcel) -> None:
        """Nobody wants it any more."""
        self.uplink.delivered(parcel)
        self._path(parcel).unlink(missing_ok=True)

    def set_aside(self, parcel: Parcel, reason: str) -> None:
        """It cannot go; a person may look why."""
        self.uplink.progress(replace(parcel, reason=reason[:200]))

    def tidy(self) -> None:
        """Remove renditions that no parcel needs: what was erased must not stay in a file."""
        named = {self._path(p): p.photo for p in self.uplink.parcels() if p.sha256}
        for path in self.folder.glob("*.avif"):
            if path not in named or not self.photos.has(named[path]):
                path.unlink(missing_ok=True)

    def _path(self, parcel: Parcel) -> Path:
        return self.folder / f"{parcel.sha256 or 'none'}.avif"
