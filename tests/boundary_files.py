"""Files with boundaries as other programs write them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas
import pytest
from shapely.geometry import Polygon

from field_data.boundary_files import Imported, read_boundaries
from field_data.errors import PersonError
from field_data.geometry import Plane, Ring, outline
from tests.land import HERE, box, degrees

NAMES = ("Champ d'été", "حقل الشمال", "ⵉⴳⵔ")
EAST = Plane(*HERE).degrees([(500, 0), (1000, 0)])
RINGS = (box(), box(80, 60, EAST[0]), box(50, 50, EAST[1]))
HOLE = degrees([(40, 40), (60, 40), (60, 60), (40, 60)])


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def frame(geometries: Sequence[Any] | None = None, crs: int | None = 4326) -> Any:
    shapes = geometries or [Polygon(ring) for ring in RINGS]
    named = {"owner": ["?"] * len(shapes), "nom": NAMES[: len(shapes)]}
    return geopandas.GeoDataFrame(named, geometry=shapes, crs=4326).to_crs(crs or 4326)


def written(data: Any, folder: Path, driver: str, suffix: str, **options: Any) -> bytes:
    """The file that GDAL makes of a frame; a Shapefile's parts in one zip."""
    folder.mkdir(exist_ok=True)
    path = folder / f"fields{suffix}"
    data.to_file(path, driver=driver, engine="pyogrio", **options)
    if suffix != ".shp":
        return path.read_bytes()
    return zipped({f"in/{each.name}": each.read_bytes() for each in folder.iterdir()})


def kml(placemarks: str) -> bytes:
    start = '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2">'
    return f"{start}<Document><Folder>{placemarks}</Folder></Document></kml>".encode()


def placemark(name: str, ring: Ring, *holes: Ring) -> str:
    def boundary(tag: str, ring: Ring) -> str:
        points = "\n ".join(f"{lon},{lat},431.5" for lon, lat in ring)
        inside = f"<LinearRing><coordinates>{points}</coordinates></LinearRing>"
        return f"<{tag}>{inside}</{tag}>"

    inner = "".join(boundary("innerBoundaryIs", hole) for hole in holes)
    polygon = f"<Polygon>{boundary('outerBoundaryIs', ring)}{inner}</Polygon>"
    return f"<Placemark><name>{name}</name>{polygon}</Placemark>"


def geojson(*geometries: object, **more: object) -> bytes:
    features = [
        {"type": "Feature", "properties": {"name": f"f{n}"}, "geometry": geometry}
        for n, geometry in enumerate(geometries, start=1)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features, **more}).encode()


def polygon(*rings: Ring) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": rings}


def taken(found: Imported) -> list[tuple[str, Ring]]:
    return [(part.name, part.outline.ring) for part in found.parts]


def code_of(data: bytes) -> str:
    with pytest.raises(PersonError) as error:
        read_boundaries(data)
    return error.value.code


def as_kml(folder: Path) -> bytes:
    return kml("".join(placemark(*pair) for pair in zip(NAMES, RINGS, strict=True)))


EXPECTED = [(name, outline(ring).ring) for name, ring in zip(NAMES, RINGS, strict=True)]
WRITERS: dict[str, Callable[[Path], bytes]] = {
    "geojson": lambda folder: written(frame(), folder, "GeoJSON", ".geojson"),
    "geopackage": lambda folder: written(frame(), folder, "GPKG", ".gpkg"),
    "shapefile": lambda folder: written(
        frame(), folder, "ESRI Shapefile", ".shp", encoding="UTF-8"
    ),
    "kml": as_kml,
    "kml of GDAL": lambda folder: written(
        frame().rename(columns={"nom": "Name"}), folder, "KML", ".kml"
    ),
    "kmz": lambda folder: zipped({"doc.kml": as_kml(folder), "files/icon.png": b"x"}),
}
