"""A small world of nodes and a hub to which anything happens, and what must be true of it.

The model is no second implementation: every record carries a word that occurs once (``token``),
and the world remembers what was said, what was erased and what a hub had; where those words are
found afterwards is read past the software, from the hub's tables and blobs (`HubView`).
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from field_data.events import Event, Kind
from field_data.sharing import coarse
from sync.types import ERASED_REV
from tests.bad_line import BadLine, Fault
from tests.boxes import Box, Farmer
from tests.couriers import Courier, started_hub
from tests.hub_view import HubView


@dataclass
class Said:
    """One record that was made: where it stands on its node, and whose it is."""

    token: str
    event: Event
    farmer: Farmer
    corrects: Event | None = None


@dataclass
class Folk:
    """A farmer, what they agree to now, and whether they ever agreed to it."""

    farmer: Farmer
    now: dict[str, bool] = field(default_factory=lambda: {"location": False, "photos": False})
    ever: set[str] = field(default_factory=set)
    erased: bool = False


@dataclass
class Village:
    """One node in the world: its home, what was said there, and an old image of it, if one was
    made."""

    home: Path
    box: Box
    courier: Courier
    folk: list[Folk]
    said: list[Said] = field(default_factory=list)
    image: Path | None = None
    at_image: tuple[int, list[dict[str, bool]]] = (0, [])


@dataclass
class World:
    """Nodes and one hub in ``folder``."""

    folder: Path
    nodes: int = 2
    farmers: int = 2
    seed: int = 1

    def __post_init__(self) -> None:
        self.hub = HubView(f"sqlite:///{self.folder}/hub.sqlite", self.folder / "blobs")
        self.line = BadLine(lambda: started_hub(self.hub))
        self.counts: Counter[str] = Counter()
        self.gone: set[str] = set()
        self.hushed: set[str] = set()
        self.had: set[str] = set()
        self.forgotten: set[str] = set()
        self._words = 0
        self.villages = [self._village(number) for number in range(self.nodes)]

    def _village(self, number: int) -> Village:
        home = self.folder / f"node{number}"
        box = Box(home, self.farmers, self.seed * 100 + number)
        courier = Courier(box, self.line, self.hub)
        courier.enrol()
        return Village(home, box, courier, [Folk(each) for each in box.farmers])

    def close(self) -> None:
        """Close all stores."""
        for village in self.villages:
            village.box.close()

    # --- what people do ----------------------------------------------------------------------

    def _token(self, kind: str) -> str:
        self._words += 1
        self.counts[kind] += 1
        return f"{kind}-{self._words:06}-"

    def visit(self, village: Village, folk: Folk, photos: int = 0) -> None:
        """An agent sees the farmer's field."""
        names = [village.box.photo() for _ in range(photos)]
        token = self._token("visit")
        event = village.box.visit(folk.farmer, token, names)
        village.said.append(Said(token, event, folk.farmer))

    def correct(self, village: Village, which: int) -> None:
        """An agent corrects what stands."""
        standing = [s for s in self.standing(village) if s.token.startswith("visit")]
        if standing:
            before, token = standing[which % len(standing)], self._token("visit")
            event = village.box.visit(before.farmer, token, corrects=before.event)
            village.said.append(Said(token, event, before.farmer, before.event))

    def accident(self, village: Village, folk: Folk) -> None:
        """A record with an answer that never leaves the node."""
        token = self._token("hush")
        village.box.accident(folk.farmer, token)
        self.hushed.add(token)

    def consent(self, folk: Folk, village: Village, purpose: str, given: bool) -> None:
        """A farmer decides."""
        self.counts["consent"] += 1
        village.box.consent(folk.farmer, purpose, given)
        folk.now[purpose] = given
        folk.ever |= {purpose} if given else set()

    def erase(self, village: Village, folk: Folk) -> None:
        """A farmer wants to be forgotten, and is."""
        self.counts["erasure"] += 1
        village.box.erase(folk.farmer)
        folk.erased = True
        mine = [said for said in village.said if said.farmer is folk.farmer]
        self.gone |= {said.token for said in mine}
        village.said = [said for said in village.said if said.farmer is not folk.farmer]
