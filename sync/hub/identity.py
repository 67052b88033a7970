"""Who a hub is: a random id and a signing key, made once and kept in its database."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from sqlalchemy import insert, select

from field_data.ids import new_id
from sync.hub.database import Database
from sync.hub.tables import HUB
from sync.keys import SecretKey


@dataclass(frozen=True, slots=True)
class HubIdentity:
    """The hub's id, and the key that signs receipts on sticks."""

    id: str
    key: SecretKey


def identity(database: Database) -> HubIdentity:
    """The hub's identity; made at the first call, the same ever after."""
    with database.reading() as connection:
        row = connection.execute(select(HUB.c.id, HUB.c.secret)).first()
    if row is not None:
        return HubIdentity(row.id, SecretKey(row.secret))
    with database.writing() as connection:
        if database.postgresql:  # two processes at their first start
            connection.exec_driver_sql("lock table hub in exclusive mode")
        row = connection.execute(select(HUB.c.id, HUB.c.secret)).first()
        if row is None:
            made = HubIdentity(new_id(), SecretKey(os.urandom(32)))
            row_of = {"id": made.id, "secret": made.key.raw, "created_s": time.time()}
            connection.execute(insert(HUB).values(**row_of))
            return made
    return HubIdentity(row.id, SecretKey(row.secret))
