"""A small world of nodes and a hub to which anything happens, and what must be true of it.

The model is no second implementation: every record carries a word that occurs once (``token``),
and the world remembers what was said, what was erased and what the hub had; where those words are
found afterwards is read past the software, from the hub's tables and blobs (`HubView`).
"""

from __future__ import annotations

import copy
import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from field_data.errors import PersonError
from field_data.events import Event
from field_data.sharing import coarse
from sync.hub.app import create_hub, hub_of
from sync.hub.settings import HubSettings
from sync.hub.usb import take_stick
from sync.keys import PublicKey
from sync.types import ERASED_REV, in_ms
from tests.bad_line import BadLine, Fault
from tests.boxes import Box, Farmer
from tests.couriers import Courier, rendered
from tests.hub_view import HubView, digests

_TOKEN = re.compile(r"(?:visit|hush)-\d{6}-")
_LONG_AGO_S = 7200.0
_MOST_RUNS = 12


@dataclass
class Said:
    """One record that was made, where it stands on its node, and the SHA-256 of the renditions of
    its photos."""

    token: str
    event: Event
    corrects: str = ""
    renditions: frozenset[str] = frozenset()


@dataclass
class Folk:
    """A farmer, what they agree to now, and whether they ever agreed to it."""

    farmer: Farmer
    now: dict[str, bool] = field(default_factory=lambda: {"location": False, "photos": False})
    ever: set[str] = field(default_factory=set)
    said: list[Said] = field(default_factory=list)


@dataclass
class Erased:
    """An erasure: when the node noted it, and what must be gone once the hub knows of it."""

    received_s: float
    tokens: frozenset[str]
    renditions: frozenset[str]
    place: tuple[float, float]


@dataclass
class Village:
    """One node in the world, and an old image of its home, if one was made."""

    box: Box
    courier: Courier
    folk: list[Folk]
    erased: list[Erased] = field(default_factory=list)
    image: tuple[Path, list[Folk]] | None = None

    def said(self) -> list[Said]:
        """All that was said and not erased."""
        return [said for folk in self.folk for said in folk.said]


