"""What nodes ask the hub for, ``/n/1/`` (docs/sync.md)."""

from __future__ import annotations

from flask import Blueprint, Response

NODE_API = Blueprint("node_api", __name__, url_prefix="/n/1")
CBOR = "application/cbor"
_MOST_ENROLMENT = 4096


@NODE_API.post("/enrol")
def enrol() -> Response:
    """Let a node in that comes with a code."""
    return Response(status=501)
