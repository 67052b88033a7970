"""Map tiles beside rio-tiler, and a country's fields on one worker process and on two.

Run ``python -m tests.bench.bench_sat_map [--json] [--only tiles|scale]``.  Pixels are those of the
public satellite set.  Wall times are medians of turns taken one after the other, so that what else
the machine does falls on all alike; ratios travel between machines, milliseconds do not.

rio-tiler gets the same pixels as a tiled GeoTIFF of red and near infrared in which cloud and what
lies outside the fields is "no data" already: the mask that our tile has to work out is given to it.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from distributed import LocalCluster
from numpy.typing import NDArray
from PIL import Image
from rasterio.warp import transform
from waitress.server import create_server

from edge_app.access.guard import COOKIE
from edge_app.sky import Sky, View
from field_data.geometry import outline
from field_data.people import Role
from field_data.types import Field
from sat_ingest import grid, mercator, zonal
from sat_ingest.archive import ARCHIVE, Archive
from sat_ingest.grid import Grid, field_grid
from sat_ingest.masks import scene_mask
from sat_ingest.mercator import Tile, tiles_over
from sat_ingest.pull import Wish
from sat_ingest.ramps import EMPTY, FIRST, RAMPS
from sat_ingest.scale import Job, run
from sat_ingest.scale_tables import results
from sat_ingest.windows import Window
from tests.bench import sat_scenes
from tests.people import Staff
from tests.sat_catalogues import field_at, write_catalogue, write_scene
from tests.sat_data import KORTRIJK, worldcereal_windows

try:
    from rio_tiler.io import Reader
except ImportError as error:
    raise SystemExit("rio-tiler is what we compare with: pip install 'ghalla[bench]'") from error

INDEX, TURNS, SHOWN = "ndvi", 7, 25
ZOOMS = (13, 14, 15, 16)
_COUNTRY = 100_000
_SCENE, _FIELD, _DATES = 1024, 24, 10
_PATCH = 64
Row = dict[str, Any]


# -- tiles -----------------------------------------------------------------------------------------


class Ground:
    """A node with ``side`` x ``side`` fields that fill a real patch, seen once."""

    def __init__(self, staff: Staff, side: int) -> None:
        self.staff, self.side = staff, side
        patch = _clear_patch()
        self.view = View(INDEX, patch.day)
        self.fields = list(self._fields(patch))
        with Archive(staff.home / ARCHIVE) as archive:
            for field in self.fields:
                archive.put(_cut(patch, field))
        self.picture = _geotiff(staff.home / "patch.tif", patch, self.fields)
        self.tiles = sorted(
            {tile for zoom in ZOOMS for f in self.fields for tile in _over(f, zoom)},
            key=lambda tile: (tile.z, tile.x, tile.y),
        )

    def _fields(self, patch: Window) -> Iterator[Field]:
        registry = self.staff.ground.registry
        farm = registry.add_farm("bench", "patch")
        west, _, _, north = patch.grid.bounds
        width = 10 * _PATCH // self.side
        for row in range(self.side):
            for column in range(self.side):
                ring = _square(patch.grid.epsg, west + column * width, north - row * width, width)
                yield registry.add_field("bench", farm.id, f"{row}.{column}", outline(ring))[0]


def _clear_patch() -> Window:
    """The date with most cloud on which the patch is still mostly clear."""
    seen = [(scene_mask(w.scl).usable.mean(), w) for w in worldcereal_windows(KORTRIJK)]
    return min(((share, w) for share, w in seen if share > 0.8), key=lambda pair: pair[0])[1]


def _square(epsg: int, west: float, north: float, width: float) -> list[list[float]]:
    """A ring a few metres inside a square, so that its grid is that square."""
    left, right, top, bottom = west + 4, west + width - 4, north - 4, north - width + 4
    lons, lats = transform(
        f"EPSG:{epsg}", "EPSG:4326", [left, right, right, left, left],
        [bottom, bottom, top, top, bottom],
    )[:2]  # fmt: skip
    return [[lon, lat] for lon, lat in zip(lons, lats, strict=True)]


def _place(patch: Window, part: Grid) -> tuple[slice, slice]:
    top, left = (patch.grid.top - part.top) // 10, (part.left - patch.grid.left) // 10
    return slice(top, top + part.height), slice(left, left + part.width)


def _cut(patch: Window, field: Field) -> Window:
    mine = field_grid(field.boundary)
    at = _place(patch, mine)
    bands = {name: np.ascontiguousarray(plane[at]) for name, plane in patch.bands.items()}
    scl = np.ascontiguousarray(patch.scl[at])
    return Window(field.id, patch.day, patch.scene, mine, bands, scl)


def _geotiff(path: Path, patch: Window, fields: Sequence[Field]) -> Path:
    """Red and near infrared as rio-tiler would want them: tiled, masked, no data 0."""
    shown = np.zeros(patch.scl.shape, bool)
    for field in fields:
        place = field_grid(field.boundary)
        inside = np.zeros((place.height, place.width), bool)
        inside.flat[zonal.field_weights(field.boundary, place).index] = True
        window = _cut(patch, field)
        shown[_place(patch, place)] |= inside & scene_mask(window.scl).usable
    with rasterio.open(
        path, "w", driver="GTiff", width=_PATCH, height=_PATCH, count=2, dtype="uint16",
        crs=f"EPSG:{patch.grid.epsg}", transform=patch.grid.transform, nodata=0, tiled=True,
        blockxsize=64, blockysize=64, compress="DEFLATE", predictor=2,
    ) as file:  # fmt: skip
        for number, band in enumerate(("red", "nir"), start=1):
            file.write(np.where(shown, patch.bands[band], 0), number)
    return path


def _over(field: Field, zoom: int) -> Iterator[Tile]:
    yield from tiles_over(field_grid(field.boundary), zoom)


def rio_tile(path: Path, tile: Tile) -> bytes:
    """The tile as rio-tiler makes it, in our colours; its rescaling cuts off, ours rounds."""
    ramp = RAMPS[INDEX]
    rgba = np.frombuffer(ramp.palette, np.uint8).reshape(256, 4)
    colours = {number: tuple(map(int, rgba[number])) for number in range(FIRST, 256)}
    with Reader(str(path)) as reader:
        image = reader.tile(tile.x, tile.y, tile.z, expression="(b2-b1)/(b2+b1)")
    image = image.rescale(in_range=((ramp.low, ramp.high),), out_range=((FIRST + 0.5, 255.5),))
    png: bytes = image.render(colormap=colours)
    return png


def _forget_all() -> None:
    """What a process remembers of places; a first request finds none of it."""
    remembered = (mercator.footprint, mercator.grid_bounds, mercator._control_points)
    for each in (*remembered, zonal._weights, grid._grid):
        each.cache_clear()


def _undrawn(sky: Sky, fields: bool = True) -> None:
    """Forget what was drawn: tiles, and the pixels of fields that they are made from."""
    assert sky._cache is not None
    assert sky._ground is not None
    for revision in ("another", sky._ground.revision):
        sky._cache.begin(revision)
    if fields:
        sky._layers.clear()


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - begin)


def tile_rows(side: int) -> list[Row]:
    """Tiles of a node with ``side`` squared fields, whose archive is open, one after the other.

    ``cold``: nothing of it is known; ``another day``: where its fields lie is; ``another tile``:
    its fields are drawn; ``warm``: it is in the cache.
    """
    with tempfile.TemporaryDirectory() as folder, Staff(Path(folder)) as staff:
        (Path(folder) / "sat").mkdir()
        ground = Ground(staff, side)
        sky = staff.ground.sky
        spent: dict[str, list[float]] = {}

        def note(name: str, work: Callable[[], object]) -> None:
            spent.setdefault(name, []).append(_timed(work))

        with _line(staff) as get:
            for tile in ground.tiles[:SHOWN] * TURNS:
                path = f"/sky/tiles/{ground.view.name}/{tile.z}/{tile.x}/{tile.y}.png"
                work = partial(sky.tile, ground.view, tile)
                work()
                note("rio-tiler", partial(rio_tile, ground.picture, tile))
                _undrawn(sky)
                _forget_all()
                note("cold", work)
                _undrawn(sky)
                note("cold, another day", work)
                _undrawn(sky, fields=False)
                note("cold, another tile", work)
                note("warm", work)
                note("warm, over HTTP", partial(get, path))
                note("HTTP alone", partial(get, "/static/map.js"))
        return list(_said(f"{INDEX} tile, {side * side} fields", spent, _compared(ground)))


@contextmanager
def _line(staff: Staff) -> Iterator[Callable[[str], bytes]]:
    """Requests of an agent on a connection that stays open."""
    server = create_server(staff.app, host="127.0.0.1", port=0, threads=2)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    token = staff.ground.gate.open_session(staff.person(Role.AGENT), "bench")
    line = HTTPConnection("127.0.0.1", server.effective_port, timeout=30)

    def get(path: str) -> bytes:
        line.request("GET", path, headers={"Cookie": f"{COOKIE}={token}"})
        answer = line.getresponse()
        body = answer.read()
        assert answer.status in (200, 204), (answer.status, path)
        return body

    try:
        yield get
    finally:
        line.close()
        time.sleep(0.2)  # the last answer's thread has still to say that it is done
        server.close()
        thread.join(5)


def _compared(ground: Ground) -> Row:
    """Pixels of all tiles in both pictures; grey stands where rio-tiler has nothing."""
    equal = near = off = total = 0
    for tile in ground.tiles[:SHOWN]:
        ours = _pixels(ground.staff.ground.sky.tile(ground.view, tile))
        theirs = _pixels(rio_tile(ground.picture, tile))
        ours[(ours == (150, 150, 150, 170)).all(axis=-1)] = 0
        drawn = (ours[..., 3] > 0) | (theirs[..., 3] > 0)
        total += int(drawn.sum())
        alike = (ours == theirs).all(axis=-1)
        equal += int((alike & drawn).sum())
        near += int((~alike & drawn & _beside(ours, theirs)).sum())
    off = total - equal - near
    return {"pixels": total, "identical": equal / total, "one pixel off": near / total,
            "different": off / total}  # fmt: skip


def _pixels(png: bytes | None) -> NDArray[np.uint8]:
    if png is None:
        return np.full((256, 256, 4), EMPTY, np.uint8)
    return np.array(Image.open(io.BytesIO(png)).convert("RGBA"))


def _beside(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether one of the eight pixels around in their picture has our colour."""
    found = np.zeros(ours.shape[:2], bool)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            found |= (np.roll(theirs, (down, right), (0, 1)) == ours).all(axis=-1)
    return found


