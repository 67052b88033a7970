"""Plants with kept photos to review, in a store of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from field_data.diagnoses import DiagnosisLog
from field_data.ids import new_id
from field_data.people import Person, Role
from field_data.reviews import Label, Review, Verdict
from field_data.types import Diagnosis, PhotoVerdict, Status
from tests import fakes
from tests.builders import leaf_jpeg
from tests.fakes import AT


def person(role: Role = Role.AGENT, *, active: bool = True) -> Person:
    """Somebody with that role."""
    return Person(new_id(), "somebody", role, "en", active)


def plant(
    status: Status = Status.UNCERTAIN,
    top: Label = ("LYPES", "PHYTIN"),
    *,
    alert: bool = False,
    consent: str | None = "1",
    id: str | None = None,
    photos: int = 1,
) -> Diagnosis:
    """A diagnosis with kept photos; the hashes name no file."""
    shots = [PhotoVerdict(f"photo-{n}", top=top[1], sha256=f"{n:064x}") for n in range(photos)]
    made = fakes.verdict(
        status,
        top[0],
        [(top[0], str(top[1]), 0.7), (top[0], "ALTESO", 0.2)],
        alert=alert,
        photos=shots,
        id=id or new_id(),
    )
    return replace(made, consent=consent)


def keep(log: DiagnosisLog, made: Diagnosis, photos: Sequence[bytes] = ()) -> Diagnosis:
    """Record it, with real photos in place of the made-up hashes."""
    jpegs = photos or [photo(made.id)]
    shots = tuple(PhotoVerdict(f"photo-{n}") for n, _ in enumerate(jpegs))
    bare = replace(made, photos=shots)
    return log.record(bare, dict(enumerate(jpegs)) if made.consent else {})


def photo(id: str) -> bytes:
    """A small leaf of its own for every plant."""
    return _leaf(sum(id.encode()) * 7919 % 100_003)


@cache
def _leaf(seed: int) -> bytes:
    return leaf_jpeg(160, 120, seed=seed)


def review(
    author: str, label: Label | None = ("LYPES", "PHYTIN"), round: int = 1, **changes: object
) -> Review:
    """One person's word."""
    verdict = Verdict.CORRECT if label else Verdict.CANNOT_TELL
    made = Review(new_id(), "", author, AT, verdict, label, round, round < 3)
    return replace(made, **changes)  # type: ignore[arg-type]
