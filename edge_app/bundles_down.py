"""What comes down when a node speaks with its hub: roots, bundles; and what became of them goes up.

``come_down`` is called when everything is sent and bytes are left.  Whatever stops it, the next
time goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cbor2

from edge_app.bundle_place import note_place, place_of
from edge_app.bundles_node import NodeBundles, Taken
from edge_app.settings import MB, read_settings
from field_data.errors import (
    GhallaError,
    HubError,
    KeeperError,
    NetworkError,
    PersonError,
    PublisherError,
)
from sync.bundle_manifest import parse_head
from sync.fetch import Offer, fetch, forget_others
from sync.roots import SignedRoot, parse_signed, root_of, update_root

_MOST_OFFERS = 100
# Bytes on the wire for each of a body, and what asking and telling cost.
_ON_TOP, _LISTS = 1.15, 4000
# Of a report, all but whether it was told.
_TELLS = ("id", "outcome", "kind", "name", "version", "bundle", "code", "reason", "at_s")


class Reply(Protocol):
    """What the hub answered."""

    @property
    def status(self) -> int:
        """The status of HTTP."""

    @property
    def body(self) -> bytes:
        """All of the body."""


class Hub(Protocol):
    """Signed requests to the hub (`sync.conversation.Conversation`)."""

    def signed(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """The reply; raises ``NetworkError`` where there is none."""


@dataclass(frozen=True, slots=True)
class Came:
    """What came: ``taken`` names and versions, ``refused`` codes, bytes received and missing."""

    taken: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    bytes: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class _Ranges:
    """Implements `sync.fetch.Fetcher`."""

    hub: Hub

    def get_range(self, path: str, start: int, stop: int) -> bytes:
        reply = self.hub.signed("GET", path, headers={"Range": f"bytes={start}-{stop - 1}"})
        if reply.status != 206:
            raise _refused(reply)
        return reply.body


def after_up(home: Path, node: str) -> Callable[[Any], None]:
    """What a run of the client (`sync.client.Client.after_up`) does when everything is up."""

    def come(hub: Any) -> None:
        left = hub.link.allowance.left_bytes(hub.link.spent)
        if left is not None and left < _LISTS:
            return
        most = None if left is None else int((left - _LISTS) / _ON_TOP)
        come_down(NodeBundles(home, place_of(home, node)), hub, most)

    return come


def come_down(bundles: NodeBundles, hub: Hub, most: int | None = None) -> Came:
    """Tell the hub what became of bundles, step through newer roots, take what is offered.

    ``most``: bytes of bundles now at most.  A node without a root of trust takes nothing.

    Raises:
        NetworkError: the link failed; what arrived is kept.
        KeeperError: ``disk_full`` and the like for one of them; the others were taken first.
        HubError: the hub refuses the node.
    """
    tell(bundles, hub)
    if root_of(bundles.home) is None:
        return Came()
    said = _asked(hub, "/n/1/bundles")
    note_place(bundles.home, str(said.get("organisation", "")), str(said.get("region", "")))
    _newer_roots(bundles, hub, said.get("root", 0))
    offers = [each for each in _offers(said.get("bundles")) if bundles.wants(each.signed)]
    forget_others(bundles.home, [offer.sha256 for offer in offers])
    came, troubles = Came(), list[KeeperError]()
    for offer in offers:
        left = None if most is None else most - came.bytes
        if left is None or left > 0:
            try:
                came = _one(bundles, hub, offer, left, came)
            except KeeperError as error:
                troubles.append(error)
    tell(bundles, hub)
    if troubles:
        raise troubles[0]
    return came


def _one(bundles: NodeBundles, hub: Hub, offer: Offer, left: int | None, came: Came) -> Came:
    keep = read_settings(bundles.home).min_free_mb * MB
    try:
        got = fetch(bundles.home, _Ranges(hub), offer, most=left, keep_free=keep)
        came = replace(came, bytes=came.bytes + got.spent, missing=came.missing + got.missing)
        if got.path is None:
            return came
        taken = _taken(bundles, got.path)
    except (PublisherError, PersonError) as error:
        if isinstance(error, PublisherError) and not error.details.get("reported"):
            bundles.refuse(offer.signed, error)
        return replace(came, refused=(*came.refused, error.code))
    return replace(came, taken=(*came.taken, f"{taken.kind}/{taken.name} {taken.version}"))


def _taken(bundles: NodeBundles, path: Path) -> Taken:
    """Take in what was fetched; where the fault is the keeper's it waits, whole."""
    try:
        taken = bundles.take(path, by_itself=True)
    except (PublisherError, PersonError):
        path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)
    return taken


def _newer_roots(bundles: NodeBundles, hub: Hub, latest: Any) -> None:
    """A chain that is not sound changes nothing: what was believed is believed on."""
    mine = root_of(bundles.home)
    if mine is None or type(latest) is not int or latest <= mine.root.version:
        return
    chain: list[SignedRoot] = []
    try:
        listed = _asked(hub, f"/n/1/roots/{mine.root.version}")
        chain = [parse_signed(each) for each in listed]
        update_root(bundles.home, chain)
    except PublisherError as error:
        bundles.reports.add("refused", "roots", "roots", latest, "", error.code, str(error))


def tell(bundles: NodeBundles, hub: Hub) -> None:
    """Report what the hub has not heard."""
    waiting = bundles.reports.waiting()
    if waiting:
        rows = [{key: getattr(report, key) for key in _TELLS} for report in waiting]
        reply = hub.signed("POST", "/n/1/reports", cbor2.dumps(rows))
        if reply.status != 204:
            raise _refused(reply)
        bundles.reports.tell([report.id for report in waiting])


def _asked(hub: Hub, path: str) -> Any:
    reply = hub.signed("GET", path)
    if reply.status != 200:
        raise _refused(reply)
    return _decoded(reply)


def _decoded(reply: Reply) -> Any:
    try:
        return cbor2.loads(reply.body)
    except (ValueError, TypeError, RecursionError, cbor2.CBORError) as error:
        raise NetworkError("no_hub", f"what answered is no hub: {error}") from error


def _refused(reply: Reply) -> GhallaError:
    said = _decoded(reply) if reply.body else {}
    reason = str(said.get("reason", "")) if isinstance(said, dict) else ""
    if reply.status >= 500 or not reason:
        return NetworkError("hub_busy", f"the hub answers {reply.status}")
    return HubError(reason, f"the hub answers {reply.status}: {reason}")


def _offers(listed: Any) -> list[Offer]:
    """What is offered, as far as it can be read."""
    offers = []
    for each in listed[:_MOST_OFFERS] if isinstance(listed, list) else ():
        try:
            signed = parse_head(_head(each["head"]))
            offers.append(Offer(each["sha256"], each["bytes"], signed))
        except (PublisherError, ValueError, TypeError, KeyError):
            continue
    return offers


def _head(said: Any) -> bytes:

    return json.dumps(said).encode()