def _said(what: str, spent: Mapping[str, Sequence[float]], same: Row) -> Iterator[Row]:
    for name, times in spent.items():
        row = {"what": what, "way": name, "ms": statistics.median(times), "p90 ms": _p90(times)}
        beside = [a / b for a, b in zip(spent["rio-tiler"], times, strict=True)]
        yield row | ({} if name == "HTTP alone" else {"faster": statistics.median(beside)})
    yield {"what": what, "way": "same picture", **same}


def _p90(times: Sequence[float]) -> float:
    return float(np.quantile(times, 0.9))


# -- a country -------------------------------------------------------------------------------------


def country(folder: Path) -> tuple[Wish, list[Field]]:
    """Ten dates of 10 x 10 km put together from real patches, and 576 fields of 24 x 24 pixels."""
    found = sat_scenes.belgian()
    clear = sat_scenes.clear(found)
    for number in range(_DATES):
        bands = {
            band: sat_scenes.mosaic(
                [sat_scenes.pixels(each, band) for each in (found if band == "scl" else clear)],
                _SCENE // (2 if band == "scl" else 1),
                _SCENE // (2 if band == "scl" else 1),
                seed=7 * number,
            )
            for band in ("red", "nir", "scl")
        }
        bands["scl"] = bands["scl"].astype(np.uint8)
        write_scene(folder, f"s{number}", f"2022-01-{1 + 3 * number:02}T11:10:00", bands, block=512)
    catalogue = write_catalogue(folder, *(f"s{number}" for number in range(_DATES)))
    first = 18_993  # 2022-01-01
    step = _SCENE // 24
    fields = [
        field_at(f"f{row:02}{column:02}", row * step, column * step, _FIELD, _FIELD)
        for row in range(24)
        for column in range(24)
    ]
    return Wish(str(catalogue), first, first + 40, ("red", "nir")), fields


