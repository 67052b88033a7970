"""The bytes of photos at the hub."""

from __future__ import annotations

from sync.hub.app import Hub


def blob_of(node: str, sha256: str) -> str:
    """The name under which a whole rendition lies among the blobs."""
    return f"photos/{node}/{sha256}"


def picture(hub: Hub, node: str, sha256: str) -> bytes | None:
    """The bytes of a rendition; None where they are not here.

    Raises:
        NetworkError: ``blobs_down``.
    """
    return hub.blobs.get(blob_of(node, sha256))
