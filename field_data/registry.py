"""The registry of one node: what is said about farms, fields, seasons and consent is checked here.

`LandView` reads; this adds.  Everything becomes an event; the first about a subject makes it, a
later one corrects it and so supersedes the one before.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from field_data import clock
from field_data.document_store import DocumentStore
from field_data.errors import PersonError
from field_data.events import Draft, Event, EventLog, Kind, Receipt, standing
from field_data.geometry import MOROCCO, Note, Outline, Region, centre, distance_m, overlap_ha
from field_data.ids import is_id, new_id
from field_data.land import (
    Body,
    Decision,
    area_claim,
    clean_name,
    decision_of,
    farm_of,
    field_of,
    season_of,
)
from field_data.land_view import LandView
from field_data.types import Farm, Field, Instant, Season

# More than this share of the smaller field: told, since boundaries walked twice never agree.
OVERLAP_SHARE = 0.1
FAR_M = 20_000.0
_AHEAD = datetime.timedelta(days=2 * 365)
_LONGEST_AUTHOR = 64


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that was taken in, and what a person should know about it."""

    receipt: Receipt
    notes: tuple[Note, ...] = ()


class Registry(LandView):
    """The land of the node whose events are in ``events``, both in ``store``.

    ``region`` is where fields are expected; ``now`` gives the time.
    """

    def __init__(
        self,
        store: DocumentStore,
        events: EventLog,
        *,
        region: Region = MOROCCO,
        now: Callable[[], Instant] = clock.now,
    ) -> None:
        super().__init__(store, events, region=region)
        self._now = now

    def transaction(self) -> AbstractContextManager[None]:
        """Join what is said inside into one durable step; see `DocumentStore.transaction`."""
        return self._store.transaction()

    # --- what comes from outside -------------------------------------------------------------

    def check(self, draft: Draft) -> tuple[Note, ...]:
        """Judge an event about land or consent before it is appended; a replay is not judged again.

        Notes do not refuse: ``overlap``, ``far_from_farm``, ``area_differs``, ``outside_region``,
        ``area_unusual``, ``simplified``, ``points_repeated``.

        Raises:
            PersonError: those of `field_data.land` and `field_data.geometry`; ``bad_id``,
                ``bad_author``, ``unknown_farm``, ``unknown_field``, ``must_correct`` (the subject
                is known: say which event is superseded), ``correction_of_other``.
            ValueError: The event is about something else.
        """
        if self._events.get(draft.id) is not None or self._events.of_the_erased(draft):
            return ()
        if not is_id(draft.subject):
            raise PersonError("bad_id", "the subject is the id of a record", key="subject")
        if not 0 < len(draft.author) <= _LONGEST_AUTHOR:
            raise PersonError("bad_author", "somebody must say so")
        match draft.kind:
            case Kind.CONSENT:
                decision_of(draft.body)
                self._must_follow(draft, new=True)
                return ()
            case Kind.FARM:
                farm_of(draft.subject, draft.body)
                self._must_follow(draft, new=self.farm(draft.subject) is None)
                return ()
            case Kind.FIELD:
                return self._check_field(draft)
            case Kind.SEASON:
                return self._check_season(draft)
        raise ValueError(f"the registry knows nothing of {draft.kind}")

    def append(self, draft: Draft) -> Taken:
        """Check and keep an event in one durable step.

        Raises:
            PersonError: as `check` and `EventLog.append`.
        """
        with self._store.transaction():
            if self._events.get(draft.id) is None:
                notes = self.check(draft)
                return Taken(self._events.append(draft), notes)
        # A replay, or another record under that name: outside, so that what is refused is kept.
        return Taken(self._events.append(draft))

    def _check_field(self, draft: Draft) -> tuple[Note, ...]:
        field, shape = field_of(draft.subject, draft.body, self._region)
        claim = area_claim(draft.body, field.area_ha)
        self._must_follow(draft, new=self.field(field.id) is None)
        if self.farm(field.farm) is None:
            raise PersonError("unknown_farm", f"no farm {field.farm}", farm=field.farm)
        if field.retired:
            return ()
        return (*shape.notes, *claim, *self._overlaps(field), *self._far(field))

    def _check_season(self, draft: Draft) -> tuple[Note, ...]:
        season = season_of(draft.subject, draft.body, latest=self._latest_day())
        self._must_follow(draft, new=self.season(season.id) is None)
        if self.field(season.field) is None:
            raise PersonError("unknown_field", f"no field {season.field}", field=season.field)
        return ()

    def _latest_day(self) -> datetime.date:
        """Two years from now; a clock that woke up in 1970 is no judge of dates."""
        utc_s = max(self._now().utc_s, clock.BUILT_UTC_S)
        return datetime.datetime.fromtimestamp(utc_s, datetime.UTC).date() + _AHEAD

    def _must_follow(self, draft: Draft, *, new: bool) -> None:
        """What is known is corrected, what is corrected is known and the same thing."""
        if draft.supersedes is None:
            if not new:
                raise PersonError("must_correct", f"{draft.subject} is known: correct it")
            return
        before = self._events.get(draft.supersedes)
        if before is None:
            raise PersonError("nothing_to_correct", "the corrected record is not here")
        if (before.kind, before.subject) != (draft.kind, draft.subject):
            raise PersonError("correction_of_other", "a correction is about the same thing")

    def _overlaps(self, field: Field) -> list[Note]:
        notes = []
        for id in self._neighbours.near(field.boundary):
            other = self.field(id)
            if other is None or other.id == field.id:
                continue
            ha = overlap_ha(field.boundary, other.boundary)
            share = ha / min(field.area_ha, other.area_ha)
            if share > OVERLAP_SHARE:
                details = {"field": id, "ha": round(ha, 4), "share": round(share, 3)}
                notes.append(Note("overlap", details))
        return notes

    def _far(self, field: Field) -> list[Note]:
        """Far outside the box around the farm's fields (which a correction's own field is in)."""
        box = self._neighbours.farm_box(field.farm)
        if box is None:
            return []
        lon, lat = centre(field.boundary)
        nearest = min(max(lon, box[0]), box[2]), min(max(lat, box[1]), box[3])
        away = distance_m((lon, lat), nearest)
        return [Note("far_from_farm", {"km": round(away / 1000)})] if away > FAR_M else []

    # --- what is said here -------------------------------------------------------------------

    def add_farm(
        self, author: str, name: str, *, commune: str = "", owner: str | None = None
    ) -> Farm:
        """A new farm.

        Raises:
            PersonError: as `check`.
        """
        body = {"name": clean_name(name), "commune": clean_name(commune), "owner": owner}
        id = new_id()
        return farm_of(id, body, self._say(Kind.FARM, id, author, body).receipt.event.id)

    def add_field(
        self,
        author: str,
        farm: str,
        name: str,
        boundary: Outline,
        *,
        source: str = "drawn",
        crop: str | None = None,
    ) -> tuple[Field, tuple[Note, ...]]:
        """A new field with a boundary that `field_data.geometry` passed, and what to tell of it.

        Raises:
            PersonError: as `check`.
        """
        body = {
            "farm": farm,
            "name": clean_name(name),
            "boundary": [list(point) for point in boundary.ring],
            "area_ha": round(boundary.area_ha, 4),
            "source": source,
            "crop": crop,
        }
        id = new_id()
        taken = self._say(Kind.FIELD, id, author, body)
        field, _ = field_of(id, body, self._region, taken.receipt.event.id)
        return field, _once((*boundary.notes, *taken.notes))

    def add_season(
        self,
        author: str,
        field: str,
        crop: str,
        *,
        sown: datetime.date | None = None,
        harvested: datetime.date | None = None,
        variety: str = "",
        usual_t_ha: float | None = None,
    ) -> Season:
        """A new season of a field.

        Raises:
            PersonError: as `check`.
        """
        body = {
            "field": field,
            "crop": crop,
            "sown": sown and sown.isoformat(),
            "harvested": harvested and harvested.isoformat(),
            "variety": clean_name(variety),
            "usual_t_ha": usual_t_ha,
        }
        id = new_id()
        return season_of(id, body, self._say(Kind.SEASON, id, author, body).receipt.event.id)

    def correct(self, author: str, subject: str, changes: Mapping[str, Any]) -> Taken:
        """Change what is said of a farm, field or season: ``changes`` to the body said last.

        Raises:
            PersonError: as `check`, ``unknown_subject``.
        """
        with self._store.transaction():
            thing = self.farm(subject) or self.field(subject) or self.season(subject)
            said = None if thing is None else self._events.get(thing.event)
            if said is None:
                raise PersonError("unknown_subject", f"no farm, field or season {subject}")
            body = {**said.body, **changes}
            if "boundary" in changes and "area_ha" not in changes:
                body.pop("area_ha", None)
            return self._say(said.kind, subject, author, body, said.id)

    def retire(self, author: str, subject: str) -> Taken:
        """Work no longer with a farm, field or season; a correction brings it back."""
        return self.correct(author, subject, {"retired": True})

    def _say(
        self, kind: Kind, subject: str, author: str, body: Body, supersedes: str | None = None
    ) -> Taken:
        at = self._now()
        return self.append(Draft(new_id(), kind, subject, author, at, body, supersedes=supersedes))

    # --- consent -----------------------------------------------------------------------------

    def consents(self, person: str) -> list[Event]:
        """All that a person decided, in the order of arrival; bodies are read by `decision_of`."""
        return [event for event in self._events.about(person) if event.kind is Kind.CONSENT]

    def add_consent(self, author: str, person: str, decision: Decision) -> Event:
        """Note what a person agreed to or withdrew; it supersedes what was decided before.

        Raises:
            PersonError: as `check`.
        """
        body = {
            "purpose": decision.purpose,
            "wording": decision.wording,
            "lang": decision.lang,
            "given": decision.given,
        }
        with self._store.transaction():
            before = self._decisions(person, decision.purpose)
            last = before[-1].id if before else None
            return self._say(Kind.CONSENT, person, author, body, last).receipt.event

    def allows(self, person: str, purpose: str) -> bool:
        """Whether a person agrees to a purpose now; silence is no."""
        return self.agreed(person, purpose) is not None

    def agreed(self, person: str, purpose: str) -> Decision | None:
        """The yes that stands now, with the wording that was read; None for no and for silence.

        The decision that arrived last counts, unless a withdrawal that nothing superseded was made
        later than it: two tablets may bring home decisions in the wrong order.
        """
        events = self._decisions(person, purpose)
        last = decision_of(events[-1].body) if events else None
        if last is None or not last.given:
            return None
        withdrawn = [each.at.utc_s for each in events if not decision_of(each.body).given]
        return None if withdrawn and max(withdrawn) > events[-1].at.utc_s else last

    def _decisions(self, person: str, purpose: str) -> list[Event]:
        """What stands of a person's decisions about a purpose."""
        events = standing(self.consents(person))
        return [event for event in events if event.body.get("purpose") == purpose]


def _once(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """Without what was said twice, in order."""
    return tuple(note for place, note in enumerate(notes) if note not in notes[:place])