class World:
    """Nodes and one hub in ``folder``: a new world, or a copy of that of ``like``, which rests."""

    def __init__(self, folder: Path, nodes: int = 2, farmers: int = 2, like: World | None = None):
        self.folder = folder
        self.hub = HubView(f"sqlite:///{folder}/hub.sqlite")
        self._settings = HubSettings(self.hub.url, str(folder / "blobs"), spare_bytes=0)
        self.counts: Counter[str] = Counter()
        self.hushed: set[str] = set()
        self.had: set[str] = set()
        self._about: dict[str, list[Said]] = {}
        self._words = 0
        self.villages: list[Village] = []
        folder.mkdir(exist_ok=True)
        if like is not None:
            shutil.copytree(like.folder, folder, dirs_exist_ok=True)
        self.line = BadLine(lambda: create_hub(self._settings))
        self.villages = [self._village(n, farmers, like is None) for n in range(nodes)]

    def _village(self, number: int, farmers: int, fresh: bool) -> Village:
        box = Box(self.folder / f"node{number}", farmers, number)
        courier = Courier(box, self.line)
        if fresh:
            courier.enrol(hub_of(self.line.app))
        return Village(box, courier, [Folk(each) for each in box.farmers])

    def close(self) -> None:
        """Everything stops."""
        for village in self.villages:
            village.box.close()
        self.line.stop()

    # --- what people do ----------------------------------------------------------------------

    def _token(self, kind: str) -> str:
        self._words += 1
        return f"{kind}-{self._words:06}-"

    def visit(self, village: Village, folk: Folk, photos: int = 0) -> None:
        """An agent sees the farmer's field."""
        names, token = [village.box.photo() for _ in range(photos)], self._token("visit")
        event = village.box.visit(folk.farmer, token, names)
        kept = [village.box.ground.photos.get(name) for name in names]
        made = (rendered(jpeg, name) for jpeg in kept if jpeg for name in ("thumb", "view"))
        renditions = frozenset(hashlib.sha256(data).hexdigest() for data in made)
        self._keep(folk, Said(token, event, renditions=renditions))
        self.counts["visits"] += 1
        self.counts["photos"] += photos

    def correct(self, village: Village, folk: Folk, which: int) -> None:
        """An agent corrects what was said of a farmer's field, if there is something."""
        corrected = {said.corrects for said in folk.said}
        standing = [said for said in folk.said if said.token not in corrected]
        if standing:
            before, token = standing[which % len(standing)], self._token("visit")
            event = village.box.visit(folk.farmer, token, corrects=before.event)
            self._keep(folk, Said(token, event, before.token))
            self.counts["corrections"] += 1

    def _keep(self, folk: Folk, said: Said) -> None:
        folk.said.append(said)
        self._about.setdefault(folk.farmer.field, []).append(said)

    def accident(self, village: Village, folk: Folk) -> None:
        """A record with an answer that never leaves the node."""
        token = self._token("hush")
        village.box.accident(folk.farmer, token)
        self.hushed.add(token)
        self.counts["private answers"] += 1

    def review(self, village: Village) -> None:
        """Somebody reviews an answer."""
        village.box.review("PHYTIN")
        self.counts["reviews"] += 1

    def consent(self, village: Village, folk: Folk, purpose: str, given: bool) -> None:
        """A farmer decides."""
        village.box.consent(folk.farmer, purpose, given)
        folk.now[purpose] = given
        folk.ever |= {purpose} if given else set()
        self.counts["consents given" if given else "consents withdrawn"] += 1

    def erase(self, village: Village, folk: Folk) -> None:
        """A farmer wants to be forgotten; another one comes to the cooperative."""
        village.box.erase(folk.farmer)
        noted = village.box.ground.events.since(village.box.ground.events.last_seq() - 1)[0]
        every = self._about.get(folk.farmer.field, [])  # what an old image forgot among it
        tokens = frozenset(said.token for said in every)
        renditions = frozenset(r for said in every for r in (*said.renditions, *said.event.photos))
        place = folk.farmer.place
        village.erased.append(Erased(in_ms(noted.received).utc_s, tokens, renditions, place))
        self.had -= tokens
        village.image = None  # what comes back then is a history of its own
        village.folk[village.folk.index(folk)] = Folk(village.box.add_farmer())
        self.counts["erasures"] += 1

    # --- what happens to machines ------------------------------------------------------------

    def sync(
        self, village: Village, faults: Iterable[Fault] = (), max_bytes: int | None = None
    ) -> str:
        """One run over the line, with those faults; returns why it ended."""
        self.line.expect(faults)
        reason = village.courier.run(max_bytes)
        self.line.expect(())
        self.counts["runs"] += 1
        self.counts["runs cut short"] += bool(reason)
        self.check_always()
        return reason

    def take_image(self, village: Village) -> None:
        """Somebody copies the card of the node."""
        folder = village.box.home.with_suffix(".image")
        shutil.rmtree(folder, ignore_errors=True)
        village.box.close()
        shutil.copytree(village.box.home, folder)
        village.courier.restart()
        village.image = (folder, copy.deepcopy(village.folk))

    def restore(self, village: Village) -> None:
        """The card broke; a new one is written from the image.  Hours pass meanwhile."""
        if village.image is None:
            return
        folder, before = village.image
        village.box.close()
        shutil.rmtree(village.box.home)
        shutil.copytree(folder, village.box.home)
        village.courier.restart()
        ever = [folk.ever for folk in village.folk]
        village.folk = copy.deepcopy(before)
        for folk, known in zip(village.folk, ever, strict=True):
            folk.ever |= known
        self.hub.age(_LONG_AGO_S)
        self.counts["old images restored"] += 1

    # --- what people carry -------------------------------------------------------------------

    def fill_stick(self, village: Village) -> None:
        """Somebody copies what waits onto the stick that lies at the node."""
        village.courier.uplinks.stick(self._stick(village)).export()
        self.counts["sticks filled"] += 1

    def bring_stick(self, village: Village, copies: int = 1) -> None:
        """It comes to the hub as it is now, maybe once more by somebody else, with a copy."""
        for _ in range(copies):
            take_stick(hub_of(self.line.app), self._stick(village))
        self.counts["sticks brought"] += copies
        self.check_always()

    def return_stick(self, village: Village) -> None:
        """It is back at the node, which reads the hub's word, if there is one."""
        state = village.courier.uplinks.uplink().state()
        with suppress(PersonError):
            key = PublicKey(bytes.fromhex(state["hub_key"]))
            village.courier.uplinks.stick(self._stick(village)).import_(key)
        self.check_always()

    def _stick(self, village: Village) -> Path:
        folder = village.box.home.with_suffix(".stick")
        folder.mkdir(exist_ok=True)
        return folder

    # --- what must be true -------------------------------------------------------------------

    def check_always(self) -> None:
        """Nothing that the hub had is lost, nothing is there twice, nothing there that must not."""
        words = self.hub.words()
        found = set(_TOKEN.findall(words))
        assert not found & self.hushed, "a private answer left the node"
        assert self.had <= found, f"lost at the hub: {sorted(self.had - found)[:5]}"
        self.had = found - self._gone()
        rows = [row for row in self.hub.all_events() if row.same_as is None]
        twice = Counter(token for row in rows for token in _TOKEN.findall(str(row.body)))
        assert max(twice.values(), default=1) == 1, f"doubled: {twice.most_common(5)}"
        self._check_erased(rows, words, found)
        for village in self.villages:
            for folk in village.folk:
                exact = str(folk.farmer.place[0])
                assert "location" in folk.ever or exact not in words, "an exact place left the node"

    def _gone(self) -> set[str]:
        return {token for v in self.villages for each in v.erased for token in each.tokens}

    def _check_erased(self, rows: Iterable[Any], words: str, found: set[str]) -> None:
        known = {(row.node, row.received_s) for row in rows if row.kind == "erasure"}
        for village in self.villages:
            for each in village.erased:
                if (village.box.ground.node, each.received_s) in known:
                    assert not found & each.tokens, "an erased record is at the hub"
                    assert str(each.place[0]) not in words, "an erased place is at the hub"

    def settle(self) -> None:
        """The line is good; every node sends until nothing waits; then all is as it should be."""
        self.line.calm()
        for village in self.villages:
            reasons: list[str] = []
            while not reasons or (reasons[-1] and len(reasons) < _MOST_RUNS):
                reasons.append(self.sync(village))
            assert not reasons[-1], f"sync does not come to an end: {reasons}"
        hub = hub_of(self.line.app)
        blobs = digests(hub)
        for village in self.villages:
            self._check_settled(village, blobs)
        assert not self.hub.refused(), f"set aside: {self.hub.refused()[:3]}"
        self.counts["settled"] += 1

    def _check_settled(self, village: Village, blobs: set[str]) -> None:
        node = village.box.ground.node
        rows = self.hub.events(node)
        live = {
            token: row
            for row in rows
            if row.same_as is None
            for token in _TOKEN.findall(str(row.body))
        }
        self._check_order(village, rows)
        corrected = {said.corrects for said in village.said()}
        # By what an old image forgot, too: the hub has it.
        ever = {said.corrects for about in self._about.values() for said in about}
        for folk in village.folk:
            for said in folk.said:
                assert said.token in live, f"{said.token} never arrived"
                row = live[said.token]
                assert row.superseded or said.token not in corrected, f"{said.token} stands"
                assert said.token in ever or not row.superseded, f"{said.token} does not stand"
                _check_place(said, folk, row)
                _check_photos(said, folk, row, blobs)
        gone = {r for each in village.erased for r in each.renditions}
        assert not gone & blobs, "an erased photo is at the hub"

    def _check_order(self, village: Village, rows: Iterable[Any]) -> None:
        """Each number of the node is, in its epoch, that very event at the hub."""
        node = village.box.ground.node
        bases = sorted((row.epoch, row.base) for row in self.hub.streams(node))
        there = {(row.epoch, row.seq): row for row in rows}
        for event in village.box.ground.events.since(0, 1_000_000):
            epoch = max(epoch for epoch, base in bases if base < event.seq)
            row = there.get((epoch, event.seq))
            assert row is not None, f"{event.seq} of epoch {epoch} never arrived"
            same = (
                row.rev == ERASED_REV
                if event.erased
                else row.received_s == in_ms(event.received).utc_s
            )
            assert same, f"{event.seq} of epoch {epoch} is another one"


def _check_place(said: Said, folk: Folk, row: Any) -> None:
    told = (row.body["place"]["lon"], row.body["place"]["lat"])
    rough = coarse(*folk.farmer.place)
    wanted = folk.farmer.place if folk.now["location"] else rough
    assert (told, row.coarse) == (wanted, not folk.now["location"]), f"place of {said.token}"


def _check_photos(said: Said, folk: Folk, row: Any, blobs: set[str]) -> None:
    if "photos" not in folk.ever:
        assert not {*said.renditions, *said.event.photos} & blobs, (
            "a photo left the node without a yes"
        )
    if folk.now["photos"]:
        assert tuple(row.photos) == said.event.photos
        # By the network made small, or on a stick as it is.
        there = said.renditions <= blobs or set(said.event.photos) <= blobs
        assert there, f"a photo of {said.token} never arrived"
