"""Photos out of a request: counted and measured here, looked into by the node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from werkzeug.datastructures import FileStorage

from field_data.errors import PersonError

FIELD = "photo"
# Of the privacy page and the question beside the photos: raise it when either changes its meaning.
CONSENT_VERSION = "2026-2"
MAX_PHOTOS = 6
MAX_PHOTO_BYTES = 15 * 1024 * 1024
MAX_REQUEST_BYTES = 64 * 1024 * 1024


def read_photos(files: Iterable[FileStorage]) -> list[tuple[str, bytes]]:
    """The chosen files as (shown name, bytes), at most ``MAX_PHOTOS``; empty inputs do not count.

    Raises PersonError ``no_photo``, ``too_many_photos`` or ``photo_too_large``.
    """
    chosen = [file for file in files if file.filename]
    if not chosen:
        raise PersonError("no_photo")
    if len(chosen) > MAX_PHOTOS:
        raise PersonError("too_many_photos", limit=MAX_PHOTOS)
    return [(shown_name(file.filename or ""), _read(file)) for file in chosen]


def consent_of(form: Mapping[str, str]) -> str | None:
    """The version of the wording that was agreed to; None when the box was left empty."""
    return CONSENT_VERSION if form.get("keep") == "1" else None


def shown_name(name: str) -> str:
    """The last part of a file name, harmless to print; it is never used as a path."""
    last = re.split(r"[\\/]", name)[-1]
    return re.sub(r"[^\w .()-]", "_", last)[-80:] or FIELD


def _read(file: FileStorage) -> bytes:
    data = file.stream.read(MAX_PHOTO_BYTES + 1)
    if len(data) > MAX_PHOTO_BYTES:
        raise PersonError("photo_too_large")
    return data
