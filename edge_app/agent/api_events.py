"""The tablets' API: records one by one, the records of a person, and a tablet's export file."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from edge_app.access.guard import ground, the_person
from edge_app.agent import exchange
from edge_app.agent.api import blueprint, body_stream, words
from edge_app.agent.drafts import MAX_EVENT_BYTES, TABLET_KINDS, draft_of, event_json
from edge_app.agent.intake import receipt_json, state_of, take_event
from edge_app.agent.strict_json import parse, read_body
from field_data.errors import PersonError
from field_data.events import Event, Kind
from field_data.ids import is_id
from field_data.people import Person, Role

_PAGE = 200
_LOOKED_AT = 5000
_MAX_SEQ = 2**53 - 1


@blueprint.put("/events/<id>")
def put_event(id: str) -> Response:
    """Keep one record; 200 with a receipt, the same one however often it is sent."""
    if not is_id(id):
        raise PersonError("bad_event", "an event is named by an id", problems=_at("/id", "wrong"))
    draft = draft_of(parse(read_body(body_stream(), request.content_length, MAX_EVENT_BYTES)))
    if draft.id != id:
        raise PersonError("bad_event", "another id in the body", problems=_at("/id", "not_address"))
    return jsonify(receipt_json(ground(), take_event(ground(), the_person(), draft, words())))


def _at(place: str, code: str) -> list[dict[str, str]]:
    return [{"at": place, "code": code}]


@blueprint.get("/events")
def events() -> Response:
    """Records numbered above ``after``, in order: ``events``, ``next`` to go on from, ``more``.

    An agent is shown their own; ``mine=1`` asks for that as an agronomist.  ``erased`` are ids that
    were erased meanwhile, whoever recorded them: a tablet that has one drops it.
    """
    after, person = _number("after"), the_person()
    wish = _number("mine", 1)
    mine = person.role is Role.AGENT or wish == 1
    found: list[dict[str, Any]] = []
    looked, at, more = 0, after, True
    erased: list[str] = []
    while len(found) < _PAGE and looked < _LOOKED_AT:
        batch = ground().events.since(at, _PAGE - len(found))
        if not batch:
            more = False
            break
        looked, at = looked + len(batch), batch[-1].seq
        erased += [id for event in batch for id in _erased_by(event)]
        found += [_shown(event) for event in batch if _is_for(event, person, mine)]
    return jsonify({"events": found, "erased": erased, "next": at, "more": more})


def _erased_by(event: Event) -> list[str]:
    return list(event.body.get("events", ())) if event.kind is Kind.ERASURE else []


def _is_for(event: Event, person: Person, mine: bool) -> bool:
    there = event.kind in TABLET_KINDS and not event.erased
    return there and (event.author == person.id or not mine)


def _shown(event: Event) -> dict[str, Any]:
    return {**event_json(event), "state": state_of(ground(), event)}


def _number(name: str, most: int = _MAX_SEQ) -> int:
    text = request.args.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= most):
        raise PersonError("bad_query", f"{name} is a number from 0 to {most}", name=name)
    return int(text)


@blueprint.post("/import")
def import_file() -> Response:
    """Keep what is in an export file (or a piece of one that starts at a line); one item a line."""
    items = list(exchange.take_file(ground(), the_person(), body_stream(), words()))
    return jsonify({"items": items, "refused": sum(not item["ok"] for item in items)})