def scale_rows(turns: int = 3) -> list[Row]:
    """One worker process and two, taken in turn; the cluster stands before the clock starts."""
    spent: dict[int, list[float]] = {1: [], 2: []}
    tables: dict[int, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wish, fields = country(folder / "remote")
        for turn in range(turns):
            for workers in (1, 2):
                out = folder / f"out{turn}-{workers}"
                spent[workers].append(_spent_on(Job(wish, out), fields, workers, folder))
                tables[workers] = results(out)
    one, two = (statistics.median(spent[workers]) for workers in (1, 2))
    ratios = [a / b for a, b in zip(spent[1], spent[2], strict=True)]
    what = f"{len(fields)} fields x {_DATES} dates"
    rows: list[Row] = [
        {"what": what, "way": f"{n} process{'es' * (n > 1)}", "s": seconds,
         "fields a second": len(fields) / seconds}
        for n, seconds in ((1, one), (2, two))
    ]  # fmt: skip
    rows.append({"what": what, "way": "two beside one", "ratio": statistics.median(ratios),
                 "ratios": [round(each, 2) for each in ratios],
                 "identical": bool(tables[1].equals(tables[2]))})  # fmt: skip
    hours = _COUNTRY / (len(fields) / two) / 3600
    rows.append({"what": f"{_COUNTRY:,} fields x {_DATES} dates", "hours": hours,
                 "way": "EXTRAPOLATED from two processes, not run"})  # fmt: skip
    return rows


def _spent_on(job: Job, fields: Sequence[Field], workers: int, folder: Path) -> float:
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=":0", processes=True
    ) as cluster:
        address = cluster.scheduler_address
        # Both workers have loaded their libraries before the clock starts.
        warming = Job(job.wish, Path(tempfile.mkdtemp(dir=folder)))
        run(warming, fields[: 2 * workers], scheduler=address, size=1)
        begin = time.perf_counter()
        run(job, fields, scheduler=address, size=24)
        return time.perf_counter() - begin


# -- all -------------------------------------------------------------------------------------------

PARTS: dict[str, Callable[[], list[Row]]] = {
    "tiles": lambda: [row for side in (1, 4, 8) for row in tile_rows(side)],
    "scale": scale_rows,
}


def said(row: Row) -> str:
    """One row for people."""
    numbers = [
        f"{key} {value:,.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in row.items()
        if key not in ("what", "way")
    ]
    return f"{row['what']:<30} {row['way']:<28} {'; '.join(numbers)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=list(PARTS))
    given = parser.parse_args(arguments)
    for name in [given.only] if given.only else PARTS:
        for row in PARTS[name]():
            print(json.dumps(row) if given.json else said(row), flush=True)


if __name__ == "__main__":
    main()
