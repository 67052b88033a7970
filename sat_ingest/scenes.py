"""A Sentinel-2 scene, read strictly from what a catalogue says of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shapely.errors import ShapelyError
from shapely.geometry import Polygon, box, shape
from shapely.geometry.base import BaseGeometry

from field_data.errors import PublisherError
from sat_ingest.catalogue import Found, resolved
from sat_ingest.sources import ESA_NAMES, Source

_LONGEST = 500
_MAX_POINTS = 5000
_BASELINE = re.compile(r"(\d{2})\.(\d{2}|xx)")
_IN_NAME = re.compile(r"_N(\d{2})[.]?(\d{2})(?:_|$)")
_TILE = re.compile(r"(?:^|MGRS-|T)(\d{2}[C-X][A-Z]{2})$")
_TILE_IN_NAME = re.compile(r"_T?(\d{2}[C-X][A-Z]{2})_")
_BAND_FILE = re.compile(r"(?:^|[_/])(B\d[\dA]|SCL)(?=[_.])")
_BAD_GEOMETRY = (
    *(TypeError, ValueError, AttributeError, KeyError, IndexError),
    *(OverflowError, RecursionError, ShapelyError),
)
_FIRST_S = datetime(2015, 6, 23, tzinfo=UTC).timestamp()  # launch of Sentinel-2A


@dataclass(frozen=True, slots=True)
class Skip:
    """Something not used, and why: ``reason`` is a stable code, ``fields`` how many it concerned.

    ``day`` counts days since 1970-01-01, None where the scene's day is not known.
    """

    scene: str
    reason: str
    day: int | None = None
    fields: int = 0
    detail: str = ""


class UnusableError(Exception):
    """An item that is no usable scene; ``reason`` is the code for `Skip`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One Sentinel-2 Level-2A item.

    ``utc_s``: sensing time, seconds since 1970; ``day``: local solar day, days since 1970.
    ``baseline``: 400 for 04.00, None if not told.  ``offset_in_pixels``: what the publisher says
    about the BOA offset, None where it says nothing.  ``epsg`` and ``tile`` (MGRS) may be unknown.
    ``footprint`` in degrees.  ``assets``: common band name (and ``scl``) to address or path.
    ``lacks``: band to reason (``no_asset``, ``jp2``, ``swapped_bands``, ``bad_address``).
    """

    id: str
    collection: str
    platform: str
    utc_s: float
    day: int
    baseline: int | None
    offset_in_pixels: bool | None
    epsg: int | None
    tile: str
    sequence: int
    created: str
    cloud_cover: float
    footprint: BaseGeometry
    assets: Mapping[str, str]
    lacks: Mapping[str, str]


def solar_day(utc_s: float, lon: float) -> int:
    """The day, by the sun's mean time at longitude ``lon`` (15 degrees an hour), since 1970-01-01.

    Two looks at a place in one overpass share it, whatever UTC says.
    """
    return math.floor((utc_s + lon * 240) / 86400)


def read_scene(found: Found, source: Source) -> Scene:
    """A scene from one item.

    Raises:
        UnusableError: ``bad_item``, ``bad_datetime``, ``bad_geometry``, ``no_scl``, ``jp2``,
            ``no_bands``; one missing band alone is no reason.
    """
    item = found.item
    name = _text(item.get("id"))
    said = item.get("properties")
    if not name or not name.isprintable() or not isinstance(said, dict):
        raise UnusableError("bad_item", "no id or no properties")
    footprint = _footprint(item)
    utc_s = _instant(said.get("datetime") or said.get("start_datetime"))
    assets, lacks = _assets(found, source)
    _check_assets(assets, lacks)
    product = _text(said.get("s2:product_uri")) or _text(said.get("sentinel:product_id"))
    return Scene(
        id=name,
        collection=_text(item.get("collection")),
        platform=_text(said.get("platform")).lower(),
        utc_s=utc_s,
        day=solar_day(utc_s, footprint.centroid.x),
        baseline=_baseline(said, product, name),
        offset_in_pixels=_offset_in_pixels(said, source),
        epsg=_epsg(said),
        tile=_tile(said, product, name),
        sequence=_number(said.get("s2:sequence") or said.get("sentinel:sequence")),
        created=_text(said.get("s2:generation_time")) or _text(said.get("created")),
        cloud_cover=_cloud_cover(said.get("eo:cloud_cover")),
        footprint=footprint,
        assets=assets,
        lacks=lacks,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST else ""


def _number(value: object) -> int:
    """A small whole number, also as text (Earth Search writes both); 0 where there is none."""
    text = str(value) if isinstance(value, (int, str)) else ""
    return int(text) if re.fullmatch(r"\d{1,6}", text) else 0


def _instant(value: object) -> float:
    try:
        at = datetime.fromisoformat(_text(value))
    except ValueError:
        raise UnusableError("bad_datetime", repr(value)[:80]) from None
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    if seconds < _FIRST_S:
        raise UnusableError("bad_datetime", "before Sentinel-2 flew")
    return seconds


def _footprint(item: Mapping[str, Any]) -> BaseGeometry:
    """The footprint in degrees, or the box where the geometry is missing or broken."""
    try:
        found = _geometry(item.get("geometry")) or _from_box(item.get("bbox"))
    except _BAD_GEOMETRY as error:
        raise UnusableError("bad_geometry", str(error)[:80]) from error
    west, south, east, north = found.bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise UnusableError("bad_geometry", "outside the world")
    return found


def _geometry(said: object) -> BaseGeometry | None:
    if not isinstance(said, dict) or said.get("type") not in {"Polygon", "MultiPolygon"}:
        return None
    if len(str(said.get("coordinates"))) > _MAX_POINTS * 50:
        return None
    found = shape(said)
    usable = found.is_valid and not found.is_empty and all(map(math.isfinite, found.bounds))
    return found if usable else None


def _from_box(said: object) -> Polygon:
    if not isinstance(said, list) or len(said) != 4:
        raise ValueError("neither geometry nor box")
    west, south, east, north = map(float, said)
    return box(west, south, east, north)


def _baseline(said: Mapping[str, Any], *names: str) -> int | None:
    """The processing baseline times 100, as ESA's product names have it."""
    found = _BASELINE.fullmatch(_text(said.get("s2:processing_baseline")))
    if found:
        return int(found[1]) * 100 + int(found[2].replace("xx", "00"))
    named = next(filter(None, map(_IN_NAME.search, names)), None)
    return int(named[1]) * 100 + int(named[2]) if named else None


