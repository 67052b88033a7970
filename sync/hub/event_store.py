"""Statements on `EVENTS` that both databases run well."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, delete, select, text, update
from sqlalchemy.dialects import sqlite

from sync.hub.rows import Key, Row
from sync.hub.tables import ARRIVALS, EVENTS, REFUSED
from sync.types import ERASED_REV

T = TypeVar("T")
_COLUMNS = [column.name for column in EVENTS.columns]
_KEY = ("node", "epoch", "seq")
# A record that is superseded stays so when a new revision of it comes.
_KEPT = (*_KEY, "superseded")
_MOST_IN = 2000


def next_arrivals(connection: Connection, count: int) -> int:
    """The first of ``count`` new numbers; others wait from here until this transaction ends."""
    taken = update(ARRIVALS).values(last=ARRIVALS.c.last + count).returning(ARRIVALS.c.last)
    last: int = connection.execute(taken).scalar_one()
    return last - count + 1


def held(connection: Connection, node: str, keys: Collection[Key]) -> dict[Key, Row]:
    """The rows of those numbers that are here."""
    found: dict[Key, Row] = {}
    for where in _named(EVENTS, node, keys):
        rows = connection.execute(select(EVENTS).where(*where))
        found |= {(row["epoch"], row["seq"]): dict(row) for row in rows.mappings()}
    return found


def drop_refused(connection: Connection, node: str, keys: Collection[Key]) -> None:
    """Forget what was set aside of those numbers."""
    for where in _named(REFUSED, node, keys):
        connection.execute(delete(REFUSED).where(*where))


def _named(table: Table, node: str, keys: Collection[Key]) -> Iterator[tuple[Any, ...]]:
    """Conditions that together hold for those numbers of a node."""
    c = table.c
    for epoch, group in groupby(sorted(keys), key=lambda key: key[0]):
        for seqs in batched(seq for _, seq in group):
            yield c.node == node, c.epoch == epoch, c.seq.in_(seqs)


def write(connection: Connection, rows: list[Row], first_arrival: int) -> None:
    """Insert, or replace what has a lower revision; arrivals in the order of the rows."""
    numbered = [{**row, "arrival": first_arrival + at} for at, row in enumerate(rows)]
    if not numbered:
        return
    if connection.dialect.name == "postgresql":
        plain = [{**row, "digest": row["digest"].hex()} for row in numbered]
        connection.execute(_POSTGRESQL, {"rows": json.dumps(plain)})
    else:
        connection.execute(_SQLITE, numbered)


def mark_superseded(connection: Connection, node: str, keys: Collection[Key]) -> None:
    """Those records have a later correction; a pull sees them again."""
    if not keys:
        return
    rows = held(connection, node, keys)
    left = [key for key, row in sorted(rows.items()) if not row["superseded"]]
    if not left:
        return
    first = next_arrivals(connection, len(left))
    for at, (epoch, seq) in enumerate(left):
        where = (EVENTS.c.node == node, EVENTS.c.epoch == epoch, EVENTS.c.seq == seq)
        connection.execute(update(EVENTS).where(*where).values(superseded=True, arrival=first + at))


def photos_in_use(connection: Connection, node: str) -> Iterator[str]:
    """Photos that the node's records, those not erased, name."""
    names = select(EVENTS.c.photos).where(EVENTS.c.node == node, EVENTS.c.rev < ERASED_REV)
    for photos in connection.execute(names.execution_options(yield_per=1000)).scalars():
        yield from photos


def batched(values: Iterable[T]) -> Iterator[list[T]]:
    """As many at a time as one statement may name on either database."""
    things = list(values)
    for at in range(0, len(things), _MOST_IN):
        yield things[at : at + _MOST_IN]


def _sqlite_upsert() -> Any:
    statement = sqlite.insert(EVENTS)
    excluded = statement.excluded
    changed: dict[str, Any] = {n: excluded[n] for n in _COLUMNS if n not in _KEPT}
    changed["superseded"] = EVENTS.c.superseded | excluded.superseded
    return statement.on_conflict_do_update(
        index_elements=_KEY, set_=changed, where=excluded.rev > EVENTS.c.rev
    )


def _types() -> Mapping[str, str]:
    from sqlalchemy.dialects import postgresql

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return {c.name: str(c.type.compile(dialect)) for c in EVENTS.columns} | {"digest": "text"}


def _postgresql_upsert() -> Any:
    """One parameter for any number of rows: the cheapest way in that was measured."""
    names = ", ".join(f'"{name}"' for name in _COLUMNS)
    shape = ", ".join(f'"{name}" {type}' for name, type in _types().items())
    picked = names.replace('"digest"', "decode(digest, 'hex')")
    changed = ", ".join(f'"{n}" = excluded."{n}"' for n in _COLUMNS if n not in _KEPT)
    return text(
        f"insert into events ({names}) select {picked} "  # noqa: S608 (names of our own columns)
        f"from json_to_recordset(cast(:rows as json)) as r({shape}) "
        f"on conflict (node, epoch, seq) do update set {changed}, "
        "superseded = events.superseded or excluded.superseded "
        "where excluded.rev > events.rev"
    )


_SQLITE = _sqlite_upsert()
_POSTGRESQL = _postgresql_upsert()
