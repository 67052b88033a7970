"""What an export holds: the columns of each table, and records turned into rows."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, CursorResult

from field_data.forms.columns import Column, answer, columns
from field_data.forms.definition import LANGS, Type
from field_data.forms.library import SHIPPED, Forms
from field_data.forms.loading import read_form
from sync.hub.database import Database
from sync.hub.export_query import What, Wish, query
from sync.hub.people_grants import Grant

Cell = str | int | float | bool | None
Point = tuple[float, float]
# A point, the corners of a polygon (longitude, latitude in degrees), or no place.
Geometry = Point | list[Point] | None

# The side of a cell of 0.01°, rounded: the place of a record whose farmer did not agree to more.
CELL_M = 1000
AT_ONCE = 5000
_EARLIEST_S, _LATEST_S = -2_208_988_800.0, 4_102_444_800.0  # 1900 to 2100: what tables can hold


@dataclass(frozen=True, slots=True)
class Item:
    """A record on its way out: its database row, its body and the answers in it."""

    row: Any
    body: Mapping[str, Any]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Col:
    """One column; ``kind`` is text, integer, number, boolean or moment (seconds since 1970)."""

    name: str
    kind: str
    about: str
    get: Callable[[Item], Cell]
    unit: str = ""
    question: Column | None = None


def feature_id(row: Any) -> str:
    """What a record is called at the hub: node.epoch.seq, and the photo where it is one."""
    base = f"{row.node}.{row.epoch}.{row.seq}"
    return f"{base}.{row.photo}" if row.photo else base


def _moment(seconds: float) -> float | None:
    return seconds if _EARLIEST_S < seconds < _LATEST_S else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and abs(value) < 1 << 53 else None


def _accuracy(item: Item) -> float | None:
    place = item.body.get("place")
    return _number(place.get("accuracy_m")) if isinstance(place, dict) else None


def _precision(item: Item) -> float | None:
    """How exact the place is: GPS accuracy, or the cell that was given instead."""
    if item.row.lon is None:
        return None
    return float(CELL_M) if item.row.coarse else _accuracy(item)


def _said(key: str) -> Callable[[Item], Cell]:
    return lambda item: _text(item.values.get(key, item.body.get(key)))


def _value(key: str) -> Callable[[Item], Cell]:
    return lambda item: _number(item.values.get(key))


def _best_yield(item: Item) -> float | None:
    standard = _number(item.values.get("std_t_ha"))
    return _number(item.values.get("fresh_t_ha")) if standard is None else standard


def _basis(item: Item) -> str | None:
    if _number(item.values.get("std_t_ha")) is not None:
        return "standard_moisture"
    return None if _number(item.values.get("fresh_t_ha")) is None else "as_harvested"


_HEAD = (
    Col("id", "text", "Name of the record: node, epoch and number", lambda i: feature_id(i.row)),
    Col("node", "text", "Node on which it was recorded", lambda i: i.row.node),
    Col("node_name", "text", "Name of the node", lambda i: i.row.node_name),
    Col("organisation", "text", "Whose node it is", lambda i: i.row.organisation),
    Col("region", "text", "Where the node is", lambda i: i.row.region),
    Col("at", "moment", "When it was recorded", lambda i: _moment(i.row.at_s)),
    Col("at_trust", "text", "How far that time can be believed", lambda i: i.row.at_trust),
    Col("received", "moment", "When the node had it", lambda i: _moment(i.row.received_s)),
    Col("author", "text", "Who recorded it (a pseudonym)", lambda i: i.row.author),
)
_PLACE = (
    Col("lon", "number", "Longitude, EPSG:4326", lambda i: i.row.lon, "deg"),
    Col("lat", "number", "Latitude, EPSG:4326", lambda i: i.row.lat, "deg"),
    Col("place_precision_m", "number",
        "How exact the place is: GPS accuracy, or the side of the cell given instead",
        _precision, "m"),
    Col("coarse", "boolean", "Whether the place is the centre of a cell, for want of consent",
        lambda i: bool(i.row.coarse)),
)  # fmt: skip
_CROP = Col("crop", "text", "Crop, EPPO code", _said("crop"))
_CONDITION = Col("condition", "text", "Disease or pest (EPPO code), healthy or ABIOTIC-…",
                 _said("condition"))  # fmt: skip
_FORM = Col("form", "text", "Form that was filled in", lambda i: i.row.form)
_PHOTOS = Col("photos", "text", "SHA-256 of its photos, space between",
              lambda i: " ".join(i.row.photos or ()))  # fmt: skip
_SUBJECT = Col("field", "text", "Field (a pseudonym)", lambda i: i.row.subject)

_TABLES: Mapping[What, tuple[Col, ...]] = {
    What.OBSERVATIONS: (
        *_HEAD, _SUBJECT, _FORM,
        Col("version", "integer", "Version of the form", lambda i: _whole(i.body.get("version"))),
        Col("unchecked", "text", "Why no form checked the answers",
            lambda i: _text(i.body.get("unchecked"))),
        _CROP, _CONDITION, *_PLACE, _PHOTOS,
    ),
    What.REVIEWS: (
        *_HEAD,
        Col("subject", "text", "Diagnosis that was reviewed", lambda i: i.row.subject),
        Col("verdict", "text", "Of the model's answer: confirm, correct, cannot_tell",
            _said("verdict")),
        _CROP, _CONDITION,
        Col("round", "integer", "1 and 2 are independent, 3 decides",
            lambda i: _whole(i.body.get("round"))),
        Col("blind", "boolean", "Whether the model's answer was hidden",
            lambda i: i.body.get("blind") is True),
        *_PLACE, _PHOTOS,
    ),
    What.YIELDS: (
        *_HEAD, _SUBJECT, _FORM, _CROP,
        Col("day", "text", "Day of harvest", _said("day")),
        Col("t_ha", "number", "Yield: at standard moisture where it is known, else as harvested",
            _best_yield, "t/ha"),
        Col("t_ha_basis", "text", "standard_moisture (14 % for cereals) or as_harvested", _basis),
        Col("std_t_ha", "number", "Yield at standard moisture", _value("std_t_ha"), "t/ha"),
        Col("fresh_t_ha", "number", "Yield as harvested", _value("fresh_t_ha"), "t/ha"),
        Col("dry_t_ha", "number", "Dry yield", _value("dry_t_ha"), "t/ha"),
        Col("moisture", "number", "Moisture as weighed", _value("moisture"), "%"),
        Col("area_ha", "number", "Area harvested", _value("area"), "ha"),
        Col("plots", "number", "Plots cut", _value("plots")),
        Col("plot_area_m2", "number", "Area of one plot", _value("plot_area"), "m2"),
        *_PLACE, _PHOTOS,
    ),
    What.FIELDS: (
        *_HEAD, _SUBJECT,
        Col("farm", "text", "Farm (a pseudonym)", _said("farm")), _CROP,
        Col("area_ha", "number", "Area", lambda i: _number(i.body.get("area_ha")), "ha"),
        Col("source", "text", "How the boundary was made", _said("source")), *_PLACE,
    ),
    What.PHOTOS: (
        *_HEAD,
        Col("subject", "text", "What was photographed (a pseudonym)", lambda i: i.row.subject),
        _FORM, _CROP, _CONDITION,
        Col("photo", "text", "SHA-256 of the photo on its node", lambda i: i.row.photo),
        Col("rendition", "text", "SHA-256 of what the hub has of it", lambda i: i.row.rendition),
        *_PLACE,
    ),
}  # fmt: skip
_JSON = Col("body", "text", "The whole record, JSON", lambda i: i.row.body_text)
_CHANGE = Col("deleted", "boolean", "No longer stands: erase it", lambda i: bool(i.row.gone))
_KIND_OF = {Type.DECIMAL: "number", Type.CALCULATED: "text", Type.BOOLEAN: "boolean",
            Type.COUNT: "integer", Type.MULTI: "integer", Type.PLACE: "number"}  # fmt: skip


@cache
def forms() -> Forms:
    """The forms that come with the program."""
    files = [*SHIPPED.glob("*.toml"), *(SHIPPED / "old").glob("*.toml")]
    return Forms(read_form(Path(file)) for file in sorted(files))


def cols(wish: Wish) -> tuple[Col, ...]:
    """The columns of a wish: those of its table, and of its form where it asks for one."""
    found = list(_TABLES[wish.what])
    form = wish.equal.get("form", "")
    if wish.what is What.OBSERVATIONS:
        extra = [_of_question(each) for each in columns(*forms().versions(form)) if each.question]
        found += _renamed(extra, {col.name for col in found}) if extra else [_JSON]
    return (*found, _CHANGE) if wish.changes else tuple(found)


def _renamed(extra: Iterable[Col], taken: set[str]) -> Iterator[Col]:
    """Questions that are columns already (crop, condition) are not given twice."""
    return (col for col in extra if col.name not in taken)


def _of_question(column: Column) -> Col:
    q = column.question
    assert q is not None  # noqa: S101 (the caller chose those)
    kind = _kind(column)

    def get(item: Item) -> Cell:
        cell = answer(item.values, column, exact=True)
        return _fitting(cell, kind)

    choices = "; ".join(f"{c.key}: {c.label.get('en', '')}" for c in q.choices)
    about = q.label.get("en", q.id) + (f" ({choices})" if choices and not column.choice else "")
    return Col(column.name, kind, about, get, q.unit, column)


def _kind(column: Column) -> str:
    q = column.question
    if q is None or q.type not in _KIND_OF:
        return "text"
    # A calculated answer with a unit is a number.
    return "number" if q.type is Type.CALCULATED and q.unit else _KIND_OF[q.type]


def _fitting(cell: Cell, kind: str) -> Cell:
    """The cell where it is of its column's kind: what no form checked may be anything."""
    if kind == "number":
        return _number(cell)
    if kind == "integer":
        return _whole(cell)
    if kind == "boolean":
        return cell if isinstance(cell, bool) else None
    return cell if cell is None or isinstance(cell, str) else json.dumps(cell)


