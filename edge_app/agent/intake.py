"""Taking in what a tablet recorded: the same rules for the API, for its export file and for the
command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge_app.ground import Ground
from field_data.clock import BUILT_UTC_S, now
from field_data.errors import PersonError
from field_data.events import Draft, Event, Kind, Receipt
from field_data.people import Person, Role
from field_data.photos import photo_of, refuse_metadata
from field_data.types import Trust
from models.preprocess import read_header

MAX_PHOTO_BYTES = 3 * 1024 * 1024
# Who may record for others and correct what others recorded.
_OVERSEERS = frozenset({Role.AGRONOMIST, Role.KEEPER})
_DAY_S = 86400


@dataclass(frozen=True, slots=True)
class Kept:
    """A record is durable; ``warnings`` are codes of what looked odd but was kept."""

    receipt: Receipt
    warnings: tuple[str, ...]


def take_photo(ground: Ground, sha256: str, jpeg: bytes) -> bool:
    """Keep a photo under its hash; False when it was there already.

    Raises:
        PersonError: ``photo_too_large``, ``photo_hash`` (other bytes than announced),
            ``photo_metadata`` (more than a picture is in it), or those of `read_header`.
        KeeperError: ``disk_full``.
    """
    if len(jpeg) > MAX_PHOTO_BYTES:
        raise PersonError("photo_too_large", limit=MAX_PHOTO_BYTES)
    if photo_of(jpeg).sha256 != sha256:
        raise PersonError("photo_hash", "the photo is not the one that was announced")
    if "jpeg" not in read_header(jpeg).kind:
        raise PersonError("not_an_image", "a kept photo is a JPEG")
    try:
        refuse_metadata(jpeg)
    except ValueError as error:
        raise PersonError("photo_metadata", str(error)) from error
    new = not ground.photos.has(sha256)
    ground.photos.put(jpeg)
    return new


def take_event(ground: Ground, person: Person, draft: Draft) -> Kept:
    """Check and keep one event; durable when this returns.

    Raises:
        PersonError: ``not_yours`` (another person's record), what the form or the land refuses,
            and `EventLog.append`'s own.
        KeeperError: ``disk_full``.
    """
    _may_record(ground, person, draft)
    checked, warnings = _checked(ground, draft)
    return Kept(ground.events.append(checked), (*_doubts(draft), *warnings))


def _may_record(ground: Ground, person: Person, draft: Draft) -> None:
    if person.role in _OVERSEERS:
        return
    corrected = ground.events.get(draft.supersedes) if draft.supersedes else None
    foreign = corrected is not None and _personal(corrected) and corrected.author != person.id
    if draft.author != person.id or foreign:
        raise PersonError("not_yours", "another person's record")


def _personal(event: Event) -> bool:
    """What only its author corrects; farms, fields and seasons belong to all."""
    return event.kind in (Kind.OBSERVATION, Kind.CONSENT)


def _checked(ground: Ground, draft: Draft) -> tuple[Draft, tuple[str, ...]]:
    """The draft as it is kept, and what looked odd in it; raises for what cannot be kept."""
    raise NotImplementedError


def _doubts(draft: Draft) -> tuple[str, ...]:
    """A wrong clock must not cost a record: it is kept, and said."""
    present = now()
    if draft.at.utc_s < BUILT_UTC_S:
        return ("date_past",)
    ahead = present.trust is not Trust.UNKNOWN and draft.at.utc_s > present.utc_s + _DAY_S
    return ("date_future",) if ahead else ()
