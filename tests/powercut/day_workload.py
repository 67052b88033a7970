"""The power of a whole day fails: answers, visits, land from above, cards, sending, erasing.

After each cut the node starts as on any morning (its lock, its store, its models, what an erasure
left undone), a page is asked of it, and everything that it had acknowledged is looked for; then it
sends the rest, and the hub has each record once.
"""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_app import webassets
from edge_app.advice import Advice, load_advice
from edge_app.bundle_place import place_of
from edge_app.bundles_node import NodeBundles
from edge_app.node import FarmNode
from edge_app.web import create_app
from field_data.diagnoses import DiagnosisLog
from field_data.errors import GhallaError
from field_data.ids import new_id
from field_data.people import Role
from field_data.photos import photo_of
from field_data.types import Diagnosis
from sat_ingest.archive import ARCHIVE, Archive
from sync.hub.app import hub_of
from sync.slots import Slots
from tests.bad_line import Asked
from tests.boxes import Box
from tests.bundling import bundle, trusting
from tests.couriers import Courier
from tests.powercut.node_workload import asked_in, hub_like, told_folder
from tests.powercut.replay import Said
from tests.powercut.workloads import Mark, Verdict, picture
from tests.skies import seen
from tests.test_field_data_diagnoses import one

_MOST_RUNS = 8
_DAY0 = 20_400
# A small disk, pictures of another year, and software whose letters were not built.
_EXPECTED = {"disk_low", "pictures_old", "fonts_missing"}


def _diagnosis(n: int) -> Diagnosis:
    verdict = one()
    photos = tuple(replace(each, sha256=photo_of(picture(n)).sha256) for each in verdict.photos)
    return replace(verdict, photos=photos, consent="2026-1")


@cache
def _advice() -> Advice:
    webassets.compile_catalogues()
    return load_advice()


@dataclass
class _Day:
    """What can happen on it, each with its marks; ``chance`` decides what happens when."""

    home: Path
    box: Box
    courier: Courier
    mark: Mark
    chance: random.Random
    bundles: Path
    answers: list[str] = field(default_factory=list)
    made: int = 0
    version: int = 0

    def step(self) -> None:
        """Something."""
        usual: list[Callable[[], None]] = [self.answer, self.visit, self.send]
        rare: list[Callable[[], None]] = [
            self.arrive, self.look_down, self.bring, self.forget, self.erase
        ]  # fmt: skip
        self.chance.choice(usual if self.chance.random() < 0.6 else rare)()

    def answer(self) -> None:
        """A farmer asks, the photo is kept."""
        self.made += 1
        log = DiagnosisLog(self.box.store, self.box.ground.photos)
        made = log.record(_diagnosis(self.made), {0: picture(self.made)})
        self.answers.append(made.id)
        self.mark(f"done answer {made.id} {self.made}")

    def forget(self) -> None:
        """A farmer takes an answer back."""
        if self.answers:
            id = self.answers.pop(self.chance.randrange(len(self.answers)))
            self.mark(f"begin forget {id}")
            self.box.ground.diagnoses.forget([id])
            self.mark(f"done forget {id}")

    def visit(self) -> None:
        """An agent's visit, with a photo."""
        farmer = self.chance.choice(self.box.farmers)
        event = self.box.visit(farmer, photos=[self.box.photo()])
        self.mark(f"done visit {event.id} {farmer.person.id}")

    def arrive(self) -> None:
        """Somebody new in the cooperative."""
        person = self.box.ground.people.add(f"Agent {new_id()}", Role.AGENT, "fr")
        self.mark(f"done person {person.id}")

    def look_down(self) -> None:
        """A window of every field, from above."""
        self.made += 1
        fields = self.box.ground.registry.fields()
        with Archive(self.home / ARCHIVE) as archive, archive.transaction():
            for each in fields:
                archive.put(seen(each, _DAY0 + self.made, 0.5))
        # Of a field whose farmer is to be erased nothing needs to be there.
        self.mark(f"done window {_DAY0 + self.made} {fields[0].id}")

    def bring(self) -> None:
        """A bundle of cards comes down and proves itself."""
        self.version += 1
        here = NodeBundles(self.home, place_of(self.home, self.box.ground.node))
        here.take(bundle(self.bundles, self.version, note=f"of step {self.version}"))
        here.confirm("advice", "souss", self.version)
        self.mark(f"done bundle {self.version}")

    def send(self) -> None:
        """A short run to the hub."""
        self.courier.run(12_000)

    def erase(self) -> None:
        """A farmer wants to be forgotten; the first one stays."""
        if len(self.box.farmers) > 1:
            farmer = self.box.farmers.pop()
            self.mark(f"begin erase {farmer.person.id}")
            self.box.erase(farmer)
            self.mark(f"done erase {farmer.person.id}")


