"""Blobs that are to go: ordered within a transaction, removed after it, again at the next start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from field_data.errors import NetworkError
from sync.hub.blobs import Blobs
from sync.hub.database import Database
from sync.hub.tables import DOOMED

_AT_ONCE = 500


def insert_or_leave(connection: Connection, table: Any) -> Any:
    """``INSERT … ON CONFLICT DO NOTHING`` of either database."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def doom(connection: Connection, blobs: Iterable[str]) -> bool:
    """Order those to be removed once this transaction is durable; whether there are any."""
    rows = [{"blob": name} for name in blobs]
    if rows:
        connection.execute(insert_or_leave(connection, DOOMED), rows)
    return bool(rows)


def sweep(database: Database, blobs: Blobs) -> int:
    """Remove what was ordered; how many.  What cannot be removed now stays ordered."""
    done = 0
    while True:
        with database.reading() as connection:
            names = list(connection.execute(select(DOOMED.c.blob).limit(_AT_ONCE)).scalars())
        try:
            for name in names:
                blobs.remove(name)
        except NetworkError:
            return done
        if not names:
            return done
        with database.writing() as connection:
            connection.execute(delete(DOOMED).where(DOOMED.c.blob.in_(names)))
        done += len(names)
