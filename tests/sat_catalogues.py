"""Small Sentinel-2 scenes and catalogues made up for tests, and where the real ones are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.shutil import copy
from rasterio.warp import transform, transform_bounds

from field_data.types import Field
from sat_ingest.sources import ESA_NAMES
from tests.conftest import PHOTO_SET

SAT_SET = PHOTO_SET.parent / "sat"
EPSG, LEFT, TOP = 32629, 600_000, 3_600_000
_COARSE = {"rededge1", "swir16", "scl"}


def land(height: int, width: int, seed: int = 1, level: int = 800) -> NDArray[np.uint16]:
    """Reflectance x 10000 that compresses like land: fields of 16 pixels, some noise."""
    rng = np.random.default_rng(seed)
    fields = rng.integers(level // 2, level * 2, (height // 16 + 1, width // 16 + 1))
    wide = fields.repeat(16, 0).repeat(16, 1)[:height, :width]
    pixels: NDArray[np.uint16] = (wide + rng.integers(0, 40, (height, width))).astype(np.uint16)
    return pixels


def write_cog(
    path: Path,
    pixels: NDArray[Any],
    *,
    epsg: int = EPSG,
    left: float = LEFT,
    top: float = TOP,
    metres: float = 10,
    block: int = 256,
    **options: Any,
) -> Path:
    """A cloud-optimised GeoTIFF, DEFLATE with predictor 2 unless told otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            height=pixels.shape[0],
            width=pixels.shape[1],
            count=1,
            dtype=pixels.dtype,
            crs=f"EPSG:{epsg}",
            transform=Affine(metres, 0, left, 0, -metres, top),
            nodata=0,
        ) as dataset:
            dataset.write(pixels, 1)
        with memory.open() as dataset:
            said = {"compress": "DEFLATE", "predictor": 2, "overviews": "NONE"} | options
            copy(dataset, path, driver="COG", blocksize=block, **said)
    return path


def field_at(
    name: str, row: int, column: int, height: int = 10, width: int = 10, epsg: int = EPSG
) -> Field:
    """A field over pixels of the scene's 10 m grid, a metre inside their outer edges."""
    west, north = LEFT + 10 * column + 1, TOP - 10 * row - 1
    east, south = west + 10 * width - 2, north - 10 * height + 2
    xs = [west, east, east, west, west]
    ys = [north, north, south, south, north]
    lons, lats = transform(f"EPSG:{epsg}", "EPSG:4326", xs, ys)[:2]
    return Field(name, "farm", tuple(zip(lons, lats, strict=True)))


def write_scene(
    folder: Path,
    name: str,
    when: str,
    bands: Mapping[str, NDArray[Any]],
    *,
    epsg: int = EPSG,
    left: float = LEFT,
    top: float = TOP,
    properties: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """COGs of one scene and the item that describes them; ``bands`` holds ``scl`` too.

    10 m bands are [height, width]; 20 m ones half of that.
    """
    assets = {}
    for band, pixels in bands.items():
        metres = 20 if band in _COARSE else 10
        file = folder / name / f"{ESA_NAMES[band]}.tif"
        write_cog(file, pixels, epsg=epsg, left=left, top=top, metres=metres, **options)
        assets[band] = {"href": f"./{ESA_NAMES[band]}.tif", "type": "image/tiff"}
    fine = next(p for b, p in bands.items() if b not in _COARSE)
    east, south = left + 10 * fine.shape[1], top - 10 * fine.shape[0]
    box = list(transform_bounds(f"EPSG:{epsg}", "EPSG:4326", left, south, east, top))
    west, lower, right, upper = box
    corners = [[west, lower], [right, lower], [right, upper], [west, upper], [west, lower]]
    said = {
        "datetime": datetime.fromisoformat(when).replace(tzinfo=UTC).isoformat(),
        "platform": "sentinel-2a",
        "proj:epsg": epsg,
        "s2:processing_baseline": "02.14",
        "eo:cloud_cover": 10.0,
    }
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "s2",
        "bbox": box,
        "geometry": {"type": "Polygon", "coordinates": [corners]},
        "properties": said | dict(properties or {}),
        "links": [],
        "assets": assets,
    }
    (folder / name / "item.json").write_text(json.dumps(item))
    return item


def write_catalogue(folder: Path, *names: str) -> Path:
    """A static catalogue of scenes written before."""
    links = [{"rel": "item", "href": f"./{name}/item.json"} for name in names]
    path = folder / "catalog.json"
    path.write_text(json.dumps({"type": "Catalog", "id": "c", "links": links}))
    return path


def bands_of(size: int = 320, seed: int = 1, scl: int = 4) -> dict[str, NDArray[Any]]:
    """Red, near infrared and SCL of ``size`` x ``size`` pixels of 10 m."""
    half = size // 2
    return {
        "red": land(size, size, seed),
        "nir": land(size, size, seed + 100, 3000),
        "scl": np.full((half, half), scl, np.uint8),
    }


def read_pixels(path: Path, row: int, column: int, height: int, width: int) -> NDArray[Any]:
    """A window of a file, read the ordinary way."""
    with rasterio.open(path) as dataset:
        pixels: NDArray[Any] = dataset.read(
            1, window=rasterio.windows.Window(column, row, width, height)
        )
    return pixels
