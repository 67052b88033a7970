"""A box that becomes a new node: another one speaks to the hub under its old name."""

from __future__ import annotations

from pathlib import Path

from edge_app.health import store_of
from edge_app.uplink_files import KEY, folder_of, forget_sealed
from field_data.files import HomeLock, sync_folder
from field_data.node_identity import renew_node_id
from field_data.schema import open_store
from field_data.uplinks import Uplink, known_hubs


def renew_home(home: Path) -> str:
    """The new id of the node of ``home``; it has to be enrolled again.

    What is at a hub already stays acknowledged: the new node begins after it.

    Raises:
        KeeperError: ``home_in_use`` while the node is served, ``no_home``, the store's own.
    """
    path, folder = store_of(home), folder_of(home)
    with HomeLock(home), open_store(path, set_aside=False) as store:
        forget_sealed(store, home)
        with store.transaction():
            for hub in known_hubs(store):
                Uplink(store, hub).forget()
            made = renew_node_id(store)
        for key in folder.glob(f"{KEY}*"):
            key.unlink(missing_ok=True)
        if folder.is_dir():
            sync_folder(folder)
    return made
