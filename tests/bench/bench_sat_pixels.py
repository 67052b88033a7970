"""From pixels to figures: our times, errors and bytes beside what one would use instead.

Run ``python -m tests.bench.bench_sat_pixels [--json]``.  Times are CPU times, the best of several
turns; ratios travel between machines, milliseconds do not.  Bytes and days need the real
patches (``GHALLA_DATA``).
"""

from __future__ import annotations

import argparse
import importlib
import json
import lzma
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import geopandas
import numpy as np
import rasterstats
import shapely
import zstandard
from affine import Affine
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from sat_ingest import codec
from sat_ingest.grid import Grid
from sat_ingest.phenology import seasons
from sat_ingest.smoothing import noise, smooth, whittaker
from sat_ingest.window_packs import QUANTUM
from sat_ingest.zonal import Weights, coverage, zonal, zonal_mean
from tests.sat_data import BELGIUM, KORTRIJK, castilla, day_of_year, worldcereal_windows

FIELDS, DATES, SIDE = 1000, 60, 48
# Ten by ten fields share one picture: all of them at once would be a gigabyte.
BLOCK = 10
CLOUDY = 0.4  # of the dates have a bank of cloud over one side
FIVE = ("blue", "red", "nir", "rededge1", "swir16")
TOO_SLOW = 6  # rasterstats gets every so manyth date; its time is multiplied

Row = dict[str, Any]
Planes = Mapping[str, NDArray[np.uint16]]


