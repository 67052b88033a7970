"""The bytes of photos at the hub."""

from __future__ import annotations

from sync.hub.app import Hub
from sync.hub.photos import blob_name


def picture(hub: Hub, node: str, sha256: str) -> bytes | None:
    """The bytes of a rendition; None where they are not here.

    Raises:
        NetworkError: ``blobs_down``.
    """
    return hub.blobs.get(blob_name(node, sha256))