def item_of(row: Any) -> Item:
    """A row of `export_query.query`, read."""
    body = json.loads(row.body_text)
    body = body if isinstance(body, dict) else {}
    values = body.get("values")
    return Item(row, body, values if isinstance(values, dict) else {})


def geometry_of(item: Item, what: What) -> Geometry:
    """Where it is: the boundary of a field, the point of everything else."""
    if what is What.FIELDS:
        ring = _ring(item.body.get("boundary"))
        if ring:
            return ring
    row = item.row
    return None if row.lon is None or row.lat is None else (row.lon, row.lat)


def _ring(boundary: Any) -> list[Point] | None:
    """A closed ring of (longitude, latitude); None for anything else."""
    if not isinstance(boundary, list) or len(boundary) < 4:
        return None
    pairs = [p for p in boundary if isinstance(p, list) and len(p) == 2]
    numbers = all(_number(x) is not None for p in pairs for x in p)
    if len(pairs) != len(boundary) or not numbers or boundary[0] != boundary[-1]:
        return None
    return [(float(x), float(y)) for x, y in pairs]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows: ``geometry`` and ``cells`` (in the order of the columns), as many of each."""

    geometry: list[Geometry]
    cells: list[list[Cell]]
    last: Any


def batches(database: Database, wish: Wish, grants: Sequence[Grant]) -> Iterator[Batch]:
    """The rows of a wish, `AT_ONCE` at a time: memory does not grow with their number."""
    with database.reading() as db:
        yield from batches_of(db, wish, grants)


def batches_of(db: Connection, wish: Wish, grants: Sequence[Grant]) -> Iterator[Batch]:
    """`batches` on a connection of the caller's."""
    getters = [col.get for col in cols(wish)]
    for part in _streamed(db, wish, grants).partitions():
        items = [item_of(row) for row in part]
        cells = [[get(item) for get in getters] for item in items]
        yield Batch([geometry_of(item, wish.what) for item in items], cells, part[-1])