def best_s(works: Mapping[str, Callable[[], object]], turns: int = 3) -> dict[str, float]:
    """Best CPU seconds of each, taken in turn; other work on the machine does not count."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            begin = time.process_time()
            work()
            spent[name].append(time.process_time() - begin)
    return {name: min(each) for name, each in spent.items()}


# --- zonal means ---------------------------------------------------------------------------------


def plots(rng: np.random.Generator, block: Grid) -> list[Any]:
    """One eight-cornered field in each tile of 48 x 48 pixels."""
    found = []
    for n in range(BLOCK * BLOCK):
        row, col = divmod(n, BLOCK)
        middle = np.array([block.left + 480 * col + 240, block.top - 480 * row - 240])
        angle = (np.arange(8) + rng.uniform(0, 0.8, 8)) / 8 * 2 * np.pi
        reach = rng.uniform(60, 235, (8, 1))
        found.append(shapely.Polygon(middle + reach * np.c_[np.cos(angle), np.sin(angle)]))
    return found


def zonal_rows() -> list[Row]:
    """Mean of 1000 fields on 60 dates, about a fifth of the pixels under cloud."""
    rng = np.random.default_rng(1)
    block = Grid(32629, 500_000, 3_700_000, BLOCK * SIDE, BLOCK * SIDE)
    picture = rng.random((DATES, block.height, block.width), dtype=np.float32)
    y, x = np.mgrid[-1 : 1 : block.height * 1j, -1 : 1 : block.width * 1j]
    for date in (picture[i] for i in np.flatnonzero(rng.random(DATES) < CLOUDY)):
        turn, edge = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)
        date[x * np.cos(turn) + y * np.sin(turn) > edge] = np.nan
    totals: dict[str, float] = {}
    worst = 0.0
    for _ in range(FIELDS // BLOCK**2):
        times, error = _zonal_block(picture, block, plots(rng, block))
        worst = max(worst, error)
        for name, seconds in times.items():
            totals[name] = totals.get(name, 0.0) + seconds
    ours = totals["ours"]
    return [
        {
            "what": f"zonal mean, {FIELDS} fields x {DATES} dates",
            "way": name,
            "ms per field": 1000 * seconds / FIELDS,
            "times ours": seconds / ours,
            "worst error %": 100 * worst if name == "ours" else None,
        }
        for name, seconds in totals.items()
    ]


def _zonal_block(
    picture: NDArray[np.float32], block: Grid, shapes: list[Any]
) -> tuple[dict[str, float], float]:
    grids = [
        Grid(32629, block.left + 480 * (n % BLOCK), block.top - 480 * (n // BLOCK), SIDE, SIDE)
        for n in range(len(shapes))
    ]
    cubes = [
        np.ascontiguousarray(picture[:, r : r + SIDE, c : c + SIDE])
        for r in range(0, block.height, SIDE)
        for c in range(0, block.width, SIDE)
    ]
    weights = [coverage(shape, grid) for shape, grid in zip(shapes, grids, strict=True)]
    table = geopandas.GeoDataFrame(geometry=shapes, crs="EPSG:32629")
    west, south, east, north = block.bounds
    place = {"xmin": west, "ymin": south, "xmax": east, "ymax": north}
    place["srs_wkt"] = table.crs.to_wkt()
    rasters = [NumPyRasterSource(date, **place, name=f"d{i}") for i, date in enumerate(picture)]

    def exact(strategy: str) -> Any:
        return exact_extract(rasters, table, ["mean"], output="pandas", strategy=strategy)

    def stats() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for date in picture[::TOO_SLOW]:
                rasterstats.zonal_stats(
                    *(shapes, date), affine=Affine(10, 0, west, 0, -10, north), stats=["mean"],
                    nodata=np.nan,
                )  # fmt: skip

    times = best_s(
        {
            "ours": lambda: _means(cubes, weights),
            "ours, weights not cached": lambda: _means(
                cubes, [coverage(shape, grid) for shape, grid in zip(shapes, grids, strict=True)]
            ),
            "ours, mean + spread + quantiles": lambda: [
                zonal(cube, each) for cube, each in zip(cubes, weights, strict=True)
            ],
            "exactextract, by feature": lambda: exact("feature-sequential"),
            "exactextract, by raster": lambda: exact("raster-sequential"),
        },
    )
    times |= {k: v * TOO_SLOW for k, v in best_s({"rasterstats": stats}, 1).items()}
    means, theirs = _means(cubes, weights), exact("feature-sequential").to_numpy(np.float64)
    if not np.array_equal(np.isnan(means), np.isnan(theirs)):
        raise AssertionError("other dates were seen")
    return times, float(np.nanmax(np.abs(means / theirs - 1)))


def _means(cubes: Iterable[NDArray[np.float32]], weights: list[Weights]) -> NDArray[np.float32]:
    return np.stack([zonal_mean(c, w)[0] for c, w in zip(cubes, weights, strict=True)])


# --- smoothing -----------------------------------------------------------------------------------


def smoothing_rows(series: int = 1000, dates: int = 60) -> list[Row]:
    """A year of 60 irregular dates, series at once and one by one."""
    rng = np.random.default_rng(2)
    days = np.sort(rng.choice(365, dates, replace=False)).astype(np.int32)
    values = rng.normal(0.5, 0.1, (dates, series))
    few = 50
    nodes = 73
    y, w = rng.random((nodes, series)), (rng.random((nodes, series)) < 0.7).astype(np.float64)
    works: dict[str, tuple[Callable[[], object], int]] = {
        "ours: irregular days, gaps, noise; 5-day curve": (lambda: smooth(days, values), series),
        "ours: the same, daily curve": (lambda: smooth(days, values, step=1), series),
        "ours: solver alone, 73 nodes": (lambda: whittaker(y, w, 8.0), series),
        "ours: noise alone": (lambda: noise(days, values), series),
        "dense solve, one by one, 73 nodes": (lambda: _dense(y[:, :few], w[:, :few]), few),
    }
    if banded := _scipy_banded():
        works["scipy solveh_banded, one by one, 73 nodes"] = (
            lambda: _banded(banded, y[:, :few], w[:, :few]),
            few,
        )
    spent = best_s({name: work for name, (work, _) in works.items()}, 7)
    return [
        {"what": "smoothing", "way": name, "us per series": 1e6 * spent[name] / count}
        for name, (_, count) in works.items()
    ]


def _dense(y: NDArray[np.float64], w: NDArray[np.float64]) -> None:
    bend = np.diff(np.eye(len(y)), 2, axis=0)
    penalty = 8.0 * bend.T @ bend
    for values, weights in zip(y.T, w.T, strict=True):
        np.linalg.solve(penalty + np.diag(weights), weights * values)


def _scipy_banded() -> Callable[..., Any] | None:
    """SciPy is no dependency of ours; where it is installed it is measured."""
    try:
        found: Callable[..., Any] = importlib.import_module("scipy.linalg").solveh_banded
    except ImportError:
        return None
    return found


def _banded(solve: Callable[..., Any], y: NDArray[np.float64], w: NDArray[np.float64]) -> None:
    bend = np.diff(np.eye(len(y)), 2, axis=0)
    penalty = 8.0 * bend.T @ bend
    bands = np.zeros((3, len(y)))
    for k in range(3):
        bands[k, : len(y) - k] = np.diag(penalty, -k)
    for values, weights in zip(y.T, w.T, strict=True):
        own = bands.copy()
        own[0] += weights
        solve(own, weights * values, lower=True)


# --- bytes ---------------------------------------------------------------------------------------


def pack_rows() -> list[Row]:
    """Bytes of five bands and SCL, a field and date, on the real patches."""
    found = []
    for place in (KORTRIJK, BELGIUM):
        for size in (SIDE, 24, 10):
            windows = worldcereal_windows(place, size=size)
            planes = {
                name: codec.quantised(np.stack([w.bands[name] for w in windows]), QUANTUM)
                for name in FIVE
            }
            scl = np.stack([w.scl for w in windows])
            for name, way in WAYS.items():
                if size == SIDE or name in ("raw", OURS):
                    each = way(planes, scl) / len(windows)
                    what = f"five bands + SCL, {size} x {size}, {place}"
                    found.append({"what": what, "way": name, "bytes per field and date": each})
    return found


def _small(plane: NDArray[Any], name: str) -> NDArray[Any]:
    """20 m bands as they came."""
    return plane[..., ::2, ::2] if name in ("rededge1", "swir16", "scl") else plane


def _each(
    planes: Planes, scl: NDArray[np.uint8], predict: Callable[[NDArray[Any]], NDArray[Any]]
) -> Iterable[bytes]:
    """A date at a time: folded differences, bytes by weight, then SCL."""
    ready = [predict(_small(plane, name)) for name, plane in planes.items()]
    for i in range(len(scl)):
        low = b"".join((each[i] & 0xFF).astype(np.uint8).tobytes() for each in ready)
        high = b"".join((each[i] >> 8).astype(np.uint8).tobytes() for each in ready)
        yield low + high + _small(scl[i], "scl").tobytes()


def _zstd(pieces: Iterable[bytes]) -> int:
    packer = zstandard.ZstdCompressor(level=19)
    return sum(len(packer.compress(piece)) for piece in pieces)


def _lzma(pieces: Iterable[bytes]) -> int:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9}]
    return sum(len(lzma.compress(p, format=lzma.FORMAT_RAW, filters=filters)) for p in pieces)


def _fold(difference: NDArray[Any]) -> NDArray[Any]:
    signed = difference.astype(np.int16)
    return ((signed << 1) ^ (signed >> 15)).view(np.uint16)


def _median(plane: NDArray[Any]) -> NDArray[Any]:
    """Against the median of left, upper, and left + upper - upper left (JPEG-LS)."""
    now = plane.astype(np.int32)
    padded = np.pad(now, ((0, 0), (1, 0), (1, 0)))
    left, upper, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
    guess = np.sort(np.stack([left, upper, left + upper - corner]), axis=0)[1]
    return _fold(now - guess)


def _dates(plane: NDArray[Any]) -> NDArray[Any]:
    """Our differences, less those of the date before."""
    plain = np.diff(np.diff(plane.astype(np.int32), axis=2, prepend=0), axis=1, prepend=0)
    return _fold(np.diff(plain, axis=0, prepend=0))


def _bands(planes: Planes, scl: NDArray[np.uint8]) -> int:
    """Our differences, less a fitted share of those of a band of the same resolution."""
    plain: dict[str, NDArray[np.int32]] = {
        name: np.diff(
            np.diff(_small(plane, name).astype(np.int32), axis=2, prepend=0), axis=1, prepend=0
        ).astype(np.int32)
        for name, plane in planes.items()
    }
    for name, other in (("swir16", "rededge1"), ("nir", "red"), ("red", "blue")):
        share = (plain[name] * plain[other]).sum((1, 2)) / (plain[other] ** 2).sum((1, 2)).clip(1)
        share = np.round(share * 16)[:, None, None] / 16
        plain[name] = plain[name] - np.round(share * plain[other]).astype(np.int32)
    ready = {name: _fold(each) for name, each in plain.items()}
    pieces = []
    for i in range(len(scl)):
        low = b"".join((each[i] & 0xFF).astype(np.uint8).tobytes() for each in ready.values())
        high = b"".join((each[i] >> 8).astype(np.uint8).tobytes() for each in ready.values())
        pieces.append(low + high + _small(scl[i], "scl").tobytes())
    return _zstd(pieces) + len(scl) * 3


def _lerc(planes: Planes, scl: NDArray[np.uint8]) -> int:
    """GDAL's LERC with half a quantum allowed, one file a resolution and date, headers off."""
    total = _zstd(_small(each, "scl").tobytes() for each in scl)
    fine = np.stack([planes[n] for n in FIVE[:3]], axis=1)
    coarse = np.stack([_small(planes[n], n) for n in FIVE[3:]], axis=1)
    for stack in (fine, coarse):
        empty = _tiff(np.zeros_like(stack[0]))
        total += sum(_tiff(each) - empty for each in stack)
    return total


