"""GeoPackage (OGC 12-128r18), by pyogrio: the table, and two that explain it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sync.hub.export_query import What, Wish
from sync.hub.export_streams import Counted, arrow_schema, record_batch
from sync.hub.export_tables import about, cols


def write_gpkg(wish: Wish, counted: Counted, out: Path) -> None:
    """Write a new file; GDAL takes the rows batch by batch."""
    import pyarrow as pa
    from pyogrio.raw import write_arrow

    columns, said = cols(wish), about(wish)
    schema = arrow_schema(columns, {})

    def rows() -> Iterator[Any]:
        yield from (record_batch(schema, columns, batch) for batch in counted)

    reader = pa.RecordBatchReader.from_batches(schema, rows())
    kind = "Unknown" if wish.what is What.FIELDS else "Point"
    write_arrow(reader, out, layer=str(wish.what), driver="GPKG", crs="EPSG:4326",
                geometry_name="geometry", geometry_type=kind,
                dataset_options={"VERSION": "1.2"},  # that of programs still in use
                layer_options={"DATETIME_PRECISION": "MILLISECOND"})  # fmt: skip
    words = [{"key": key, "text": text} for key, text in said.items() if isinstance(text, str)]
    for layer, table in (("data_dictionary", said["columns"]), ("about", words)):
        write_arrow(pa.Table.from_pylist(table), out, layer=layer, driver="GPKG", append=False)
