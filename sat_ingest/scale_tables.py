"""Fields into `sat_ingest.scale` and its results out of it, as GeoParquet.

Needs the extra ``[scale]``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from field_data.errors import KeeperError, PersonError
from field_data.types import Field
from sat_ingest.scale import PARTS, need_extra

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

# Columns that may name a field; else it is called by its place in the file, from 1.
_NAMES = ("field", "id", "name")
_DEGREES = "OGC:CRS84"


def parquet_fields(path: Path) -> list[Field]:
    """Fields of a GeoParquet file of polygons in any coordinate system; holes are not kept.

    The column ``field``, ``id`` or ``name`` names them, ``crop`` is their crop.

    Raises:
        PersonError: ``bad_geoparquet``; KeeperError: ``no_scale``.
    """
    need_extra()
    table = _read(path)
    kinds = set(table.geom_type.dropna()) - {"Polygon"}
    if kinds or table.geometry.isna().any() or table.geometry.is_empty.any():
        raise PersonError("bad_geoparquet", f"{path}: not polygons alone: {sorted(kinds)}")
    name = next((each for each in _NAMES if each in table.columns), None)
    names = [str(n + 1) for n in range(len(table))] if name is None else table[name].astype(str)
    if len(set(names)) != len(table):
        raise PersonError("bad_geoparquet", f"{path}: two fields share a name")
    crops = table["crop"] if "crop" in table.columns else [None] * len(table)
    return [
        Field(str(id)[:100], "", tuple(shape.exterior.coords), crop if _is_text(crop) else None)
        for id, shape, crop in zip(names, table.geometry, crops, strict=True)
    ]


def _read(path: Path) -> GeoDataFrame:
    import geopandas

    try:
        table = geopandas.read_parquet(path)
        flat = table.set_geometry(table.geometry.force_2d())
        return flat if flat.crs is None else flat.to_crs(_DEGREES)
    # What a file that is none makes three libraries raise is beyond listing.
    except Exception as error:
        message = f"{path}: no GeoParquet: {type(error).__name__}: {str(error)[:200]}"
        raise PersonError("bad_geoparquet", message) from error


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 20


def results(out: Path) -> GeoDataFrame:
    """All parts as one table, by field.

    Raises:
        KeeperError: ``no_results``.
    """
    need_extra()
    import geopandas
    import pandas

    parts = sorted((out / PARTS).glob("*.parquet"))
    if not parts:
        raise KeeperError("no_results", f"no results in {out}")
    found = pandas.concat([geopandas.read_parquet(part) for part in parts], ignore_index=True)
    return found.sort_values("field", ignore_index=True)
