"""Figures of the overview, of review agreement and of the nodes' health."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, select

from field_data.reviews import Label, Review, blind_pair
from models.agreement import Agreement, agreement, by_group
from sync.hub.database import Database
from sync.hub.export_labelled import review_in
from sync.hub.export_query import What, Wish, conditions, filters
from sync.hub.export_tables import EARLIEST_S, LATEST_S, rows
from sync.hub.people_grants import Grant, may_see
from sync.hub.tables import EVENTS, NODES, REFUSED

MOST_GROUPS = 25
_WEEK_S, _FIRST_MONDAY_S = 604_800, 345_600  # 1970-01-05
MOST_WEEKS = 52
_MOST_LABELS = 10


def counts(
    database: Database, wish: Wish, grants: Sequence[Grant]
) -> tuple[int, dict[str, list[tuple[str, int]]]]:
    """How many records, and how many by node, form, crop, condition and week.

    Weeks are named by their Monday, the last `MOST_WEEKS` with records in order of time.
    """
    real = case((EVENTS.c.at_s.between(EARLIEST_S, LATEST_S), EVENTS.c.at_s))  # some clocks dream
    week = (cast(real, BigInteger) - _FIRST_MONDAY_S) // _WEEK_S
    columns = filters(wish.what)
    by: dict[str, ColumnElement[Any]] = {
        "node": NODES.c.name, "form": EVENTS.c.form, "crop": columns["crop"],
        "condition": columns["condition"],
    }  # fmt: skip
    where = conditions(wish, grants)
    tables = EVENTS.join(NODES, NODES.c.id == EVENTS.c.node)
    found: dict[str, list[tuple[str, int]]] = {}
    with database.reading() as db:
        total = db.execute(select(func.count()).select_from(tables).where(*where)).scalar_one()
        for name, column in by.items():
            number = func.count().label("number")
            asked = select(column, number).select_from(tables).where(*where).group_by(column)
            asked = asked.order_by(number.desc()).limit(MOST_GROUPS)
            found[name] = [(str(key), n) for key, n in db.execute(asked) if key]
        asked = (
            select(week.label("week"), func.count())
            .select_from(tables)
            .where(*where, real.isnot(None))
        )
        asked = asked.group_by("week").order_by(week.desc()).limit(MOST_WEEKS)
        found["week"] = [(_monday(key), n) for key, n in reversed(db.execute(asked).all())]
    return total, found


def _monday(week: int) -> str:
    first = datetime.date(1970, 1, 5)
    try:
        return (first + datetime.timedelta(weeks=week)).isoformat()
    except OverflowError:  # a clock that was far off
        return "?"


@dataclass(frozen=True, slots=True)
class Agreed:
    """How far two people who knew nothing of each other agree, on all plants and by crop.

    ``labels`` are the rows and columns of ``confusion``: how often one of two people said the one
    and the other the other.  Nobody is first: the table is symmetric.
    """

    all: Agreement
    by_crop: dict[str, Agreement]
    labels: list[str]
    confusion: list[list[int]]


def agreed(database: Database, grants: Sequence[Grant]) -> Agreed:
    """The agreement of the reviews that these grants show."""
    said: dict[tuple[str, str], list[Review]] = defaultdict(list)
    for row in rows(database, Wish(What.REVIEWS), grants):
        review = review_in(row)
        if review is not None:
            said[row.node, row.subject].append(review)
    found = [pair for reviews in said.values() if (pair := blind_pair(reviews))]
    pairs = [(_name(a.label), _name(b.label)) for a, b in found]
    crops = [_crop(a, b) for a, b in found]
    labels = [label for label, _ in Counter(x for p in pairs for x in p).most_common(_MOST_LABELS)]
    table = Counter(tuple(sorted(pair)) for pair in pairs)
    confusion = [[table[min(a, b), max(a, b)] for b in labels] for a in labels]
    groups = by_group(zip(crops, pairs, strict=True))
    return Agreed(agreement(pairs), dict(sorted(groups.items())), labels, confusion)


def _name(label: Label | None) -> str:
    if label is None:
        return "?"
    crop, condition = label
    return f"{crop} {condition or '?'}"


def _crop(first: Review, second: Review) -> str:
    label = first.label or second.label
    return label[0] if label else "?"


def nodes(database: Database, grants: Sequence[Grant]) -> list[dict[str, Any]]:
    """The nodes that these grants show, longest silent first, with what was set aside of each."""
    aside = select(REFUSED.c.node, func.count().label("aside")).group_by(REFUSED.c.node).subquery()
    columns = [NODES.c[key] for key in ("id", "name", "organisation", "region", "heard_s",
                                        "clock_off_s", "revoked_s", "epoch", "health")]  # fmt: skip
    asked = select(*columns, func.coalesce(aside.c.aside, 0).label("aside"))
    asked = asked.select_from(NODES.outerjoin(aside, aside.c.node == NODES.c.id))
    asked = asked.where(may_see(grants)).order_by(func.coalesce(NODES.c.heard_s, 0), NODES.c.name)
    with database.reading() as db:
        return [dict(row) for row in db.execute(asked).mappings()]
