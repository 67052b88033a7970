"""A box whose releases are small and whose node is one of these; state, links and bundles are real.

A release is a word: ``good``, ``slow`` (adds to the store's layout), ``dead`` (cannot start),
``mute`` (starts and does not answer), ``dies`` (answers, and then no more), ``unfit`` (its probe
fails), ``torn`` (cannot be built).
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from edge_app.appliance.layout import Layout, read_release
from edge_app.appliance.releases import begin
from edge_app.appliance.requests import ask
from edge_app.appliance.software import HANDED, REQUEST, bundle_name, python_here
from edge_app.appliance.updating import Outcome, Patience, Updater
from field_data.document_store import DocumentStore
from field_data.errors import KeeperError, PublisherError
from sync.roots import trust_first
from tests.bundling import bundle, signed_root

NAME = bundle_name(platform.machine(), python_here())
HASTY = Patience(quiet=2, first=3, stand=3, misses=2)
_STARTS = 8


def base(store: DocumentStore) -> None:
    """1: what every release knows."""


def adds(store: DocumentStore) -> None:
    """2: it adds a word to every row, and may run twice."""
    store.table("items").update({"added": True})


@dataclass
class LittleBox:
    """One box; also its machine, as the updater sees it."""

    root: Path
    layout: Layout = field(init=False)
    said: list[int] = field(default_factory=list)
    running: str = ""
    word: str = ""
    beats: int = 0
    under_way: str = ""

    def __post_init__(self) -> None:
        self.layout = Layout(self.root)

    def make(self, version: str = "0.1.0") -> LittleBox:
        """As the installer leaves it."""
        for each in (self.layout.home, self.layout.requests, self.layout.etc):
            each.mkdir(parents=True)
        self.put(version)
        self.layout.current.symlink_to(Path("releases") / version)
        trust_first(self.layout.etc, signed_root())
        self.boot()
        return self

    def put(self, version: str) -> None:
        """A release that works, in its folder; nothing leads there."""
        folder = self.layout.release(version)
        (folder / "venv/bin").mkdir(parents=True)
        said = {"version": version, "python": python_here(), "arch": platform.machine()}
        (folder / "release.json").write_text(json.dumps(said))
        (folder / "venv/bin/word").write_text("good")

    # --- the publisher ------------------------------------------------------------------------

    def bundle(self, number: int, word: str = "good", **other: object) -> Path:
        """A bundle of a release ``1.<number>.0`` that behaves as ``word`` says."""
        said = {"version": f"1.{number}.0", "python": python_here(), "arch": platform.machine(),
                "works_from": 1, **other}  # fmt: skip
        files = {"release.json": json.dumps(said).encode(),
                 "wheels/word-1-py3-none-any.whl": word.encode()}  # fmt: skip
        folder = self.root / "publisher"
        return bundle(folder, number, "software", NAME, files)

    def hand(self, path: Path) -> None:
        """Put a bundle where the node would, with the request."""
        (self.layout.requests / HANDED).write_bytes(path.read_bytes())
        ask(self.layout, REQUEST, verb="install")

    def update(self) -> Outcome:
        """The updater's service."""
        return Updater(self.layout, self, HASTY).run()

    # --- Machine ------------------------------------------------------------------------------

    def build(self, folder: Path, wheels: Path) -> None:
        word = next(wheels.iterdir()).read_text()
        if word == "torn":
            raise PublisherError("release_broken", "a wheel is missing")
        (folder / "venv/bin").mkdir(parents=True)
        (folder / "venv/bin/word").write_text(word)

    def probe(self, folder: Path, version: str) -> None:
        if (folder / "venv/bin/word").read_text() == "unfit":
            raise PublisherError("release_broken", "it does not start on a copy")

    def busy(self) -> str:
        return self.under_way

    def restart(self) -> None:
        self.boot()

    def answers(self, version: str) -> bool:
        self.beats += 1
        alive = self.word != "mute" and not (self.word == "dies" and self.beats > 2)
        return self.running == version and alive

    def wait(self) -> None:
        """No time passes here."""

    # --- systemd and the node -----------------------------------------------------------------

    def boot(self) -> None:
        """Start the node as its unit does: tries are counted before each."""
        self.running = ""
        for _ in range(_STARTS):
            begin(self.layout)
            with suppress(RuntimeError):
                self._start()
                return
        raise AssertionError("no release starts")

    def _start(self) -> None:
        word = (self.layout.current / "venv/bin/word").read_text()
        if word == "dead":
            raise RuntimeError("it cannot start")
        version = str(read_release(self.layout.current)["version"])
        with self._store(word):
            self.running, self.word, self.beats = version, word, 0

    @contextmanager
    def _store(self, word: str) -> Iterator[DocumentStore]:
        known = [base, adds] if word in ("slow", "mute", "dies") else [base]
        path = self.layout.home / "store.sqlite"
        with DocumentStore(path, migrations=known, works_from=1, set_aside=False) as store:
            yield store

    def record(self, number: int) -> None:
        """Somebody records something; it is acknowledged when this returns."""
        with self._store(self.word) as store:
            store.table("items").insert({"n": number})
        self.said.append(number)

    def kept(self) -> list[int]:
        """What the node that runs now knows of what was acknowledged."""
        with self._store(self.word) as store:
            return [int(row["n"]) for row in store.table("items").all()]

    @property
    def versions(self) -> Mapping[str, str]:
        """What the links lead to."""
        return {
            name: (self.layout.code / name).readlink().name
            for name in ("current", "steady")
            if (self.layout.code / name).is_symlink()
        }


def refuse_unless(said: bool, text: str) -> None:
    """A failure that no ``-O`` takes away."""
    if not said:
        raise KeeperError("journey", text)
