"""Real Sentinel-2 patches as windows; never part of this project, see ``tests/conftest.py``.

The files are netCDF, which rasterio's wheels read.
"""

from __future__ import annotations

import re
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from sat_ingest.grid import Grid
from sat_ingest.windows import Window
from tests.conftest import PHOTO_SET

SAT = PHOTO_SET.parent / "sat"
KORTRIJK = "be_kortrijk_31UDS"
BELGIUM = "be_31UES_a"
CASTILLA = SAT / "netcdf" / "es_castilla_30TUM"
_FINE = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}
_COARSE = {"rededge1": "B05", "swir16": "B11"}


def variable(path: Path, name: str) -> tuple[NDArray[Any], dict[str, str], Any]:
    """All planes of one variable [time, row, column], its tags, and its transform."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(f"netcdf:{path}:{name}") as source:
            return source.read(), source.tags(), source.transform


def _days(tags: dict[str, str], dim: str) -> NDArray[np.int32]:
    unit, _, since = tags[f"{dim}#units"].partition(" since ")
    numbers = re.findall(r"[\d.e+]+", tags[f"NETCDF_DIM_{dim}_VALUES"])
    start = np.datetime64(since.replace(" ", "T")[:19])
    per = {"seconds": "s", "days": "D"}[unit]
    moments = start + np.array([round(float(n)) for n in numbers]).astype(f"timedelta64[{per}]")
    return (moments.astype("datetime64[D]") - np.datetime64("1970-01-01")).astype(np.int32)


def worldcereal_windows(place: str, field: str = "patch", size: int = 64) -> list[Window]:
    """The dates of a patch of 64 x 64 pixels (or its upper left ``size``), six bands and SCL."""
    folder = SAT / "netcdf" / place
    fine, coarse = next(folder.glob("S2_L2A_10m*")), next(folder.glob("S2_L2A_20m*"))
    planes = {name: variable(fine, band)[0] for name, band in _FINE.items()}
    for name, band in (_COARSE | {"scl": "SCL"}).items():
        planes[name] = variable(coarse, band)[0].repeat(2, axis=1).repeat(2, axis=2)
    tags = variable(fine, "B02")[1]
    left, _, _, top = map(int, re.findall(r"\d+", tags["NC_GLOBAL#bounds"]))
    grid = Grid(int(tags["NC_GLOBAL#epsg"]), left, top, size, size)
    days = _days(tags, "timestamp")
    scl = planes.pop("scl").astype(np.uint8)
    return [
        Window(
            *(field, int(day), f"{place}-{i}", grid),
            {name: np.ascontiguousarray(p[i, :size, :size]) for name, p in planes.items()},
            np.ascontiguousarray(scl[i, :size, :size]),
        )
        for i, day in enumerate(days)
    ]


def castilla() -> tuple[NDArray[np.int32], NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Days, NDVI [time, 55, 56] (NaN where none), and the reference days of year by FuseTS."""
    ndvi, tags, _ = variable(CASTILLA / "s2_field_2019.nc", "NDVI")
    reference = CASTILLA / "fusets_phenology_2019.nc"
    # The reference has no row for the uppermost and the lowest line of pixels.
    return (
        _days(tags, "t"),
        ndvi[:, 1:56].astype(np.float64),
        {name: variable(reference, f"{name}_times")[0][0] for name in ("sos", "pos", "eos")},
    )


def slovenia() -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Days and NDVI [time, 101, 100] of three seasons, NaN where none or under cloud."""
    with np.load(SAT / "npz" / "si_eolearn_ndvi_2015_2017.npz") as data:
        ndvi = np.where(data["valid"], data["ndvi_x10000"] / 1e4, np.nan)
        ndvi[data["ndvi_x10000"] == -32768] = np.nan
        moments = data["timestamps"].astype("datetime64[D]")
    return (moments - np.datetime64("1970-01-01")).astype(np.int32), ndvi


def day_of_year(days: NDArray[np.float64], year: int) -> NDArray[np.float64]:
    """1 on the first of January; ``days`` count since 1970-01-01."""
    return days - (date(year, 1, 1) - date(1970, 1, 1)).days + 1
