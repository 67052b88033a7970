"""Shapefiles in a zip: polygons, names in the code page that they seem to be in, degrees only."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import shapefile

from field_data.boundary_files.archive import Archive
from field_data.boundary_files.code_page import code_page
from field_data.boundary_files.found import (
    MAX_FEATURES,
    MAX_PARTS,
    Found,
    Source,
    crs_unsupported,
    name_from,
    not_a_polygon,
)
from field_data.errors import PersonError
from field_data.geometry import Note

_HEADER_BYTES = 100
_POLYGONS = (5, 15, 25)  # plain, with heights, with measures
_WGS84 = re.compile(
    r'GEOGCS\["[^"]*",\s*DATUM\["[^"]*(?:WGS_?1984|WGS_84|WGS 84)[^"]*"', re.IGNORECASE
)
_TITLE = re.compile(r'^\s*\w+\["([^"]{1,80})"')
# Holes without an outer ring become outer rings; a log of that helps nobody here.
shapefile.VERBOSE = False
# What the library raises on bytes that are no shapefile.
_BROKEN = (
    shapefile.ShapefileException,
    struct.error,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    EOFError,
    AssertionError,
)


def read(archive: Archive) -> Source:
    """The features of every shapefile in the zip.

    Without ``.prj`` the coordinates are taken for degrees on WGS 84, with the note
    ``crs_assumed``.

    Raises:
        PersonError: ``bad_shapefile``, ``crs_unsupported``, and those of the zip.
    """
    stems = [name.removesuffix(".shp") for name in archive.ending(".shp")]
    bare = [stem for stem in stems if not _checked_crs(archive, stem)]
    features = (found for stem in stems for found in _features(archive, stem))
    return Source(features, (Note("crs_assumed"),) if bare else ())


def _checked_crs(archive: Archive, stem: str) -> bool:
    """Whether a ``.prj`` says that these are degrees; another system is refused."""
    prj = archive.read(f"{stem}.prj")
    if prj is None:
        return False
    text = prj[:10_000].decode("utf-8", "replace")
    if not _WGS84.match(text.lstrip("\ufeff \r\n\t")):
        title = _TITLE.match(text)
        raise crs_unsupported(title[1] if title else "an unknown system")
    return True


def _features(archive: Archive, stem: str) -> Iterator[Found]:
    shp, dbf = archive.read(f"{stem}.shp") or b"", archive.read(f"{stem}.dbf")
    _must_be_sound(shp)
    try:
        with shapefile.Reader(shp=BytesIO(shp)) as reader:
            names = _names(dbf, archive.read(f"{stem}.cpg"))
            for place, shape in enumerate(reader.iterShapes()):
                yield _found(shape, names[place] if place < len(names) else "")
    except _BROKEN as error:
        raise PersonError("bad_shapefile", f"the shapefile is damaged: {error!s:.120}") from error


def _must_be_sound(shp: bytes) -> None:
    """The length in the header and those of all records fit: the library would follow them back."""
    at, records = _HEADER_BYTES, 0
    whole = len(shp) >= at and 2 * struct.unpack_from(">i", shp, 24)[0] == len(shp)
    while whole and at < len(shp) and records <= MAX_FEATURES:
        whole = len(shp) - at >= 12
        at += 8 + 2 * max(struct.unpack_from(">i", shp, at + 4)[0], 2) if whole else 0
        records += 1
    # Beyond the limit whoever counts the features refuses.
    if not whole or (at != len(shp) and records <= MAX_FEATURES):
        raise PersonError("bad_shapefile", "the shapefile is cut short")


def _found(shape: Any, name: str) -> Found:
    if shape is None or shape.shapeType == 0:
        return Found(name, problem=PersonError("boundary_empty", "the feature has no geometry"))
    if shape.shapeType not in _POLYGONS:
        return Found(name, problem=not_a_polygon(shape.shapeTypeName.lower()))
    if len(shape.parts) > MAX_PARTS:
        message = f"{len(shape.parts)} parts; {MAX_PARTS} is the limit"
        return Found(name, problem=PersonError("too_many_parts", message))
    geometry = shape.__geo_interface__
    rings = geometry["coordinates"]
    polygons = [rings] if geometry["type"] == "Polygon" else rings
    return Found(name, tuple(tuple(each) for each in polygons))


def _names(dbf: bytes | None, cpg: bytes | None) -> list[str]:
    """The name of each record; none where the table is missing."""
    if dbf is None:
        return []
    # Latin-1 keeps every byte as it is: which letters they mean is judged over all of them.
    with shapefile.Reader(dbf=BytesIO(dbf), encoding="latin-1") as reader:
        count = min(reader.numRecords or 0, MAX_FEATURES)
        records = [_attributes(reader.record(place)) for place in range(count)]
    texts = [v.encode("latin-1") for each in records for v in each.values() if isinstance(v, str)]
    page = code_page(texts, cpg)
    return [name_from({k: _text(v, page) for k, v in each.items()}) for each in records]


def _attributes(record: Any) -> dict[str, object]:
    """A row by column; one that is marked as deleted has none."""
    return {} if record is None else dict(record.as_dict())


def _text(value: object, page: str) -> object:
    return value.encode("latin-1").decode(page, "ignore") if isinstance(value, str) else value