class FullDay:
    """Every kind of writing that a node does, mixed."""

    name, ours = "day", True
    farmers, before, steps = 5, 6, 48

    def prepare(self, home: Path) -> None:
        """A node with farmers who agreed to share, whom a hub let in."""
        with hub_like(home / "hub at first") as (_, line), TemporaryDirectory() as bundles:
            trusting(home / "node")
            # The disk that is cut is a small one.
            (home / "node" / "settings.toml").write_text("min_free_mb = 1\n")
            box = Box(home / "node", self.farmers)
            courier = Courier(box, line)
            courier.enrol(hub_of(line.app))
            for farmer in box.farmers:
                box.consent(farmer, "photos", True)
            day = _Day(home / "node", box, courier, lambda _: None, random.Random(1), Path(bundles))
            for _ in range(self.before):
                day.visit()
            day.look_down()
            box.close()

    def run(self, home: Path, mark: Mark) -> None:
        """A day, another one in each recording."""
        told = told_folder(home)
        told.mkdir()
        with hub_like(home / "hub at first") as (_, line), TemporaryDirectory() as bundles:
            box = Box(home / "node", seed=2)
            courier = Courier(box, line)

            def tell(asked: Asked) -> None:
                number = len(list(told.iterdir()))
                plain = {**asdict(asked), "body": b64encode(asked.body).decode()}
                (told / f"{number:05}").write_text(json.dumps(plain))
                mark(f"done asked {number}")

            line.tell = tell
            day = _Day(home / "node", box, courier, mark, random.Random(), Path(bundles), made=100)
            for _ in range(self.steps):
                day.step()
            courier.run()

    def check(self, home: Path, said: Said, verdict: Verdict) -> None:
        """The node starts and answers; it has what it acknowledged, and so has the hub at last."""
        done = [word.split() for word in said.done]
        numbers = [int(words[1]) for words in done if words[0] == "asked"]
        with hub_like(home / "hub at first") as (view, line):
            for number in range(max(numbers, default=-1) + 1):
                line.exchange(asked_in(told_folder(home) / f"{number:05}"))
            self._start(home / "node", said, verdict)
            box = Box(home / "node", seed=3)
            courier = Courier(box, line)
            reasons = [courier.run() for _ in range(_MOST_RUNS)]
            verdict.want(f"an end of sending, not {reasons[-1]!r}", reasons[-1] == "")
            rows, events = view.events(box.ground.node), box.ground.events.since(0, 10_000)
            numbers_there = sorted(row.seq for row in rows)
            verdict.want("one numbering", {r.epoch for r in view.streams(box.ground.node)} == {0})
            verdict.want("nothing set aside", not view.refused())
            verdict.want("each once at the hub", numbers_there == [each.seq for each in events])
            whole = view.whole_photos()
            for event in events:
                for photo in () if event.erased else event.photos:
                    arrived = whole.get(photo) == {"thumb", "view"}
                    verdict.want(f"photo of {event.seq} at the hub", arrived)
            box.close()

    def _start(self, home: Path, said: Said, verdict: Verdict) -> None:
        with FarmNode(home, _advice()) as node:
            if found := {part.code for part in node.health() if not part.ok} - _EXPECTED:
                raise GhallaError("not_sound", f"the node says of itself: {found}")
            page = create_app(node, _advice()).test_client().get("/ar/")
            verdict.want("a page", page.status_code == 200)
            for words in (word.split() for word in said.done):
                _ask(node, words, said, verdict)


def _ask(node: FarmNode, words: list[str], said: Said, verdict: Verdict) -> None:
    """Whether one acknowledged thing is as it was said to be."""
    what, id, *more = words
    name, ground = " ".join(words), node.ground
    if what == "answer" and f"forget {id}" not in said.begun:
        kept = ground.diagnoses.get(id)
        whole = kept is not None and node.photo(photo_of(picture(int(more[0]))).sha256) is not None
        verdict.want(name, whole)
    elif what == "forget" and ground.diagnoses.get(id) is not None:
        verdict.back.append(name)
    elif what == "visit" and f"erase {more[0]}" not in said.begun:
        event = ground.events.get(id)
        verdict.want(name, event is not None and all(map(ground.photos.has, event.photos)))
    elif what == "visit" and f"erase {more[0]}" in said.done:
        event = ground.events.get(id)
        if event is None or event.body or any(map(ground.photos.has, event.photos)):
            verdict.back.append(name)
    elif what == "person":
        verdict.want(name, ground.people.get(id) is not None)
    elif what == "erase" and not ground.people.erased(id):
        verdict.back.append(name)
    elif what == "window":
        with Archive(node.home / ARCHIVE) as archive:
            verdict.want(name, int(id) in archive.days(more[0]))
    elif what == "bundle":
        verdict.want(name, Slots(node.home).get("advice", "souss").active >= int(id))
