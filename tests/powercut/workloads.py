"""What runs when the power fails, and what must be true afterwards."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tinydb import TinyDB

from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore, Migration
from field_data.errors import GhallaError
from field_data.events import Draft, Event, EventLog, Kind
from field_data.outbox import Outbox
from field_data.photo_uses import PhotoUses
from field_data.photos import PhotoStore, photo_of
from field_data.schema import MIGRATIONS, open_store
from field_data.types import Instant, Trust
from tests.powercut.replay import Said
from tests.test_field_data_diagnoses import jpeg

HUB = "hub"
Mark = Callable[[str], None]


@dataclass(slots=True)
class Verdict:
    """What one cut did: acknowledged things asked for, those lost, those erased that came back."""

    asked: int = 0
    lost: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def want(self, what: str, there: bool) -> None:
        """``what`` was acknowledged."""
        self.asked += 1
        if not there:
            self.lost.append(what)


class Workload(Protocol):
    """Something that a node does."""

    name: str
    ours: bool

    def prepare(self, home: Path) -> None:
        """What is in the home before, safe on the disk."""

    def run(self, home: Path, mark: Mark) -> None:
        """Work; ``begin <what>`` and ``done <what>`` are marked around each step."""

    def check(self, home: Path, said: Said, verdict: Verdict) -> None:
        """Ask for everything, as a node that starts again does."""


class Home:
    """The open store of a home, its photos and events."""

    def __init__(self, store: DocumentStore, folder: Path) -> None:
        self.store = store
        self.photos = PhotoStore(folder / "photos")
        self.events = EventLog(store, "node", self.photos)
        self.outbox = Outbox(store, self.events, PhotoUses(store, self.photos))
        self.diagnoses = DiagnosisLog(store, self.photos)


@contextmanager
def opened(folder: Path) -> Iterator[Home]:
    """The home in ``folder``; `GhallaError` if its store had to be set aside."""
    with open_store(folder / "store.sqlite") as store:
        if store.damaged:
            raise GhallaError("store_damaged", f"set aside: {store.damaged}")
        yield Home(store, folder)


def id_of(what: object) -> str:
    """An id that is the same for the same ``what``."""
    digest = hashlib.sha256(str(what).encode()).digest()[:16]
    return base64.b32encode(digest).decode().rstrip("=").lower()


def picture(n: int) -> bytes:
    """The photo of event ``n``."""
    return jpeg(n, 9_000 + n * 997 % 8_000)


def draft(n: int, photos: tuple[str, ...] = (), corrects: int | None = None) -> Draft:
    """Event ``n``, about as long as a visit is."""
    body = {"form": "scouting", "values": {"severity": n % 10, "note": f"secret-{n}-" * (n % 90)}}
    supersedes = None if corrects is None else id_of(corrects)
    at = Instant(1_790_000_000.0 + n, Trust.TABLET)
    return Draft(id_of(n), Kind.OBSERVATION, f"field-{n % 7}", "a", at, body, photos, supersedes)


def same(event: Event | None, wanted: Draft) -> bool:
    """Whether the event is kept as it was given."""
    return event is not None and (event.id, event.body, event.photos, event.supersedes) == (
        *(wanted.id, wanted.body, wanted.photos, wanted.supersedes),
    )


class Inserts:
    """Events, every third a correction, every fifth together with an acknowledgement."""

    name, ours = "insert", True
    before, steps = 150, 200

    def _draft(self, n: int) -> Draft:
        return draft(n, corrects=n - 1 if n % 3 == 2 else None)

    def prepare(self, home: Path) -> None:
        """Some events."""
        with opened(home) as node:
            for n in range(self.before):
                node.events.append(self._draft(n))

    def run(self, home: Path, mark: Mark) -> None:
        """More events."""
        with opened(home) as node:
            for n in range(self.before, self.before + self.steps):
                with node.store.transaction():
                    seq = node.events.append(self._draft(n)).event.seq
                    if n % 5 == 0:
                        node.outbox.acknowledge(HUB, seq)
                mark(f"done {n}")

    def check(self, home: Path, said: Said, verdict: Verdict) -> None:
        """All acknowledged events as they were, numbered without a gap; no half transaction."""
        with opened(home) as node:
            found = node.events.since(0, 10_000)
            for n in (*range(self.before), *map(int, said.done)):
                verdict.want(f"event {n}", same(node.events.get(id_of(n)), self._draft(n)))
            numbers = [event.seq for event in found]
            fifth = [n for n in range(self.before, len(found)) if n % 5 == 0]
            verdict.want("numbers", numbers == list(range(1, len(found) + 1)))
            verdict.want("pair", node.outbox.acknowledged(HUB) == max(fifth, default=-1) + 1)


class Photos:
    """Two photos, then the event that names them, again and again."""

    name, ours = "photo", True
    before, steps = 10, 25

    @staticmethod
    def _jpegs(n: int) -> list[bytes]:
        return [picture(2 * n), picture(2 * n + 1)]

    def _draft(self, n: int) -> Draft:
        return draft(n, tuple(photo_of(each).sha256 for each in self._jpegs(n)))

    def _visit(self, node: Home, n: int, mark: Mark) -> None:
        node.photos.put_many(self._jpegs(n))
        mark(f"done photos {n}")
        node.events.append(self._draft(n))
        mark(f"done event {n}")

    def prepare(self, home: Path) -> None:
        """Some visits."""
        with opened(home) as node:
            for n in range(self.before):
                self._visit(node, n, lambda text: None)

    def run(self, home: Path, mark: Mark) -> None:
        """More visits."""
        with opened(home) as node:
            for n in range(self.before, self.before + self.steps):
                self._visit(node, n, mark)

    def check(self, home: Path, said: Said, verdict: Verdict) -> None:
        """All acknowledged events and photos, and no event without its photos, before and after
        the start has tidied."""
        old = {f"{what} {n}" for n in range(self.before) for what in ("photos", "event")}
        with opened(home) as node:
            for said_text in said.done | old:
                what, n = said_text.split()[0], int(said_text.split()[1])
                event = node.events.get(id_of(n))
                there = self._whole(node, n) if what == "photos" else same(event, self._draft(n))
                verdict.want(said_text, there)
            node.diagnoses.tidy()
            for n in range(self.before + self.steps):
                if node.events.get(id_of(n)) is not None:
                    verdict.want(f"photos of event {n}", self._whole(node, n))

    def _whole(self, node: Home, n: int) -> bool:
        names = self._draft(n).photos
        return [node.photos.get(name) for name in names] == self._jpegs(n)


def rewritten(store: DocumentStore) -> None:
    """A migration that touches every row, makes a table and drops another."""
    store.table("events").update({"layout": 2})
    store.drop_table("scratch")
    store.index("photo_uses", "owner")


class Migrations:
    """Homes of the first layout, brought to the last one after another."""

    name, ours = "migration", True
    homes, events = 12, 60
    steps: tuple[Migration, ...] = (*MIGRATIONS, rewritten)

    def _event(self, n: int) -> dict[str, object]:
        return {"id": id_of(n), "text": "x" * (n * 37 % 700), "photos": [f"{n:064x}"]}

    def prepare(self, home: Path, homes: int = homes) -> None:
        """The homes, without any migration."""
        for number in range(homes):
            with DocumentStore(home / f"{number}.sqlite") as store:
                store.table("events").insert_multiple(map(self._event, range(self.events)))
                store.table("scratch").insert_multiple({"n": n} for n in range(self.events))

    def migrate(self, home: Path, number: int) -> None:
        """Open one, which migrates it."""
        DocumentStore(home / f"{number}.sqlite", migrations=self.steps).close()

    def run(self, home: Path, mark: Mark) -> None:
        """All of them."""
        for number in range(self.homes):
            self.migrate(home, number)
            mark(f"done {number}")

    def check(self, home: Path, said: Said, verdict: Verdict) -> None:
        """Each is at one layout or another, the acknowledged ones at the last; nothing is lost."""
        for number in range(self.homes):
            self.check_one(home, number, str(number) in said.done, verdict)

    def check_one(self, home: Path, number: int, done: bool, verdict: Verdict) -> None:
        """One home, which is at the last layout before it is opened again if that was ``done``."""
        path = home / f"{number}.sqlite"
        with closing(sqlite3.connect(path)) as con:
            (version,) = con.execute("PRAGMA user_version").fetchone()
        if done:
            verdict.want(f"layout of {number}", version == len(self.steps))
        with DocumentStore(path, migrations=self.steps) as store:
            if store.damaged:
                raise GhallaError("store_damaged", f"set aside: {store.damaged}")
            wanted = [{**self._event(n), "layout": 2} for n in range(self.events)]
            verdict.want(f"events of {number}", store.table("events").all() == wanted)
            uses = [use["photo"] for use in store.table("photo_uses")]
            verdict.want(f"uses of {number}", uses == [f"{n:064x}" for n in range(self.events)])
            verdict.want(f"tables of {number}", "scratch" not in store.tables())


class Erasures:
    """Events with a photo each, erased one by one, each erasure an event itself."""

    name, ours = "erase", True
    before, steps = 60, 40

    @staticmethod
    def _draft(n: int) -> Draft:
        return draft(n, (photo_of(picture(n)).sha256,))

    @staticmethod
    def _erasure(n: int) -> Draft:
        at = Instant(1_790_000_000.0, Trust.NTP)
        body = {"events": [id_of(n)]}
        return Draft(id_of(f"erasure {n}"), Kind.ERASURE, "person", "a", at, body)

    def prepare(self, home: Path) -> None:
        """The events."""
        with opened(home) as node:
            node.photos.put_many([picture(n) for n in range(self.before)])
            for n in range(self.before):
                node.events.append(self._draft(n))

    def run(self, home: Path, mark: Mark) -> None:
        """Erase from the middle to both ends."""
        middle = self.before // 2
        with opened(home) as node:
            for step in range(self.steps):
                n = middle + (step // 2 if step % 2 else -1 - step // 2)
                mark(f"begin {n}")
                with node.store.erasing():
                    node.events.erase([id_of(n)])
                    node.events.append(self._erasure(n))
                mark(f"done {n}")

    def check(self, home: Path, said: Said, verdict: Verdict) -> None:
        """What was erased is gone from the store, from the photos and from the files; the rest is
        there."""
        with opened(home) as node:
            for n in range(self.before):
                if str(n) in said.done:
                    self._gone(node, n, verdict)
                elif str(n) not in said.begun:
                    event, photo = node.events.get(id_of(n)), photo_of(picture(n)).sha256
                    whole = node.photos.get(photo) == picture(n)
                    verdict.want(f"event {n}", same(event, self._draft(n)) and whole)
            files = b"".join(path.read_bytes() for path in home.glob("store.sqlite*"))
        for n in map(int, said.done):
            if f"secret-{n}-".encode() in files:
                verdict.back.append(f"bytes of event {n}")

    def _gone(self, node: Home, n: int, verdict: Verdict) -> None:
        event = node.events.get(id_of(n))
        verdict.want(f"erasure {n}", node.events.get(id_of(f"erasure {n}")) is not None)
        verdict.want(f"number of event {n}", event is not None and event.seq == n + 1)
        readable = event is not None and (bool(event.body) or not event.erased)
        if readable or node.photos.has(photo_of(picture(n)).sha256):
            verdict.back.append(f"event {n}")


class JsonFile:
    """The control: TinyDB's own file storage, which is known to lose what was acknowledged."""

    name, ours = "tinydb", False
    before, steps = 300, 30

    @staticmethod
    def _document(n: int) -> dict[str, object]:
        return {"n": n, "text": "x" * (n * 37 % 700)}

    def prepare(self, home: Path) -> None:
        """Some documents."""
        with TinyDB(home / "db.json") as db:
            db.table("t").insert_multiple(map(self._document, range(self.before)))

    def run(self, home: Path, mark: Mark) -> None:
        """More documents."""
        with TinyDB(home / "db.json") as db:
            for n in range(self.before, self.before + self.steps):
                db.table("t").insert(self._document(n))
                mark(f"done {n}")

    def check(self, home: Path, said: Said, verdict: Verdict) -> None:
        """All acknowledged documents."""
        try:
            with TinyDB(home / "db.json") as db:
                found = {document["n"] for document in db.table("t")}
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise GhallaError("store_damaged", str(error)) from error
        for n in (*range(self.before), *map(int, said.done)):
            verdict.want(f"document {n}", n in found)
