"""What nodes ask the hub for, ``/n/1/`` (docs/sync.md)."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

import cbor2
from flask import Blueprint, Response, current_app, g, request

from field_data.errors import GhallaError, HubError, NetworkError
from sync import receipts
from sync.dictionaries import versions
from sync.hub.app import this_hub
from sync.hub.enrolment import Enrolment, enrol
from sync.hub.gate import known_node, node_of_request
from sync.hub.ingest import ingest
from sync.hub.photos import OffsetError, Photos, Upload, is_hash
from sync.requests import check_enrolment
from sync.segments import MAX_BYTES, open_segment
from sync.types import Refusal

NODE_API = Blueprint("node_api", __name__, url_prefix="/n/1")
CBOR = "application/cbor"
TUS = {"Tus-Resumable": "1.0.0"}
STATUS = {
    "bad_request": 400,
    Refusal.BAD_SEGMENT: 400,
    Refusal.UNKNOWN_NODE: 403,
    Refusal.REVOKED: 403,
    Refusal.BAD_SIGNATURE: 403,
    "bad_code": 403,
    "bad_reports": 400,
    "unknown_bundle": 404,
    "unknown_upload": 404,
    "node_taken": 409,
    Refusal.DIVERGED: 409,
    Refusal.SUPERSEDED: 409,
    Refusal.CLONED: 409,
    Refusal.ERASED: 410,
    Refusal.TOO_LARGE: 413,
    Refusal.UNKNOWN_DICTIONARY: 415,
    Refusal.NEWER_SCHEMA: 415,
    "bad_range": 416,
    Refusal.DAMAGED: 460,
    Refusal.FULL: 507,
}
# After which a node knows nothing more of who it talks to: these count against strangers.
_STRANGE = {400, 403, 413, 415}
_RETRY_S = {429: 60, 503: 60, 507: 600}
_MOST_ENROLMENT = 4096
_PART = 1 << 20
# What a read has when the link breaks is lost: sips are small.
_SIP, _MOMENT_S = 512, 1.0
_SILENT_S = 60.0


@NODE_API.before_request
def _wait_outside() -> Response | None:
    """Who was refused often is told to wait before anything is read; no one holds a thread long."""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(_SILENT_S)
    if this_hub().strangers.waits(request.remote_addr or ""):
        _read_no_further()
        return refused(429, "too_many", "too many refused requests from this address")
    return None


def _read_no_further() -> None:
    """Else the server would wait for the rest of a stranger's body, and hold a thread for it."""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None and request.content_length != 0 and "body_read" not in g:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RD)


@NODE_API.errorhandler(GhallaError)
def _told(error: GhallaError) -> Response:
    """A known error as a refusal; the link's and the disks' mean: come back."""
    if isinstance(error, NetworkError):
        current_app.logger.warning("%s: %s", error.code, error)
        return refused(503, "unavailable", "the hub cannot keep anything now, nothing is lost")
    status = STATUS.get(error.code, 500)
    if status in _STRANGE:
        this_hub().strangers.note(request.remote_addr or "")
        _read_no_further()
    if error.code == Refusal.UNKNOWN_DICTIONARY:
        error.details["dictionaries"] = list(versions())
    return refused(status, error.code, str(error), **error.details)


def refused(status: int, reason: str, detail: str, **more: Any) -> Response:
    """A refusal in the form that nodes read."""
    body = cbor2.dumps({"reason": str(reason), "detail": detail, **more})
    response = Response(body, status, content_type=CBOR, headers=TUS)
    if status in _RETRY_S:
        response.headers["Retry-After"] = str(_RETRY_S[status])
    return response


@NODE_API.post("/enrol")
def enrol_node() -> Response:
    """Let a node in that comes with a code."""
    asked = _enrolment(_body(_MOST_ENROLMENT))
    organisation, region = enrol(this_hub().database, asked)
    hub = this_hub().identity
    said = {
        "hub": hub.id,
        "public_key": hub.key.public.raw,
        "organisation": organisation,
        "region": region,
    }
    return Response(cbor2.dumps(said), content_type=CBOR)


