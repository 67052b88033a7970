"""The node's power fails while it sends: nothing is lost, nothing is sent as something else.

The hub is another machine, whose power stays.  What reached it before the cut is told again to a
hub in the state of the beginning; then the node starts from its cut disk and goes on sending.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from sync.hub.app import create_hub, hub_of
from sync.hub.settings import HubSettings
from sync.types import in_ms
from tests.bad_line import Asked, BadLine, Got
from tests.boxes import Box
from tests.couriers import Courier
from tests.hub_view import HubView
from tests.powercut.replay import Said
from tests.powercut.workloads import Mark, Verdict

_MOST_RUNS = 8


class _ToldLine(BadLine):
    """Tells of every request when the hub has done what it asked, before the node has a reply."""

    tell: Callable[[Asked], None]

    def exchange(self, asked: Asked) -> Got:
        got = super().exchange(asked)
        self.tell(asked)
        return got


@contextmanager
def hub_like(first: Path) -> Iterator[tuple[HubView, _ToldLine]]:
    """A hub in the state of ``first``, not on the disk that is cut."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "hub"
        if first.exists():
            shutil.copytree(first, folder)
        else:
            folder.mkdir()
        view = HubView(f"sqlite:///{folder}/hub.sqlite")
        settings = HubSettings(view.url, str(folder / "blobs"), spare_bytes=0)
        line = _ToldLine(lambda: create_hub(settings))
        line.tell = lambda _asked: None
        try:
            yield view, line
        finally:
            line.stop()
            if not first.exists():
                shutil.copytree(folder, first)


class NodeSends:
    """Visits with a photo each; every other one is followed by a run with few bytes."""

    name, ours = "sync", True
    before, steps = 4, 16

    def prepare(self, home: Path) -> None:
        """A node that a hub let in, and the hub as it was then."""
        with hub_like(home / "hub at first") as (_, line):
            box = Box(home / "node", 1)
            Courier(box, line).enrol(hub_of(line.app))
            box.consent(box.farmers[0], "photos", True)
            for _ in range(self.before):
                self._visit(box)
            box.close()

    def _visit(self, box: Box) -> str:
        return box.visit(box.farmers[0], photos=[box.photo()]).id

    def run(self, home: Path, mark: Mark) -> None:
        """Record and send in turn."""
        told = told_folder(home)
        told.mkdir()
        with hub_like(home / "hub at first") as (_, line):
            box = Box(home / "node", seed=2)
            courier = Courier(box, line)

            def tell(asked: Asked) -> None:
                number = len(list(told.iterdir()))
                plain = {**asdict(asked), "body": b64encode(asked.body).decode()}
                (told / f"{number:05}").write_text(json.dumps(plain))
                mark(f"done asked {number}")

            line.tell = tell
            for step in range(self.steps):
                mark(f"done event {self._visit(box)}")
                if step % 2:
                    courier.run(12_000)
            courier.run()

    def check(self, home: Path, said: Said, verdict: Verdict) -> None:
        """The node has what it acknowledged; once it has sent the rest, the hub has all of it."""
        numbers = [int(word.split()[1]) for word in said.done if word.startswith("asked ")]
        with hub_like(home / "hub at first") as (view, line):
            for number in range(max(numbers, default=-1) + 1):
                line.exchange(asked_in(told_folder(home) / f"{number:05}"))
            box = Box(home / "node", seed=3)
            for word in said.done:
                if word.startswith("event "):
                    verdict.want(word, box.ground.events.get(word.split()[1]) is not None)
            courier = Courier(box, line)
            reasons = [courier.run() for _ in range(_MOST_RUNS)]
            verdict.want("an end of sending", reasons[-1] == "")
            self._check_hub(box, view, verdict)
            box.close()

    def _check_hub(self, box: Box, view: HubView, verdict: Verdict) -> None:
        rows = view.events(box.ground.node)
        there = {row.seq: row.received_s for row in rows}
        events = box.ground.events.since(0, 10_000)
        verdict.want("one numbering", {row.epoch for row in view.streams(box.ground.node)} == {0})
        verdict.want("nothing set aside", not view.refused())
        verdict.want("no more than was said", len(rows) == len(events))
        whole = view.whole_photos()
        for event in events:
            same = there.get(event.seq) == in_ms(event.received).utc_s
            verdict.want(f"event {event.seq} at the hub", same)
            for photo in event.photos:
                arrived = whole.get(photo) == {"thumb", "view"}
                verdict.want(f"photo of {event.seq} at the hub", arrived)


def told_folder(home: Path) -> Path:
    """Beside the disks, where no power fails."""
    return home.parents[1] / "told"


def asked_in(path: Path) -> Asked:
    plain = json.loads(path.read_text())
    return Asked(**{**plain, "body": b64decode(plain["body"])})
