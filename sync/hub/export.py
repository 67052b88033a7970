"""The formats of exports, and exports as files or as pieces on the way."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from field_data.errors import PersonError
from field_data.files import replacing
from models.preprocess import jpeg_of
from sync.hub import export_labelled as labelled
from sync.hub.app import Hub
from sync.hub.export_gpkg import write_gpkg
from sync.hub.export_pictures import picture
from sync.hub.export_query import Cursor, What, Wish
from sync.hub.export_streams import Counted, csv_chunks, geojson_chunks, parquet_chunks
from sync.hub.export_tables import batches
from sync.hub.people_grants import Grant

_PIECE = 1 << 18
Stream = Callable[[Wish, Counted], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of exports: its name on the command line, ending and type."""

    name: str
    ending: str
    mimetype: str
    stream: Stream | None = None

    def fits(self, what: What) -> bool:
        """Whether that table can be written so: labelled sets are of photos only."""
        return self.name != "coco" or what is What.PHOTOS


def _gpkg_chunks(wish: Wish, counted: Counted) -> Iterator[bytes]:
    """A GeoPackage is a database: written whole on the disk, then sent."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "export.gpkg"
        write_gpkg(wish, counted, file)
        with file.open("rb") as made:
            while piece := made.read(_PIECE):
                yield piece


FORMATS = {
    each.name: each
    for each in (
        Format("csv", "csv", "text/csv", csv_chunks),
        Format("geojson", "geojson", "application/geo+json", geojson_chunks),
        Format("geoparquet", "parquet", "application/vnd.apache.parquet", parquet_chunks),
        Format("gpkg", "gpkg", "application/geopackage+sqlite3", _gpkg_chunks),
        Format("coco", "zip", "application/zip"),
    )
}
BY_ENDING = {each.ending: each for each in FORMATS.values()}


@cache
def _settled() -> None:
    """What is loaded by the first export stays: the collector need not walk through all of it while
    rows come and go, which took a third of an export's time."""
    import pyarrow.parquet  # noqa: F401

    gc.collect()
    gc.freeze()


def chunks(hub: Hub, wish: Wish, grants: Sequence[Grant], kind: Format) -> Iterator[bytes]:
    """The pieces of an export: memory does not grow with it."""
    _settled()
    if kind.stream is None:
        return labelled.zip_chunks(_labelled(hub, wish, grants))
    return kind.stream(wish, Counted(batches(hub.database, wish, grants)))


def _labelled(hub: Hub, wish: Wish, grants: Sequence[Grant]) -> Iterator[tuple[str, bytes]]:
    return labelled.files(hub.database, wish, grants, partial(picture, hub), jpeg_of)


def write_export(
    hub: Hub, wish: Wish, grants: Sequence[Grant], kind: Format, out: Path
) -> tuple[int, Cursor | None]:
    """Write an export to a file (``coco``: into a folder); all of it or nothing.

    Returns how many rows (photos), and the place after the last one.

    Raises:
        PersonError: ``bad_format``, ``folder_in_use``.
        KeeperError: ``disk_full``.
    """
    if not kind.fits(wish.what):
        raise PersonError("bad_format", f"{wish.what} cannot be {kind.name}: only photos can")
    _settled()
    if kind.stream is None:
        return labelled.write_folder(out, _labelled(hub, wish, grants)), None
    counted = Counted(batches(hub.database, wish, grants))
    with replacing(out) as file:
        for piece in kind.stream(wish, counted):
            file.write(piece)
    return counted.rows, counted.last
