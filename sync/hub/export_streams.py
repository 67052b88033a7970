"""Tables as bytes on the way: CSV, GeoJSON and GeoParquet, written while the rows are read."""

from __future__ import annotations

import csv
import io
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from field_data.forms.columns import harmless
from sync.hub.export_query import Cursor, Wish
from sync.hub.export_tables import Batch, Cell, Col, Geometry, about, cols, shown

if TYPE_CHECKING:
    import pyarrow

_POINT = struct.Struct("<BIdd")
_RING = struct.Struct("<BIII")
_PAIR = struct.Struct("<dd")


@dataclass
class Counted:
    """The batches of an export, counted as they go by; ``last`` is the place after them."""

    source: Iterable[Batch]
    rows: int = 0
    last: Cursor | None = None

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.source:
            self.rows += len(batch.geometry)
            self.last = cursor_after(batch.last)
            yield batch


def cursor_after(row: Any) -> Cursor:
    """The place after a row."""
    return Cursor(row.arrival, row.node, row.epoch, row.seq, row.photo)


def csv_chunks(wish: Wish, batches: Iterable[Batch]) -> Iterator[bytes]:
    """CSV (RFC 4180, UTF-8) with the places as ``lon`` and ``lat``.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    columns = cols(wish)
    yield _csv([[col.name for col in columns]])
    for batch in batches:
        yield _csv(_texts(columns, row) for row in batch.rows())


def _csv(rows: Iterable[Sequence[Cell]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _texts(columns: Sequence[Col], row: Sequence[Cell]) -> list[Cell]:
    return [harmless(shown(cell, col.kind)) for col, cell in zip(columns, row, strict=True)]


def feature(columns: Sequence[Col], geometry: Geometry, row: Sequence[Cell]) -> dict[str, Any]:
    """One feature of GeoJSON (RFC 7946); its id is the first column."""
    pairs = zip(columns, row, strict=True)
    # A body is JSON already: programs should not have to read it out of a text.
    properties = {
        col.name: json.loads(str(cell)) if col.name == "body" else shown(cell, col.kind)
        for col, cell in pairs
    }
    return {"type": "Feature", "id": row[0], "geometry": as_geojson(geometry),
            "properties": properties}  # fmt: skip


def as_geojson(geometry: Geometry) -> dict[str, Any] | None:
    """The geometry object, None for no place."""
    if geometry is None:
        return None
    if isinstance(geometry, tuple):
        return {"type": "Point", "coordinates": list(geometry)}
    return {"type": "Polygon", "coordinates": [[list(point) for point in geometry]]}


def geojson_chunks(wish: Wish, batches: Iterable[Batch]) -> Iterator[bytes]:
    """One FeatureCollection; ``about`` (a foreign member) says what the columns mean."""
    columns, first = cols(wish), True
    head = json.dumps(about(wish), ensure_ascii=False)
    yield f'{{"type":"FeatureCollection","about":{head},"features":['.encode()
    for batch in batches:
        rows = zip(batch.geometry, batch.rows(), strict=True)
        texts = [json.dumps(feature(columns, g, r), ensure_ascii=False) for g, r in rows]
        yield ("" if first else ",\n").encode() + ",\n".join(texts).encode("utf-8", "replace")
        first = False
    yield b"]}\n"


def wkb(geometry: Geometry) -> bytes | None:
    """Well-known binary, little-endian (OGC 06-103r4)."""
    if geometry is None:
        return None
    if isinstance(geometry, tuple):
        return _POINT.pack(1, 1, *geometry)
    return _RING.pack(1, 3, 1, len(geometry)) + b"".join(_PAIR.pack(*p) for p in geometry)


def arrow_schema(columns: Sequence[Col], about_it: dict[str, Any]) -> pyarrow.Schema:
    """The columns and, last, ``geometry``; what they mean is the metadata ``ghalla``."""
    import pyarrow as pa

    types = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(),
             "boolean": pa.bool_(), "moment": pa.timestamp("ms", tz="UTC")}  # fmt: skip
    fields = [pa.field(c.name, types[c.kind], metadata={"about": c.about, "unit": c.unit})
              for c in columns]  # fmt: skip
    # The extension's name tells GDAL which column is the place.
    place = pa.field("geometry", pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})
    said = {"ghalla": json.dumps(about_it, ensure_ascii=False)}
    return pa.schema([*fields, place], metadata=said)


def record_batch(schema: pyarrow.Schema, columns: Sequence[Col], batch: Batch) -> Any:
    """A batch as Arrow holds it, column by column."""
    import pyarrow as pa

    lists: list[Any] = [*batch.cells]
    for at, col in enumerate(columns):
        if col.kind == "moment":
            lists[at] = [None if cell is None else round(cell * 1000) for cell in lists[at]]
    lists.append([wkb(geometry) for geometry in batch.geometry])
    arrays = [pa.array(each, part.type) for each, part in zip(lists, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


class Pipe(io.RawIOBase):
    """A file that cannot seek: holds what was written since it was last taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Keep the bytes."""
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def take(self) -> bytes:
        """What was written, which is then no longer held."""
        taken, self._parts = b"".join(self._parts), []
        return taken


def parquet_chunks(wish: Wish, batches: Iterable[Batch]) -> Iterator[bytes]:
    """GeoParquet 1.1: a row group a batch, compressed with zstd, places as WKB in OGC:CRS84.

    The metadata ``geo`` lie at the file's end, when the kinds and the box of all places are known.
    """
    import pyarrow.parquet as pq

    columns, pipe = cols(wish), Pipe()
    schema = arrow_schema(columns, about(wish))
    seen = _Seen()
    with pq.ParquetWriter(pipe, schema, compression="zstd") as writer:
        for batch in batches:
            seen.look(batch.geometry)
            writer.write_batch(record_batch(schema, columns, batch))
            yield pipe.take()
        writer.add_key_value_metadata({"geo": json.dumps(seen.geo())})
    yield pipe.take()


class _Seen:
    """The kinds and the box of all places of a file."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.box = [float("inf"), float("inf"), float("-inf"), float("-inf")]

    def look(self, geometry: Iterable[Geometry]) -> None:
        """Take in some places."""
        given = [each for each in geometry if each is not None]
        self.kinds |= {"Point" if isinstance(each, tuple) else "Polygon" for each in given}
        points = [p for each in given for p in ([each] if isinstance(each, tuple) else each)]
        if points:
            lons, lats = zip(*points, strict=True)
            west, south, east, north = self.box
            self.box = [min(west, *lons), min(south, *lats), max(east, *lons), max(north, *lats)]

    def geo(self) -> dict[str, Any]:
        """The metadata of GeoParquet 1.1."""
        column: dict[str, Any] = {"encoding": "WKB", "geometry_types": sorted(self.kinds)}
        if self.kinds:
            column["bbox"] = self.box
        return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
