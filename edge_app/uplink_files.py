"""What every part of a running node knows of the way to a hub; light enough for every start."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from field_data.document_store import DocumentStore
from field_data.uplinks import Uplink, known_hubs

FOLDER = "sync"
KEY = "node.key"


@dataclass
class Bell:
    """How a page tells the job to send now, and sees that it does."""

    wanted: threading.Event = field(default_factory=threading.Event)
    sending: bool = False
    records: int = 0
    photos: int = 0


def folder_of(home: Path) -> Path:
    """The folder of the node's key and of what waits for the hub's answer."""
    return home / FOLDER


def segments_of(home: Path, hub: str) -> Path:
    """Where sealed segments wait for the word of ``hub``."""
    return folder_of(home) / hub


def renditions_of(home: Path, hub: str) -> Path:
    """Where photos made small wait until ``hub`` has them."""
    return segments_of(home, hub) / "renditions"


def forget_sealed(store: DocumentStore, home: Path) -> None:
    """Remove the files in which something erased may stand; the rest is sealed again."""
    for hub in known_hubs(store):
        from sync.departures import drop_sealed

        drop_sealed(Uplink(store, hub), segments_of(home, hub))
        for path in renditions_of(home, hub).glob("*.avif"):
            path.unlink(missing_ok=True)