def _enrolment(data: bytes) -> Enrolment:
    try:
        told = cbor2.loads(data)
        texts = [told[key] for key in ("code", "node", "name")]
        blobs = [told[key] for key in ("public_key", "signature")]
        if not all(isinstance(t, str) for t in texts) or not all(
            isinstance(b, bytes) for b in blobs
        ):
            raise ValueError("other types")
        code, node, name = texts
        key = check_enrolment(code, node, name, *blobs)
    except (ValueError, TypeError, KeyError, RecursionError, cbor2.CBORError) as error:
        raise HubError("bad_request", f"not an enrolment: {type(error).__name__}") from error
    return Enrolment(code, node, name, key)


@NODE_API.post("/segments")
def take_segment() -> Response:
    """Take in a segment; the receipt is sent when it is durable."""
    hub = this_hub()
    batch = open_segment(_body(MAX_BYTES), lambda node: known_node(hub, node).key)
    return Response(receipts.encode(ingest(hub, batch)), content_type=CBOR)


def _body(most: int) -> bytes:
    """The body, never more than ``most`` bytes of it."""
    if request.content_length is None or request.content_length > most:
        raise HubError(Refusal.TOO_LARGE, f"at most {most} bytes, and their number beforehand")
    data = request.get_data(cache=True)
    g.body_read = True
    if len(data) != request.content_length:
        raise HubError(Refusal.BAD_SEGMENT, "the request was cut")
    return data


@NODE_API.route("/photos/<sha256>", methods=["HEAD"])
def photo_offset(sha256: str) -> Response:
    """How much of a rendition is here."""
    node = node_of_request()
    here = Photos(this_hub()).settled(node.id, _hash(sha256))
    if here is None:
        return Response(status=404, headers=TUS)
    offset, length = here
    told = {"Upload-Offset": str(offset), "Upload-Length": str(length)}
    return Response(status=200, headers={**TUS, **told, "Cache-Control": "no-store"})


@NODE_API.patch("/photos/<sha256>")
def photo_bytes(sha256: str) -> Response:
    """Take in bytes of a rendition, and keep those that came however the request ends."""
    node = node_of_request()
    photos, offset = Photos(this_hub()), _number("Upload-Offset")
    _hash(sha256)
    try:
        if "Upload-Length" in request.headers:
            photos.begin(_upload(node.id, sha256))
        for piece in _pieces():
            offset = photos.append(node.id, sha256, offset, piece)
    except OffsetError as error:
        return Response(status=409, headers={**TUS, "Upload-Offset": str(error.offset)})
    return Response(status=204, headers={**TUS, "Upload-Offset": str(offset)})


def _pieces() -> Any:
    """The body in pieces; what a cut connection left is a piece too.  At least one, maybe empty."""
    left = request.content_length
    if left is None:
        raise HubError("bad_request", "Content-Length is missing")
    first, cut = True, False
    while (left or first) and not cut:
        piece, cut = _read(min(left, _PART))
        yield piece
        first, left = False, left - len(piece)


def _read(most: int) -> tuple[bytes, bool]:
    """As many bytes as come, up to ``most``, and whether the other side is gone or silent.

    Of a slow link no more than what comes in a moment: a connection that died without a word is
    noticed late, and the node asks meanwhile, over another one, how much is kept.
    """
    got, begun = bytearray(), time.monotonic()
    try:
        while len(got) < most and not (got and time.monotonic() - begun > _MOMENT_S):
            some = request.environ["wsgi.input"].read(min(most - len(got), _SIP))
            if not some:
                return bytes(got), len(got) < most
            got += some
    except OSError:
        return bytes(got), True
    return bytes(got), False


def _upload(node: str, sha256: str) -> Upload:
    words = {}
    for pair in request.headers.get("Upload-Metadata", "").split(","):
        key, _, value = pair.strip().partition(" ")
        words[key] = value
    length = _number("Upload-Length")
    return Upload(node, sha256, words.get("photo", ""), words.get("rendition", ""), length)


def _number(header: str) -> int:
    text = request.headers.get(header, "")
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise HubError("bad_request", f"{header} is not a number")
    return int(text)


def _hash(text: str) -> str:
    if not is_hash(text):
        raise HubError("bad_request", "a photo is named by its SHA-256 in hex")
    return text
