"""What a hub is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class HubSettings:
    """``database`` is an SQLAlchemy URL, ``blobs`` a folder or a URL of fsspec.

    ``most_photo_bytes`` is the largest rendition taken over the network, ``quota_bytes`` what one
    node's photos may weigh together, ``spare_bytes`` what must stay free on the disk of the blobs
    where they are a folder.  ``strangers_a_minute``: refused requests from one address before it is
    told to wait.  ``proxies`` is how many stand before the hub and say who asks.
    """

    database: str
    blobs: str
    most_photo_bytes: int = 16 * MIB
    quota_bytes: int = 20_000 * MIB
    spare_bytes: int = 64 * MIB
    strangers_a_minute: int = 60
    proxies: int = 0
