"""GeoJSON (RFC 7946), in and out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from field_data.boundary_files.found import (
    Found,
    Source,
    crs_unsupported,
    decoded,
    name_from,
    not_a_polygon,
)
from field_data.errors import PersonError
from field_data.types import Field

# Writers of old GeoJSON name the only system that there is now; 4326 means longitude first here.
_DEGREES = re.compile(
    r"(?:urn:ogc:def:crs:)?(?:OGC:[\d.]*:?CRS84|EPSG:[\d.]*:?4326)", re.IGNORECASE
)


def read(data: bytes) -> Source:
    """The features of a GeoJSON file: a collection, one feature, or a bare geometry.

    Raises:
        PersonError: ``file_too_large``, ``not_utf8``, ``bad_geojson``, ``crs_unsupported``.
    """
    try:
        whole = json.loads(decoded(data), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise PersonError("bad_geojson", f"the file is not GeoJSON: {reason:.120}") from error
    if not isinstance(whole, dict):
        raise PersonError("bad_geojson", "the file is not GeoJSON: it is no object")
    _must_be_degrees(whole.get("crs"))
    return Source(map(_found, _features(whole)))


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _must_be_degrees(crs: object) -> None:
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str) or not _DEGREES.fullmatch(name):
        raise crs_unsupported(str(name or "an unnamed system"))


def _features(whole: dict[str, Any]) -> Iterator[object]:
    if whole.get("type") != "FeatureCollection":
        return iter([whole])
    features = whole.get("features")
    if not isinstance(features, list):
        raise PersonError("bad_geojson", "the collection has no list of features")
    return iter(features)


def _found(feature: object) -> Found:
    if not isinstance(feature, dict):
        return Found("", problem=not_a_polygon("nothing"))
    properties = feature.get("properties")
    name = name_from(properties) if isinstance(properties, dict) else ""
    geometry = feature.get("geometry") if feature.get("type") == "Feature" else feature
    if not isinstance(geometry, dict):
        return Found(name, problem=not_a_polygon("nothing"))
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        return Found(name, problem=not_a_polygon(kind))
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(polygons, list) or not all(isinstance(each, list) for each in polygons):
        message = "a polygon is a list of rings"
        return Found(name, problem=PersonError("boundary_not_numbers", message))
    return Found(name, tuple(tuple(rings) for rings in polygons))


def to_geojson(fields: Iterable[Field]) -> str:
    """Fields as a FeatureCollection: outer rings counter-clockwise, 7 digits, WGS 84."""
    features = [_feature(each) for each in fields]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)


def _feature(field: Field) -> Mapping[str, object]:
    return {
        "type": "Feature",
        "id": field.id,
        "properties": {
            "name": field.name,
            "farm": field.farm,
            "crop": field.crop,
            "area_ha": field.area_ha,
            "source": field.source,
        },
        "geometry": {
            "type": "Polygon",
            "coordinates": [[list(point) for point in field.boundary]],
        },
    }
