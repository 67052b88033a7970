"""A node with people, and devices that are logged in as one of them, without a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

from flask import Flask
from flask.testing import FlaskClient

from edge_app import webassets
from edge_app.access.gate import csrf_of
from edge_app.access.guard import COOKIE
from edge_app.access.secrets import hashed, wants_passphrase
from edge_app.advice import Advice, load_advice
from edge_app.ground import Ground
from edge_app.settings import Settings
from edge_app.web import create_app
from field_data.node_identity import node_id
from field_data.people import Person, Role
from field_data.photos import PhotoStore
from field_data.schema import open_store
from tests.fakes import FakeNode

PIN = "846093"
PASSPHRASE = "four plums and a kite"


class StaffedNode(FakeNode):
    """A `FakeNode` with real ground truth in ``home``."""

    def __init__(self, home: Path, settings: Settings | None = None) -> None:
        super().__init__()
        self.store = open_store(home / "store.sqlite")
        photos = PhotoStore(home / "photos")
        self.ground = Ground(self.store, photos, node_id(self.store), settings)


@dataclass
class Staff:
    """``with Staff(tmp_path) as staff: staff.client(Role.AGENT).get(…)``."""

    home: Path
    settings: Settings | None = None
    node: StaffedNode = field(init=False)
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        self.node = StaffedNode(self.home, self.settings)
        self.app = create_app(self.node, _advice())
        self.known: dict[Role, Person] = {}

    @property
    def ground(self) -> Ground:
        """The ground truth of the node."""
        return self.node.ground

    def person(self, role: Role) -> Person:
        """The person with that role (one each), added when first asked for; no secret yet."""
        if role not in self.known:
            self.known[role] = self.ground.people.add(f"{role} one", role, "en")
        return self.known[role]

    def secret(self, role: Role) -> str:
        """Give the person with that role a secret, and return it."""
        secret = PASSPHRASE if wants_passphrase(role) else PIN
        self.ground.people.set_secret(self.person(role).id, hashed(secret))
        return secret

    def stranger(self) -> FlaskClient:
        """A device on which nobody is logged in."""
        return self.app.test_client()

    def client(self, who: Role | Person) -> FlaskClient:
        """A device logged in as a person, which sends what the session's own pages would."""
        person = who if isinstance(who, Person) else self.person(who)
        token = self.ground.gate.open_session(person, "test")
        client = self.stranger()
        client.set_cookie(COOKIE, token)
        client.environ_base["HTTP_X_GHALLA_CSRF"] = csrf_of(token)
        return client

    def close(self) -> None:
        """Close the store."""
        self.node.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@cache
def _advice() -> Advice:
    webassets.compile_catalogues()
    return load_advice()
