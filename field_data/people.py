"""The people who work with a node, and what each role may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person does here; one each."""

    FARMER = "farmer"
    AGENT = "agent"
    AGRONOMIST = "agronomist"
    KEEPER = "keeper"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone known to this node: ``id`` is pseudonymous and travels, ``name`` stays here."""

    id: str
    name: str
    role: Role
    lang: str = "ar"
    active: bool = True
