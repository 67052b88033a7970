"""An agent's tablet: a Chromium that keeps its storage, and a node where the agent is known."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import BrowserContext, FilePayload, Page, Playwright

from edge_app.access.guard import COOKIE
from edge_app.ground import Ground
from edge_app.health import STORE
from edge_app.node import init_home
from field_data.clock import now
from field_data.document_store import DocumentStore
from field_data.events import Draft, Event, Kind
from field_data.ids import new_id
from field_data.node_identity import node_id
from field_data.people import Role
from field_data.photos import PhotoStore
from field_data.schema import open_store
from tests.browsers import CHROMIUM, FLAGS, PHONE
from tests.builders import leaf_jpeg

HERE = {"longitude": -5.55, "latitude": 33.9, "accuracy": 6}


@dataclass(frozen=True)
class Agent:
    """Somebody known to the node of ``home``; ``token`` is the session of their tablet."""

    home: Path
    id: str
    token: str


def opened(home: Path) -> tuple[DocumentStore, Ground]:
    """The store of a node that does not run, and what is wired over it."""
    store = open_store(home / STORE)
    return store, Ground(store, PhotoStore(home / "photos"), node_id(store))


def agent_of(home: Path, fields: int = 3, lang: str = "fr") -> Agent:
    """A new home with an agent, one farm and so many fields of tomatoes."""
    init_home(home)
    store, ground = opened(home)
    with store:
        agent = ground.people.add("Agent Un", Role.AGENT, lang)
        farm = new_id()
        _record(ground, Kind.FARM, farm, agent.id, {"name": "Ferme des oliviers"})
        for n in range(fields):
            body = {"farm": farm, "name": f"Parcelle {n + 1}", "boundary": square(n)}
            crop = {"crop": "LYPES", "source": "drawn"}
            _record(ground, Kind.FIELD, new_id(), agent.id, {**body, **crop})
        return Agent(home, agent.id, ground.gate.open_session(agent, "tablet"))


def _record(ground: Ground, kind: Kind, subject: str, author: str, body: dict[str, Any]) -> None:
    ground.registry.append(Draft(new_id(), kind, subject, author, now(), body))


def square(n: int, side_m: float = 100.0) -> list[list[float]]:
    """A square field, the n-th of a row near Meknès, as [lon, lat]."""
    lat, lon = 33.9, -5.55 + 0.003 * n
    dy = side_m / 111_320
    dx = dy / math.cos(math.radians(lat))
    corners = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    return [[round(lon + x * dx, 7), round(lat + y * dy, 7)] for x, y in corners]


def records_of(home: Path, kind: Kind = Kind.OBSERVATION) -> list[Event]:
    """What the node of ``home`` keeps; it must not run."""
    store, ground = opened(home)
    with store:
        found = ground.events.of_kind(kind)
        photos = {sha for event in found for sha in event.photos}
        assert all(ground.photos.has(sha) for sha in photos)
        return found


def photo(seed: int) -> FilePayload:
    """A photo as a tablet's camera gives it: larger than what is kept."""
    data = leaf_jpeg(1600, 1200, seed=seed)
    return FilePayload(name=f"IMG_{seed:04}.jpg", mimeType="image/jpeg", buffer=data)


class Tablet:
    """``with Tablet(playwright, profile, address, agent.token) as tablet:``; closing it keeps what
    it stored in ``profile``.  ``flags`` are Chromium's, ``options`` those of the context."""

    def __init__(
        self,
        playwright: Playwright,
        profile: Path,
        address: str,
        token: str = "",
        flags: Sequence[str] = (),
        **options: Any,
    ) -> None:
        self.address = address
        self.taps = 0
        self.wrong: list[str] = []
        settings = {"viewport": PHONE, "locale": "fr", "geolocation": HERE, **options}
        self.context: BrowserContext = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=[*FLAGS, *flags],
            permissions=["geolocation"],
            **settings,
        )
        if token:
            self.let_in(token)
        self.page: Page = self.context.pages[0]
        self.page.set_default_timeout(60_000)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def let_in(self, token: str) -> None:
        """Be logged in, with a cookie like that of a paired tablet, which outlives the browser."""
        until = time.time() + 90 * 86400
        self.context.add_cookies(
            [{"name": COOKIE, "value": token, "url": self.address, "expires": until}]
        )

    def open(self, path: str = "/agent/") -> Page:
        """Open the app and wait until it can be used."""
        self.page.goto(self.address + path)
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def settled(self) -> None:
        """Wait until the app is kept by its service worker and nothing is being sent."""
        self.page.evaluate("navigator.serviceWorker.ready")
        self.page.wait_for_selector("#state.idle")

    def tap(self, selector: str) -> None:
        """One tap of a finger, counted."""
        self.taps += 1
        self.page.click(selector)

    def choose(self, question: str, value: str) -> None:
        """One answer of several, by its key."""
        self.taps += 1
        self.page.check(f'#q-{question} input[value="{value}"]')

    def visit(self, field: str, photos: Sequence[FilePayload], plants: int = 20) -> None:
        """Record a scouting visit, from home to kept."""
        self.page.evaluate("location.hash = '#/'")
        self.tap(f".fields a:has-text('{field}')")
        self.tap('[data-form="scouting"]')
        self.choose("stage", "bbch6")
        self.choose("condition", "PHYTIN")
        self.tap('#q-incidence [data-n="10"]')
        self.tap('#q-severity [data-n="5"]')
        self.tap(f'#q-plants [data-n="{plants}"]')
        self.choose("pattern", "patches")
        self.taps += 1 + 2 * len(photos)  # the button; shutter and "use it" of the camera
        self.page.set_input_files("#gallery-photos", photos)
        self.page.wait_for_selector(f"#q-photos .photos li:nth-child({len(photos)})")
        self.tap("button.main[type=submit]")
        self.page.wait_for_selector(".forms")

    def unsent(self) -> int:
        """How many records wait, as the line at the top says."""
        there = self.page.query_selector("#unsent")
        return int(there.get_attribute("data-n") or 0) if there else 0

    def all_sent(self, timeout_s: float = 60) -> None:
        """Wait until nothing waits."""
        done = "#state.idle:not(:has(#unsent))"
        self.page.wait_for_selector(done, timeout=1000 * timeout_s)

    def close(self) -> None:
        """Close the browser."""
        self.context.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
