"""The line comes back for a whole country: ``python -m tests.journeys.reconnecting --nodes 1000``.

So many nodes connect in the same moment, each with a sealed segment, to one hub (gunicorn,
PostgreSQL).  Whoever gets no receipt comes again, as nodes do.  Printed is how long they waited.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from sync.hub.settings import HubSettings
from tests.hub_view import HubView
from tests.hubs import hub_on, running_postgres, served
from tests.nodes_of_bytes import ByteNode

_PATIENCE_S = 60.0
_MOST_TRIES = 20


@dataclass
class Served:
    """What came of it: seconds from the common start to each receipt."""

    waited_s: list[float] = field(default_factory=list)
    again: int = 0
    never: int = 0
    seconds: float = 0.0
    rows: int = 0
    wanted: int = 0

    @property
    def sound(self) -> bool:
        """Everybody was served, and every record is there once."""
        return self.never == 0 and self.rows == self.wanted

    def __str__(self) -> str:
        shares = quantiles(self.waited_s, n=100) if len(self.waited_s) > 1 else [0.0] * 99
        return (
            f"{len(self.waited_s)} nodes served, {self.never} never, {self.again} tries again; "
            f"receipt after {shares[49]:.1f} s (median), {shares[94]:.1f} s (95th percentile), "
            f"{self.seconds:.1f} s (last); {self.rows} of {self.wanted} records, each once"
        )


async def call(segment: bytes, port: int, begun: float, served: Served) -> None:
    """Until there is a receipt."""
    for attempt in range(_MOST_TRIES):
        served.again += attempt > 0
        try:
            async with asyncio.timeout(_PATIENCE_S):
                status = await _post(segment, port)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            status = 0
        if status == 200:
            served.waited_s.append(time.monotonic() - begun)
            return
        await asyncio.sleep(random.uniform(0.5, 1) * 2 ** min(attempt, 4))
    served.never += 1


async def _post(body: bytes, port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"POST /n/1/segments HTTP/1.1\r\nHost: hub\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        return int((await reader.readuntil(b"\r\n")).split()[1])
    finally:
        writer.close()


async def all_at_once(segments: Sequence[bytes], port: int) -> Served:
    """Everybody calls in this moment."""
    served, begun = Served(), time.monotonic()
    await asyncio.gather(*(call(each, port, begun, served) for each in segments))
    served.seconds = time.monotonic() - begun
    return served


def run(settings: HubSettings, nodes: int, records: int, workers: int) -> Served:
    """Enrol so many nodes, let them all call at once, then count what is there."""
    callers = [ByteNode(f"node{number}") for number in range(nodes)]
    with hub_on(settings) as hub:
        for each in callers:
            each.let_in(hub)
    segments = [each.segment(1, records) for each in callers]
    with served(settings, workers) as server:
        outcome = asyncio.run(all_at_once(segments, server.port))
    keys = [(row.node, row.epoch, row.seq) for row in HubView(settings.database).all_events()]
    outcome.rows, outcome.wanted = len(set(keys)), nodes * records
    assert len(keys) == outcome.rows
    return outcome


def main() -> None:
    """Run once and print; exit code 1 when anybody was not served."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--records", type=int, default=20, help="of each node")
    parser.add_argument("--workers", type=int, default=4, help="processes of the hub")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_postgres(fsync=True) as postgres:
        settings = HubSettings(postgres.new_database(), str(Path(folder) / "blobs"))
        outcome = run(settings, chosen.nodes, chosen.records, chosen.workers)
    print(outcome)
    raise SystemExit(not outcome.sound)


if __name__ == "__main__":
    main()
