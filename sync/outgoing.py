"""An event becomes a record: what may leave the node, and under which numbers (docs/sync.md).

Pure functions of the event and of what the node knows; nothing here sends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from field_data.diagnoses import DiagnosisLog
from field_data.events import Event, EventLog, Kind
from field_data.forms.definition import Type
from field_data.forms.library import Forms
from field_data.observations import public_body
from field_data.registry import Registry
from field_data.sharing import coarse, coarse_ring, names_hub, one_digit, travelling
from field_data.types import Diagnosis
from field_data.uplinks import Sent
from sync.types import ERASED_REV, Record, in_ms

UNKNOWN_FORM = "unknown_form"
PHOTOS, LOCATION = "photos", "location"
_LAND = frozenset({Kind.FARM, Kind.FIELD, Kind.SEASON, Kind.OBSERVATION})


@dataclass(frozen=True, slots=True)
class Held:
    """A record that cannot go now, and the stable code of the reason."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Leave:
    """What a farmer lets out: the exact place, the photos."""

    place: bool
    photos: bool


class Outgoing:
    """Makes records of the ``events`` of a node, with what it knows of land, forms and answers."""

    def __init__(
        self, events: EventLog, registry: Registry, forms: Forms, diagnoses: DiagnosisLog
    ) -> None:
        self._events = events
        self._registry = registry
        self._forms = forms
        self._diagnoses = diagnoses

    def record(self, event: Event, before: Sent | None = None) -> Record | Held:
        """The record of an event as it may leave now; ``before`` is how it was sealed last.

        Without ``before`` it is the first revision, else the one after it.
        """
        if event.erased:
            return erased_record(event)
        rev = 0 if before is None else before.rev + 1
        body = self._body(event)
        if body is None:
            return Held(event.seq, UNKNOWN_FORM)
        leave = self.leave(event)
        rough = not leave.place and has_place(body)
        return Record(
            seq=event.seq,
            kind=event.kind,
            subject=event.subject,
            author=event.author,
            at=in_ms(event.at),
            received=in_ms(event.received),
            body=coarse_body(body, self._places(event)) if rough else body,
            photos=self.photos(event) if leave.photos else (),
            supersedes=self._seq(event.supersedes),
            rev=rev,
            coarse=rough,
        )

    def how(self, event: Event, rev: int = 0) -> Sent:
        """How the record would travel now."""
        if event.erased:
            return Sent(ERASED_REV)
        leave, body = self.leave(event), self._body(event)
        rough = body is not None and not leave.place and has_place(body)
        return Sent(rev, rough, bool(self.photos(event)) and not leave.photos)

    def photos(self, event: Event) -> tuple[str, ...]:
        """The photos that belong to an event; those of a review are those of its diagnosis."""
        if event.kind is not Kind.REVIEW:
            return event.photos
        diagnosis = self._diagnoses.get(event.subject)
        shown = diagnosis.photos if diagnosis else ()
        return tuple(dict.fromkeys(each.sha256 for each in shown if each.sha256))

    def leave(self, event: Event) -> Leave:
        """What may leave of an event; without a known owner of the land, nothing exact does."""
        if event.kind is Kind.REVIEW:
            diagnosis = self._diagnoses.get(event.subject)
            return Leave(False, diagnosis is not None and names_hub(diagnosis.consent))
        if event.kind not in _LAND:
            return Leave(False, False)
        farm = self._farm(event)
        if farm is None:  # an observation somewhere: nobody's land that could be found by it
            return Leave(False, event.kind is Kind.OBSERVATION)
        owner = self._owner(event, farm)
        return Leave(self._agreed(owner, LOCATION), self._agreed(owner, PHOTOS))

    def _agreed(self, owner: str | None, purpose: str) -> bool:
        decision = self._registry.agreed(owner, purpose) if owner else None
        return decision is not None and names_hub(decision.wording)

    def _owner(self, event: Event, farm: str) -> str | None:
        known = self._registry.farm(farm)
        return known.owner if known else None

    def _farm(self, event: Event) -> str | None:
        """The farm whose land an event is about, None for no registered one."""
        if event.kind is Kind.FARM:
            return event.subject
        if self._registry.farm(event.subject) is not None:
            return event.subject
        season = self._registry.season(event.subject)
        field = self._registry.field(season.field if season else event.subject)
        return field.farm if field else None

    def touched(self, event: Event) -> list[str]:
        """Farms, fields and seasons of which other things may leave because of an event."""
        match event.kind:
            case Kind.CONSENT:
                farms = [f.id for f in self._registry.farms(retired=True)]
                mine = [id for id in farms if self._is_of(id, event.subject)]
                return [each for farm in mine for each in self._all_of(farm)]
            case Kind.FARM if event.supersedes:
                return self._all_of(event.subject)
            case Kind.FIELD if event.supersedes:
                return self._all_of_field(event.subject)
        return []

    def _is_of(self, farm: str, person: str) -> bool:
        known = self._registry.farm(farm)
        return known is not None and known.owner == person

    def _all_of(self, farm: str) -> list[str]:
        fields = [field.id for field in self._registry.fields(farm, retired=True)]
        return [farm, *(each for field in fields for each in self._all_of_field(field))]

    def _all_of_field(self, field: str) -> list[str]:
        return [field, *(season.id for season in self._registry.seasons(field))]

    def _body(self, event: Event) -> Mapping[str, Any] | None:
        match event.kind:
            case Kind.OBSERVATION:
                return public_body(event.body, self._forms)
            case Kind.ERASURE:
                return erasure_body(event.body, self._seq)
            case Kind.REVIEW:
                diagnosis = self._diagnoses.get(event.subject)
                answer = {} if diagnosis is None else {"answer": answer_of(diagnosis)}
                return {**event.body, **answer}
        return travelling(event).body

    def _places(self, event: Event) -> frozenset[str]:
        """The questions about places in any known version of the form of an observation."""
        if event.kind is not Kind.OBSERVATION:
            return frozenset()
        forms = self._forms.versions(event.body["form"])
        all_questions = (q for form in forms for q in form.questions.values())
        return frozenset(q.id for q in all_questions if q.type is Type.PLACE)

    def _seq(self, id: str | None) -> int | None:
        event = self._events.get(id) if id else None
        return event.seq if event else None