def _streamed(db: Connection, wish: Wish, grants: Sequence[Grant]) -> CursorResult[Any]:
    """The rows, by a cursor of the server's on PostgreSQL: the client never holds all of them."""
    streamed = db.execution_options(stream_results=True, yield_per=AT_ONCE)
    return streamed.execute(query(wish, grants))


def rows(database: Database, wish: Wish, grants: Sequence[Grant]) -> Iterator[Any]:
    """The bare rows of a wish, one after another."""
    with database.reading() as db:
        yield from _streamed(db, wish, grants)


def shown(cell: Cell, kind: str) -> Cell:
    """The cell as text formats write it: moments as RFC 3339 in UTC."""
    if kind != "moment" or not isinstance(cell, int | float):
        return cell
    moment = datetime.datetime.fromtimestamp(cell, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dictionary(wish: Wish) -> list[dict[str, Cell]]:
    """What each column means, one entry a column; labels where a form has them."""
    return [_entry(col) for col in cols(wish)]


def _entry(col: Col) -> dict[str, Cell]:
    q = col.question.question if col.question else None
    labels: dict[str, Cell] = {
        f"label_{lang}": q.label.get(lang, "") if q else "" for lang in LANGS
    }
    return {"column": col.name, "kind": col.kind, "unit": col.unit, "about": col.about, **labels}


def about(wish: Wish) -> dict[str, Any]:
    """What must go with the data: whose it is, under which consent, and what the columns mean."""
    return {
        "title": f"Ghalla {wish.what}",
        "licence": "not stated: the data belong to the organisations that recorded them; "
        "ask them before you publish",
        "consent": "Recorded by people who agreed that it goes to the hub. Without their yes to "
        f"the exact place it is the centre of a cell of 0.01 degrees (coarse, about {CELL_M} m). "
        "Names of persons, farms and fields are not in it. A record that is reported as deleted "
        "must be deleted in every copy.",
        "crs": "EPSG:4326, longitude before latitude",
        "columns": dictionary(wish),
    }
