"""What an export holds: the columns of each table, and records turned into rows."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
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
_SHA = re.compile(r"[0-9a-f]{64}")
AT_ONCE = 5000
EARLIEST_S, LATEST_S = -2_208_988_800.0, 4_102_444_800.0  # 1900 to 2100: what tables can hold


class Block:
    """Some rows of `export_query.query`, column by column: a whole column costs one call."""

    def __init__(self, rows: Sequence[Any]) -> None:
        columns = zip(rows[0]._fields, zip(*rows, strict=True), strict=True)
        self._columns: dict[str, Sequence[Any]] = dict(columns)

    def __getitem__(self, name: str) -> Sequence[Any]:
        return self._columns[name]

    @cached_property
    def bodies(self) -> list[Mapping[str, Any]]:
        """The bodies; of one that is no object, an empty one."""
        read = json.JSONDecoder().raw_decode  # `json.loads` looks for blanks around, in vain
        found = (read(text)[0] for text in self["body_text"])
        return [body if isinstance(body, dict) else {} for body in found]

    @cached_property
    def values(self) -> list[Mapping[str, Any]]:
        """The answers in the bodies."""
        found = (body.get("values") for body in self.bodies)
        return [values if isinstance(values, dict) else {} for values in found]

    @cached_property
    def ids(self) -> list[str]:
        """What the records are called at the hub: node.epoch.seq, and the photo where it is one."""
        named = zip(self["node"], self["epoch"], self["seq"], self["photo"], strict=True)
        return [f"{n}.{e}.{s}.{p}" if p else f"{n}.{e}.{s}" for n, e, s, p in named]


@dataclass(frozen=True, slots=True)
class Col:
    """One column; ``kind`` is text, integer, number, boolean or moment (seconds since 1970).

    ``get`` gives its cells of all rows of a block.
    """

    name: str
    kind: str
    about: str
    get: Callable[[Block], Sequence[Cell]]
    unit: str = ""
    question: Column | None = None


def _moment(seconds: float) -> float | None:
    return seconds if EARLIEST_S < seconds < LATEST_S else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and abs(value) < 1 << 53 else None


def _row(name: str) -> Callable[[Block], Sequence[Cell]]:
    return lambda block: block[name]


def _moments(name: str) -> Callable[[Block], Sequence[Cell]]:
    return lambda block: [_moment(seconds) for seconds in block[name]]


def _body(key: str, read: Callable[[Any], Cell]) -> Callable[[Block], Sequence[Cell]]:
    return lambda block: [read(body.get(key)) for body in block.bodies]


def _said(key: str) -> Callable[[Block], Sequence[Cell]]:
    """An answer, or what the body of a record without answers says."""

    def get(block: Block) -> Sequence[Cell]:
        both = zip(block.values, block.bodies, strict=True)
        return [_text(values.get(key, body.get(key))) for values, body in both]

    return get


def _value(key: str) -> Callable[[Block], Sequence[Cell]]:
    return lambda block: [_number(values.get(key)) for values in block.values]


def _precision(block: Block) -> list[Cell]:
    """How exact the place is: GPS accuracy, or the cell that was given instead."""
    rows = zip(block["lon"], block["coarse"], block.bodies, strict=True)
    return [
        None if lon is None else float(CELL_M) if coarse else _accuracy(body)
        for lon, coarse, body in rows
    ]


def _accuracy(body: Mapping[str, Any]) -> float | None:
    place = body.get("place")
    return _number(place.get("accuracy_m")) if isinstance(place, dict) else None


def _best_yield(block: Block) -> list[Cell]:
    pairs = ((_number(v.get("std_t_ha")), _number(v.get("fresh_t_ha"))) for v in block.values)
    return [fresh if standard is None else standard for standard, fresh in pairs]


def _basis(block: Block) -> list[Cell]:
    pairs = ((_number(v.get("std_t_ha")), _number(v.get("fresh_t_ha"))) for v in block.values)
    return [
        "standard_moisture" if standard is not None else None if fresh is None else "as_harvested"
        for standard, fresh in pairs
    ]


def _photos(block: Block) -> list[Cell]:
    # Names of photos are the only hex of that length there.
    return ["" if text == "[]" else " ".join(_SHA.findall(text)) for text in block["photos_text"]]


_HEAD = (
    Col("id", "text", "Name of the record: node, epoch and number", lambda block: block.ids),
    Col("node", "text", "Node on which it was recorded", _row("node")),
    Col("node_name", "text", "Name of the node", _row("node_name")),
    Col("organisation", "text", "Whose node it is", _row("organisation")),
    Col("region", "text", "Where the node is", _row("region")),
    Col("at_utc", "moment", "When it was recorded", _moments("at_s")),
    Col("at_trust", "text", "How far that time can be believed", _row("at_trust")),
    Col("received_utc", "moment", "When the node had it", _moments("received_s")),
    Col("author", "text", "Who recorded it (a pseudonym)", _row("author")),
)
_PLACE = (
    Col("lon", "number", "Longitude, EPSG:4326", _row("lon"), "deg"),
    Col("lat", "number", "Latitude, EPSG:4326", _row("lat"), "deg"),
    Col("place_precision_m", "number",
        "How exact the place is: GPS accuracy, or the side of the cell given instead",
        _precision, "m"),
    Col("coarse", "boolean", "Whether the place is the centre of a cell, for want of consent",
        lambda block: [bool(coarse) for coarse in block["coarse"]]),
)  # fmt: skip
_CROP = Col("crop", "text", "Crop, EPPO code", _said("crop"))
_CONDITION = Col("condition", "text", "Disease or pest (EPPO code), healthy or ABIOTIC-…",
                 _said("condition"))  # fmt: skip
_FORM = Col("form", "text", "Form that was filled in", _row("form"))
_PHOTOS = Col("photos", "text", "SHA-256 of its photos, space between", _photos)
_SUBJECT = Col("field", "text", "Field (a pseudonym)", _row("subject"))

_TABLES: Mapping[What, tuple[Col, ...]] = {
    What.OBSERVATIONS: (
        *_HEAD, _SUBJECT, _FORM,
        Col("version", "integer", "Version of the form", _body("version", _whole)),
        Col("unchecked", "text", "Why no form checked the answers", _body("unchecked", _text)),
        _CROP, _CONDITION, *_PLACE, _PHOTOS,
    ),
    What.REVIEWS: (
        *_HEAD,
        Col("subject", "text", "Diagnosis that was reviewed", _row("subject")),
        Col("verdict", "text", "Of the model's answer: confirm, correct, cannot_tell",
            _said("verdict")),
        _CROP, _CONDITION,
        Col("round", "integer", "1 and 2 are independent, 3 decides", _body("round", _whole)),
        Col("blind", "boolean", "Whether the model's answer was hidden",
            _body("blind", lambda value: value is True)),
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
        Col("area_ha", "number", "Area", _body("area_ha", _number), "ha"),
        Col("source", "text", "How the boundary was made", _said("source")), *_PLACE,
    ),
    What.PHOTOS: (
        *_HEAD,
        Col("subject", "text", "What was photographed (a pseudonym)", _row("subject")),
        _FORM, _CROP, _CONDITION,
        Col("photo", "text", "SHA-256 of the photo on its node", _row("photo")),
        Col("rendition", "text", "SHA-256 of what the hub has of it", _row("rendition")),
        *_PLACE,
    ),
}  # fmt: skip
_JSON = Col("body", "text", "The whole record, JSON", _row("body_text"))
_CHANGE = Col("deleted", "boolean", "No longer stands: erase it",
              lambda block: [bool(gone) for gone in block["gone"]])  # fmt: skip
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

    def get(block: Block) -> list[Cell]:
        return [_fitting(answer(values, column, exact=True), kind) for values in block.values]

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


def body_of(row: Any) -> Mapping[str, Any]:
    """The body of one row."""
    return Block([row]).bodies[0]


def cells_of(wish: Wish, row: Any) -> dict[str, Cell]:
    """The cells of one row, by column, as text formats write them."""
    block = Block([row])
    return {col.name: shown(col.get(block)[0], col.kind) for col in cols(wish)}


def geometry_of(block: Block, what: What) -> list[Geometry]:
    """Where they are: the boundary of a field, the point of everything else."""
    points = zip(block["lon"], block["lat"], strict=True)
    found: list[Geometry] = [None if lon is None or lat is None else (lon, lat)
                             for lon, lat in points]  # fmt: skip
    if what is not What.FIELDS:
        return found
    rings = (_ring(body.get("boundary")) for body in block.bodies)
    return [ring or point for ring, point in zip(rings, found, strict=True)]


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
    """Some rows: ``geometry``, and ``cells`` column by column; ``last`` is the last of the rows."""

    geometry: list[Geometry]
    cells: list[Sequence[Cell]]
    last: Any

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """The cells row by row."""
        return zip(*self.cells, strict=True)


def batches(database: Database, wish: Wish, grants: Sequence[Grant]) -> Iterator[Batch]:
    """The rows of a wish, `AT_ONCE` at a time: memory does not grow with their number."""
    with database.reading() as db:
        yield from batches_of(db, wish, grants)


def batches_of(db: Connection, wish: Wish, grants: Sequence[Grant]) -> Iterator[Batch]:
    """`batches` on a connection of the caller's."""
    columns = cols(wish)
    for part in _streamed(db, wish, grants).partitions():
        yield batch_of(part, wish.what, columns)


def batch_of(rows: Sequence[Any], what: What, columns: Sequence[Col]) -> Batch:
    """Rows of the database as rows of an export."""
    block = Block(rows)
    return Batch(geometry_of(block, what), [col.get(block) for col in columns], rows[-1])


def _streamed(db: Connection, wish: Wish, grants: Sequence[Grant]) -> CursorResult[Any]:
    """The rows, by a cursor of the server's on PostgreSQL: the client never holds all of them."""
    streamed = db.execution_options(stream_results=True, yield_per=AT_ONCE)
    return streamed.execute(query(wish, grants))


def rows(database: Database, wish: Wish, grants: Sequence[Grant]) -> Iterator[Any]:
    """The bare rows of a wish, one after another."""
    with database.reading() as db:
        yield from _streamed(db, wish, grants)


def shown(cell: Cell, kind: str) -> Cell:
    """The cell as text formats write it: moments as RFC 3339 in UTC, None for no real one."""
    if kind != "moment" or not isinstance(cell, int | float):
        return cell
    if (seconds := _moment(cell)) is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
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
