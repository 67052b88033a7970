"""An event as JSON: what a tablet sends, read strictly, and how the node shows it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from field_data.errors import PersonError
from field_data.events import Draft, Event, Kind
from field_data.ids import is_id
from field_data.types import Instant, Trust

# What a tablet may record; reviews and erasures have pages of their own on the node.
TABLET_KINDS = (Kind.OBSERVATION, Kind.FARM, Kind.FIELD, Kind.SEASON, Kind.CONSENT)
# A tablet cannot vouch for more than its own clock.
TABLET_TRUSTS = (Trust.TABLET, Trust.UNKNOWN)
MAX_EVENT_BYTES = 512 * 1024
MAX_PHOTOS = 12
# Far beyond any clock, near enough for every calendar: the years 1653 and 2286.
MAX_UTC_S = 1e10
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NEEDED = {"id", "kind", "subject", "author", "at", "body"}
_KNOWN = _NEEDED | {"photos", "supersedes"}

Problems = list[dict[str, str]]


def draft_of(value: Any) -> Draft:
    """The draft that ``value``, parsed JSON, describes.

    Raises:
        PersonError: ``bad_event``, with every fault in ``problems`` as ``{"at", "code"}``.
    """
    problems = _faults(value)
    if problems:
        raise PersonError("bad_event", f"not an event: {problems}", problems=problems)
    return Draft(
        id=value["id"],
        kind=Kind(value["kind"]),
        subject=value["subject"],
        author=value["author"],
        at=Instant(float(value["at"]["utc_s"]), Trust(value["at"]["trust"])),
        body=value["body"],
        photos=tuple(value.get("photos", ())),
        supersedes=value.get("supersedes"),
    )


def _faults(value: Any) -> Problems:
    if not isinstance(value, dict):
        return [_fault("", "not_an_object")]
    absent = [_fault(f"/{key}", "absent") for key in sorted(_NEEDED - value.keys())]
    unknown = [_fault(f"/{key}"[:80], "unknown_key") for key in sorted(value.keys() - _KNOWN)]
    wrong = [
        _fault(f"/{key}", "wrong")
        for key, sound in _SOUND.items()
        if key in value and not sound(value[key])
    ]
    return absent + unknown + wrong or _odd_supersedes(value)


def _odd_supersedes(value: dict[str, Any]) -> Problems:
    if value.get("supersedes") == value["id"]:
        return [_fault("/supersedes", "itself")]
    if value["kind"] != Kind.OBSERVATION and not value["subject"]:
        return [_fault("/subject", "absent")]
    return []


def _fault(at: str, code: str) -> dict[str, str]:
    return {"at": at, "code": code}


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and is_id(value)


def _is_moment(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"utc_s", "trust"}
        and type(value["utc_s"]) in (int, float)
        and math.fabs(value["utc_s"]) <= MAX_UTC_S
        and value["trust"] in [str(each) for each in TABLET_TRUSTS]
    )


def _are_photos(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_PHOTOS
        and all(isinstance(each, str) and _SHA256.fullmatch(each) for each in value)
        and len(set(value)) == len(value)
    )


_SOUND: dict[str, Callable[[Any], bool]] = {
    "id": _is_name,
    "kind": lambda value: value in [str(kind) for kind in TABLET_KINDS],
    "subject": lambda value: value == "" or _is_name(value),
    "author": _is_name,
    "at": _is_moment,
    "body": lambda value: isinstance(value, dict),
    "photos": _are_photos,
    "supersedes": lambda value: value is None or _is_name(value),
}


def event_json(event: Event) -> dict[str, Any]:
    """The event as the API shows it; `draft_of` reads what a tablet said back out of it."""
    return {
        "id": event.id,
        "seq": event.seq,
        "node": event.node,
        "kind": str(event.kind),
        "subject": event.subject,
        "author": event.author,
        "at": {"utc_s": event.at.utc_s, "trust": str(event.at.trust)},
        "received": {"utc_s": event.received.utc_s, "trust": str(event.received.trust)},
        "body": dict(event.body),
        "photos": list(event.photos),
        "supersedes": event.supersedes,
    }
