"""How many records a second a hub takes in, and whether the cost grows with what it has.

``python -m tests.bench.bench_hub [--rows 1000000] [--records 20000] [--json]``.  Real segments over
http to a real hub (gunicorn), durable databases (fsync on), the sender on the same machine. For the
growth the table is filled within PostgreSQL, with records of other nodes that look the same.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlsplit

import psutil
from sqlalchemy import text

from sync.hub.settings import HubSettings
from tests.hub_nodes import Node, record
from tests.hubs import Postgres, ServedHub, hub_on, running_postgres, served

NODES = 8
A_SEGMENT = 500
TURNS = 3

FILL = """
insert into events
select md5(((n + :start) % 1000)::text), 0, n + :start, 0, n + :start, 'observation', 'pest',
       md5((random() * 100000)::int::text), 'agent', 1.79e9 + n + :start, 'tablet',
       1.79e9 + n + :start, 'ntp',
       '{"form": "pest", "values": {"count": 3, "note": "leaf"}, "place": {"lon": -7, "lat": 33}}',
       '[]', null, false, false, -7.5, 33.2, '\\x00112233445566778899aabbccddeeff', null
from generate_series(1, :many) as n
"""


@dataclass(frozen=True)
class Figure:
    """One run: what served, rows before it, records a second, the largest process in MiB."""

    database: str
    workers: int
    rows_before: int
    records_s: float
    rss_mib: float


def segments(records: int) -> list[tuple[Node, list[bytes]]]:
    """The same number of records for every node, sealed beforehand."""
    each = records // NODES
    made = []
    for _ in range(NODES):
        node = Node()
        spans = range(1, each + 1, A_SEGMENT)
        parts = [[record(s) for s in range(a, min(a + A_SEGMENT, each + 1))] for a in spans]
        made.append((node, [node.segment(*part) for part in parts]))
    return made


def measure(server: ServedHub, records: int, rows: int, name: str) -> Figure:
    """The best of `TURNS`: what else the machine does only makes it slower."""
    turns = [_measure(server, records, rows, name) for _ in range(TURNS)]
    return max(turns, key=lambda each: each.records_s)


def _measure(server: ServedHub, records: int, rows: int, name: str) -> Figure:
    """Send that many records from `NODES` nodes at once."""
    work = segments(records)
    with hub_on(server.settings) as hub:
        for node, _ in work:
            node.enrolled(hub)
    start = time.perf_counter()
    with ThreadPoolExecutor(NODES) as pool:
        taken = sum(pool.map(lambda one: _send(server.url, one[1]), work))
    spent = time.perf_counter() - start
    assert taken == len(work)
    count = sum(len(parts) for _, parts in work)
    assert count
    return Figure(name, server.workers, rows, round(records / spent, 1), round(_rss(server), 1))


def _send(url: str, parts: list[bytes]) -> bool:
    link = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
    for part in parts:
        link.request("POST", "/n/1/segments", part)
        answer = link.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"refused with {answer.status}")
    link.close()
    return True


def _rss(server: ServedHub) -> float:
    assert server.process is not None
    family = psutil.Process(server.process.pid).children(recursive=True)
    return max(float(each.memory_info().rss) for each in family) / (1 << 20)


def small(records: int, workers: int) -> Figure:
    """SQLite and a folder."""
    with tempfile.TemporaryDirectory() as folder:
        settings = HubSettings(f"sqlite:///{folder}/hub.sqlite", f"{folder}/blobs")
        with served(settings, workers) as server:
            return measure(server, records, 0, "sqlite")


def big(postgres: Postgres, records: int, workers: int) -> Figure:
    """PostgreSQL and a folder."""
    with tempfile.TemporaryDirectory() as folder:
        settings = HubSettings(postgres.new_database(), folder)
        with served(settings, workers) as server:
            return measure(server, records, 0, "postgresql")


def growing(postgres: Postgres, records: int, most: int) -> Iterator[Figure]:
    """The same records with ever more rows below them, up to ``most``."""
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(HubSettings(postgres.new_database(), folder))
        with served(settings, 4) as server:
            rows = 0
            for wanted in (0, most // 4, most // 2, most):
                _fill(settings, rows, wanted - rows)
                rows = wanted
                yield measure(server, records, rows, "postgresql")


def _fill(settings: HubSettings, start: int, many: int) -> None:
    with hub_on(settings) as hub:
        if many:
            with hub.database.writing() as connection:
                connection.execute(text(FILL), {"start": start, "many": many})
        with hub.database.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("vacuum analyze events"))
            connection.execute(text("checkpoint"))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    figures = []

    def say(figure: Figure) -> None:
        figures.append(figure)
        if not told.json:
            print(
                f"{figure.database:10} {figure.workers} processes, {figure.rows_before:>9,} rows: "
                f"{figure.records_s:>8,.0f} records/s, {figure.rss_mib:.0f} MiB a process",
                flush=True,
            )

    for workers in (1, 4):
        say(small(told.records, workers))
    with running_postgres(fsync=True) as postgres:
        for workers in (1, 4):
            say(big(postgres, told.records, workers))
        for figure in growing(postgres, told.records, told.rows):
            say(figure)
    if told.json:
        print(json.dumps([asdict(each) for each in figures]))


if __name__ == "__main__":
    main()
