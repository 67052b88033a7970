"""What a person of the hub may see: the one place where it becomes SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, false, or_, true

from sync.hub.tables import NODES

EVERY = "*"


class Role(StrEnum):
    """What a grant allows, each all of the one before.

    ``reader``: records, figures and the health of nodes; ``agronomist``: photos too; ``keeper``:
    also who downloaded what.
    """

    READER = "reader"
    AGRONOMIST = "agronomist"
    KEEPER = "keeper"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return list(Role).index(self)


@dataclass(frozen=True, slots=True)
class Grant:
    """The nodes of an organisation, in a region or in every one (``*``)."""

    organisation: str
    region: str = EVERY
    role: Role = Role.READER


# Of the command line on the hub's own machine.
EVERYTHING = (Grant(EVERY, EVERY, Role.KEEPER),)


def may_see(grants: Iterable[Grant], least: Role = Role.READER) -> ColumnElement[bool]:
    """The condition on `NODES` under which a row may be shown; false without a grant.

    Every query about nodes and their records joins `NODES` and has it in its WHERE.
    """
    return or_(false(), *(_of(grant) for grant in grants if grant.role.rank >= least.rank))


def _of(grant: Grant) -> ColumnElement[bool]:
    return and_(
        true() if grant.organisation == EVERY else NODES.c.organisation == grant.organisation,
        true() if grant.region == EVERY else NODES.c.region == grant.region,
    )
