"""Two hub processes are killed in turn: ``python -m tests.journeys.hub_killed --kills 20``.

Both serve one PostgreSQL and one S3 store.  Several nodes send records and photos, to the one or
to the other; meanwhile one of the two is killed (``kill -9``, with all its workers) and started
again, then the other.  Whatever a node has a receipt for must be there, once; what it has none for
it sends again.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from sync.hub.app import Hub
from sync.hub.settings import HubSettings
from tests.bad_line import Asked, Got
from tests.hub_view import HubView, digests
from tests.hubs import ServedHub, free_port, hub_on, running_postgres, running_s3
from tests.nodes_of_bytes import ByteNode

OK, MADE, CONFLICT = 200, 204, 409
_PATIENCE_S = 15.0
_PAUSE_S = 0.2
PER_SEGMENT = 10
PIECE = 2_500


@dataclass
class Outcome:
    """What came of a run."""

    records: int = 0
    photos: int = 0
    kills: int = 0
    tries: int = 0
    failed: int = 0
    lost: int = 0
    doubled: int = 0
    set_aside: int = 0
    photos_lost: int = 0
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Everything is there once."""
        return not (self.lost or self.doubled or self.set_aside or self.photos_lost)

    def __str__(self) -> str:
        return (
            f"{self.records} records and {self.photos} photos acknowledged, hubs killed "
            f"{self.kills} times, {self.failed} of {self.tries} requests failed: {self.lost} "
            f"records lost, {self.doubled} doubled, {self.set_aside} set aside, "
            f"{self.photos_lost} photos lost or damaged; {self.seconds:.0f} s"
        )


class Sender:
    """One node that sends until all is acknowledged, to whichever hub answers."""

    def __init__(self, node: ByteNode, hub: str, ports: Sequence[int], segments: int) -> None:
        self._node, self._hub = node, hub
        self._ports = itertools.cycle(ports)
        self._port = next(self._ports)
        self._segments = segments
        self.tries = self.failed = 0

    def run(self) -> None:
        """Segment after segment, each with the photo of its last record."""
        for n in range(self._segments):
            first, last = n * PER_SEGMENT + 1, (n + 1) * PER_SEGMENT
            photo, data = self._node.photo(last)
            segment = self._node.segment(first, last, {last: photo})
            self._until(self._node.post(segment), {OK})
            self._upload(photo, data)

    def _upload(self, photo: str, data: bytes) -> None:
        at = 0
        while at < len(data):
            end = min(at + PIECE, len(data))
            try:
                got = self._ask(self._node.patch(self._hub, photo, data, at, end))
            except OSError:
                got = Got(0, {}, b"")
            at = end if got.status == MADE else self._offset(data)

    def _offset(self, data: bytes) -> int:
        got = self._until(self._node.head(self._hub, data), {OK, 404})
        return int(got.headers.get("upload-offset", 0))

    def _until(self, asked: Asked, wanted: set[int]) -> Got:
        while True:
            with suppress(OSError):
                got = self._ask(asked)
                if got.status in wanted:
                    return got
                assert got.status >= 500, f"{asked.method} {asked.path}: {got.status} {got.body!r}"
                self.failed += 1
            time.sleep(_PAUSE_S)

    def _ask(self, asked: Asked) -> Got:
        """One request; after a failure the next goes to the other hub."""
        self.tries += 1
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE_S)
        try:
            line.request(asked.method, asked.path, asked.body, dict(asked.headers))
            answer = line.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, headers, answer.read())
        except (OSError, http.client.HTTPException) as error:
            self.failed += 1
            self._port = next(self._ports)
            raise ConnectionError(str(error)) from error
        finally:
            line.close()


@dataclass
class Killer:
    """Kills the hubs in turn until told to stop; at least one of them always serves."""

    hubs: Sequence[ServedHub]
    chance: random.Random
    most: int
    kills: int = 0
    enough: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """In turn, after a moment each."""
        for hub in itertools.cycle(self.hubs):
            if self.kills >= self.most or self.enough.wait(0.2 + self.chance.random()):
                return
            hub.kill()
            self.kills += 1
            hub.start()


def run(settings: HubSettings, nodes: int, segments: int, kills: int, seed: int = 1) -> Outcome:
    """The hubs' tables exist when this returns; both hubs are stopped."""
    begun = time.monotonic()
    everybody = [ByteNode(f"killed{number}") for number in range(nodes)]
    with hub_on(settings) as hub:
        for node in everybody:
            node.let_in(hub)
        outcome = _send_and_kill(hub, settings, everybody, segments, random.Random(seed), kills)
        _count(outcome, hub, settings, everybody, segments)
    outcome.seconds = time.monotonic() - begun
    return outcome


def _send_and_kill(
    hub: Hub,
    settings: HubSettings,
    nodes: Sequence[ByteNode],
    segments: int,
    chance: random.Random,
    kills: int,
) -> Outcome:
    with _two_hubs(settings) as hubs, ThreadPoolExecutor(len(nodes)) as pool:
        ports = [each.port for each in hubs]
        senders = [
            Sender(node, hub.identity.id, ports[n % 2 :] + ports[: n % 2], segments)
            for n, node in enumerate(nodes)
        ]
        killer = Killer(hubs, chance, kills)
        killing = threading.Thread(target=killer.run)
        killing.start()
        try:
            for done in [pool.submit(sender.run) for sender in senders]:
                done.result()
        finally:
            killer.enough.set()
            killing.join()
    tries, failed = sum(each.tries for each in senders), sum(each.failed for each in senders)
    return Outcome(kills=killer.kills, tries=tries, failed=failed)


@contextmanager
def _two_hubs(settings: HubSettings) -> Iterator[list[ServedHub]]:
    hubs = [ServedHub(settings, free_port()) for _ in range(2)]
    with ExitStack() as stack:
        for hub in hubs:
            hub.start()
            stack.callback(hub.stop)
        yield hubs


def _count(
    outcome: Outcome,
    hub: Hub,
    settings: HubSettings,
    nodes: Sequence[ByteNode],
    segments: int,
) -> None:
    view = HubView(settings.database)
    rows = Counter((row.node, row.seq) for row in view.all_events() if row.same_as is None)
    words = Counter(
        (row.node, row.seq)
        for row in view.all_events()
        for node in nodes
        if row.node == node.node and node.token(row.seq) in str(row.body)
    )
    wanted = {(node.node, seq) for node in nodes for seq in range(1, segments * PER_SEGMENT + 1)}
    outcome.records, outcome.photos = len(wanted), len(nodes) * segments
    outcome.lost = len(wanted - set(words))
    outcome.doubled = rows.total() - len(rows)
    outcome.set_aside = len(view.refused())
    there = digests(hub)
    shown = (node.photo((n + 1) * PER_SEGMENT) for node in nodes for n in range(segments))
    outcome.photos_lost = sum(hashlib.sha256(data).hexdigest() not in there for _, data in shown)


def main() -> None:
    """Run once and print; exit code 1 when anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("--segments", type=int, default=40, help="of each node, a photo each")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with running_postgres(fsync=True) as postgres, running_s3() as s3:
        settings = HubSettings(postgres.new_database(), s3.new_bucket(), spare_bytes=0)
        outcome = run(settings, chosen.nodes, chosen.segments, chosen.kills, chosen.seed)
    print(outcome)
    raise SystemExit(not outcome.sound)


if __name__ == "__main__":
    main()