def _offset_in_pixels(said: Mapping[str, Any], source: Source) -> bool | None:
    applied = said.get(source.boa_flag) if source.boa_flag else None
    if isinstance(applied, bool):
        return not applied
    return source.offset_in_pixels if source.url else None


def _epsg(said: Mapping[str, Any]) -> int | None:
    code = said.get("proj:epsg")
    if code is None:
        code = _text(said.get("proj:code")).upper().removeprefix("EPSG:")
    return _number(code) or None


def _tile(said: Mapping[str, Any], *names: str) -> str:
    direct = (_TILE.search(_text(said.get(key))) for key in ("grid:code", "s2:mgrs_tile"))
    found = next(filter(None, direct), None)
    found = found or next(filter(None, map(_TILE_IN_NAME.search, names)), None)
    return found[1] if found else ""


def _cloud_cover(value: object) -> float:
    """Percent of the whole scene; 50 where nothing is said.  It orders dates, it decides none."""
    usable = isinstance(value, (int, float)) and 0 <= value <= 100
    return float(value) if usable and isinstance(value, (int, float)) else 50.0


def _assets(found: Found, source: Source) -> tuple[dict[str, str], dict[str, str]]:
    said = found.item.get("assets")
    said = said if isinstance(said, dict) else {}
    assets: dict[str, str] = {}
    lacks: dict[str, str] = {}
    for band, aliases in source.bands.items():
        published = [said[name] for name in aliases if isinstance(said.get(name), dict)]
        reason = "no_asset"
        for asset in published:
            reason = _fault(asset, band)
            if not reason:
                try:
                    assets[band] = resolved(_text(asset["href"]), found.base)
                except PublisherError as error:
                    reason = error.code
                break
        if reason:
            lacks[band] = reason
    return assets, lacks


def _fault(asset: Mapping[str, Any], band: str) -> str:
    """Why an asset is not the TIFF of that band, "" if it may be."""
    href, kind = _text(asset.get("href")), _text(asset.get("type"))
    if not href:
        return "no_asset"
    if "jp2" in kind or href.lower().endswith((".jp2", ".jp2k")):
        return "jp2"
    described = asset.get("eo:bands")
    described = described if isinstance(described, list) else []
    common = [_text(b.get("common_name")) for b in described if isinstance(b, dict)]
    if len(common) == 1 and common[0] in ESA_NAMES and common[0] != band:
        return "swapped_bands"
    named = _BAND_FILE.findall(href.rsplit("/", 1)[-1])
    if named and named[-1] != ESA_NAMES[band]:
        return "swapped_bands"
    return ""


def _check_assets(assets: Mapping[str, str], lacks: Mapping[str, str]) -> None:
    if "scl" not in assets:
        reason = lacks.get("scl", "no_asset")
        raise UnusableError("no_scl" if reason == "no_asset" else reason, "scl")
    if len(assets) == 1:
        raise UnusableError(next(iter(lacks.values()), "no_bands"), ", ".join(lacks))