def _tiff(planes: NDArray[np.uint16]) -> int:
    count, height, width = planes.shape
    shape = {"height": height, "width": width, "count": count, "dtype": "uint16"}
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        # Values are whole quanta here: half of one is 0.5.
        options = {"compress": "LERC_ZSTD", "MAX_Z_ERROR": 0.5, "ZSTD_LEVEL": 19}
        with memory.open(driver="GTiff", **shape, **options) as file:
            file.write(planes)
        return len(memory.getbuffer())


def _ours(planes: Planes, scl: NDArray[np.uint8]) -> int:
    stacks = range(0, len(scl), 32)
    parts = [({n: p[i : i + 32] for n, p in planes.items()}, scl[i : i + 32]) for i in stacks]
    return sum(len(codec.encode(bands, classes)) for bands, classes in parts)


OURS = "ours: stacks of 32 dates"
WAYS: dict[str, Callable[[Planes, NDArray[np.uint8]], int]] = {
    "raw": lambda planes, scl: (
        sum(_small(p, n).nbytes for n, p in planes.items()) + _small(scl, "scl").nbytes
    ),
    "zstd alone": lambda planes, scl: _zstd(
        b"".join(_small(p, n)[i].tobytes() for n, p in planes.items())
        + _small(scl[i], "scl").tobytes()
        for i in range(len(scl))
    ),
    "LERC + zstd (GDAL)": _lerc,
    OURS: _ours,
    "a date at a time": lambda planes, scl: _zstd(_each(planes, scl, codec.differences)),
    "median predictor": lambda planes, scl: _zstd(_each(planes, scl, _median)),
    "less the date before": lambda planes, scl: _zstd(_each(planes, scl, _dates)),
    "less another band": _bands,
    "LZMA for zstd": lambda planes, scl: _lzma(_each(planes, scl, codec.differences)),
}


