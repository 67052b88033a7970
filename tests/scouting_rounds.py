"""Scouting visits as agents on tablets bring them home: for byte counts and for tests of sync.

Nothing here is shared with `sync.train_dictionary`: other crops and conditions lead, other words,
other habits, other seeds.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from field_data.events import Kind
from field_data.forms.normalising import plain_number
from field_data.types import Instant, Trust
from sync.columns import id_text
from sync.types import Record, RecordBatch, Stream

# 2026-10-05, a Monday morning.
_MONDAY_S = 1_791_180_000.0
_FOUND = {
    "OLVEU": ("DACUOL", "PRAYOL", "CYCLOL", "healthy"),
    "CPSAN": ("LEVETA", "TETRUR", "healthy"),
    "PHXDA": ("FUSAAL", "OLIGAF", "healthy"),
    "VITVI": ("UNCINE", "PLASVI", "healthy"),
    "ZEAMX": ("SETOTU", "LAPHFR", "PUCCSO"),
}
_PARTS = (
    ("sur les jeunes feuilles", "au bord du canal", "côté nord", "près du puits", "sous la serre"),
    ("depuis la dernière pluie", "après l'irrigation", "depuis une semaine", "à surveiller"),
    (
        "revoir jeudi",
        "échantillon pris",
        "photo floue, refaite",
        "agriculteur prévenu",
        "voisin aussi",
    ),
)
_PARTS_AR = (
    ("على الأوراق السفلى", "قرب الساقية", "في الجهة الشمالية", "تحت البيت المغطى"),
    ("بعد المطر الأخير", "منذ أسبوع", "بعد السقي", "يجب المراقبة"),
)


@dataclass(frozen=True, slots=True)
class _Plot:
    id: str
    crop: str
    lon: float
    lat: float


def scouting_batch(n: int, seed: int = 77) -> RecordBatch:
    """``n`` visits of 27 fields each by three agents, each with one photo."""
    rng = random.Random(seed)
    stream = Stream(_id(rng), 0, rng.randbytes(8), 0)
    records = scouting_records(rng, n, first=4_100)
    last = records[-1].seq
    return RecordBatch(
        stream, last, 4_099, Instant(_at(records) + 900.0, Trust.NTP), tuple(records)
    )


def _at(records: Sequence[Record]) -> float:
    return float(int(records[-1].received.utc_s))


def scouting_records(rng: random.Random, n: int, first: int) -> list[Record]:
    """Rounds of about 12 visits, each brought home in the evening in one go."""
    agents = [_id(rng) for _ in range(3)]
    plots = [_plot(rng) for _ in range(90)]
    records: list[Record] = []
    day_s = _MONDAY_S
    while len(records) < n:
        agent, at = rng.choice(agents), day_s + rng.randrange(3600)
        home = day_s + 36_000 + rng.randrange(7200) + rng.randrange(1000) / 1000
        for plot in rng.sample(plots, 6):
            for _ in range(rng.choice((1, 2, 2, 3))):
                at = round(at + rng.uniform(120, 700), 3)
                home = round(home + rng.uniform(0.02, 0.09), 3)
                records.append(_record(rng, first + len(records), agent, plot, at, home))
        day_s += rng.choice((0, 86_400))
    return records[:n]


def _record(
    rng: random.Random, seq: int, agent: str, plot: _Plot, at: float, home: float
) -> Record:
    photo = hashlib.sha256(rng.randbytes(8)).hexdigest()
    body = {
        "form": "scouting",
        "version": 1,
        "values": _values(rng, plot.crop, photo),
        "place": {
            "lon": round(plot.lon + rng.gauss(0, 0.0008), 7),
            "lat": round(plot.lat + rng.gauss(0, 0.0006), 7),
            "accuracy_m": plain_number(round(rng.lognormvariate(1.8, 0.5), rng.choice((0, 1, 3)))),
        },
    }
    moments = Instant(at, Trust.TABLET), Instant(home, Trust.NTP)
    return Record(seq, Kind.OBSERVATION, plot.id, agent, *moments, body, (photo,))


def _values(rng: random.Random, crop: str, photo: str) -> dict[str, Any]:
    condition = rng.choice(_FOUND[crop])
    values: dict[str, Any] = {"crop": crop, "stage": f"bbch{rng.choice((5, 6, 7, 7, 8))}"}
    values["condition"] = condition
    if condition != "healthy":
        values["incidence"] = rng.choice((1, 2, 5, 10, 12.5, 20, 30, 45, 60, 80))
        values["severity"] = rng.choice((1, 3, 5, 10, 15, 25, 40))
    values["plants"] = rng.choice((10, 20, 20, 25, 30, 50))
    if condition != "healthy":
        values["pattern"] = rng.choice(("single", "patches", "patches", "edge", "everywhere"))
    values["photos"] = [photo]
    if rng.random() < 0.3:
        parts = rng.choice((_PARTS, _PARTS_AR))
        values["remarks"] = " ".join(rng.choice(part) for part in parts[: rng.randint(1, 3)])
    return values


def _plot(rng: random.Random) -> _Plot:
    lon, lat = -7.4 + rng.uniform(-0.3, 0.3), 31.8 + rng.uniform(-0.2, 0.2)
    return _Plot(_id(rng), rng.choice(list(_FOUND)), lon, lat)


def _id(rng: random.Random) -> str:
    return id_text(rng.randbytes(16))


def as_event(record: Record, node: str) -> dict[str, Any]:
    """The same record as a node keeps it and as one would send it: 27 fields with an id."""
    name = hashlib.sha256(f"{node} {record.seq}".encode()).digest()[:16]
    return {
        "id": id_text(name),
        "kind": str(record.kind),
        "subject": record.subject,
        "author": record.author,
        "at": {"utc_s": record.at.utc_s, "trust": str(record.at.trust)},
        "body": record.body,
        "photos": list(record.photos),
        "supersedes": record.supersedes,
        "node": node,
        "seq": record.seq,
        "received": {"utc_s": record.received.utc_s, "trust": str(record.received.trust)},
        "erased": record.erased,
    }
