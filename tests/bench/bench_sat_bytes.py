"""What a field costs on the wire: the block store beside GDAL's own /vsicurl, in one run.

Run ``python -m tests.bench.bench_sat_bytes [--json] [--only PART]``.  A real nginx serves full-size
scenes (`tests.bench.sat_scenes`) and its access log counts the bytes of bodies; the rows with a cut
link count at a proxy of ours that resets every connection after 200 kB.  Needs the public satellite
set.  Bytes are exact and repeat; seconds are of this machine.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.warp import transform
from rasterio.windows import Window

from field_data.types import Field
from sat_ingest.archive import Archive
from sat_ingest.block_store import BlockStore
from sat_ingest.catalogue import Found
from sat_ingest.cog_source import CogSource
from sat_ingest.pull import Puller, Wish
from sat_ingest.ranges import Ranges
from sat_ingest.scenes import Scene, read_scene
from sat_ingest.sources import find_source
from sat_ingest.sparse_cog import Pixels
from tests.bench import sat_scenes
from tests.bench.memory import most_mib
from tests.range_server import NginxServer, RangeServer
from tests.sat_catalogues import SAT_SET, write_cog

MIDDLE: Pixels = (4 * 1024 + 488, 3 * 1024 + 400, 48, 48)
CORNER: Pixels = (2 * 1024 - 24, 2 * 1024 - 24, 48, 48)
TUNED = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif",
    "CPL_VSIL_CURL_CHUNK_SIZE": "4096",
}
_CUT = 200_000
Rows = list[dict[str, Any]]


# -- who reads ------------------------------------------------------------------------------------

_GDAL = """
import sys, json, rasterio
from rasterio.windows import Window
url, options, row, column, height, width = json.loads(sys.argv[1])
with rasterio.Env(**options), rasterio.open(url) as dataset:
    data = dataset.read(1, window=Window(column, row, width, height))
