"""Fields from files that other programs wrote: GeoJSON, KML and KMZ, GeoPackage, Shapefile zip.

Every file is hostile: what it is comes from its first bytes, its name is not asked; sizes, depth
and counts are limited before and while it is read; nothing is unpacked to disk.  Coordinates are
degrees on WGS 84 or the file is refused.  Each polygon becomes a field or is listed with the
reason why not: nothing is lost silently.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from field_data.boundary_files import geojson, geopackage, kml, shapefile_zip
from field_data.boundary_files.archive import Archive
from field_data.boundary_files.found import (
    MAX_FEATURES,
    MAX_FILE,
    MAX_PARTS,
    Found,
    Rings,
    Source,
    too_large,
)
from field_data.boundary_files.geojson import to_geojson
from field_data.errors import PersonError
from field_data.geometry import MOROCCO, Note, Outline, Region, outline, plane_ha, points_of
from field_data.land import clean_name

__all__ = [
    "MAX_FILE",
    "Imported",
    "Part",
    "Refused",
    "read_boundaries",
    "to_geojson",
    "too_large",
]


@dataclass(frozen=True, slots=True)
class Part:
    """One polygon that passed; ``place`` counts the features of the file from 1."""

    place: int
    name: str
    outline: Outline


@dataclass(frozen=True, slots=True)
class Refused:
    """One feature, or one polygon of it, that did not pass, and why."""

    place: int
    name: str
    error: PersonError


@dataclass(frozen=True, slots=True)
class Imported:
    """All of a file; ``notes`` are about the whole."""

    parts: tuple[Part, ...]
    refused: tuple[Refused, ...]
    notes: tuple[Note, ...] = ()


def read_boundaries(data: bytes, region: Region = MOROCCO) -> Imported:
    """The fields in a file.

    A feature of several polygons becomes several, numbered behind the name (note
    ``part_of_many``).  Holes are filled (note ``hole_filled`` with their area): a field is one
    ring here, and the area counts what was in the hole.  `clean_name` makes names fit to keep.

    Raises:
        PersonError: ``file_too_large``, ``unknown_format``, ``no_features``,
            ``too_many_features``, ``crs_unsupported``, ``not_utf8``, ``bad_geojson``,
            ``bad_kml``, ``bad_geopackage``, ``bad_shapefile``, ``bad_zip``.
    """
    if len(data) > MAX_FILE:
        raise too_large(MAX_FILE)
    source = _source(data)
    parts: list[Part] = []
    refused: list[Refused] = []
    place = 0
    for place, found in enumerate(source.features, start=1):
        if place > MAX_FEATURES:
            message = f"more than {MAX_FEATURES} features in the file"
            raise PersonError("too_many_features", message, limit=MAX_FEATURES)
        for each in _judged(place, replace(found, name=clean_name(found.name)), region):
            if isinstance(each, Part):
                parts.append(each)
            else:
                refused.append(each)
    if not place:
        raise PersonError("no_features", "the file holds no features")
    return Imported(tuple(parts), tuple(refused), source.notes)


def _source(data: bytes) -> Source:
    if data.startswith(b"PK\x03\x04"):
        return _zipped(Archive(data))
    if data.startswith(geopackage.MAGIC):
        return geopackage.read(data)
    start = data[:200].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if start.startswith((b"{", b"[")):
        return geojson.read(data)
    if start.startswith(b"<"):
        return kml.read(data)
    raise PersonError("unknown_format", _FORMATS)


_FORMATS = "the file is none of GeoJSON, KML, KMZ, GeoPackage or a zip with a Shapefile"


def _zipped(archive: Archive) -> Source:
    if archive.ending(".shp"):
        return shapefile_zip.read(archive)
    documents = archive.ending(".kml")
    if not documents:
        raise PersonError("unknown_format", _FORMATS)
    return Source(found for name in documents for found in _kml_in(archive, name))


def _kml_in(archive: Archive, name: str) -> Iterator[Found]:
    yield from kml.read(archive.read(name) or b"").features


def _judged(place: int, found: Found, region: Region) -> Iterator[Part | Refused]:
    if found.problem is not None:
        yield Refused(place, found.name, found.problem)
        return
    many = len(found.polygons)
    if not 0 < many <= MAX_PARTS:
        code = "too_many_parts" if many else "boundary_empty"
        yield Refused(place, found.name, PersonError(code, f"{many} polygons in one feature"))
        return
    for number, rings in enumerate(found.polygons, start=1):
        name = f"{found.name} {number}".strip() if many > 1 else found.name
        try:
            shape = _shape(rings, region)
        except PersonError as error:
            yield Refused(place, name, error)
            continue
        split = (Note("part_of_many", {"part": number, "of": many}),) if many > 1 else ()
        yield Part(place, name, replace(shape, notes=(*split, *shape.notes)))


def _shape(rings: Rings, region: Region) -> Outline:
    """The outer ring; holes are filled and told."""
    if not rings:
        raise PersonError("boundary_empty", "the polygon has no ring")
    shape = outline(rings[0], region)
    if len(rings) == 1:
        return shape
    ha = sum(plane_ha(points_of(hole)) for hole in rings[1:])
    hole = Note("hole_filled", {"holes": len(rings) - 1, "ha": round(ha, 4)})
    return replace(shape, notes=(hole, *shape.notes))
