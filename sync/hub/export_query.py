"""Which records are asked for: parameters read strictly, and the one query that finds them."""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
)

from field_data.errors import PersonError
from field_data.events import Kind
from sync.hub.people_grants import Grant, Role, may_see
from sync.hub.photo_names import SHOT
from sync.hub.tables import EVENTS, NODES, PHOTOS
from sync.types import ERASED_REV

MOST = 10_000
YIELD_FORMS = ("harvest", "crop_cut")
_NODE, _SHA = re.compile(r"[\w-]{0,36}"), re.compile(r"[0-9a-f]{0,64}")
_WORD = re.compile(r"[\w .:@*'’-]{1,80}")


class What(StrEnum):
    """What can be pulled."""

    OBSERVATIONS = "observations"
    REVIEWS = "reviews"
    YIELDS = "yields"
    FIELDS = "fields"
    PHOTOS = "photos"


KIND = {What.REVIEWS: Kind.REVIEW, What.FIELDS: Kind.FIELD}
# Photos show faces and yards: they need more than a reader's grant.
LEAST = {What.PHOTOS: Role.AGRONOMIST}


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place after one row in the order of arrival."""

    arrival: int
    node: str = ""
    epoch: int = 0
    seq: int = 0
    photo: str = ""

    def text(self, what: What) -> str:
        """As programs keep it; good for the same ``what`` only."""
        plain = [what, self.arrival, self.node, self.epoch, self.seq, self.photo]
        packed = json.dumps(plain, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def cursor_of(text: str, what: What) -> Cursor:
    """The cursor that `Cursor.text` wrote.

    Raises:
        PersonError: ``bad_cursor``.
    """
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        kind, *rest = json.loads(packed)
        found = Cursor(*rest)
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise PersonError("bad_cursor", "that is no cursor of this hub") from error
    types = (int, str, int, int, str)
    if kind != what or len(text) > 400 or [type(each) for each in rest] != [*types[: len(rest)]]:
        raise PersonError("bad_cursor", f"that is no cursor of {what}")
    numbers = max(abs(found.arrival), abs(found.seq)) < 1 << 62 and abs(found.epoch) < 1 << 31
    if not (numbers and _NODE.fullmatch(found.node) and _SHA.fullmatch(found.photo)):
        raise PersonError("bad_cursor", "that is no cursor of this hub")
    return found


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; ``changes`` brings also what no longer stands, as gone.

    ``newest``: last arrived first, and a cursor then leads on to what arrived before.
    """

    what: What
    bbox: tuple[float, float, float, float] | None = None
    since_s: float | None = None
    until_s: float | None = None
    equal: Mapping[str, str] = field(default_factory=dict)
    after: Cursor | None = None
    limit: int | None = None
    changes: bool = False
    newest: bool = False


def wish_of(what: What, said: Mapping[str, str], **extra: Any) -> Wish:
    """The wish that parameters express; unknown ones are for the caller to refuse.

    Raises:
        PersonError: ``bad_parameter`` with the reason, ``bad_cursor``.
    """
    since_s, until_s = interval_of(said)
    equal = {key: _word(key, said[key]) for key in filters(what) if said.get(key)}
    return Wish(
        what,
        bbox=bbox_of(said["bbox"]) if said.get("bbox") else None,
        since_s=since_s,
        until_s=until_s,
        equal=equal,
        after=cursor_of(said["after"], what) if said.get("after") else None,
        limit=limit_of(said["limit"]) if said.get("limit") else None,
        **extra,
    )


def bad(why: str) -> PersonError:
    """A parameter that makes no sense."""
    return PersonError("bad_parameter", why)


def _word(key: str, text: str) -> str:
    if not _WORD.fullmatch(text):
        raise bad(f"{key} is 1 to 80 letters, digits and . : @ - _")
    return text


def bbox_of(text: str) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees; of six numbers the heights are left out."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise bad("bbox is west,south,east,north in degrees") from error
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise bad("bbox has four (or six) numbers")
    west, south, east, north = numbers
    if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise bad("bbox is west,south,east,north with -180 to 180 and -90 to 90")
    return west, south, east, north


