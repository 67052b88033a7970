"""A `Record` as a row of `EVENTS`.  Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from field_data.events import Kind
from sync.types import ERASED_REV, Record

# PostgreSQL keeps no NUL in a text; as JSON writes it, and not where somebody typed those letters.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_MOST_BODY = 256 << 10
# An erasure names all that is to go, and must not be set aside.
_MOST_ORDER = 8 << 20
_MOST_NAME = 64
# What a consent makes coarse: left out when records of two epochs are compared.
_PLACES = ("place", "boundary", "area_ha")

# What changes when a consent does.
_TOLD = ("body", "photos", "coarse", "lon", "lat")

Row = dict[str, Any]
Key = tuple[int, int]  # epoch, seq


class UnkeptError(ValueError):
    """A record that no database can keep as it is; the text says why."""


def row_of(record: Record, node: str, epoch: int) -> Row:
    """The row, without ``arrival``.

    Raises:
        UnkeptError: too large, too long a name, or text with NUL.
    """
    if record.erased:
        return empty_row(node, epoch, record.seq, str(record.kind))
    row = _row(record, node, epoch)
    try:
        text = _words(row)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnkeptError(f"not JSON: {error}") from error
    most = _MOST_ORDER if record.kind is Kind.ERASURE else _MOST_BODY
    if len(text) > most or _NUL.search(text):
        raise UnkeptError("text with NUL, or too much of it")
    if (record.supersedes or 0) >= record.seq:
        raise UnkeptError("it corrects a later record")
    if max(len(record.subject), len(record.author)) > _MOST_NAME:
        raise UnkeptError("the id of a subject or an author is too long")
    row["digest"] = _digest(text)
    return row


def _words(row: Mapping[str, Any]) -> str:
    said = [row[name] for name in _SAID]
    return json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(words: str) -> bytes:
    return hashlib.sha256(words.encode()).digest()[:16]


_SAID = (
    "kind", "subject", "author", "at_s", "at_trust", "received_s", "received_trust", "body",
    "photos", "supersedes", "coarse",
)  # fmt: skip


def _row(record: Record, node: str, epoch: int) -> Row:
    body = dict(record.body)
    lon, lat = place_of(record.kind, body)
    form = body.get("form", "")
    return {
        "node": node,
        "epoch": epoch,
        "seq": record.seq,
        "rev": record.rev,
        "kind": str(record.kind),
        "form": form if isinstance(form, str) and len(form) <= 40 else "",
        "subject": record.subject,
        "author": record.author,
        "at_s": record.at.utc_s,
        "at_trust": str(record.at.trust),
        "received_s": record.received.utc_s,
        "received_trust": str(record.received.trust),
        "body": body,
        "photos": list(record.photos),
        "supersedes": record.supersedes,
        "superseded": False,
        "coarse": record.coarse,
        "lon": lon,
        "lat": lat,
        "same_as": None,
    }


def empty_row(node: str, epoch: int, seq: int, kind: str) -> Row:
    """What is left of an erased record; ``kind`` is "" where it never came."""
    return {
        "node": node,
        "epoch": epoch,
        "seq": seq,
        "rev": ERASED_REV,
        "kind": kind,
        "form": "",
        "subject": "",
        "author": "",
        "at_s": 0.0,
        "at_trust": "unknown",
        "received_s": 0.0,
        "received_trust": "unknown",
        "body": {},
        "photos": [],
        "supersedes": None,
        "superseded": False,
        "coarse": False,
        "lon": None,
        "lat": None,
        "same_as": None,
        "digest": b"",
    }


def place_of(kind: Kind, body: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Longitude and latitude in degrees: of the place, else the middle of the boundary's box."""
    place = body.get("place")
    points: list[Any] = []
    if isinstance(place, Mapping):
        points = [(place.get("lon"), place.get("lat"))]
    if kind is Kind.FIELD and isinstance(body.get("boundary"), list):
        points = [tuple(p) for p in body["boundary"] if isinstance(p, list | tuple) and len(p) == 2]
    if not points or not all(_degrees(lon, 180) and _degrees(lat, 90) for lon, lat in points):
        return None, None
    lons, lats = [p[0] for p in points], [p[1] for p in points]
    return (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2


def _degrees(value: object, end: int) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and abs(value) <= end  # type: ignore[arg-type]


def alike(row: Mapping[str, Any]) -> bytes:
    """The same for records of two epochs that say the same: who, about what, when, what."""
    body = {key: value for key, value in row["body"].items() if key not in _PLACES}
    said = [row["kind"], row["subject"], row["author"], row["at_s"], body]
    return json.dumps(said, sort_keys=True).encode()


def retold(was: Mapping[str, Any], row: Mapping[str, Any]) -> Row | None:
    """The record of an earlier epoch as another one tells it now; None where nothing changes."""
    if all(was[name] == row[name] for name in _TOLD) or was["rev"] + 1 >= ERASED_REV:
        return None
    told = {**was, **{name: row[name] for name in _TOLD}, "rev": was["rev"] + 1}
    return {**told, "digest": _digest(_words(told))}


def key_of(name: str) -> Key:
    """The number that ``same_as`` names."""
    epoch, seq = name.split(":")
    return int(epoch), int(seq)


def other_event(row: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether two rows of one number are different events, and not one event told differently."""
    if ERASED_REV in (row["rev"], known["rev"]):
        return bool(known["kind"]) and row["kind"] != known["kind"]
    return any(row[name] != known[name] for name in ("kind", "at_s", "received_s"))
