"""The tablets' API: what a tablet fetches before it goes out, and its photos.

Everything that the tablet's page does goes through here; `/api/v1/openapi.json` describes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, BinaryIO, cast

from flask import Blueprint, Response, abort, current_app, jsonify, make_response, request

from edge_app.access.guard import ground, looked_at, the_person
from edge_app.access.rights import may_see_private
from edge_app.agent import consent_words, openapi, refusals
from edge_app.agent.intake import MAX_PHOTO_BYTES, take_photo
from edge_app.agent.strict_json import read_body
from edge_app.farmer.context import advice
from edge_app.farmer.context import node as node_of_pages
from edge_app.farmer.uploads import MAX_PHOTO_BYTES as MAX_COUNTED_BYTES
from edge_app.languages import LANGS
from edge_app.trap_answer import count_answer
from edge_app.vocabulary import CardVocabulary
from field_data.clock import now
from field_data.errors import PersonError
from field_data.events import Event
from field_data.photos import is_photo_name
from field_data.types import Farm, Field, Season

blueprint = Blueprint("tablet", __name__, url_prefix="/api/v1")
refusals.init_refusals(blueprint)


@blueprint.before_request
def _known_lang() -> None:
    if request.args.get("lang", LANGS[0]) not in LANGS:
        raise PersonError("unknown_lang")


def words() -> CardVocabulary:
    """The crops and conditions that records may name."""
    return cast(CardVocabulary, current_app.extensions["ghalla_vocabulary"])


@blueprint.get("/openapi.json")
def description() -> Response:
    """This API as an OpenAPI 3.1 document."""
    return tagged(openapi.document(ground().forms))


@blueprint.get("/node")
def node() -> Response:
    """Which node this is and what time it believes it is."""
    return jsonify({"id": ground().node, "time": asdict(now())})


@blueprint.get("/forms")
def forms() -> Response:
    """The newest version of every form, as `Form.as_json` gives it."""
    return tagged({"forms": [form.as_json() for form in ground().forms.current()]})


@blueprint.get("/vocabulary")
def vocabulary() -> Response:
    """Crops and their conditions with their names in every language."""
    return tagged(words().as_json())


@blueprint.get("/land")
def land() -> Response:
    """Farms, fields (boundaries as closed rings of [longitude, latitude]) and seasons."""
    registry = ground().registry
    fields = registry.fields()
    seasons = [season for field in fields for season in registry.seasons(field.id)]
    known: dict[str, Sequence[Farm | Field | Season]] = {
        "farms": registry.farms(),
        "fields": fields,
        "seasons": seasons,
    }
    return tagged({name: [_plain(each) for each in things] for name, things in known.items()})


@blueprint.get("/consents")
def consents() -> Response:
    """What is read to a farmer before they agree, with the version that their decision names."""
    return tagged(consent_words.asked())


def _plain(thing: Farm | Field | Season) -> dict[str, Any]:
    """As JSON: days as ISO dates."""
    said = asdict(thing)
    said.pop("retired")
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in said.items()}


@blueprint.put("/photos/<sha256>")
def put_photo(sha256: str) -> Response:
    """Keep a JPEG under the hash of its bytes; sending it again changes nothing."""
    _photo_name(sha256)
    jpeg = read_body(body_stream(), request.content_length, MAX_PHOTO_BYTES)
    new = take_photo(ground(), sha256, jpeg)
    return jsonify({"sha256": sha256, "bytes": len(jpeg), "replayed": not new})


@blueprint.get("/photos/<sha256>")
def get_photo(sha256: str) -> Response:
    """A kept photo of a record whose private parts this person may see."""
    _photo_name(sha256)
    owner = _record_of(sha256)
    data = ground().photos.get(sha256) if owner else None
    if owner is None or data is None:
        abort(404)
    if owner.author != the_person().id:
        looked_at(owner.id)
    response = make_response(data)
    response.mimetype = "image/jpeg"
    return response


def _record_of(photo: str) -> Event | None:
    """A record that shows the photo to this person, their own one first."""
    owners = map(ground().events.get, ground().photo_uses.owners(photo))
    person = the_person()
    seen = [event for event in owners if event and may_see_private(person, event)]
    return min(seen, key=lambda event: event.author != person.id, default=None)


@blueprint.post("/count")
def count() -> Response:
    """Count the insects in one photo of a trap; nothing is kept."""
    with node_of_pages().place():
        jpeg = read_body(body_stream(), request.content_length, MAX_COUNTED_BYTES)
        reading = node_of_pages().count(jpeg, request.args.get("trap", ""))
    return jsonify(count_answer(reading, advice(), ""))


def _photo_name(sha256: str) -> None:
    if not is_photo_name(sha256):
        raise PersonError("photo_hash", "a photo is named by its SHA-256 in hex")


def body_stream() -> BinaryIO:
    """The body as the server received it, not yet in memory."""
    return cast(BinaryIO, request.environ["wsgi.input"])


def tagged(value: Any) -> Response:
    """JSON with an ETag, or 304 for who has it already."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    response = make_response(text)
    response.mimetype = "application/json"
    response.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
    response.headers["Cache-Control"] = "no-cache, private"
    return cast(Response, response.make_conditional(request))
