"""Segments read by docs/wire-format.md alone: nothing of `sync` but its dictionary files.

It trusts what it reads; it is here so that the document and the code cannot drift apart.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import cbor2
import zstandard
from nacl.signing import VerifyKey

KINDS = ("observation", "farm", "field", "season", "consent", "review", "erasure")
TRUSTS = ("tablet", "ntp", "rtc", "unknown")
RARE = (
    *(("health", None), ("behind", 0), ("ahead", 0), ("epoch", 0), ("base", 0), ("sent_trust", 1)),
    *(("photos", 1), ("gap", 0), ("kind", 0), ("back", None), ("coarse", False), ("rev", 0)),
    *(("at_trust", 0), ("received_trust", 1), ("places", None), ("group", 0)),
)
GONE = cbor2.undefined


def read(segment: bytes, key: bytes, dictionaries: Path) -> dict[str, Any]:
    """A batch as plain JSON."""
    assert segment[:4] == b"GHS\x01"
    head, signature, payload = segment[:21], segment[21:85], segment[85:]
    VerifyKey(key).verify(b"ghalla segment 1\n" + head + payload, signature)
    known: dict[str, Any] = {"layouts": [], "codes": []}
    trained = None
    if head[4]:
        known = json.loads((dictionaries / f"{head[4]}.json").read_text("utf-8"))
        raw = (dictionaries / f"{head[4]}.zdict").read_bytes()
        trained = zstandard.ZstdCompressionDict(raw)
    n_ids, at = leb(payload, 1)
    n_hashes, at = leb(payload, at)
    token, at = payload[at : at + 8], at + 8
    ids = [id_of(payload[at + 16 * i : at + 16 * i + 16]) for i in range(n_ids)]
    at += 16 * n_ids
    hashes = [payload[at + 32 * i : at + 32 * i + 32].hex() for i in range(n_hashes)]
    rest = payload[at + 32 * n_hashes :]
    if payload[0]:
        way = zstandard.FORMAT_ZSTD1_MAGICLESS
        rest = zstandard.ZstdDecompressor(dict_data=trained, format=way).decompress(rest)
    found = Columns(ids, hashes, known).batch(cbor2.loads(rest))
    return {"node": id_of(head[5:]), "token": token.hex(), **found}


def id_of(raw: bytes) -> str:
    return base64.b32encode(raw).decode().lower().strip("=")


def leb(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def unzigzag(value: int) -> int:
    return -(value + 1) // 2 if value % 2 else value // 2


def packed(data: bytes, n: int) -> list[int]:
    width, stride, at, heads = data[0] % 16, data[0] // 16, 1, []
    for _ in range(max(1, stride)):
        head, at = leb(data, at)
        heads.append(unzigzag(head))
    count = n - stride
    rest = [int.from_bytes(data[at + i :: count][:width], "little") for i in range(count)]
    if not stride:
        return [heads[0] + value for value in rest]
    for value in rest:
        heads.append(heads[-stride] + unzigzag(value))
    return heads


class Columns:
    def __init__(self, ids: list[str], hashes: list[str], known: dict[str, Any]) -> None:
        self.ids, self.hashes, self.known = ids, hashes, known

    def column(self, item: Any, n: int) -> list[Any]:
        if isinstance(item, bytes):
            return packed(item, n)
        if not isinstance(item, list):
            return [item] * n
        code, *parts = item
        if code == 0:
            return parts
        if code == 1:
            return [parts[0][place] for place in self.column(parts[1], n)]
        if code in (2, 3, 4):
            return self.masked(code, parts, n)
        if code in (5, 6):
            return [ratio(code, whole, parts[0]) for whole in self.column(parts[1], n)]
        if code == 7:
            width = len(parts[0]) // n
            planes = [parts[0][i::n] for i in range(n)]
            return [struct.unpack("<f" if width == 4 else "<d", each)[0] for each in planes]
        if code == 8:
            columns = [self.column(part, n) for part in parts[1:]]
            return [
                {k: c[i] for k, c in zip(parts[0], columns, strict=True) if c[i] is not GONE}
                for i in range(n)
            ]
        if code == 9:
            lengths = self.column(parts[0], n)
            flat = iter(self.column(parts[1], sum(lengths)))
            return [[next(flat) for _ in range(length)] for length in lengths]
        table = {10: self.ids, 11: self.hashes}[code]
        return [table[place] for place in self.column(parts[0], n)]

    def masked(self, code: int, parts: list[Any], n: int) -> list[Any]:
        bits = [bool(parts[0][i // 8] >> i % 8 & 1) for i in range(n)]
        if code == 4:
            return bits
        rest = iter(self.column(parts[1], n - sum(bits)))
        return [(None if code == 2 else GONE) if bit else next(rest) for bit in bits]

    def batch(self, items: list[Any]) -> dict[str, Any]:
        bits, n, first, sent, *rest = items
        always, rest = (rest[:4], rest[4:]) if n else ([], rest)
        rare: dict[str, Any] = dict(RARE)
        for bit, (name, _) in enumerate(RARE):
            if bits >> bit & 1:
                rare[name] = rest.pop(0)
        records = self.records(n, first, sent, always, rare, rest) if n else []
        last = records[-1]["seq"] if records else first - 1
        return {
            "epoch": rare["epoch"],
            "base": rare["base"],
            "last": last + rare["behind"],
            "acknowledged": first - 1 - rare["ahead"],
            "sent": [float(sent), TRUSTS[rare["sent_trust"]]],
            "health": {} if rare["health"] is None else self.column(rare["health"], 1)[0],
            "records": records,
        }

    def records(
        self, n: int, first: int, sent: float, always: list[Any], rare: dict[str, Any], groups: Any
    ) -> list[dict[str, Any]]:
        subjects, authors = (self.names(item, n) for item in always[:2])
        ats, receiveds = (self.times(item, n, sent) for item in always[2:])
        seqs = [first]
        for gap in self.column(rare["gap"], n - 1) if n > 1 else []:
            seqs.append(seqs[-1] + 1 + gap)
        counts = self.column(rare["photos"], n)
        places = self.column(rare["places"], sum(counts))
        if rare["places"] is None:
            places = list(range(sum(counts)))
        names = iter([self.hashes[place] for place in places])
        photos = [[next(names) for _ in range(count)] for count in counts]
        backs = self.column(rare["back"], n)
        flat = {
            key: self.column(rare[key], n)
            for key in ("kind", "coarse", "rev", "at_trust", "received_trust", "group")
        }
        bodies: dict[int, Any] = {}
        for number, group in enumerate(groups):
            own = [i for i in range(n) if flat["group"][i] == number]
            found = self.bodies(group, [photos[i] for i in own])
            bodies.update(zip(own, found, strict=True))
        return [
            {
                "seq": seqs[i],
                "kind": KINDS[flat["kind"][i]],
                "subject": subjects[i],
                "author": authors[i],
                "at": [ats[i], TRUSTS[flat["at_trust"][i]]],
                "received": [receiveds[i], TRUSTS[flat["received_trust"][i]]],
                "body": bodies[i],
                "photos": photos[i],
                "supersedes": None if backs[i] is None else seqs[i] - backs[i],
                "rev": flat["rev"][i],
                "coarse": flat["coarse"][i],
            }
            for i in range(n)
        ]

    def names(self, item: Any, n: int) -> list[str]:
        if isinstance(item, list) and item[0] == 12:
            return self.column(item[1], n)
        return [self.ids[place] for place in self.column(item, n)]

    def times(self, item: Any, n: int, sent: float) -> list[float]:
        digits = 3
        if isinstance(item, list) and item[0] == 7:
            return self.column(item, n)
        if isinstance(item, list) and item[0] == 12:
            digits, item = item[1], item[2]
        scale = 10**digits
        return [(math.floor(sent) * scale + each) / scale for each in self.column(item, n)]

    def bodies(self, group: list[Any], photos: list[list[str]]) -> list[Any]:
        n = len(photos)
        if group[0] == 0:
            return self.column(group[1], n)
        layout = self.known["layouts"][group[0] - 1]
        places = self.places(group[1], n)
        rest = [{}] * n if group[2] is None else self.column(group[2], n)
        columns = {}
        for place, (id, type, choices) in enumerate(layout["questions"], 3):
            item = group[place] if place < len(group) else GONE
            columns[id] = self.answers(item, type, choices, photos)
        return [
            {
                "form": layout["form"],
                "version": layout["version"],
                "values": {k: c[i] for k, c in columns.items() if c[i] is not GONE},
                "place": places[i],
                **rest[i],
            }
            for i in range(n)
        ]

    def places(self, item: Any, n: int) -> list[Any]:
        if item is None:
            return [None] * n
        lons, lats = (self.degrees(each, n) for each in item[:2])
        rows = zip(lons, lats, self.column(item[2], n), strict=True)
        return [
            None if lon is GONE else {"lon": lon, "lat": lat, "accuracy_m": accuracy}
            for lon, lat, accuracy in rows
        ]

    def degrees(self, item: Any, n: int) -> list[Any]:
        if isinstance(item, list) and item[0] == 12:
            return self.column(item[1], n)
        return [each if each is GONE else ratio(6, each, 7) for each in self.column(item, n)]

    def answers(self, item: Any, type: str, choices: dict[str, int], photos: Any) -> list[Any]:
        if isinstance(item, list) and item[0] == 12:
            return self.column(item[1], len(photos))
        if type == "photo":
            return [list(own) for own in photos]
        keys = {number: key for key, number in choices.items()}
        readers: dict[str, Callable[[Any], Any]] = {
            "choice": keys.__getitem__,
            "multi": lambda numbers: [keys[number] for number in numbers],
            "crop": self.known["codes"].__getitem__,
            "condition": self.known["codes"].__getitem__,
            "date": lambda day: (date(1970, 1, 1) + timedelta(day)).isoformat(),
        }
        reader = readers.get(type, lambda value: value)
        found = self.column(item, len(photos))
        return [each if each is None or each is GONE else reader(each) for each in found]


def ratio(code: int, whole: int, digits: int) -> Any:
    exact = code == 6 and whole % 10**digits == 0
    return whole // 10**digits if exact else whole / 10**digits


def as_json(batch: Any) -> dict[str, Any]:
    """A `sync.types.RecordBatch` in the same shape."""
    return {
        "node": batch.stream.node,
        "token": batch.stream.token.hex(),
        "epoch": batch.stream.epoch,
        "base": batch.stream.base,
        "last": batch.last,
        "acknowledged": batch.acknowledged,
        "sent": [batch.sent.utc_s, str(batch.sent.trust)],
        "health": dict(batch.health),
        "records": [
            {
                "seq": r.seq,
                "kind": str(r.kind),
                "subject": r.subject,
                "author": r.author,
                "at": [r.at.utc_s, str(r.at.trust)],
                "received": [r.received.utc_s, str(r.received.trust)],
                "body": r.body,
                "photos": list(r.photos),
                "supersedes": r.supersedes,
                "rev": r.rev,
                "coarse": r.coarse,
            }
            for r in batch.records
        ],
    }
