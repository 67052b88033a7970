"""Which records a person may see and correct: pure rules, one for each role.

``own`` are the ids of a person's own farms, fields and seasons
(:func:`field_data.belongings.own_subjects`).  What a route shows at all is in
:mod:`edge_app.access.routes`.

- A farmer sees what is about their own land and themselves, and corrects none of it alone: an
  agent does that with them.  Their own consent they give and take back themselves.
- An agent sees all land and observations of the node (two agents share a village), but the exact
  place, the photos and the words of a record only where they made it, and corrects only that; the
  land itself, which they walk together, each of them corrects.
- An agronomist sees every record in full and corrects observations; a review is corrected by who
  made it, since blind second opinions must stay what they were.
- The keeper sees every record in full, since people ask the keeper what is kept about them, and
  corrects land, whose register they keep.
"""

from __future__ import annotations

from collections.abc import Set

from field_data.events import Draft, Kind
from field_data.people import Person, Role

_LAND = frozenset({Kind.FARM, Kind.FIELD, Kind.SEASON})
_RECORDS = _LAND | {Kind.OBSERVATION}
_NOTHING: frozenset[str] = frozenset()


def may_see(person: Person | None, event: Draft, own: Set[str] = _NOTHING) -> bool:
    """Whether the person may know of the record, without its private parts."""
    if person is None or not person.active:
        return False
    if event.kind is Kind.ERASURE:
        return person.role is Role.KEEPER
    if _mine(person, event, own):
        return True
    match person.role:
        case Role.KEEPER | Role.AGRONOMIST:
            return True
        case Role.AGENT:
            return event.kind in _RECORDS
        case Role.FARMER:
            return False


def may_see_private(person: Person | None, event: Draft, own: Set[str] = _NOTHING) -> bool:
    """Whether the person may see its exact place, its photos and its words too.

    Who may not gets the place coarsened (:mod:`field_data.sharing`) and none of the others.  The
    boundaries of fields are no secret among those who work on them.
    """
    if person is None or not may_see(person, event, own):
        return False
    if person.role is not Role.AGENT:
        return True
    return event.kind in _LAND or _mine(person, event, own)


def may_correct(person: Person | None, event: Draft, own: Set[str] = _NOTHING) -> bool:
    """Whether the person may add a correction of the record."""
    if person is None or not may_see(person, event, own) or event.kind is Kind.ERASURE:
        return False
    if event.kind is Kind.CONSENT:
        return person.id in (event.subject, event.author)
    if event.kind is Kind.REVIEW:
        return event.author == person.id
    match person.role:
        case Role.KEEPER:
            return event.kind in _LAND
        case Role.AGRONOMIST:
            return True
        case Role.AGENT:
            return event.kind in _LAND or event.author == person.id
        case Role.FARMER:
            return False


def _mine(person: Person, event: Draft, own: Set[str]) -> bool:
    """Made by the person, or about them or their land."""
    return event.author == person.id or event.subject == person.id or event.subject in own
