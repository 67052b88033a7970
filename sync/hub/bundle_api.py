"""What comes down: offers, bundles in ranges, roots, and what nodes report (docs/sync.md).

Adds its routes to those of :mod:`sync.hub.node_api`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import cbor2
from flask import Response, request
from sqlalchemy import select

from field_data.errors import HubError, PersonError
from sync.bundle_manifest import Place
from sync.hub.app import this_hub
from sync.hub.blobs import Blobs
from sync.hub.bundle_store import (
    Published,
    blob_name,
    get,
    latest_root,
    may_have,
    note_reports,
    offers,
    roots_after,
)
from sync.hub.gate import NodeRow, node_of_request
from sync.hub.node_api import CBOR, NODE_API
from sync.hub.tables import NODES

_PIECE = 64 * 1024
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")


def _place(node: NodeRow) -> Place:
    """What the hub knows of a node; hardware and software it knows better itself."""
    with this_hub().database.reading() as connection:
        health = connection.execute(select(NODES.c.health).where(NODES.c.id == node.id)).scalar()
    said = health if isinstance(health, dict) else {}
    software, hardware = said.get("software", ""), said.get("hardware", "")
    return Place(node.id, str(hardware), str(software), node.organisation, node.region)


@NODE_API.get("/bundles")
def listed() -> Response:
    """What this node may have now, and the version of the newest root."""
    place = _place(node_of_request())
    with this_hub().database.reading() as connection:
        signed = latest_root(connection)
        found = offers(connection, place)
    bundles = [
        {"sha256": each.sha256, "bytes": each.bytes, "head": each.signed.as_json()}
        for each in found
    ]
    said = {
        "organisation": place.organisation,
        "region": place.region,
        "root": signed.root.version if signed else 0,
        "bundles": bundles,
    }
    return Response(cbor2.dumps(said), content_type=CBOR)


@NODE_API.get("/roots/<int:after>")
def roots(after: int) -> Response:
    """The chain of roots behind a version."""
    node_of_request()
    with this_hub().database.reading() as connection:
        chain = roots_after(connection, min(after, 1 << 31))
    return Response(cbor2.dumps(chain), content_type=CBOR)


@NODE_API.get("/bundles/<sha256>")
def part(sha256: str) -> Response:
    """A bundle, or a range of it, to a node that it is offered to."""
    place = _place(node_of_request())
    with this_hub().database.reading() as connection:
        found = get(connection, sha256)
    if found is None or not may_have(found, place):
        raise HubError("unknown_bundle", "no such bundle for this node")
    start, stop = _range(found)
    answer = Response(_read(this_hub().blobs, found, start, stop), 206 if request.range else 200)
    answer.mimetype = "application/octet-stream"
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["Content-Length"] = str(stop - start)
    if request.range:
        answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{found.bytes}"
    return answer


def _range(found: Published) -> tuple[int, int]:
    """Start and end of what is asked for: one range, or the whole."""
    wish = request.headers.get("Range")
    if wish is None:
        return 0, found.bytes
    match = _RANGE.fullmatch(wish)
    start = int(match[1]) if match else found.bytes
    stop = min(found.bytes, int(match[2]) + 1) if match and match[2] else found.bytes
    if start >= stop:
        raise HubError("bad_range", f"{wish[:60]!r} of {found.bytes} bytes")
    return start, stop


def _read(blobs: Blobs, found: Published, start: int, stop: int) -> Iterator[bytes]:
    with blobs.reading(blob_name(found.sha256)) as file:
        file.seek(start)
        while start < stop and (piece := file.read(min(_PIECE, stop - start))):
            start += len(piece)
            yield piece


@NODE_API.post("/reports")
def reports() -> Response:
    """What became of bundles on this node."""
    node = node_of_request()
    try:
        said = cbor2.loads(request.get_data())
    except (ValueError, TypeError, RecursionError, cbor2.CBORError) as error:
        raise PersonError("bad_reports", f"no CBOR: {error}") from error
    with this_hub().database.writing() as connection:
        note_reports(connection, node.id, said)
    return Response(status=204)
