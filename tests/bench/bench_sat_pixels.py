"""From pixels to figures: our times, errors and bytes beside what one would use instead.

Run ``python -m tests.bench.bench_sat_pixels [--json]``.  Times are CPU times, the best of several
turns; ratios travel between machines, milliseconds do not.  Bytes and days need the real
patches (``GHALLA_DATA``).
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import geopandas
import numpy as np
import rasterstats
import shapely
from affine import Affine
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray

from sat_ingest.grid import Grid
from sat_ingest.masks import scene_mask
from sat_ingest.phenology import FOOT_SHARE, SHARE, seasons
from sat_ingest.smoothing import STEP_DAYS, noise, smooth, whittaker
from sat_ingest.zonal import Weights, coverage, zonal, zonal_mean
from tests.bench.bench_sat_alerts import alert_rows
from tests.bench.bench_sat_packs import pack_rows
from tests.sat_data import (
    BELGIUM,
    KORTRIJK,
    castilla,
    day_of_year,
    slovenia,
    worldcereal_windows,
)

FIELDS, DATES, SIDE = 1000, 60, 48
# Ten by ten fields share one picture: all of them at once would be a gigabyte.
BLOCK = 10
CLOUDY = 0.4  # of the dates have a bank of cloud over one side
SHARES = (0.0, FOOT_SHARE, 0.01, 0.02, SHARE)
TOO_SLOW = 6  # rasterstats gets every so manyth date; its time is multiplied

Row = dict[str, Any]


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


# --- how stiff -----------------------------------------------------------------------------------


def lambda_rows(rounds: int = 5) -> list[Row]:
    """Error of the curve on observations that were left out, a tenth at a time; blocks of 8 x 8."""
    found = []
    for place, (days, values, weights) in _blocks().items():
        for lam in 10 ** np.arange(1, 6.01, 0.5):
            rng = np.random.default_rng(0)
            misses = []
            for _ in range(rounds):
                out = rng.random(values.shape) < 0.1
                curve = smooth(days, np.where(out, np.nan, values), weights, lam=float(lam))
                at, part = np.divmod(days - curve.days[0], STEP_DAYS)
                share = (part / STEP_DAYS)[:, None]
                after = np.minimum(at + 1, len(curve.days) - 1)
                drawn = (1 - share) * curve.values[at] + share * curve.values[after]
                misses.append((values - drawn)[out])
            error = float(np.sqrt(np.nanmean(np.concatenate(misses) ** 2)))
            row = {"what": f"left-out observations, {place}", "way": f"lambda {lam:.0f}"}
            found.append({**row, "root mean square error of NDVI": error})
    return found


def _cropland() -> dict[str, tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]]:
    blocks = _blocks()
    return {
        "castilla": _blocked(*castilla()[:2]),
        KORTRIJK: blocks[KORTRIJK],
        BELGIUM: blocks[BELGIUM],
    }


def _blocks() -> dict[str, tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]]:
    """Days, NDVI [date, block] and share seen of blocks of 8 x 8 pixels, by place."""
    pictures = {"si_eolearn": slovenia()}
    for place in (KORTRIJK, BELGIUM):
        windows = worldcereal_windows(place)
        red, nir = (np.stack([w.bands[b] for w in windows]).astype(float) for b in ("red", "nir"))
        usable = scene_mask(np.stack([w.scl for w in windows])).usable & (red > 0) & (nir > 0)
        ndvi = np.where(usable, (nir - red) / np.maximum(nir + red, 1), np.nan)
        pictures[place] = np.array([w.day for w in windows], np.int32), ndvi
    return {place: _blocked(*each) for place, each in pictures.items()}


def _blocked(
    days: NDArray[np.int32], ndvi: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    unique, first = np.unique(days, return_index=True)
    dates, height, width = len(unique), ndvi.shape[1] // 8, ndvi.shape[2] // 8
    cut = ndvi[first, : height * 8, : width * 8].reshape(dates, height, 8, width, 8)
    share = np.isfinite(cut).mean((2, 4)).reshape(dates, -1)
    total = np.nansum(cut, (2, 4)).reshape(dates, -1) / 64
    values = np.divide(total, share, out=np.full_like(total, np.nan), where=share > 0.3)
    return unique, values, share


# --- seasons -------------------------------------------------------------------------------------


def phenology_rows() -> list[Row]:
    """Days between our seasons and FuseTS's on the Castilla patch, pixel by pixel.

    FuseTS gives the turning points, so our feet are what is like it (`FOOT_SHARE`).  Other shares
    are printed to show what hangs on that one.
    """
    days, ndvi, reference = castilla()
    series = ndvi.reshape(len(days), -1)
    curves = smooth(days, series, max_gap=60)
    known = np.flatnonzero(np.isfinite(reference["sos"]).ravel())
    found = []
    for share in SHARES:
        best = [
            max(seasons(curves.days, curves.values[:, k], share=share), key=lambda s: s.amplitude)
            for k in known
        ]
        for name, what in (("start", "sos"), ("peak", "pos"), ("end", "eos")):
            ours = day_of_year(np.array([getattr(each, name) for each in best]), 2019)
            theirs = reference[what].ravel()[known]
            found.append(
                {
                    "what": f"phenology, {len(known)} pixels, against FuseTS {what}",
                    "way": f"{name} at {100 * share:g} % of the amplitude",
                    "median day of year": float(np.median(ours)),
                    "theirs": float(np.median(theirs)),
                    "median difference, days": float(np.median(np.abs(ours - theirs))),
                }
            )
    return found


PARTS: dict[str, Callable[[], list[Row]]] = {
    "zonal": zonal_rows,
    "smoothing": smoothing_rows,
    "lambda": lambda_rows,
    "alerts": lambda: alert_rows(_cropland()),
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
