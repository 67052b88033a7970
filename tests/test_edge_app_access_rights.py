"""Which records a role may see and correct, as a table."""

from __future__ import annotations

import pytest

from edge_app.access.rights import may_correct, may_see, may_see_private
from field_data.events import Draft, Kind
from field_data.ids import new_id
from field_data.people import Person, Role
from field_data.types import Instant, Trust

ME, OTHER, LAND = new_id(), new_id(), new_id()
AT = Instant(1_790_000_000.0, Trust.NTP)

# see, see private parts, correct: of a record that another person made on land of others …
OF_OTHERS = {
    (Role.FARMER, Kind.OBSERVATION): "---",
    (Role.FARMER, Kind.FIELD): "---",
    (Role.FARMER, Kind.CONSENT): "---",
    (Role.FARMER, Kind.REVIEW): "---",
    (Role.FARMER, Kind.ERASURE): "---",
    (Role.AGENT, Kind.OBSERVATION): "s--",
    (Role.AGENT, Kind.FIELD): "spc",
    (Role.AGENT, Kind.FARM): "spc",
    (Role.AGENT, Kind.SEASON): "spc",
    (Role.AGENT, Kind.CONSENT): "---",
    (Role.AGENT, Kind.REVIEW): "---",
    (Role.AGENT, Kind.ERASURE): "---",
    (Role.AGRONOMIST, Kind.OBSERVATION): "spc",
    (Role.AGRONOMIST, Kind.FIELD): "spc",
    (Role.AGRONOMIST, Kind.CONSENT): "sp-",
    (Role.AGRONOMIST, Kind.REVIEW): "sp-",
    (Role.AGRONOMIST, Kind.ERASURE): "---",
    (Role.KEEPER, Kind.OBSERVATION): "sp-",
    (Role.KEEPER, Kind.FARM): "spc",
    (Role.KEEPER, Kind.FIELD): "spc",
    (Role.KEEPER, Kind.CONSENT): "sp-",
    (Role.KEEPER, Kind.REVIEW): "sp-",
    (Role.KEEPER, Kind.ERASURE): "sp-",
}
# … and of one that I made.
OF_MINE = {
    (Role.FARMER, Kind.CONSENT): "spc",
    (Role.FARMER, Kind.OBSERVATION): "sp-",
    (Role.AGENT, Kind.OBSERVATION): "spc",
    (Role.AGENT, Kind.FIELD): "spc",
    (Role.AGENT, Kind.REVIEW): "spc",
    (Role.AGENT, Kind.CONSENT): "spc",
    (Role.AGRONOMIST, Kind.REVIEW): "spc",
    (Role.AGRONOMIST, Kind.OBSERVATION): "spc",
    (Role.KEEPER, Kind.OBSERVATION): "sp-",
    (Role.KEEPER, Kind.ERASURE): "sp-",
}


def rights(person: Person | None, event: Draft, own: frozenset[str] = frozenset()) -> str:
    asked = (may_see, may_see_private, may_correct)
    said = zip("spc", asked, strict=True)
    return "".join(letter if may(person, event, own) else "-" for letter, may in said)


def event(kind: Kind, author: str, subject: str = LAND) -> Draft:
    return Draft(new_id(), kind, subject, author, AT, {})


@pytest.mark.parametrize(("role", "kind"), OF_OTHERS, ids=str)
def test_records_of_others(role: Role, kind: Kind) -> None:
    assert rights(Person(ME, "me", role), event(kind, OTHER)) == OF_OTHERS[role, kind]


@pytest.mark.parametrize(("role", "kind"), OF_MINE, ids=str)
def test_records_that_i_made(role: Role, kind: Kind) -> None:
    assert rights(Person(ME, "me", role), event(kind, ME)) == OF_MINE[role, kind]


@pytest.mark.parametrize("kind", [Kind.FARM, Kind.FIELD, Kind.SEASON, Kind.OBSERVATION])
def test_a_farmer_sees_all_of_the_own_land_and_corrects_none_alone(kind: Kind) -> None:
    farmer = Person(ME, "me", Role.FARMER)
    assert rights(farmer, event(kind, OTHER), frozenset({LAND})) == "sp-"
    assert rights(farmer, event(kind, OTHER), frozenset({new_id()})) == "---"


def test_a_farmer_sees_and_takes_back_the_own_consent_recorded_by_an_agent() -> None:
    consent = event(Kind.CONSENT, OTHER, subject=ME)
    assert rights(Person(ME, "me", Role.FARMER), consent) == "spc"


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("role", Role)
def test_who_is_not_active_or_not_logged_in_has_no_right(role: Role, kind: Kind) -> None:
    gone = Person(ME, "me", role, active=False)
    assert rights(gone, event(kind, ME, ME), frozenset({LAND})) == "---"
    assert rights(None, event(kind, OTHER)) == "---"
