"""A box that becomes a new node, or goes on from an older state: what its hub must hear of that."""

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


def begin_epochs(home: Path) -> None:
    """The home was put back from a backup: its numbers go on in a new epoch (docs/sync.md).

    What was recorded between the backup and the loss may be at the hub under the numbers that the
    node gives next; in an epoch of their own they are told apart.  The node keeps its name.
    """
    from edge_app.home import open_ground
    from edge_app.uplink import Uplinks

    with open_ground(home) as ground:
        uplinks = Uplinks(ground)
        for hub in known_hubs(ground.store):
            uplinks.departures(Uplink(ground.store, hub)).new_epoch()
