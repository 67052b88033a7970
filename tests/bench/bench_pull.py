"""What a pull of many observations costs, beside pandas reading the same rows at once.

``python -m tests.bench.bench_pull [--records 100000] [--database URL] [--json]``.  Each format is
written by a process of its own, which tells its seconds and the most memory that it held; the same
with ten times fewer records shows whether memory grows.  Without ``--database`` on SQLite.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from sync.hub.app import Hub, open_hub
from sync.hub.export import FORMATS, write_export
from sync.hub.export_query import What, Wish
from sync.hub.people_grants import EVERYTHING
from sync.hub.settings import HubSettings
from sync.hub.tables import EVENTS
from tests.bench.memory import most_mib
from tests.hub_records import MAY_S, Records

FORMAT_NAMES = ("geoparquet", "csv", "geojson", "gpkg")
_PANDAS = "pandas"
_AT_ONCE = 5000


def fill(hub: Hub, count: int) -> None:
    """Scouting visits of ten nodes."""
    records = Records(hub)
    nodes = [records.node("Coop", f"Region {n}", f"Node {n}") for n in range(10)]
    for start in range(0, count, _AT_ONCE):
        rows = [_visit(records, nodes[n % 10], n) for n in range(start, start + _AT_ONCE)]
        with hub.database.writing() as db:
            db.execute(insert(EVENTS), rows[: count - start])


def _visit(records: Records, node: str, n: int) -> dict[str, Any]:
    values = {
        "crop": ("TRZAX", "LYPES", "OLVEU")[n % 3], "condition": ("healthy", "PHYTIN")[n % 2],
        "stage": f"bbch{n % 10}", "incidence": n % 100, "severity": n % 50, "plants": 20,
        "pattern": "patches", "remarks": "حافة الحقل الشمالية مصابة أكثر من الوسط",
    }  # fmt: skip
    place = {"lon": -9 + n % 977 / 150, "lat": 30 + n % 911 / 220, "accuracy_m": 6.5}
    body = {"form": "scouting", "version": 1, "values": values, "place": place}
    return records.row(node, "observation", body, subject=f"field-{n % 5000}",
                       at_s=MAY_S + 60 * n, photos=[f"{n:064x}"] if n % 4 == 0 else [])  # fmt: skip


def measure(settings: HubSettings, how: str, out: Path) -> dict[str, Any]:
    """Write once, in this process."""
    hub = open_hub(settings)
    wish, before = Wish(What.OBSERVATIONS), most_mib()
    if how != _PANDAS:
        # What a hub has loaded once it has served the first export.
        write_export(hub, Wish(What.OBSERVATIONS, limit=1), EVERYTHING, FORMATS[how], out)
        out.unlink()
        before = most_mib()
    start = time.perf_counter()
    rows = _with_pandas(hub, out) if how == _PANDAS else \
        write_export(hub, wish, EVERYTHING, FORMATS[how], out)[0]  # fmt: skip
    spent = time.perf_counter() - start
    hub.database.close()
    return {
        "how": how,
        "rows": rows,
        "seconds": round(spent, 2),
        "added_mib": round(most_mib() - before),
        "file_mib": round(out.stat().st_size / 2**20, 1),
    }


def _with_pandas(hub: Hub, out: Path) -> int:
    """What one would write in an afternoon: everything into a data frame, then to the disk."""
    import geopandas as gpd
    import pandas as pd

    with hub.database.reading() as db:
        frame = pd.read_sql("select * from events join nodes on nodes.id = events.node", db)
    frame = frame.loc[:, ~frame.columns.duplicated()].drop(columns=["public_key", "digest"])
    frame["photos"], frame["body"] = frame["photos"].astype(str), frame["body"].astype(str)
    frame["health"] = frame["health"].astype(str)
    places = gpd.points_from_xy(frame["lon"], frame["lat"], crs="EPSG:4326")
    gpd.GeoDataFrame(frame, geometry=places).to_parquet(out)
    return len(frame)


def run(count: int, database: str | None) -> list[dict[str, Any]]:
    """All formats at a tenth of the records and at all of them."""
    found = []
    for records in (count // 10, count):
        with tempfile.TemporaryDirectory() as folder:
            url = database or f"sqlite:///{folder}/hub.sqlite"
            settings = HubSettings(url, f"{folder}/blobs", spare_bytes=0)
            hub = open_hub(settings)
            with hub.database.writing() as db:
                db.execute(EVENTS.delete())
            fill(hub, records)
            hub.database.close()
            for how in (*FORMAT_NAMES, _PANDAS):
                words = [how, url, settings.blobs, f"{folder}/out"]
                command = [sys.executable, "-m", "tests.bench.bench_pull", "--one", *words]
                said = subprocess.run(command, check=True, capture_output=True, text=True)
                found.append(json.loads(said.stdout.splitlines()[-1]))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--database")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.one:
        how, url, blobs, out = said.one
        print(json.dumps(measure(HubSettings(url, blobs, spare_bytes=0), how, Path(out))))
        return
    found = run(said.records, said.database)
    if said.json:
        print(json.dumps(found))
        return
    print(f"{'format':12}{'records':>9}{'seconds':>9}{'MiB added':>11}{'file MiB':>10}")
    for each in found:
        print(f"{each['how']:12}{each['rows']:>9}{each['seconds']:>9}{each['added_mib']:>11}"
              f"{each['file_mib']:>10}")  # fmt: skip


if __name__ == "__main__":
    main()
