"""What a node says to its hub, one request at a time: signed, and the refusals understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cbor2

from field_data.clock import now
from field_data.errors import GhallaError, HubError, KeeperError, NetworkError, PersonError
from sync.keys import SecretKey
from sync.requests import authorization, body_word, enrol_message
from sync.transport import Link, Reply
from sync.types import Refusal

_LATER = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
_LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a hub says to a node that it lets in."""

    hub: str
    public_key: bytes
    organisation: str
    region: str


class RefusedError(HubError):
    """The hub refused: ``code`` is its reason; ``told`` is all that it said."""

    def __init__(self, reason: str, detail: str, told: Mapping[str, Any]) -> None:
        super().__init__(reason, detail or reason)
        self.told = told


@dataclass(frozen=True, slots=True)
class Conversation:
    """Requests of the node ``node`` to the hub ``hub`` over ``link``, signed with ``key``."""

    link: Link
    node: str
    hub: str
    key: SecretKey

    def signed(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """The reply to a request that the node signs; refusals are for the caller.

        Raises:
            NetworkError: as `Link.request`.
        """
        more = dict(headers or {})
        word = more.get("Upload-Offset", "") if method == "PATCH" else body_word(body)
        time_s = max(0, int(now().utc_s))
        more["Authorization"] = authorization(
            self.key, self.node, self.hub, method, path, time_s, word
        )
        return self.link.request(method, path, body, more)

    def segment(self, data: bytes) -> bytes:
        """The receipt for a segment, which carries its own signature.

        Raises:
            RefusedError: as docs/sync.md says.
            NetworkError: as `Link.request`; ``hub_busy`` with ``retry_after_s``.
        """
        reply = self.link.request("POST", "/n/1/segments", data)
        if reply.status != 200:
            raise refusal(reply)
        return reply.body


def enrol(link: Link, key: SecretKey, node: str, name: str, code: str) -> Enrolled:
    """Show the code to the hub, once; the same code again gives the same answer.

    Raises:
        PersonError: ``bad_code``, ``node_taken``.
        NetworkError, KeeperError: as `Link.request`.
    """
    public = key.public.raw
    asked = {"code": code, "node": node, "name": name, "public_key": public}
    asked["signature"] = key.sign(enrol_message(code, node, name, public))
    reply = link.request("POST", "/n/1/enrol", cbor2.dumps(asked))
    if reply.status != 200:
        error = refusal(reply)
        if isinstance(error, RefusedError):
            raise PersonError(error.code, f"the hub does not let this node in: {error}") from error
        raise error
    told = _told(reply)
    try:
        return Enrolled(
            str(told["hub"]), bytes(told["public_key"]), told["organisation"], told["region"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PersonError("bad_hub_url", "what answered there is no hub") from error


def refusal(reply: Reply) -> GhallaError:
    """The error that a reply other than success means."""
    told = _told(reply)
    reason, detail = str(told.get("reason", "")), str(told.get("detail", ""))
    if reply.status in _LATER:
        after_s = _seconds(reply.headers.get("retry-after", ""))
        code = "hub_full" if reason == Refusal.FULL else "hub_busy"
        message = f"the hub asks to come back later ({reply.status} {reason})".strip()
        return NetworkError(code, message, retry_after_s=after_s)
    if not reason:
        return NetworkError("no_hub", f"what answered is no hub (status {reply.status})")
    if reason == Refusal.CLONED:
        message = (
            "another box with this node's identity speaks to the hub: both were written from one "
            "image. Decide which of them becomes a new node, and run there: ghalla sync renew"
        )
        return KeeperError("cloned", message)
    return RefusedError(reason, detail, told)


def _told(reply: Reply) -> dict[str, Any]:
    try:
        said = cbor2.loads(reply.body) if reply.body else {}
    except (ValueError, EOFError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _seconds(text: str) -> float:
    known = text.isascii() and text.isdigit() and len(text) < 8
    return min(float(text), _LONGEST_WAIT_S) if known else 0.0
