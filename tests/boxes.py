"""A node's home with farmers, land and agents, on which days pass: what the tests of sync send."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from edge_app.agent.consent_words import WORDING
from edge_app.ground import Ground
from edge_app.health import STORE
from edge_app.node import init_home
from field_data.events import Draft, Event, Kind
from field_data.ids import new_id
from field_data.land import Decision
from field_data.node_identity import node_id
from field_data.people import Person, Role
from field_data.photos import PhotoStore
from field_data.schema import open_store
from field_data.types import Instant, Trust
from tests.tablets import square

FIRST_S = 1_790_000_000.0
PURPOSES = ("location", "photos")
_WORDS = ("aphids", "along", "the", "ditch", "two", "rows", "dry", "since", "wind", "curled")


@dataclass(frozen=True)
class Farmer:
    """A farmer and the one field of their farm; ``place`` is in it, [lon, lat] with 7 digits."""

    person: Person
    field: str
    place: tuple[float, float]


class Box:
    """The node of ``home``, open: ``farmers`` with a field each, nobody has consented yet.

    Everything that is recorded is made up from ``seed``; words come from ``secret``, so that what
    was erased can be looked for.
    """

    def __init__(self, home: Path, farmers: int = 2, seed: int = 1) -> None:
        """A home that is there already is opened with those who are known there."""
        self.home = home
        # How far from a farmer's place a visit may be recorded, in 1e-5 degrees.
        self.wander = 0.0
        self._first_place = 40 * seed
        self._chance = random.Random(seed)
        fresh = not (home / STORE).exists()
        if fresh:
            init_home(home)
        self.open()
        people = self.ground.people
        if fresh:
            people.add("Agent Un", Role.AGENT, "fr")
        everybody = people.all()
        self.agent = next(each for each in everybody if each.role is Role.AGENT)
        self.farmers = [self._known(each) for each in everybody if each.role is Role.FARMER]
        for _ in range(farmers if fresh else 0):
            self.add_farmer()

    def _known(self, person: Person) -> Farmer:
        farms = self.ground.registry.farms()
        farm = next(farm for farm in farms if farm.owner == person.id)
        field = self.ground.registry.fields(farm.id)[0]
        return _at_work(person, field.id, *field.boundary[0])

    def open(self) -> None:
        """Start the node, for the first time or again."""
        self.store = open_store(self.home / STORE)
        photos = PhotoStore(self.home / "photos")
        self.ground = Ground(self.store, photos, node_id(self.store))

    def close(self) -> None:
        """Stop it."""
        self.store.close()

    def add_farmer(self) -> Farmer:
        """One more farmer comes to the cooperative, with one field."""
        self.farmers.append(self._farmer(len(self.farmers)))
        return self.farmers[-1]

    def _farmer(self, n: int) -> Farmer:
        person = self.ground.people.add(f"Farmer {n}", Role.FARMER, "ar")
        farm, field, ring = new_id(), new_id(), square(self._first_place + n)
        body = {"name": f"Farm {n}", "owner": person.id}
        self._land(Kind.FARM, farm, body)
        body = {"farm": farm, "name": f"Field {n}", "crop": "LYPES", "source": "drawn"}
        self._land(Kind.FIELD, field, {**body, "boundary": ring})
        return _at_work(person, field, *ring[0])

    def _land(self, kind: Kind, subject: str, body: Mapping[str, Any]) -> None:
        self.ground.registry.append(Draft(new_id(), kind, subject, self.agent.id, self._at(), body))

    def _at(self) -> Instant:
        seconds = self.ground.events.last_seq() * 431.0 + self._chance.randrange(400)
        return Instant(FIRST_S + seconds, Trust.TABLET)

    def consent(self, farmer: Farmer, purpose: str, given: bool) -> Event:
        """The farmer decides."""
        decision = Decision(purpose, WORDING, "ar", given)
        return self.ground.registry.add_consent(self.agent.id, farmer.person.id, decision)

    def photo(self, width: int = 96, height: int = 72) -> str:
        """A photo that there was never before is kept; its name."""
        pixels = self._chance.randbytes(width * height * 3)
        out = io.BytesIO()
        Image.frombytes("RGB", (width, height), pixels).save(out, "JPEG", quality=60)
        return self.ground.photos.put(out.getvalue()).sha256

    def visit(
        self,
        farmer: Farmer,
        remark: str = "",
        photos: Sequence[str] = (),
        corrects: Event | None = None,
    ) -> Event:
        """A scouting visit to the farmer's field, as the form has it."""
        chance = self._chance
        values = {
            "crop": "LYPES",
            "stage": f"bbch{chance.randrange(1, 9)}",
            "condition": chance.choice(("PHYTIN", "ALTESO", "TETRUR")),
            "incidence": chance.randrange(1, 100),
            "severity": chance.randrange(1, 80),
            "plants": chance.randrange(10, 60),
            "pattern": chance.choice(("single", "patches", "edge", "rows")),
            "photos": list(photos),
            "remarks": remark or " ".join(chance.choices(_WORDS, k=chance.randrange(0, 6))),
        }
        return self._observe(farmer, "scouting", values, photos, corrects)

    def accident(self, farmer: Farmer, name: str) -> Event:
        """A product has harmed somebody, whose name is nobody's business but the node's."""
        values = {
            "urgent": "", "day": "2026-11-20", "harmed": ["person"], "severity": "mild",
            "description": "rash", "person_name": name, "agrees": True,
        }  # fmt: skip
        return self._observe(farmer, "adverse_effect", values)

    def _observe(
        self,
        farmer: Farmer,
        form: str,
        values: Mapping[str, Any],
        photos: Sequence[str] = (),
        corrects: Event | None = None,
    ) -> Event:
        lon, lat = (
            round(each + self._chance.uniform(-1, 1) * self.wander * 1e-5, 7)
            for each in farmer.place
        )
        place = {"lon": lon, "lat": lat, "accuracy_m": self._chance.randrange(3, 30)}
        body = {"form": form, "version": 1, "values": values, "place": place}
        before = corrects.id if corrects else None
        kind, at = Kind.OBSERVATION, self._at()
        said = Draft(new_id(), kind, farmer.field, self.agent.id, at, body, tuple(photos), before)
        return self.ground.events.append(said).event

    def review(self, word: str) -> Event:
        """Somebody's word on an answer of the node."""
        body = {"verdict": "correct", "crop": "LYPES", "condition": word, "round": 1, "blind": True}
        said = Draft(new_id(), Kind.REVIEW, new_id(), self.agent.id, self._at(), body)
        return self.ground.events.append(said).event

    def erase(self, farmer: Farmer) -> None:
        """The farmer wants to be forgotten."""
        self.ground.privacy.erase(self.agent.id, farmer.person.id)


def _at_work(person: Person, field: str, lon: float, lat: float) -> Farmer:
    return Farmer(person, field, (round(lon + 3.217e-4, 7), round(lat + 4.139e-4, 7)))