# --- seasons -------------------------------------------------------------------------------------


def phenology_rows() -> list[Row]:
    """Days between our seasons and FuseTS's on the Castilla patch, pixel by pixel.

    FuseTS gives the turning points (its ``first_of_slope``), so our feet are what is like it; the
    days at a fifth of the amplitude are printed too.
    """
    days, ndvi, reference = castilla()
    series = ndvi.reshape(len(days), -1)
    curves = smooth(days, series, max_gap=60)
    known = np.flatnonzero(np.isfinite(reference["sos"]).ravel())
    best = [
        max(seasons(curves.days, curves.values[:, k]), key=lambda s: s.amplitude) for k in known
    ]
    found = []
    for name, what in (("foot_start", "sos"), ("peak", "pos"), ("foot_end", "eos"),
                       ("start", "sos"), ("end", "eos")):  # fmt: skip
        ours = day_of_year(np.array([getattr(each, name) for each in best]), 2019)
        theirs = reference[what].ravel()[known]
        found.append(
            {
                "what": f"phenology, {len(known)} pixels, against FuseTS {what}",
                "way": name,
                "median day of year": float(np.median(ours)),
                "theirs": float(np.median(theirs)),
                "median difference, days": float(np.median(np.abs(ours - theirs))),
            }
        )
    return found


PARTS: dict[str, Callable[[], list[Row]]] = {
    "zonal": zonal_rows,
    "smoothing": smoothing_rows,
    "packs": pack_rows,
    "phenology": phenology_rows,
}


def measured(parts: Iterable[str] = tuple(PARTS)) -> list[Row]:
    """All rows of the parts that are asked for."""
    return [row for name in parts for row in PARTS[name]()]


def said(row: Row) -> str:
    """One row for people."""
    numbers = [
        f"{key} {value:,.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in row.items()
        if key not in ("what", "way") and value is not None
    ]
    return f"{row['what']:<52} {row['way']:<48} {'; '.join(numbers)}"


def main(argv: list[str] | None = None) -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", action="append", choices=list(PARTS))
    given = parser.parse_args(argv)
    for name in given.part or PARTS:
        for row in PARTS[name]():
            print(json.dumps(row) if given.json else said(row), flush=True)


if __name__ == "__main__":
    main()
