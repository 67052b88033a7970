"""A small village: two farmers, an agent, their land, records and photos; built through events."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image

from edge_app.ground import Ground
from field_data.events import Draft, Event, Kind
from field_data.ids import new_id
from field_data.people import Person, Role
from field_data.types import Instant, Trust

AT = Instant(1_790_000_000.0, Trust.NTP)
FARMER_NAME = "Zineb Belkacem"
FARM_NAME = "Dar Belkacem"


def jpeg(shade: int) -> bytes:
    """A small photo, another one for every shade."""
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (shade, 120, 60)).save(out, "JPEG")
    return out.getvalue()


@dataclass
class Village:
    """Zineb's farm with a field, a season and two observations; and a neighbour's."""

    ground: Ground

    def __post_init__(self) -> None:
        people = self.ground.people
        self.agent = people.add("Hassan Agent", Role.AGENT, "fr")
        self.farmer = people.add(FARMER_NAME, Role.FARMER, "ar")
        self.neighbour = people.add("Neighbour", Role.FARMER, "ar")
        self.photo, self.shared, self.other = (self._photo(shade) for shade in (10, 20, 30))
        self.events: dict[str, Event] = {}
        self.farm, self.field = self._land("zineb", FARM_NAME, self.farmer, 33.57)
        self.farm2, self.field2 = self._land("neighbour", "Other farm", self.neighbour, 33.67)
        words = {"values": {"note": "Zineb said so"}, "place": {"lon": -7.61, "lat": 33.57}}
        first = self.say("seen", Kind.OBSERVATION, self.field, words, self.photo, self.shared)
        self.say("corrected", Kind.OBSERVATION, self.field, words, self.photo, corrects=first)
        self.say(
            "next door", Kind.OBSERVATION, self.field2, {"values": {}}, self.shared, self.other
        )
        given = {"purpose": "advice", "wording": "1", "lang": "ar", "given": True}
        self.say("consent", Kind.CONSENT, self.farmer.id, given)

    def _photo(self, shade: int) -> str:
        return self.ground.photos.put(jpeg(shade)).sha256

    def _land(self, whose: str, name: str, owner: Person, lat: float) -> tuple[str, str]:
        farm, field = new_id(), new_id()
        body: dict[str, Any] = {"name": name, "commune": "Oulad", "owner": owner.id}
        self.say(f"farm of {whose}", Kind.FARM, farm, body)
        ring = [[-7.61, lat], [-7.6, lat], [-7.6, lat + 0.01], [-7.61, lat]]
        body = {"farm": farm, "name": f"field of {whose}", "boundary": ring, "area_ha": 1.0}
        self.say(f"field of {whose}", Kind.FIELD, field, body)
        body = {"field": field, "crop": "TRZAX", "sown": "2026-11-20"}
        self.say(f"season of {whose}", Kind.SEASON, new_id(), body)
        return farm, field

    def say(
        self,
        name: str,
        kind: Kind,
        subject: str,
        body: dict[str, Any],
        *photos: str,
        corrects: Event | None = None,
    ) -> Event:
        """Record something, by the agent."""
        before = corrects.id if corrects else None
        draft = Draft(new_id(), kind, subject, self.agent.id, AT, body, photos, before)
        self.events[name] = self.ground.events.append(draft).event
        return self.events[name]

    def left(self, ground: Ground | None = None) -> set[str]:
        """Names of the events that still say something (in a home that was opened again)."""
        found = {
            name: (ground or self.ground).events.get(event.id)
            for name, event in self.events.items()
        }
        return {name for name, event in found.items() if event is not None and not event.erased}
