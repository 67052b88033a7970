"""The node's way to its hub: enrolment, runs, and what waits; wired to the ground truth."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_app.bundles_down import after_up as what_comes_down
from edge_app.ground import Ground
from edge_app.uplink_files import KEY, folder_of, renditions_of, segments_of
from edge_app.uplink_status import Meter, Status, status_of
from field_data.audit_log import NODE
from field_data.clock import now
from field_data.errors import GhallaError, KeeperError, PersonError
from field_data.events import Draft, Event, Kind
from field_data.files import HomeLock, make_folder
from field_data.ids import new_id
from field_data.uplinks import Uplink, known_hubs
from sync.client import Client, Progress, Run
from sync.conversation import Conversation, enrol
from sync.departures import Departures
from sync.keys import PublicKey, SecretKey, new_keys, read_secret
from sync.outgoing import Outgoing
from sync.parcels import Parcels
from sync.planner import is_alert
from sync.stick_client import StickClient
from sync.transport import Allowance, HubAddress, Link

_LONGEST_NAME = 80
_QUIET_S = 20 * 3600.0


class Uplinks:
    """The hub of one node; a node has one, and after `renew` it is a new node."""

    def __init__(self, ground: Ground, render: Callable[[bytes, str], bytes] | None = None) -> None:
        self._ground = ground
        self.home: Path = ground.photos.folder.parent
        self._render = render or _rendition

    # --- coming in ----------------------------------------------------------------------------

    def enrol(self, address: HubAddress, code: str, name: str = "") -> Status:
        """Show the code to the hub at ``address`` and remember it.

        Raises:
            PersonError: ``bad_code``, ``node_taken``, ``other_hub`` when another one is known.
            NetworkError, KeeperError: as `Link.request`.
        """
        key = self._key(make=True)
        with Link(address, Allowance(seconds=120.0)) as link:
            told = enrol(link, key, self._ground.node, (name or _name())[:_LONGEST_NAME], code)
        known = known_hubs(self._ground.store)
        if known and told.hub not in known:
            raise PersonError("other_hub", "this node belongs to another hub already")
        Uplink(self._ground.store, told.hub).keep(
            url=address.url,
            ca=str(address.ca or ""),
            pin=address.pin,
            insecure=address.insecure,
            hub_key=told.public_key.hex(),
            organisation=told.organisation,
            region=told.region,
        )
        return self.status()

    def known(self) -> bool:
        """Whether the node was let in by a hub."""
        return bool(known_hubs(self._ground.store))

    def uplink(self, url: str = "") -> Uplink:
        """What is known of the hub; ``url`` must be its address if it is said.

        Raises:
            PersonError: ``not_enrolled``.
        """
        for hub in known_hubs(self._ground.store):
            found = Uplink(self._ground.store, hub)
            if url.rstrip("/") in ("", str(found.state().get("url", "")).rstrip("/")):
                return found
        message = "no hub knows this node there: ghalla sync enrol --hub URL --code CODE"
        raise PersonError("not_enrolled", message)

    def _key(self, make: bool = False) -> SecretKey:
        path = folder_of(self.home) / KEY
        if make and not path.exists():
            new_keys(path)
        if not path.exists():
            raise KeeperError("no_node_key", f"{path} is missing: revoke this node and enrol again")
        return read_secret(path)

    def unsay(self) -> None:
        """Tell the hub to erase the photos of answers that farmers erased after a review.

        The erasure is an event, as that of a person; answers without a review never travelled.
        """
        ground = self._ground
        for diagnosis, photos in ground.diagnoses.unsaid().items():
            with ground.store.transaction():
                about = ground.events.about(diagnosis)
                reviews = [event.seq for event in about if event.kind is Kind.REVIEW]
                if reviews:
                    body = {"events": [], "photos": photos}
                    said = Draft(new_id(), Kind.ERASURE, diagnosis, NODE, now(), body)
                    ground.events.append(said)
                    self.uplink().again(reviews)  # as they are now, without answer and photos
                ground.diagnoses.said(diagnosis)

    # --- a run --------------------------------------------------------------------------------

    def run(
        self,
        url: str = "",
        allowance: Allowance | None = None,
        say: Callable[[Progress], None] = lambda _progress: None,
        after_up: Callable[[Conversation], None] | None = None,
        **options: Any,
    ) -> Run:
        """Send what waits, then take what comes down; ``options`` go to `sync.client.Client`.

        Raises:
            PersonError: ``not_enrolled``, ``sync_running``.
            KeeperError, HubError: as `Client.run`; the reason is remembered.
        """
        uplink = self.uplink(url)
        with self.alone():
            self.unsay()
            link = Link(address_of(uplink), allowance)
            down = after_up or what_comes_down(self.home, self._ground.node)
            client = self.client(uplink, link, after_up=down, greet=_quiet(uplink), **options)
            meter = Meter(uplink)

            def told(progress: Progress) -> None:
                meter.count(link.spent)
                say(progress)

            client.say = told
            try:
                made = client.run()
            except GhallaError as error:
                self._remember(uplink, client.report(error), meter)
                raise
            self._remember(uplink, made, meter)
            return made

    def client(self, uplink: Uplink, link: Link, **options: Any) -> Client:
        """A client of that hub over that link."""
        hub = Conversation(link, self._ground.node, uplink.hub, self._key())
        return Client(hub, self.departures(uplink), self.parcels(uplink), **options)

    def departures(self, uplink: Uplink) -> Departures:
        """The records on their way to a hub."""
        ground = self._ground
        return Departures(
            node=ground.node,
            store=ground.store,
            events=ground.events,
            outbox=ground.outbox,
            outgoing=self._outgoing(),
            uplink=uplink,
            key=self._key(),
            folder=segments_of(self.home, uplink.hub),
            health=partial(self._health, uplink),
            alert=_is_alert,
        )

    def _outgoing(self) -> Outgoing:
        ground = self._ground
        return Outgoing(ground.events, ground.registry, ground.forms, ground.diagnoses)

    def parcels(self, uplink: Uplink) -> Parcels:
        """The photos on their way to a hub."""
        folder = renditions_of(self.home, uplink.hub)
        return Parcels(uplink, self._ground.outbox, self._ground.photos, folder, self._render)

    def stick(
        self, folder: Path, say: Callable[[int, int], None] = lambda _done, _all: None
    ) -> StickClient:
        """The stick mounted at ``folder``."""
        self.unsay()
        uplink = self.uplink()
        return StickClient(folder, self.departures(uplink), self.parcels(uplink), say)

    def hub_key(self) -> PublicKey:
        """What the hub signs receipts with; as it said at the enrolment."""
        return PublicKey(bytes.fromhex(self.uplink().state()["hub_key"]))

    def _health(self, uplink: Uplink) -> dict[str, Any]:
        waiting = self._ground.events.last_seq() - self._ground.outbox.acknowledged(uplink.hub)
        photos = sum(parcel.rendition == "view" for parcel in uplink.parcels())
        return {"v": version("ghalla"), "backlog": max(0, waiting), "photos": photos}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one process (or thread) sends for a node.

        Raises:
            PersonError: ``sync_running``.
        """
        make_folder(folder_of(self.home))
        lock = HomeLock(folder_of(self.home))
        try:
            lock.acquire()
        except KeeperError as error:
            if error.code != "home_in_use":
                raise
            raise PersonError("sync_running", "this node is sending just now") from error
        try:
            yield
        finally:
            lock.release()

    def note(self, reason: str, detail: str) -> None:
        """Remember why nothing was sent."""
        nothing = Run(0, 0, 0, 0, 0.0, 0, reason, detail)
        self.uplink().keep(last={"at_s": now().utc_s, **asdict(nothing)})

    def _remember(self, uplink: Uplink, made: Run, meter: Meter) -> None:
        meter.count(made.bytes_up + made.bytes_down)
        at = now().utc_s
        heard = {"heard_s": at} if made.bytes_down and (made.records or not made.reason) else {}
        uplink.keep(last={"at_s": at, **asdict(made)}, **heard)

    # --- what waits ---------------------------------------------------------------------------

    def status(self, url: str = "") -> Status:
        """What waits for the hub, and why.

        Raises:
            PersonError: ``not_enrolled``.
        """
        return status_of(self._ground, self.uplink(url), self._outgoing())

    def retry(self, seqs: list[int]) -> None:
        """Try again what was set aside for a person."""
        uplink = self.uplink()
        with self._ground.store.transaction():
            self._ground.outbox.release(uplink.hub, seqs)
            uplink.again(seqs)
            for parcel in uplink.parcels():
                if parcel.reason and parcel.seq in seqs:
                    uplink.progress(replace(parcel, reason=""))


def address_of(uplink: Uplink) -> HubAddress:
    """Where the hub is, as it was said at the enrolment."""
    state = uplink.state()
    ca = Path(state["ca"]) if state.get("ca") else None
    return HubAddress(
        state.get("url", ""), ca, state.get("pin", ""), bool(state.get("insecure", False))
    )


def _quiet(uplink: Uplink) -> bool:
    """Whether the hub has not heard of the node for most of a day, by a clock that may be wrong."""
    heard_s = uplink.state().get("heard_s")
    return heard_s is None or abs(now().utc_s - heard_s) > _QUIET_S


def _is_alert(event: Event) -> bool:
    values = event.body.get("values") if event.kind is Kind.OBSERVATION else None
    form = event.body.get("form", "")
    return isinstance(values, Mapping) and is_alert(form, values, _to_report())


@cache
def _to_report() -> frozenset[str]:
    """Conditions that must be reported: regulated pests, and those that are not in the country."""
    from edge_app.advice import load_advice

    advice = load_advice()
    return frozenset(card.condition for card in advice.cards if card.alert)


def _name() -> str:
    return socket.gethostname()


def _rendition(jpeg: bytes, name: str) -> bytes:
    from models.renditions import rendition

    return rendition(jpeg, name)
