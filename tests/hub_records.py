"""Records in a hub's tables, as nodes would have sent them, and people who look at them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select

from field_data.ids import new_id
from sync.hub.app import Hub, hub_of
from sync.hub.people import People
from sync.hub.people_grants import Grant, Role
from sync.hub.photos import blob_name
from sync.hub.tables import ARRIVALS, EVENTS, NODES, PHOTOS
from sync.types import ERASED_REV

# 2026-05-01T08:00:00Z
MAY_S = 1_777_622_400.0
PASSWORD = "olives and barley 7"


@dataclass
class Records:
    """Puts rows into the tables of ``hub``."""

    hub: Hub
    seqs: dict[str, int] = field(default_factory=dict)
    arrival: int = 0

    def node(self, organisation: str, region: str, name: str = "Node", **more: Any) -> str:
        id = new_id()
        row = {"id": id, "name": name, "organisation": organisation, "region": region,
               "public_key": bytes(32), "enrolled_s": MAY_S, "epoch": 0, "health": {}}  # fmt: skip
        with self.hub.database.writing() as db:
            db.execute(insert(NODES), [row | more])
        return id

    def row(self, node: str, kind: str, body: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """One event, not yet put in."""
        seq = self.seqs[node] = self.seqs.get(node, 0) + 1
        self.arrival += 1
        place = body.get("place") or {}
        return {
            "node": node, "epoch": 0, "seq": seq, "rev": 0, "arrival": self.arrival, "kind": kind,
            "form": body.get("form", ""), "subject": "field-1", "author": "author-1",
            "at_s": MAY_S + 3600.0 * seq, "at_trust": "ntp", "received_s": MAY_S + 3600.0 * seq,
            "received_trust": "ntp", "body": dict(body), "photos": [], "supersedes": None,
            "superseded": False, "coarse": False, "lon": place.get("lon"), "lat": place.get("lat"),
            "digest": hashlib.sha256(json.dumps(dict(body)).encode()).digest()[:16],
            "same_as": None,
        } | more  # fmt: skip

    def put(self, *rows: dict[str, Any]) -> list[str]:
        """Put events in; their ids."""
        with self.hub.database.writing() as db:
            db.execute(insert(EVENTS), list(rows))
            db.execute(ARRIVALS.update().values(last=self.arrival))
        return [f"{row['node']}.{row['epoch']}.{row['seq']}" for row in rows]

    def scouting(self, node: str, crop: str = "LYPES", condition: str = "PHYTIN",
                 lon: float = -7.5, lat: float = 33.5, **more: Any) -> str:  # fmt: skip
        place = {"lon": lon, "lat": lat, "accuracy_m": 8.0}
        values = {"crop": crop, "condition": condition, "incidence": 12.5, "plants": 20}
        body = {"form": "scouting", "version": 1, "values": values, "place": place}
        return self.put(self.row(node, "observation", body, **more))[0]

    def harvest(self, node: str, std: float | None = 2.5, **more: Any) -> str:
        values = {"crop": "TRZAX", "day": "2026-06-01", "area": 2.0, "fresh_t_ha": 2.6,
                  "moisture": 15.0, "std_t_ha": std}  # fmt: skip
        body = {"form": "harvest", "version": 1, "values": values, "place": None}
        return self.put(self.row(node, "observation", body, **more))[0]

    def field(self, node: str, **more: Any) -> str:
        ring = [[-7.5, 33.5], [-7.49, 33.5], [-7.49, 33.51], [-7.5, 33.51], [-7.5, 33.5]]
        body = {"farm": "farm-1", "boundary": ring, "crop": "TRZAX", "area_ha": 3.0}
        more = {"lon": -7.495, "lat": 33.505} | more
        return self.put(self.row(node, "field", body, **more))[0]

    def review(self, node: str, subject: str, author: str, condition: str | None = "PHYTIN",
               crop: str = "LYPES", round: int = 1, **more: Any) -> str:  # fmt: skip
        body = {"verdict": "confirm", "crop": crop, "condition": condition, "round": round,
                "blind": True}  # fmt: skip
        return self.put(self.row(node, "review", body, subject=subject, author=author, **more))[0]

    def photo(self, node: str, seed: int = 0, rendition: str = "view") -> str:
        """A photo of a green leaf as AVIF among the blobs; the name of the photo on its node."""
        noise = np.random.default_rng(seed).integers(0, 60, (96, 128, 3), np.uint8)
        canvas = noise + np.array([40, 120, 50], np.uint8)
        data = cv2.imencode(".avif", canvas)[1].tobytes()
        sha, photo = hashlib.sha256(data).hexdigest(), hashlib.sha256(b"kept" + data).hexdigest()
        self.hub.blobs.put(blob_name(node, sha), data)
        row = {"sha256": sha, "node": node, "photo": photo, "rendition": rendition,
               "length": len(data), "offset": len(data), "whole_s": MAY_S}  # fmt: skip
        with self.hub.database.writing() as db:
            db.execute(insert(PHOTOS), [row])
        return photo

    def change(self, id: str, **columns: Any) -> None:
        """Something about a record changed: it arrives again."""
        node, epoch, seq = id.split(".")
        self.arrival += 1
        here = (EVENTS.c.node == node) & (EVENTS.c.epoch == int(epoch)) & (EVENTS.c.seq == int(seq))
        with self.hub.database.writing() as db:
            db.execute(EVENTS.update().where(here).values(arrival=self.arrival, **columns))
            db.execute(ARRIVALS.update().values(last=self.arrival))

    def erase(self, id: str) -> None:
        self.change(id, rev=ERASED_REV, body={}, photos=[], form="", subject="", author="",
                    lon=None, lat=None)  # fmt: skip

    def all(self) -> list[Any]:
        with self.hub.database.reading() as db:
            return list(db.execute(select(EVENTS).order_by(EVENTS.c.arrival)).all())


def token_for(hub: Hub, *grants: Grant, name: str = "Agronomist") -> str:
    """A token of a new person with those grants."""
    people = People(hub.database)
    people.add(name)
    for grant in grants:
        people.grant(name, grant)
    return people.new_token(name, "test")


def everything(role: Role = Role.KEEPER) -> Grant:
    return Grant("*", "*", role)


def client_of(app: Flask, *grants: Grant, name: str = "Agronomist") -> FlaskClient:
    """A program with a token of its own."""
    client = app.test_client()
    token = token_for(hub_of(app), *grants, name=name)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client