def erased_record(event: Event) -> Record:
    """The number of an erased event, which is all that is left of it."""
    at, received = in_ms(event.at), in_ms(event.received)
    return Record(event.seq, event.kind, "", "", at, received, {}, rev=ERASED_REV)


def erasure_body(body: Mapping[str, Any], seq_of: Callable[[str], int | None]) -> dict[str, Any]:
    """What an erasure says to the hub: numbers in place of ids, which never travel."""
    found = (seq_of(id) for id in body.get("events", ()))
    seqs = sorted(seq for seq in found if seq is not None)
    return {"seqs": seqs, "photos": list(body.get("photos", ()))}


def answer_of(diagnosis: Diagnosis) -> dict[str, Any]:
    """What the model had said of the plant that a review is about."""
    top, model = diagnosis.top, diagnosis.model
    return {
        "model": model.name if model else None,
        "version": model.version if model else None,
        "status": str(diagnosis.status),
        "crop": diagnosis.crop,
        "condition": top.condition if top else None,
        "probability": round(top.probability, 4) if top else None,
    }


def has_place(value: Any) -> bool:
    """Whether a body tells a place anywhere in it: a boundary, or longitude with latitude."""
    if isinstance(value, Mapping):
        told = {"lon", "lat"} <= value.keys() or bool(value.get("boundary"))
        return told or any(map(has_place, value.values()))
    return isinstance(value, list | tuple) and any(map(has_place, value))


def coarse_body(body: Mapping[str, Any], places: Collection[str] = ()) -> dict[str, Any]:
    """A body whose places are those of their cells; what was typed for ``places`` goes."""
    rough = {key: _coarse(value) for key, value in body.items()}
    for part in rough.keys() & {"values", "raw"}:
        # A place that was not understood cannot be made coarse.
        kept = rough[part].items()
        rough[part] = {k: v for k, v in kept if k not in places or _is_place(v)}
    if isinstance(body.get("boundary"), list | tuple):
        ring = tuple((float(lon), float(lat)) for lon, lat, *_ in body["boundary"])
        rough["boundary"] = [list(point) for point in coarse_ring(ring)]
        if isinstance(body.get("area_ha"), int | float):
            rough["area_ha"] = one_digit(body["area_ha"])
    return rough


def _is_place(value: Any) -> bool:
    return isinstance(value, Mapping) and {"lon", "lat"} <= value.keys()


def _coarse(value: Any) -> Any:
    if _is_place(value):
        try:
            lon, lat = coarse(float(value["lon"]), float(value["lat"]))
        except (TypeError, ValueError, OverflowError):
            return None
        return {"lon": lon, "lat": lat}
    if isinstance(value, Mapping):
        return {key: _coarse(each) for key, each in value.items()}
    return [_coarse(each) for each in value] if isinstance(value, list | tuple) else value
