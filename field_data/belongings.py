"""What is about a person: their farms, the fields and seasons of these, and all records of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from field_data.events import Event, EventLog, Kind, standing

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Belongings:
    """``about``: events on the person or their land; ``authored``: the other events they made."""

    subjects: frozenset[str]
    about: tuple[Event, ...]
    authored: tuple[Event, ...]

    @property
    def photos(self) -> frozenset[str]:
        """The photos of all of them."""
        return frozenset(photo for event in self.about + self.authored for photo in event.photos)


def own_subjects(events: EventLog, person: str) -> frozenset[str]:
    """Ids of the farms that are a person's now, and of their fields and seasons."""
    farms = _subjects(events, Kind.FARM, "owner", frozenset({person}))
    fields = _subjects(events, Kind.FIELD, "farm", farms)
    return farms | fields | _subjects(events, Kind.SEASON, "field", fields)


def _subjects(events: EventLog, kind: Kind, key: str, wanted: frozenset[str]) -> frozenset[str]:
    if not wanted:
        return frozenset()
    found = standing(events.of_kind(kind))
    return frozenset(event.subject for event in found if event.body.get(key) in wanted)


def belongings(events: EventLog, person: str) -> Belongings:
    """Everything that is about a person or made by them; reads the whole log."""
    subjects = own_subjects(events, person)
    about, authored = [], []
    for event in _all(events):
        if event.erased or event.kind is Kind.ERASURE:
            continue
        if event.subject == person or event.subject in subjects:
            about.append(event)
        elif event.author == person:
            authored.append(event)
    return Belongings(subjects, tuple(about), tuple(authored))


def _all(events: EventLog) -> Iterator[Event]:
    seq = 0
    while page := events.since(seq, _PAGE):
        yield from page
        seq = page[-1].seq