sys.stdout.buffer.write(data.tobytes())
"""


def gdal(url: str, window: Pixels, options: dict[str, str]) -> bytes:
    """Pixels by rasterio in a process of its own (no cache helps); b"" when it fails or hangs."""
    said = json.dumps([url, options, *window])
    command = [sys.executable, "-c", _GDAL, said]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        return b""
    return done.stdout if done.returncode == 0 else b""


def ours(folder: Path, url: str, window: Pixels) -> bytes:
    """Pixels by the block store in ``folder``."""
    ranges = Ranges()
    with BlockStore(folder, ranges) as store, store.cog(url) as cog:
        cog.ensure([window])
        with cog.opened() as dataset:
            row, column, height, width = window
            data: bytes = dataset.read(1, window=Window(column, row, width, height)).tobytes()
    ranges.close()
    return data


def truth(path: Path, window: Pixels) -> bytes:
    """Pixels from the file itself."""
    row, column, height, width = window
    with rasterio.open(path) as dataset:
        data: bytes = dataset.read(1, window=Window(column, row, width, height)).tobytes()
    return data


class CuttingProxy:
    """Forwards to a port and resets each connection after `_CUT` bytes down; counts them."""

    def __init__(self, port: int) -> None:
        self._to, self.passed, self.connections = port, 0, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._to)) as far:
            up = threading.Thread(target=_pump, args=(near, far), daemon=True)
            up.start()
            left = _CUT
            while left and (data := far.recv(min(left, 16_384))):
                near.sendall(data)
                self.passed += len(data)
                left -= len(data)
            if not left:
                time.sleep(0.02)  # what was sent arrives before the reset
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                near.shutdown(socket.SHUT_RD)  # wakes the other thread, so that closing resets
                up.join()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(16_384):
            target.sendall(data)
    except OSError:
        pass


# -- one field ------------------------------------------------------------------------------------


def one_field(path: Path, scratch: Path) -> Rows:
    """A 48 x 48 field of one 10 m band: cold, again, beside, on a corner, over a cut link."""
    rows: Rows = []
    with NginxServer(path.parent) as server:
        url = server.url(path.name)

        def row(what: str, read: Callable[[], bytes], window: Pixels) -> None:
            asked, sent = len(server.asked), server.sent
            begun = time.perf_counter()
            data = read()
            seconds = time.perf_counter() - begun
            rows.append({
                "what": what,
                "bytes": server.sent - sent,
                "requests": len(server.asked) - asked,
                "seconds": round(seconds, 3),
                "same_pixels": data == truth(path, window) if data else None,
            })  # fmt: skip

        mine, corner = scratch / "mine", scratch / "corner"
        below = (MIDDLE[0] + 200, MIDDLE[1], 48, 48)
        above = (MIDDLE[0] - 200, MIDDLE[1] + 300, 48, 48)
        row("rasterio defaults, cold", lambda: gdal(url, MIDDLE, {}), MIDDLE)
        row("rasterio tuned, cold", lambda: gdal(url, MIDDLE, TUNED), MIDDLE)
        row("ours, cold", lambda: ours(mine, url, MIDDLE), MIDDLE)
        row("rasterio tuned, second run", lambda: gdal(url, MIDDLE, TUNED), MIDDLE)
        row("ours, second run", lambda: ours(mine, url, MIDDLE), MIDDLE)
        row("ours, second field above in the block", lambda: ours(mine, url, above), above)
        row("ours, second field 200 rows below", lambda: ours(mine, url, below), below)
        row("rasterio tuned, block corner", lambda: gdal(url, CORNER, TUNED), CORNER)
        row("ours, block corner", lambda: ours(corner, url, CORNER), CORNER)
        reference, fair = rows[0]["bytes"], rows[7]["bytes"]
        for each in rows:
            each["ratio"] = round(
                each["bytes"] / (fair if "corner" in each["what"] else reference), 3
            )
        rows += cut_link(path, server.port, scratch, rows[2]["bytes"])
    return rows


def cut_link(path: Path, port: int, scratch: Path, uncut: int) -> Rows:
    """The same field over a link that is reset every 200 kB."""
    rows: Rows = []
    for what, options in (("rasterio defaults", {}),
                          ("rasterio, 5 retries", {"GDAL_HTTP_MAX_RETRY": "5",
                                                   "GDAL_HTTP_RETRY_DELAY": "0.1"}),
                          ("ours", None)):  # fmt: skip
        proxy = CuttingProxy(port)
        url = f"http://127.0.0.1:{proxy.port}/{path.name}"
        mine = options is None
        data = ours(scratch / "cut", url, MIDDLE) if mine else gdal(url, MIDDLE, options or {})
        proxy.close()
        rows.append({
            "what": f"{what}, link cut every 200 kB", "bytes": proxy.passed,
            "requests": proxy.connections, "ratio": round(proxy.passed / uncut, 3),
            "same_pixels": data == truth(path, MIDDLE) if data else None,
        })  # fmt: skip
    return rows


def many_places(path: Path, scratch: Path, count: int = 40) -> Rows:
    """Fields at random places of the scene: bytes beside whole blocks, which GDAL would fetch."""
    rng, ratios, requests = np.random.default_rng(5), [], []
    with NginxServer(path.parent) as server, rasterio.open(path) as dataset:
        url = server.url(path.name)
        for place in range(count):
            row, column = (int(at) for at in rng.integers(0, sat_scenes.FULL - 48, 2))
            asked, sent = len(server.asked), server.sent
            if ours(scratch / str(place), url, (row, column, 48, 48)) != truth(
                path, (row, column, 48, 48)
            ):
                raise SystemExit(f"other pixels at {row}, {column}")
            whole = sum(
                int(dataset.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=1))
                for y in {row // 1024, (row + 47) // 1024}
                for x in {column // 1024, (column + 47) // 1024}
            )
            ratios.append((server.sent - sent) / whole)
            requests.append(len(server.asked) - asked)
    return [{
        "what": f"{count} random places, ours beside whole blocks",
        "mean_ratio": round(statistics.mean(ratios), 3), "best": round(min(ratios), 3),
        "worst": round(max(ratios), 3), "mean_requests": statistics.mean(requests),
        "worst_requests": max(requests),
    }]  # fmt: skip


# -- many fields ----------------------------------------------------------------------------------


def scattered(count: int, blocks: int, seed: int = 3) -> list[Field]:
    """``count`` fields of about 300 m in ``blocks`` blocks of the scene."""
    rng, fields = np.random.default_rng(seed), []
    for n in range(count):
        down, across = divmod(n % blocks, 10)
        row, column = (1024 * at + int(rng.integers(0, 950)) for at in (down, across))
        corner = sat_scenes.LEFT + 10 * column, sat_scenes.TOP - 10 * row
        fields.append(_square(f"f{n}", sat_scenes.EPSG, *corner, 300))
    return fields


def _square(name: str, epsg: int, west: float, north: float, metres: float) -> Field:
    xs = [west, west + metres, west + metres, west, west]
    ys = [north, north, north - metres, north - metres, north]
    lons, lats = transform(f"EPSG:{epsg}", "EPSG:4326", xs, ys)[:2]
    return Field(name, "farm", tuple(zip(lons, lats, strict=True)))


def _item(base: str) -> dict[str, Any]:
    assets = {"red": f"{base}/red.tif", "nir": f"{base}/nir.tif", "scl": f"{base}/scl.tif"}
    return {
        "id": "bench", "bbox": [-8.0, 30.0, -5.0, 33.0],
        "properties": {"datetime": "2022-02-01T11:00:00Z", "s2:processing_baseline": "02.14"},
        "assets": {band: {"href": href} for band, href in assets.items()},
    }  # fmt: skip


def pull_many(base: str, count: int, blocks: int, folder: Path) -> dict[str, Any]:
    """Windows of many fields from one scene; run in a process of its own for its memory."""
    source, _ = find_source("any")
    scene = read_scene(Found(_item(base), base), source)
    ranges = Ranges()
    begun, windows = time.perf_counter(), 0
    with BlockStore(folder, ranges) as store:
        cogs = CogSource([scene], store, min_usable=0.0)
        for _ in cogs.windows(scattered(count, blocks), 0, 40_000, ("red", "nir")):
            windows += 1
    return {
        "fields": count, "blocks": blocks, "windows": windows, "bytes": ranges.budget.spent,
        "requests": ranges.budget.requests, "seconds": round(time.perf_counter() - begun, 2),
        "rss_mib": round(most_mib()),
    }  # fmt: skip


def many_fields(folder: Path, scratch: Path) -> Rows:
    """Memory, time and bytes as fields and blocks grow."""
    rows = []
    with NginxServer(folder) as server:
        for count, blocks in ((50, 10), (500, 10), (50, 40), (500, 40), (2000, 40)):
            said = json.dumps([server.url("")[:-1], count, blocks,
                               str(scratch / f"{count}-{blocks}")])  # fmt: skip
            done = subprocess.run(
                [sys.executable, "-m", "tests.bench.bench_sat_bytes", "--pull", said],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            rows.append(json.loads(done.stdout))
    for row in rows:
        row["mb_per_block"] = round(row["bytes"] / row["blocks"] / 1e6, 2)
        row["seconds_per_block"] = round(row["seconds"] / row["blocks"], 3)
    return rows


# -- a season -------------------------------------------------------------------------------------


def season(scratch: Path, weeks: int = 16, weekly: int = 2_000_000) -> Rows:
    """A Belgian season under 2 MB a week: scenes of one full-size block, the field's real pixels.

    The catalogue is an API; each week sees the scenes of its day and all before.
    """
    remote, field = scratch / "remote", _square("season", 32631, 501_460, 5_624_580, 400)
    dates = [scene for scene in sat_scenes.belgian() if 17_592 <= scene.day < 17_592 + 7 * weeks]
    clear = sat_scenes.clear(sat_scenes.belgian())
    items = [_season_scene(remote, scene, clear) for scene in dates]
    rows: Rows = []
    with NginxServer(remote) as server, RangeServer(scratch) as api, \
            Archive(scratch / "a.db") as archive:  # fmt: skip
        api.pages["/"] = lambda *_: {"links": [{"rel": "search", "href": "./search"}]}
        for week in range(weeks):
            today = 17_592 + 7 * week + 6
            known = [item for item, scene in zip(items, dates, strict=True) if scene.day <= today]
            for item in known:
                for band, asset in item["assets"].items():
                    asset["href"] = server.url(f"{item['id']}/{band}.tif")
            api.pages["/search"] = lambda *_, found=known: {"features": found}
            puller = Puller(scratch / "s", archive, today * 86400.0, weekly)
            report = puller.pull(Wish(api.url(""), 17_592, today, ("red", "nir")), [field])
            rows.append({
                "week": week + 1, "bytes": report.bytes, "requests": report.requests,
                "used": [_iso(each.day) for each in report.used],
                "cloudy": [_iso(each.day) for each in report.skipped if each.day],
                "left": len(report.left), "stopped": report.stopped,
            })  # fmt: skip
        seen = sorted(archive.days("season"))
    longest = max(np.diff(seen)) if len(seen) > 1 else 0
    rows.append({"dates_offered": len(dates), "dates_kept": len(seen), "longest_gap": int(longest)})
    return rows


def _iso(day: int) -> str:
    return datetime.fromtimestamp(day * 86400, UTC).date().isoformat()


def _season_scene(folder: Path, scene: Scene, others: list[Scene]) -> dict[str, Any]:
    """One block of 1024 x 1024 a band: the real patch in its middle, other real ones around."""
    cover = 100 * float(np.isin(sat_scenes.pixels(scene, "scl"), (3, 8, 9, 10)).mean())
    for band in ("red", "nir", "scl"):
        patch = sat_scenes.pixels(scene, band)
        around = [sat_scenes.pixels(each, band) for each in others]
        whole = sat_scenes.mosaic(around, 1024, 1024, seed=int(scene.utc_s) % 1000)
        row, metres = (250, 20) if band == "scl" else (500, 10)
        whole[row : row + patch.shape[0], : patch.shape[1]] = patch
        data = whole.astype(np.uint8) if band == "scl" else whole
        write_cog(
            folder / scene.id / f"{band}.tif", data, epsg=32631, left=501_360, top=5_629_680,
            metres=metres, block=1024,
        )  # fmt: skip
    when = datetime.fromtimestamp(scene.utc_s, UTC).isoformat()
    return {
        "type": "Feature", "id": scene.id, "bbox": [2.9, 50.6, 3.4, 51.0],
        "properties": {"datetime": when, "s2:processing_baseline": "02.14",
                       "eo:cloud_cover": cover, "proj:epsg": 32631},
        "assets": {band: {} for band in ("red", "nir", "scl")},
    }  # fmt: skip


# -- the catalogue client -------------------------------------------------------------------------

_IMPORT = """
import time
from tests.bench.memory import most_mib
before = most_mib()
begun = time.perf_counter()
{work}
spent = time.perf_counter() - begun
print(spent, most_mib() - before)
"""
_CRAWL_OURS = """
from sat_ingest.catalogue import Catalogue, Query
from sat_ingest.ranges import Ranges
from sat_ingest.sources import find_source
source, address = find_source("{path}")
found = list(Catalogue(address, source, Ranges()).items(Query((-180, -90, 180, 90), 0, 40000)))
assert len(found) == 151
"""
_CRAWL_PYSTAC = """
import pystac_client
found = list(pystac_client.Client.open("{path}").get_items(recursive=True))
assert len(found) == 151
"""


def catalogue_clients() -> Rows:
    """Our client beside pystac-client: import, crawl of 151 items, memory, size on the disk."""
    path, rows = str(SAT_SET / "stac" / "catalog.json"), []
    for name, imported, crawl in (
        ("ours", "import sat_ingest.catalogue, sat_ingest.sources", _CRAWL_OURS),
        ("pystac-client", "import pystac_client", _CRAWL_PYSTAC),
    ):
        seconds, memory = zip(*(_measured(imported) for _ in range(5)), strict=True)
        crawled, most = zip(*(_measured(crawl.format(path=path)) for _ in range(3)), strict=True)
        rows.append({
            "client": name, "import_s": round(statistics.median(seconds), 3),
            "import_mib": round(statistics.median(memory), 1),
            "crawl_s": round(statistics.median(crawled), 3),
            "crawl_mib": round(statistics.median(most), 1),
        })  # fmt: skip
    folder = Path(__file__).parents[2] / "sat_ingest"
    rows[0]["kib"] = sum(
        each.stat().st_size // 1024 + 1
        for each in (folder / "catalogue.py", *(folder / "sources").glob("*.*"))
    )
    extra = ("pystac-client", "pystac", "requests", "certifi", "charset-normalizer", "idna",
             "python-dateutil")  # fmt: skip
    rows[1]["kib"] = sum(_installed(name) for name in extra) // 1024
    rows[1]["needs"] = ", ".join(extra[1:])
    return rows


def _measured(work: str) -> tuple[float, float]:
    command = [sys.executable, "-c", _IMPORT.format(work=work)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(said[0]), float(said[1])


def _installed(name: str) -> int:
    files = metadata.files(name) or []
    return sum(path.size or 0 for path in files if "__pycache__" not in str(path))


# -- all ------------------------------------------------------------------------------------------


def run(only: str | None = None) -> dict[str, Rows]:
    """All tables, or one: ``field``, ``places``, ``many``, ``season``, ``catalogue``."""
    wanted = [only] if only else ["field", "places", "many", "season", "catalogue"]
    found: dict[str, Rows] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, scratch = Path(name) / "scenes", Path(name) / "scratch"
        scratch.mkdir()
        if {"field", "places", "many"} & set(wanted):
            red = sat_scenes.full_scene(folder / "red.tif", "red")
            sat_scenes.full_scene(folder / "scl.tif", "scl", sat_scenes.FULL // 2)
            (folder / "nir.tif").hardlink_to(red)
        parts: dict[str, Callable[[], Rows]] = {
            "field": lambda: one_field(red, scratch),
            "places": lambda: many_places(red, scratch / "places"),
            "many": lambda: many_fields(folder, scratch),
            "season": lambda: season(scratch / "season"),
            "catalogue": catalogue_clients,
        }
        for part in wanted:
            (scratch / part).mkdir(exist_ok=True)
            found[part] = parts[part]()
    return found


def show(tables: dict[str, Rows]) -> None:
    """Print tables, a line a row."""
    for name, rows in tables.items():
        print(f"\n{name}")
        for row in rows:
            print("  " + "  ".join(f"{key} {value}" for key, value in row.items()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=["field", "places", "many", "season", "catalogue"])
    parser.add_argument("--pull", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.pull:
        base, count, blocks, folder = json.loads(given.pull)
        print(json.dumps(pull_many(base, count, blocks, Path(folder))))
        return
    if not (SAT_SET / "stac").is_dir():
        raise SystemExit(f"the public satellite set is not at {SAT_SET}")
    tables = run(given.only)
    print(json.dumps(tables)) if given.json else show(tables)


if __name__ == "__main__":
    main()
