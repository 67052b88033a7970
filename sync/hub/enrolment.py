"""Letting nodes in: one-time codes, the nodes that used them, and taking the right back."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select, update

from field_data.errors import HubError, PersonError
from field_data.ids import CODE_LETTERS, is_id
from sync.hub.database import Database
from sync.hub.tables import ENROLMENTS, NODES
from sync.keys import PublicKey

CODE_LENGTH = 12
VALID_S = 7 * 86_400.0
_MOST_NAME = 80


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a node comes with, its signature already checked (`sync.requests.check_enrolment`)."""

    code: str
    node: str
    name: str
    key: PublicKey


def new_code(database: Database, organisation: str, region: str, valid_s: float = VALID_S) -> str:
    """A code that lets one node into an organisation and region, once; shown and not kept.

    Raises:
        PersonError: ``bad_name`` for an empty or long name.
    """
    for name in (organisation, region):
        if not name.strip() or len(name) > _MOST_NAME:
            raise PersonError("bad_name", f"a name has 1 to {_MOST_NAME} letters: {name!r}")
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    with database.writing() as connection:
        connection.execute(
            insert(ENROLMENTS).values(
                code_sha256=_digest(code),
                organisation=organisation.strip(),
                region=region.strip(),
                expires_s=time.time() + valid_s,
            )
        )
    return code


def enrol(database: Database, asked: Enrolment) -> tuple[str, str]:
    """The organisation and region that the node now belongs to; the same answer again to the same.

    A node that lost its key is revoked first; then a new code lets it in with a new one.

    Raises:
        HubError: ``bad_code``, ``node_taken``.
    """
    if not is_id(asked.node) or len(asked.name) > _MOST_NAME:
        raise HubError("bad_code", "not the id or the name of a node")
    with database.writing() as connection:
        code = _code(connection, asked)
        known = connection.execute(
            select(NODES).where(NODES.c.id == asked.node).with_for_update()
        ).first()
        if known is None:
            _insert(connection, asked, code)
        else:
            _again(connection, asked, code, known)
        used = ENROLMENTS.c.code_sha256 == code.code_sha256
        connection.execute(update(ENROLMENTS).where(used).values(used_by=asked.node))
    return code.organisation, code.region


def _code(connection: Connection, asked: Enrolment) -> Row[tuple[object, ...]]:
    is_it = ENROLMENTS.c.code_sha256 == _digest(asked.code)
    row = connection.execute(select(ENROLMENTS).where(is_it).with_for_update()).first()
    if row is None or row.used_by not in (None, asked.node):
        raise HubError("bad_code", "no such code, or it was used")
    if row.used_by is None and row.expires_s < time.time():
        raise HubError("bad_code", "the code is too old")
    return row


def _insert(connection: Connection, asked: Enrolment, code: Row[tuple[object, ...]]) -> None:
    connection.execute(
        insert(NODES).values(
            id=asked.node,
            name=asked.name,
            organisation=code.organisation,
            region=code.region,
            public_key=asked.key.raw,
            enrolled_s=time.time(),
            epoch=0,
            health={},
        )
    )


def _again(
    connection: Connection,
    asked: Enrolment,
    code: Row[tuple[object, ...]],
    known: Row[tuple[object, ...]],
) -> None:
    same_key = bytes(known.public_key) == asked.key.raw
    if known.organisation != code.organisation or not (same_key or known.revoked_s is not None):
        raise HubError("node_taken", "a node of this id is enrolled; revoke it first")
    if code.used_by is not None:  # the answer was lost: say it again, change nothing
        if known.revoked_s is not None or not same_key:
            raise HubError("bad_code", "the code was used")
        return
    values = {"name": asked.name, "region": code.region, "public_key": asked.key.raw}
    connection.execute(
        update(NODES).where(NODES.c.id == asked.node).values(**values, revoked_s=None)
    )


def revoke(database: Database, node: str) -> None:
    """From now on nothing is taken from that node; what it sent stays.

    Raises:
        PersonError: ``unknown_node``.
    """
    with database.writing() as connection:
        done = connection.execute(
            update(NODES).where(NODES.c.id == node).values(revoked_s=time.time())
        )
        if not done.rowcount:
            raise PersonError("unknown_node", f"no node {node} is enrolled here")


def nodes(database: Database) -> list[Row[tuple[object, ...]]]:
    """All nodes, by organisation, region and name."""
    order = (NODES.c.organisation, NODES.c.region, NODES.c.name)
    with database.reading() as connection:
        return list(connection.execute(select(NODES).order_by(*order)))


def _digest(code: str) -> str:
    """As people type it: capitals or not, with spaces and hyphens or without."""
    letters = "".join(filter(str.isalnum, code.upper()))
    return hashlib.sha256(letters.encode()).hexdigest()
