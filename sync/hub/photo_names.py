"""Which records name a photo: in SQL, on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, String, cast, select, true, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from sync.hub.event_store import next_arrivals
from sync.hub.tables import EVENTS
from sync.types import ERASED_REV


class photo_names(GenericFunction[Any]):  # noqa: N801 (a function of SQL)
    """The photos of a record, one row each, in SQLite's words or in PostgreSQL's."""

    inherit_cache = True


@compiles(photo_names)
def _sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"json_each{compiler.process(element.clause_expr, **kw)}"


@compiles(photo_names, "postgresql")
def _postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"json_array_elements_text{compiler.process(element.clause_expr, **kw)}"


SHOT = photo_names(EVENTS.c.photos).table_valued("value", name="shot")


def announce(connection: Connection, node: str, photo: str) -> None:
    """The records that name the photo arrive again: who pulls photos sees that it is here now."""
    e = EVENTS.c
    named = cast(SHOT.c.value, String) == photo
    asked = select(e.epoch, e.seq).select_from(EVENTS.join(SHOT, true()))
    keys = connection.execute(asked.where(e.node == node, e.rev < ERASED_REV, named)).all()
    if not keys:
        return
    first = next_arrivals(connection, len(keys))
    for at, (epoch, seq) in enumerate(keys):
        here = (e.node == node, e.epoch == epoch, e.seq == seq)
        connection.execute(update(EVENTS).where(*here).values(arrival=first + at))
