"""Who a node's request comes from."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Request, request
from sqlalchemy import select

from field_data.errors import HubError, PublisherError
from sync.hub.app import Hub, this_hub
from sync.hub.tables import NODES
from sync.keys import PublicKey
from sync.requests import body_word, read_authorization, request_message
from sync.types import Refusal

MOST_BODY = 1 << 20


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node that may speak."""

    id: str
    organisation: str
    region: str
    key: PublicKey


def node_of_request() -> NodeRow:
    """The enrolled node that signed the present request; its body is read but for a ``PATCH``.

    Raises:
        HubError: ``unknown_node``, ``revoked``, ``bad_signature``, ``too_large``.
    """
    return _checked(request)


def known_node(hub: Hub, node: str) -> NodeRow:
    """The enrolled node of that id.

    Raises:
        HubError: ``unknown_node``, ``revoked``.
    """
    columns = (NODES.c.organisation, NODES.c.region, NODES.c.public_key, NODES.c.revoked_s)
    with hub.database.reading() as connection:
        row = connection.execute(select(*columns).where(NODES.c.id == node)).first()
    if row is None:
        raise HubError(Refusal.UNKNOWN_NODE, "this node is not enrolled here")
    if row.revoked_s is not None:
        raise HubError(Refusal.REVOKED, "this node's right to send was withdrawn")
    return NodeRow(node, row.organisation, row.region, PublicKey(row.public_key))


def _checked(asked: Request) -> NodeRow:
    try:
        signed = read_authorization(asked.headers.get("Authorization", ""))
        node = known_node(this_hub(), signed.node)
        word = _word(asked)
        hub = this_hub().identity.id
        message = request_message(hub, asked.method, asked.path, signed.time_s, word)
        node.key.check(message, signed.signature)
    except PublisherError as error:
        raise HubError(Refusal.BAD_SIGNATURE, str(error)) from error
    return node


def _word(asked: Request) -> str:
    if asked.method == "PATCH":
        return asked.headers.get("Upload-Offset", "")
    if (asked.content_length or 0) > MOST_BODY:
        raise HubError(Refusal.TOO_LARGE, "the request is too large")
    return body_word(asked.get_data(cache=True))
