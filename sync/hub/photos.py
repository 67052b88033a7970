"""Renditions of photos on their way in: parts that are durable, then the whole, held to its name.

A part is kept before its length counts, so the offset in the database is what is durable.  Two that
send the same part at once: one of them counts, the other is thrown away.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from field_data.errors import HubError
from field_data.ids import new_id
from sync.hub.app import Hub
from sync.hub.blob_removal import doom, insert_or_leave, sweep
from sync.hub.photo_names import announce
from sync.hub.tables import ERASED_PHOTOS, PHOTO_PARTS, PHOTOS
from sync.stick import RENDITIONS
from sync.types import Refusal

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Upload:
    """A rendition: its own ``sha256``, the kept ``photo`` it shows, its bytes in all."""

    node: str
    sha256: str
    photo: str
    rendition: str
    length: int


def blob_name(node: str, sha256: str) -> str:
    """Where a whole rendition lies among the blobs."""
    return f"photos/{node}/{sha256}"


def is_hash(text: str) -> bool:
    """Whether it is a SHA-256 in hex, as photos are named."""
    return _SHA256.fullmatch(text) is not None


class OffsetError(Exception):
    """The bytes sent do not go on where the hub stands, which is ``offset``."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the hub has {offset} bytes")
        self.offset = offset


