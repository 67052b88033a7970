"""Taking in what a tablet recorded: the same rules for the API, for its export file and for the
command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from edge_app.access.rights import may_correct
from edge_app.ground import Ground
from edge_app.vocabulary import CardVocabulary
from field_data.clock import Clock
from field_data.errors import PersonError
from field_data.events import Draft, Event, Kind, Receipt
from field_data.forms.problems import Problem
from field_data.observations import check_observation
from field_data.people import Person, Role
from field_data.photos import photo_of, refuse_metadata
from field_data.uplinks import photos_wait
from models.preprocess import read_header

MAX_PHOTO_BYTES = 3 * 1024 * 1024
# Who may bring what others recorded; each corrects what `may_correct` lets the author correct.
_OVERSEERS = frozenset({Role.AGRONOMIST, Role.KEEPER})
CLOCK = Clock()


@dataclass(frozen=True, slots=True)
class Kept:
    """A record is durable; ``warnings`` say what looked odd in it."""

    receipt: Receipt
    warnings: tuple[Problem, ...]


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


def take_event(ground: Ground, person: Person, draft: Draft, words: CardVocabulary) -> Kept:
    """Check and keep one event; durable when this returns.

    Raises:
        PersonError: ``not_yours`` (another person's record), ``correction_of_other``,
            what the form or the land refuses, and `EventLog.append`'s own.
        KeeperError: ``disk_full``.
    """
    _may_record(ground, person, draft)
    if draft.kind is not Kind.OBSERVATION:
        taken = ground.registry.append(draft)
        _meet_owner(ground, taken.receipt.event)
        notes = [Problem("", note.code, note.details) for note in taken.notes]
        return Kept(taken.receipt, tuple(notes))
    known = ground.events.get(draft.id)
    arrival = check_observation(draft, ground.forms, words, CLOCK, known)
    flags = [Problem("", arrival.unchecked, {})] if arrival.unchecked else []
    return Kept(ground.events.append(arrival.draft), (*flags, *arrival.warnings))


def _meet_owner(ground: Ground, event: Event) -> None:
    """A tablet that asked the farmer of a farm for consent made up their id: from now on it is
    somebody's, whom the keeper can name, invite and erase.  A replay comes here again."""
    owner = event.body.get("owner") if event.kind is Kind.FARM else None
    if owner is not None and ground.people.get(owner) is None:
        ground.people.meet(owner, event.body["name"])


def _may_record(ground: Ground, person: Person, draft: Draft) -> None:
    author = person if draft.author == person.id else ground.people.get(draft.author)
    farmers = author is not None and author.role is Role.FARMER
    if author is not person and (person.role not in _OVERSEERS or farmers):
        raise PersonError("not_yours", "another person's record")
    before = ground.events.get(draft.supersedes) if draft.supersedes else None
    if before is None or before.erased or ground.events.get(draft.id) is not None:
        return
    if before.kind is not draft.kind:
        raise PersonError("correction_of_other", "a correction is about the same thing")
    if not (draft.author == before.author or may_correct(_as_active(author), before)):
        raise PersonError("not_yours", "another person's record")


def _as_active(author: Person | None) -> Person | None:
    """What somebody recorded while they worked here counts when it comes after they left."""
    return None if author is None else replace(author, active=True)


def state_of(ground: Ground, event: Event) -> str:
    """How far a record has come: ``node``, ``hub`` (with the photos that may go there), or
    ``erased`` on somebody's wish."""
    if event.erased:
        return "erased"
    whole = ground.outbox.arrived(event.seq) and not photos_wait(ground.store, event.seq)
    return "hub" if whole else "node"


def receipt_json(ground: Ground, kept: Kept) -> dict[str, Any]:
    """What the sender of an event is told."""
    event = kept.receipt.event
    return {
        "id": event.id,
        "seq": event.seq,
        "node": event.node,
        "state": state_of(ground, event),
        "replayed": kept.receipt.replayed,
        "warnings": [warning.as_json() for warning in kept.warnings],
    }