def limit_of(text: str) -> int:
    """How many at once: 1 to `MOST`; more means `MOST` (OGC API – Features, 7.15.2)."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise bad("limit is a number from 1")
    return min(int(text), MOST)


def moment_of(text: str, *, end: bool = False) -> float:
    """Seconds since 1970 of an RFC 3339 moment or a day; ``end``: the end of that day."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        why = f"{text[:40]!r} is no day (2026-05-01) and no moment (2026-05-01T08:00:00Z)"
        raise bad(why) from error
    moment = found.replace(tzinfo=found.tzinfo or datetime.UTC).timestamp()
    return moment + 86_399.999 if end and len(text) == 10 else moment


def interval_of(said: Mapping[str, str]) -> tuple[float | None, float | None]:
    """From ``datetime`` (a moment, ``a/b``, ``../b``, ``a/..``) or ``since`` and ``until``."""
    first, last = said.get("since", ""), said.get("until", "")
    if said.get("datetime"):
        parts = said["datetime"].split("/")
        if len(parts) > 2:
            raise bad("datetime is a moment or an interval a/b")
        first, last = (parts[0], parts[-1])
        if len(parts) == 2 and {first, last} <= {"", ".."}:
            raise bad("datetime is open on both sides")
    since_s = None if first in ("", "..") else moment_of(first)
    until_s = None if last in ("", "..") else moment_of(last, end=True)
    if since_s is not None and until_s is not None and until_s < since_s:
        raise bad("the interval ends before it begins")
    return since_s, until_s


def _said(what: What, key: str) -> ColumnElement[str]:
    """An answer in the body, as text."""
    if what is What.REVIEWS or what is What.FIELDS:
        return _text_at(key)
    inside = _text_at("values", key)
    # A reviewed plant's photos lie at its reviews.
    return func.coalesce(inside, _text_at(key)) if what is What.PHOTOS else inside


def _text_at(*path: str) -> ColumnElement[str]:
    found: ColumnElement[str] = EVENTS.c.body[path].as_string()
    return found


def filters(what: What) -> dict[str, ColumnElement[Any]]:
    """The columns that a value can be asked of, by the parameter's name."""
    found: dict[str, ColumnElement[Any]] = {
        "node": NODES.c.id,
        "organisation": NODES.c.organisation,
        "region": NODES.c.region,
        "author": EVENTS.c.author,
        "field": EVENTS.c.subject,
        "crop": _said(what, "crop"),
    }
    if what in (What.OBSERVATIONS, What.YIELDS, What.PHOTOS):
        found["form"] = EVENTS.c.form
    if what in (What.OBSERVATIONS, What.REVIEWS, What.PHOTOS):
        found["condition"] = _said(what, "condition")
    return found


_ID = re.compile(
    r"(?P<node>[\w-]{1,36})\.(?P<epoch>\d{1,5})\.(?P<seq>\d{1,18})(?:\.(?P<photo>[0-9a-f]{64}))?"
)
_ORDER = (EVENTS.c.arrival, EVENTS.c.node, EVENTS.c.epoch, EVENTS.c.seq)


def _gone() -> ColumnElement[bool]:
    return or_(EVENTS.c.superseded, EVENTS.c.rev == ERASED_REV, EVENTS.c.same_as.isnot(None))


def _of_kind(wish: Wish) -> ColumnElement[bool]:
    what = wish.what
    if what is What.PHOTOS:
        return EVENTS.c.kind.in_([str(Kind.OBSERVATION), str(Kind.REVIEW)])
    right = EVENTS.c.kind == str(KIND.get(what, Kind.OBSERVATION))
    if what is not What.YIELDS:
        return right
    forms = EVENTS.c.form.in_(YIELD_FORMS)
    # An erased record no longer says which form it was of.
    return and_(right, or_(forms, EVENTS.c.rev == ERASED_REV) if wish.changes else forms)


def _asked(wish: Wish) -> list[ColumnElement[bool]]:
    """The conditions that the wish's own words make; of what is gone only the node is known."""
    columns = filters(wish.what)
    found: list[ColumnElement[bool]] = [columns[k] == v for k, v in wish.equal.items()]
    if wish.since_s is not None:
        found.append(EVENTS.c.at_s >= wish.since_s)
    if wish.until_s is not None:
        found.append(EVENTS.c.at_s <= wish.until_s)
    if wish.bbox is not None:
        west, south, east, north = wish.bbox
        lon = EVENTS.c.lon
        across = lon.between(west, east) if west <= east else or_(lon >= west, lon <= east)
        found += [EVENTS.c.lat.between(south, north), across]
    return found


