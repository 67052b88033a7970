"""Who this node is: a random name made at the first run.

It lives in the store, not beside it, and not in the hardware or the disk image: observations are
numbered per node, so a store that starts again at number 1 must start under a new name.
"""

from __future__ import annotations

from field_data.document_store import DocumentStore
from field_data.ids import new_id


def node_id(store: DocumentStore) -> str:
    """The id of the node (see `ids.new_id`); the first caller makes it."""
    table = store.table("node")
    known = next(iter(table), None)
    if known is None:
        with store.transaction():  # asked again inside: another process may be as early
            known = next(iter(table), None)
            if known is None:
                made = new_id()
                table.insert({"id": made})
                return made
    return str(known["id"])


def renew_node_id(store: DocumentStore) -> str:
    """Another id for a store that lives on two boxes; only while nobody else uses it."""
    made = new_id()
    with store.transaction():
        table = store.table("node")
        table.truncate()
        table.insert({"id": made})
    return made
