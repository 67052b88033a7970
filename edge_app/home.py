"""A node's home seen from the command line, beside a server that may be running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_app.ground import Ground
from edge_app.health import store_of
from edge_app.settings import read_settings
from field_data.node_identity import node_id
from field_data.photos import PhotoStore
from field_data.schema import open_store


@contextmanager
def open_ground(home: Path) -> Iterator[Ground]:
    """The ground truth of a home.

    Raises:
        KeeperError: ``no_home``, ``bad_settings``, ``store_damaged`` or the store's own.
    """
    settings = read_settings(home)
    with open_store(store_of(home), set_aside=False) as store:
        yield Ground(store, PhotoStore(home / "photos"), node_id(store), settings)
