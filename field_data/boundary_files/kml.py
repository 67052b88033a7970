"""KML 2.2: the polygons of its placemarks.  Always degrees on WGS 84, longitude first."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from field_data.boundary_files.found import (
    MAX_TEXT,
    Found,
    Rings,
    Source,
    name_from,
    not_a_polygon,
    too_large,
)
from field_data.errors import PersonError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MAX_DEPTH = 100


def read(data: bytes) -> Source:
    """The placemarks of a KML file.

    Raises:
        PersonError: ``file_too_large``; while the features are read ``bad_kml`` (also for a
            document type, which entity bombs need, and for nesting beyond 100).
    """
    if len(data) > MAX_TEXT:
        raise too_large(MAX_TEXT)
    return Source(_features(data))


def _features(data: bytes) -> Iterator[Found]:
    try:
        for element in _placemarks(data):
            yield _found(element)
    except DefusedXmlException as error:
        raise PersonError("bad_kml", "the KML declares entities or a document type") from error
    except (ParseError, ValueError, LookupError) as error:
        raise PersonError("bad_kml", f"the file is not KML: {error!s:.120}") from error


def _placemarks(data: bytes) -> Iterator[Element]:
    depth = 0
    for event, element in iterparse(BytesIO(data), events=("start", "end"), forbid_dtd=True):
        depth += 1 if event == "start" else -1
        if depth > _MAX_DEPTH:
            raise PersonError("bad_kml", "the KML is nested too deep")
        if depth == 1 and event == "start" and _tag(element) not in ("kml", "Document", "Folder"):
            raise PersonError("bad_kml", f"the file is not KML but {_tag(element)[:40]}")
        if event == "end" and _tag(element) == "Placemark":
            yield element
            element.clear()


def _found(placemark: Element) -> Found:
    name = _name(placemark)
    shapes = [each for each in placemark.iter() if _tag(each) == "Polygon"]
    if not shapes:
        return Found(name, problem=not_a_polygon("a point, a line or nothing"))
    try:
        return Found(name, tuple(_rings(shape) for shape in shapes))
    except ValueError:
        message = "coordinates are longitude,latitude pairs with spaces between them"
        return Found(name, problem=PersonError("boundary_not_numbers", message))


def _rings(polygon: Element) -> Rings:
    outer: list[object] = []
    holes: list[object] = []
    for part in polygon:
        target = {"outerBoundaryIs": outer, "innerBoundaryIs": holes}.get(_tag(part))
        if target is not None:
            target += [_points(c.text) for c in part.iter() if _tag(c) == "coordinates"]
    return (*(outer or [()]), *holes)


def _points(text: str | None) -> list[tuple[float, ...]]:
    return [tuple(float(number) for number in each.split(",")) for each in (text or "").split()]


def _name(placemark: Element) -> str:
    """The ``name`` of the placemark, else that among its extended data."""
    known: dict[str, object] = {}
    for each in placemark.iter():
        tag = _tag(each)
        if tag == "name" and each.text and each.text.strip():
            return each.text.strip()
        if tag == "SimpleData":
            known[each.get("name", "")] = each.text or ""
        elif tag == "Data":
            known[each.get("name", "")] = "".join(each.itertext()).strip()
    return name_from(known)


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