def conditions(wish: Wish, grants: Sequence[Grant]) -> list[ColumnElement[bool]]:
    """Everything a row must be: allowed, of its kind, standing, as asked and after the cursor."""
    found = [may_see(grants, LEAST.get(wish.what, Role.READER)), _of_kind(wish)]
    if wish.changes:
        nodes = {k: v for k, v in wish.equal.items() if k in ("node", "organisation", "region")}
        found += _asked(replace(wish, equal=nodes, bbox=None, since_s=None, until_s=None))
    else:
        found += [not_(_gone()), *_asked(wish)]
    if wish.after is not None:
        after = wish.after
        order: list[ColumnElement[Any]] = [*_ORDER]
        place: list[object] = [after.arrival, after.node, after.epoch, after.seq]
        if wish.what is What.PHOTOS:
            order, place = [*order, _photo()], [*place, after.photo]
        typed = [literal(value, column.type) for value, column in zip(place, order, strict=True)]
        # The first alone is what the index is asked.
        if wish.newest:
            found += [EVENTS.c.arrival <= after.arrival, tuple_(*order) < tuple_(*typed)]
        else:
            found += [EVENTS.c.arrival >= after.arrival, tuple_(*order) > tuple_(*typed)]
    return found


def _photo() -> ColumnElement[str]:
    # COALESCE: where a change left a record without photos, it still has its place in the order.
    return func.coalesce(cast(SHOT.c.value, String), "")


def rendition() -> ColumnElement[Any]:
    """The SHA-256 of the best rendition that is here whole: view, else original, else thumb."""
    whole = (PHOTOS.c.photo == cast(SHOT.c.value, String)) & PHOTOS.c.whole_s.isnot(None)
    best = select(PHOTOS.c.sha256).where(whole, PHOTOS.c.node == EVENTS.c.node)
    order = case({"view": 0, "original": 1}, value=PHOTOS.c.rendition, else_=2)
    return best.order_by(order).limit(1).correlate(EVENTS, SHOT).scalar_subquery()


def query(wish: Wish, grants: Sequence[Grant]) -> Select[Any]:
    """The rows of a wish that these grants show, in the order of arrival.

    Columns: those of `EVENTS` that exports need, ``body_text`` (JSON as it lies there),
    ``node_name``, ``organisation``, ``region``, ``gone``, ``photo`` and ``rendition``.
    """
    pictures = wish.what is What.PHOTOS
    e = EVENTS.c
    gone: ColumnElement[bool] = _gone()
    tables: Any = EVENTS.join(NODES, NODES.c.id == e.node)
    where = conditions(wish, grants)
    if pictures:
        tables = tables.join(SHOT, true(), isouter=wish.changes)
        gone = or_(gone, SHOT.c.value.is_(None))
        if wish.changes:
            where.append(or_(SHOT.c.value.isnot(None), e.rev > 0))
    photo = _photo() if pictures else literal("")
    rows = select(
        e.node, e.epoch, e.seq, e.arrival, e.kind, e.form, e.subject, e.author, e.at_s, e.at_trust,
        e.received_s, cast(e.photos, Text).label("photos_text"), e.coarse, e.lon, e.lat,
        cast(e.body, Text).label("body_text"), NODES.c.name.label("node_name"),
        NODES.c.organisation, NODES.c.region, gone.label("gone"), photo.label("photo"),
        (rendition() if pictures else null()).label("rendition"),
    ).select_from(tables)  # fmt: skip
    order: list[Any] = [*_ORDER, photo] if pictures else [*_ORDER]
    if wish.newest:
        order = [column.desc() for column in order]
    return rows.where(*where).order_by(*order).limit(wish.limit)


def one(what: What, id: str, grants: Sequence[Grant]) -> Select[Any] | None:
    """The query for one standing feature by its id; None for what is no id."""
    parts = _ID.fullmatch(id)
    if parts is None or bool(parts["photo"]) != (what is What.PHOTOS):
        return None
    here = [EVENTS.c.node == parts["node"], EVENTS.c.epoch == int(parts["epoch"]),
            EVENTS.c.seq == int(parts["seq"])]  # fmt: skip
    if parts["photo"]:
        here.append(_photo() == parts["photo"])
    return query(Wish(what, limit=1), grants).where(*here)