class Photos:
    """The photos of one hub.  All methods raise `HubError` and `NetworkError` as their parts do."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def settled(self, node: str, sha256: str) -> tuple[int, int] | None:
        """Bytes that are here and bytes in all, None where nothing is; all is only said of a whole.

        Raises:
            HubError: ``damaged``.
        """
        here = self._at(node, sha256)
        if here is None:
            return None
        offset, length, whole = here
        if offset == length and not whole:  # a process died over it
            self.complete(node, sha256)
        return offset, length

    def _at(self, node: str, sha256: str) -> tuple[int, int, bool] | None:
        with self._hub.database.reading() as connection:
            c = PHOTOS.c
            found = select(c.offset, c.length, c.whole_s).where(*_mine(node, sha256))
            row = connection.execute(found).first()
        return None if row is None else (row.offset, row.length, row.whole_s is not None)

    def begin(self, upload: Upload) -> int:
        """Make the upload, or find it; the offset to go on from.

        Raises:
            HubError: ``bad_request`` (another length or photo than before), ``too_large``, ``full``
                (more than a node may have), ``erased``.
        """
        self._check(upload)
        c = PHOTOS.c
        with self._hub.database.writing() as connection:
            row = connection.execute(
                select(c.photo, c.length, c.offset).where(*_mine(upload.node, upload.sha256))
            ).first()
            if row is not None:
                if (row.photo, row.length) != (upload.photo, upload.length):
                    raise HubError("bad_request", "begun with another length or photo")
                return int(row.offset)
            self._admit(connection, upload)
            new = {
                "node": upload.node,
                "sha256": upload.sha256,
                "photo": upload.photo,
                "rendition": upload.rendition,
                "length": upload.length,
                "offset": 0,
            }
            connection.execute(insert_or_leave(connection, PHOTOS), [new])
        return 0

    def _check(self, upload: Upload) -> None:
        names = is_hash(upload.sha256) and is_hash(upload.photo)
        if not names or upload.rendition not in RENDITIONS or upload.length < 1:
            raise HubError("bad_request", "not a rendition of a photo")
        if upload.length > self._hub.settings.most_photo_bytes:
            most = self._hub.settings.most_photo_bytes
            raise HubError(Refusal.TOO_LARGE, f"a photo has at most {most} bytes")

    def _admit(self, connection: Connection, upload: Upload) -> None:
        c, e = PHOTOS.c, ERASED_PHOTOS.c
        erased = select(e.photo).where(e.node == upload.node, e.photo == upload.photo)
        if connection.execute(erased).first():
            raise HubError(Refusal.ERASED, "this photo was erased")
        used = connection.execute(
            select(func.coalesce(func.sum(c.length), 0)).where(c.node == upload.node)
        ).scalar_one()
        if int(used) + upload.length > self._hub.settings.quota_bytes:
            raise HubError(Refusal.FULL, "the photos of this node fill their part of the hub")

    def append(self, node: str, sha256: str, offset: int, data: bytes) -> int:
        """Bytes from ``offset`` on; durable when it returns the new offset.

        Raises:
            OffsetError: where the hub stands elsewhere.
            HubError: ``unknown_upload``, ``too_large`` (more than was declared), ``damaged`` when
                the whole is not what its name says: it is then gone, to be sent anew.
        """
        here = self.settled(node, sha256)
        if here is None:
            raise HubError("unknown_upload", "no such upload was begun")
        stands, length = here
        if offset != stands:
            raise OffsetError(stands)
        if offset + len(data) > length:
            raise HubError(Refusal.TOO_LARGE, "more bytes than were declared")
        if offset == 0 and len(data) == length:
            self._whole_at_once(node, sha256, data)
            return length
        if data:
            self._keep_part(node, sha256, offset, data)
        if offset + len(data) == length:
            self.complete(node, sha256)
        return offset + len(data)

    def _whole_at_once(self, node: str, sha256: str, data: bytes) -> None:
        if hashlib.sha256(data).hexdigest() != sha256:
            self._throw_away(node, sha256)
            raise HubError(Refusal.DAMAGED, "the bytes are not those of the name")
        self._hub.blobs.put(blob_name(node, sha256), data)
        self._call_whole(node, sha256)

    def _keep_part(self, node: str, sha256: str, offset: int, data: bytes) -> None:
        blob = f"parts/{node}/{sha256}/{offset:012}-{new_id()}"
        self._hub.blobs.put(blob, data)
        end = offset + len(data)
        with self._hub.database.writing() as connection:
            mine = (*_mine(node, sha256), PHOTOS.c.offset == offset)
            moved = connection.execute(update(PHOTOS).where(*mine).values(offset=end)).rowcount
            if moved:
                part = {"node": node, "sha256": sha256, "offset": offset, "blob": blob}
                connection.execute(PHOTO_PARTS.insert().values(**part, length=len(data)))
            else:
                doom(connection, [blob])
        if not moved:
            sweep(self._hub.database, self._hub.blobs)
            here = self._at(node, sha256)
            raise OffsetError(here[0] if here else 0)

    def complete(self, node: str, sha256: str) -> None:
        """Put the parts together; again if a process died over it.

        Raises:
            HubError: ``damaged``.
        """
        with self._hub.database.reading() as connection:
            p = PHOTO_PARTS.c
            mine = (p.node == node, p.sha256 == sha256)
            names = connection.execute(select(p.blob).where(*mine).order_by(p.offset)).scalars()
            parts = list(names)
        try:
            self._hub.blobs.put_pieces(blob_name(node, sha256), self._pieces(parts, sha256))
        except HubError as error:
            here = self._at(node, sha256)
            if here is not None and here[2]:
                return  # another process was faster
            if error.code == Refusal.DAMAGED:
                self._throw_away(node, sha256)
            raise
        self._call_whole(node, sha256)

    def _pieces(self, parts: list[str], sha256: str) -> Iterator[bytes]:
        """The bytes of the parts; raises ``damaged`` at their end when they are not of that name.

        A part may be gone: another process puts them together, too, and was faster.
        """
        digest = hashlib.sha256()
        for name in parts:
            piece = self._hub.blobs.get(name) or b""
            digest.update(piece)
            yield piece
        if digest.hexdigest() != sha256:
            raise HubError(Refusal.DAMAGED, "the bytes are not those of the name")

    def _call_whole(self, node: str, sha256: str) -> None:
        with self._hub.database.writing() as connection:
            told = {"offset": PHOTOS.c.length, "whole_s": time.time()}
            done = connection.execute(update(PHOTOS).where(*_mine(node, sha256)).values(**told))
            gone = not done.rowcount  # erased in the meantime
            mine = select(PHOTOS.c.photo).where(*_mine(node, sha256))
            if not gone:
                announce(connection, node, connection.execute(mine).scalar_one())
            doomed = _drop_parts(connection, node, sha256)
            if gone:
                doomed = doom(connection, [blob_name(node, sha256)])
        if doomed:
            sweep(self._hub.database, self._hub.blobs)

    def _throw_away(self, node: str, sha256: str) -> None:
        with self._hub.database.writing() as connection:
            _drop_parts(connection, node, sha256)
            not_whole = PHOTOS.c.whole_s.is_(None)
            connection.execute(delete(PHOTOS).where(*_mine(node, sha256), not_whole))
        sweep(self._hub.database, self._hub.blobs)


def _mine(node: str, sha256: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return PHOTOS.c.node == node, PHOTOS.c.sha256 == sha256


def _drop_parts(connection: Connection, node: str, sha256: str) -> bool:
    p = PHOTO_PARTS.c
    mine = (p.node == node, p.sha256 == sha256)
    blobs = list(connection.execute(select(p.blob).where(*mine)).scalars())
    connection.execute(delete(PHOTO_PARTS).where(*mine))
    return doom(connection, blobs)
