"""Nodes as a hub sees them: a key, a numbering, requests; without the software of a node."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import cbor2

from field_data.events import Kind
from field_data.ids import new_id
from field_data.types import Instant, Trust
from sync import receipts
from sync.dictionaries import best
from sync.hub.app import Hub
from sync.hub.enrolment import Enrolment, enrol, new_code
from sync.keys import SecretKey
from sync.requests import authorization, body_word, enrol_message
from sync.segments import seal
from sync.types import ERASED_REV, Receipt, Record, RecordBatch, Stream
from tests.hubs import ServedHub, hub_on

T0 = 1_790_000_000.0
PHOTO = hashlib.sha256(b"the kept photo").hexdigest()


def record(seq: int, rev: int = 0, **other: Any) -> Record:
    """An observation of aphids, every number at a moment of its own."""
    said: dict[str, Any] = {
        "seq": seq,
        "kind": Kind.OBSERVATION,
        "subject": f"field{seq % 7:021}",
        "author": "agent",
        "at": Instant(T0 + seq, Trust.TABLET),
        "received": Instant(T0 + seq + 60, Trust.NTP),
        "body": {
            "form": "pest",
            "version": 1,
            "values": {"count": seq, "note": f"leaf {seq}"},
            "place": {"lon": -7.5 + seq / 1e5, "lat": 33.25, "accuracy_m": 5.0},
        },
        "rev": rev,
    }
    return Record(**(said | other))


def erased(seq: int, kind: Kind = Kind.OBSERVATION) -> Record:
    """What is left of a record that was erased."""
    nothing = Instant(0.0, Trust.UNKNOWN)
    return Record(seq, kind, "", "", nothing, nothing, {}, rev=ERASED_REV)


def erasure(seq: int, seqs: list[int], photos: list[str] | None = None, **other: Any) -> Record:
    """The event that names what was erased."""
    body = {"seqs": seqs, "photos": photos or []}
    return record(seq, **({"kind": Kind.ERASURE, "subject": "person", "body": body} | other))


@dataclass
class Node:
    """One box; ``stream`` is where it stands."""

    id: str = field(default_factory=new_id)
    key: SecretKey = field(default_factory=lambda: SecretKey(os.urandom(32)))
    epoch: int = 0
    token: bytes = field(default_factory=lambda: os.urandom(8))
    base: int = 0

    @property
    def stream(self) -> Stream:
        return Stream(self.id, self.epoch, self.token, self.base)

    def batch(self, *records: Record, last: int = 0, acknowledged: int = 0) -> RecordBatch:
        top = max([last, *(each.seq for each in records)])
        sent = Instant(time.time(), Trust.NTP)
        return RecordBatch(self.stream, top, acknowledged, sent, records, {"version": "0.1"})

    def segment(self, *records: Record, **told: int) -> bytes:
        return seal(self.batch(*records, **told), self.key, best([1, 0]))

    def next_epoch(self, base: int) -> Node:
        """The same box after it went back in time."""
        return replace(self, epoch=self.epoch + 1, token=os.urandom(8), base=base)

    def enrolled(self, hub: Hub, organisation: str = "ONCA", region: str = "Chaouia") -> Node:
        code = new_code(hub.database, organisation, region)
        enrol(hub.database, Enrolment(code, self.id, "box", self.key.public))
        return self


@dataclass
class Wire:
    """A node's requests over http; one connection each."""

    url: str
    node: Node
    hub: str = ""

    def ask(
        self, method: str, path: str, body: bytes = b"", signed: bool = False, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case), body."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        if signed:
            word = sent["Upload-Offset"] if method == "PATCH" else body_word(body)
            sent["Authorization"] = authorization(
                self.node.key, self.node.id, self.hub, method, path, int(time.time()), word
            )
        address = urlsplit(self.url).netloc
        connection = http.client.HTTPConnection(address, timeout=60)
        try:
            # A hub that has read enough to refuse may hang up before all was sent.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, sent)
            answer = connection.getresponse()
            told = {key.lower(): value for key, value in answer.getheaders()}
            return answer.status, told, answer.read()
        finally:
            connection.close()

    def enrol(self, code: str) -> tuple[int, Any]:
        node = self.node
        key = node.key.public.raw
        said = {"code": code, "node": node.id, "name": "box", "public_key": key}
        message = enrol_message(code, node.id, "box", key)
        body = cbor2.dumps({**said, "signature": node.key.sign(message)})
        status, _, answer = self.ask("POST", "/n/1/enrol", body)
        told = cbor2.loads(answer)
        self.hub = told.get("hub", "")
        return status, told

    def send(self, segment: bytes) -> Receipt:
        status, _, body = self.ask("POST", "/n/1/segments", segment)
        assert status == 200, (status, cbor2.loads(body))
        return receipts.decode(body)

    def refused(self, segment: bytes) -> tuple[int, str, dict[str, Any]]:
        status, _, body = self.ask("POST", "/n/1/segments", segment)
        told = cbor2.loads(body)
        return status, told["reason"], told

    def photo(self, method: str, sha256: str, body: bytes = b"", **headers: str) -> Any:
        return self.ask(method, f"/n/1/photos/{sha256}", body, signed=True, **headers)


def sha(data: bytes) -> str:
    """As photos are named."""
    return hashlib.sha256(data).hexdigest()


def first(data: bytes) -> dict[str, str]:
    """Headers of the first PATCH."""
    return {
        "Upload_Offset": "0",
        "Upload_Length": str(len(data)),
        "Upload_Metadata": f"photo {PHOTO},rendition view",
    }


def enrolled(server: ServedHub) -> Wire:
    """A node that the hub let in."""
    wire = Wire(server.url, Node())
    with hub_on(server.settings) as hub:
        status, told = wire.enrol(new_code(hub.database, "ONCA", "Chaouia"))
    assert (status, told["organisation"], told["region"]) == (200, "ONCA", "Chaouia")
    return wire
