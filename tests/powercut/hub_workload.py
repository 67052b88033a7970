"""The hub's power fails: whatever it gave a receipt for is there, and nothing is there twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from field_data.errors import GhallaError
from sync.hub.app import Hub, create_hub, hub_of
from sync.hub.settings import HubSettings
from tests.bad_line import Asked, BadLine
from tests.hub_view import HubView, digests
from tests.nodes_of_bytes import ByteNode
from tests.powercut.replay import Said
from tests.powercut.workloads import Mark, Verdict

OK, MADE = 200, 204


@contextmanager
def _served(home: Path) -> Iterator[tuple[Hub, BadLine]]:
    app = create_hub(_settings(home))
    try:
        yield hub_of(app), BadLine(lambda: app)
    finally:
        hub_of(app).database.close()


def _settings(home: Path) -> HubSettings:
    return HubSettings(f"sqlite:///{home}/hub.sqlite", str(home / "blobs"), spare_bytes=0)


class HubTakes:
    """A hub on SQLite and a folder takes segments and photos, each photo in three pieces."""

    name, ours = "hub", True
    before, steps, size = 3, 14, 5
    node = ByteNode("powercut")

    def prepare(self, home: Path) -> None:
        """A hub that has some segments."""
        with _served(home) as (hub, line):
            self.node.let_in(hub)
            for n in range(self.before):
                self._segment(line, n)

    def run(self, home: Path, mark: Mark) -> None:
        """More segments, and a photo after each."""
        with _served(home) as (hub, line):
            for n in range(self.before, self.before + self.steps):
                self._segment(line, n)
                mark(f"done segment {n}")
                for end in self._ends(n):
                    self._piece(line, hub, n, end)
                    mark(f"done photo {n} {end}")

    def check(self, home: Path, said: Said, verdict: Verdict) -> None:
        """All that was acknowledged is there; then everything comes again, and is there once."""
        with _served(home) as (hub, line):
            seqs = set(self._seqs(home))
            for word in (*(f"segment {n}" for n in range(self.before)), *said.done):
                what, *numbers = word.split()
                if what == "segment":
                    verdict.want(word, self._all_of(int(numbers[0])) <= seqs)
                else:
                    there = self._offset(line, hub, int(numbers[0]))
                    verdict.want(word, there >= int(numbers[1]))
            for n in range(self.before + self.steps):
                self._segment(line, n)
                if n >= self.before:
                    self._finish(line, hub, n)
            self._check_whole(home, digests(hub), verdict)

    def _check_whole(self, home: Path, there: set[str], verdict: Verdict) -> None:
        view, end = HubView(_settings(home).database), self.before + self.steps
        counted = Counter(self._seqs(home))
        verdict.want("everything once", counted == Counter(range(1, end * self.size + 1)))
        verdict.want("nothing set aside", not view.refused())
        shown = {self.node.photo(self._shows(n)) for n in range(self.before, end)}
        verdict.want("photos", set(view.whole_photos()) == {name for name, _ in shown})
        wanted = {hashlib.sha256(data).hexdigest() for _, data in shown}
        verdict.want("bytes of photos", wanted <= there)

    def _seqs(self, home: Path) -> list[int]:
        view = HubView(_settings(home).database)
        rows = view.events(self.node.node)
        return [row.seq for row in rows if self.node.token(row.seq) in str(row.body)]

    def _all_of(self, n: int) -> set[int]:
        return set(range(n * self.size + 1, (n + 1) * self.size + 1))

    def _shows(self, n: int) -> int:
        return (n + 1) * self.size

    def _data(self, n: int) -> bytes:
        return self.node.photo(self._shows(n))[1]

    def _ends(self, n: int) -> tuple[int, int, int]:
        size = len(self._data(n))
        return size // 3, 2 * size // 3, size

    def _segment(self, line: BadLine, n: int) -> None:
        last = self._shows(n)
        photos = {last: self.node.photo(last)[0]} if n >= self.before else {}
        every = (self.before + self.steps) * self.size
        segment = self.node.segment(last - self.size + 1, last, photos, every)
        _must(line, self.node.post(segment), OK)

    def _piece(self, line: BadLine, hub: Hub, n: int, end: int) -> None:
        photo, data = self.node.photo(self._shows(n))
        first = self._offset(line, hub, n)
        _must(line, self.node.patch(hub.identity.id, photo, data, first, end), MADE)

    def _finish(self, line: BadLine, hub: Hub, n: int) -> None:
        for end in self._ends(n):
            if self._offset(line, hub, n) < end:
                self._piece(line, hub, n, end)

    def _offset(self, line: BadLine, hub: Hub, n: int) -> int:
        got = line.exchange(self.node.head(hub.identity.id, self._data(n)))
        return int(got.headers.get("upload-offset", 0)) if got.status == OK else 0


def _must(line: BadLine, asked: Asked, status: int) -> None:
    got = line.exchange(asked)
    if got.status != status:
        raise GhallaError("hub_refused", f"{asked.method} {asked.path}: {got.status} {got.body!r}")
