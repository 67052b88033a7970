"""A node that is nothing but a key and what it sends: for tests of hubs, and of many nodes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from field_data.events import Kind
from field_data.types import Instant, Trust
from sync.dictionaries import dictionary, versions
from sync.hub.app import Hub
from sync.hub.enrolment import Enrolment, enrol, new_code
from sync.keys import SecretKey
from sync.requests import authorization
from sync.segments import seal
from sync.types import Record, RecordBatch, Stream
from tests.bad_line import Asked
from tests.powercut.workloads import id_of

FIRST_S = 1_790_000_000.0


@dataclass(frozen=True)
class ByteNode:
    """Everything follows from ``name``: its id, its key, its records and their photos."""

    name: str
    epoch: int = 0
    base: int = 0
    node: str = field(init=False)
    key: SecretKey = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "node", id_of(f"node {self.name}"))
        object.__setattr__(self, "key", SecretKey(self._digest("key")))

    def _digest(self, what: str) -> bytes:
        return hashlib.sha256(f"{self.name} {what}".encode()).digest()

    def let_in(self, hub: Hub) -> None:
        """Enrolled, without the network."""
        code = new_code(hub.database, "Coop", "Meknes")
        enrol(hub.database, Enrolment(code, self.node, self.name, self.key.public))

    @property
    def stream(self) -> Stream:
        """Its one numbering."""
        return Stream(self.node, self.epoch, self._digest(f"token {self.epoch}")[:8], self.base)

    def record(self, seq: int, photos: tuple[str, ...] = ()) -> Record:
        """Record ``seq``; its remark holds `token` of it."""
        at = Instant(FIRST_S + 60 * seq, Trust.NTP)
        values = {"crop": "LYPES", "stage": "bbch6", "plants": seq % 50, "photos": list(photos)}
        body = {
            "form": "scouting",
            "version": 1,
            "values": {**values, "condition": "PHYTIN", "remarks": self.token(seq)},
            "place": {"lon": -5.545, "lat": 33.905},
        }
        field, agent = id_of(f"{self.name} field {seq % 7}"), id_of(f"{self.name} agent")
        return Record(seq, Kind.OBSERVATION, field, agent, at, at, body, photos, coarse=True)

    def token(self, seq: int) -> str:
        """A word that occurs in that record alone."""
        return f"{self.name}-said-{seq:06}-"

    def segment(
        self, first: int, last: int, photos: Mapping[int, str] | None = None, of: int = 0
    ) -> bytes:
        """Records ``first`` to ``last`` of ``of`` that the node has, sealed; ``photos`` by the
        number of their record."""
        shown = photos or {}
        records = tuple(
            self.record(seq, (shown[seq],) if seq in shown else ())
            for seq in range(first, last + 1)
        )
        sent = Instant(FIRST_S + 60 * last, Trust.NTP)
        batch = RecordBatch(self.stream, max(of, last), first - 1, sent, records)
        return seal(batch, self.key, dictionary(versions()[0]))

    def photo(self, seq: int) -> tuple[str, bytes]:
        """The name of the photo of a record, and the bytes of a rendition of it, some 6 to 10 kB.

        The hub knows a rendition by the SHA-256 of its bytes and never looks into it.
        """
        size = 6_000 + seq * 997 % 4_000
        data = b"".join(self._digest(f"photo {seq} {n}") for n in range(size // 32))
        return self._digest(f"kept photo {seq}").hex(), data

    def post(self, segment: bytes) -> Asked:
        """The request that brings a segment."""
        return Asked("POST", "/n/1/segments", {}, segment)

    def patch(self, hub: str, photo: str, data: bytes, first: int, last: int) -> Asked:
        """The request that brings the bytes ``first`` to ``last`` of a rendition."""
        path = f"/n/1/photos/{hashlib.sha256(data).hexdigest()}"
        headers = {
            "Tus-Resumable": "1.0.0",
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(first),
            "Authorization": self._signed(hub, "PATCH", path, str(first)),
        }
        if first == 0:
            headers["Upload-Length"] = str(len(data))
            headers["Upload-Metadata"] = f"photo {photo},rendition view"
        return Asked("PATCH", path, headers, data[first:last])

    def head(self, hub: str, data: bytes) -> Asked:
        """The question how much of a rendition is there."""
        path = f"/n/1/photos/{hashlib.sha256(data).hexdigest()}"
        word = hashlib.sha256(b"").hexdigest()
        return Asked("HEAD", path, {"Authorization": self._signed(hub, "HEAD", path, word)}, b"")

    def _signed(self, hub: str, method: str, path: str, word: str) -> str:
        return authorization(self.key, self.node, hub, method, path, int(time.time()), word)
