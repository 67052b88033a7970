"""A node in a folder, let in at a real hub that is served for real; for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from edge_app.home import open_ground
from edge_app.node import init_home
from edge_app.uplink import Uplinks
from field_data.events import Draft, Event, Kind
from field_data.ids import new_id
from sync.client import Client, Patience, Run
from sync.hub.app import Hub
from sync.hub.enrolment import new_code
from sync.hub.tables import EVENTS, PHOTOS
from sync.transport import Allowance, HubAddress, Link
from tests.hubs import ServedHub, hub_on, served, settings_in
from tests.land import AT

HASTY = Patience(attempts=8, base_s=0.0)
BODY: dict[str, Any] = {
    "form": "scouting",
    "version": 1,
    "values": {"crop": "TRZAX", "stage": "bbch3", "severity": 2},
    "place": {"lon": -5.0983123, "lat": 33.9012345, "accuracy_m": 6.0},
}


def small(jpeg: bytes, rendition: str) -> bytes:
    """Stands for a rendition: other bytes for each, the same ones every time."""
    size = 900 if rendition == "thumb" else 9000
    block = hashlib.sha256(jpeg + rendition.encode()).digest()
    return (block * (size // len(block) + 1))[:size]


@dataclass
class SendingNode:
    """A node whose home is ``home``, and what it says to a hub."""

    home: Path
    uplinks: Uplinks
    allowance: Allowance = field(default_factory=Allowance)

    @property
    def ground(self) -> Any:
        return self.uplinks._ground

    def see(self, subject: str = "", *photos: str, **values: Any) -> Event:
        """An agent records a scouting visit."""
        body = {**BODY, "values": {**BODY["values"], **values}}
        draft = Draft(new_id(), Kind.OBSERVATION, subject, "agent-1", AT, body, photos)
        event: Event = self.ground.events.append(draft).event
        return event

    def enrol(self, hub: Hub, url: str, **more: Any) -> None:
        self.uplinks.enrol(HubAddress(url, **more), new_code(hub.database, "ONCA", "Meknes"), "box")

    def send(self, **allowed: Any) -> Run:
        return self.uplinks.run(allowance=Allowance(**allowed), patience=HASTY)

    def link(self) -> Link:
        from edge_app.uplink import address_of

        return Link(address_of(self.uplinks.uplink()))

    def client(self, link: Link, **options: Any) -> Client:
        return self.uplinks.client(self.uplinks.uplink(), link, patience=HASTY, **options)


@contextmanager
def node_in(home: Path) -> Iterator[SendingNode]:
    """A node with a home of its own, made or opened again."""
    if not home.exists():
        init_home(home)
    with open_ground(home) as ground:
        yield SendingNode(home, Uplinks(ground, small))


@dataclass
class World:
    """A served hub, the same hub's parts in this process, and a node let in there."""

    node: SendingNode
    hub: Hub
    server: ServedHub

    def rows(self) -> list[Any]:
        """Records at the hub, in order."""
        with self.hub.database.reading() as connection:
            order = select(EVENTS).order_by(EVENTS.c.epoch, EVENTS.c.seq)
            return list(connection.execute(order))

    def photos(self) -> list[Any]:
        with self.hub.database.reading() as connection:
            return list(connection.execute(select(PHOTOS)))


@contextmanager
def world(folder: Path, *more: str) -> Iterator[World]:
    """A node and its hub."""
    settings = settings_in(folder)
    with (
        hub_on(settings) as hub,
        served(settings, 1, more) as server,
        node_in(folder / "home") as node,
    ):
        node.enrol(hub, server.url)
        yield World(node, hub, server)
