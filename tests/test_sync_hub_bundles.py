"""What goes down: offered to whom it is for, fetched over a link that breaks, and told back."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, inspect

from edge_app.bundle_place import place_of
from edge_app.bundles_down import Came, come_down, tell
from edge_app.bundles_node import NodeBundles
from edge_app.settings import read_settings
from field_data.errors import (
    GhallaError,
    HubError,
    KeeperError,
    NetworkError,
    PersonError,
    PublisherError,
)
from field_data.files import HomeLock
from field_data.ids import new_id
from sync.bundle_manifest import Place, Target
from sync.fetch import INCOMING
from sync.hub.app import Hub, create_hub
from sync.hub.bundle_store import (
    add_roots,
    note_reports,
    offers,
    publish,
    published,
    set_rollout,
    tally,
)
from sync.hub.bundle_tables import BUNDLE_REPORTS, BUNDLES, ROOTS
from sync.hub.tables import NODES
from sync.keys import SecretKey
from sync.requests import authorization, body_word
from sync.roots import root_of
from tests.bundling import (
    CARD,
    OTHER,
    ROOT_A,
    ROOT_B,
    ROOT_C,
    STRANGER,
    bundle,
    parts_of,
    put_together,
    root,
    signed_root,
    trusting,
)
from tests.hubs import any_hub, postgres, sqlite_hub  # noqa: F401 (fixtures)

KEY = SecretKey(bytes([99] * 32))


def places(number: int) -> list[Place]:
    return [Place(new_id(), "", "", "coop", "souss") for _ in range(number)]


def put(hub: Hub, path: Path, share: int = 100) -> str:
    with hub.database.writing() as connection:
        if not connection.execute(ROOTS.select()).first():
            add_roots(connection, [signed_root()])
        return publish(connection, hub.blobs, path, share).sha256


def offered(hub: Hub, place: Place) -> list[int]:
    with hub.database.reading() as connection:
        return [each.signed.manifest.version for each in offers(connection, place)]


def report(bundle_id: str, outcome: str, code: str = "") -> dict[str, Any]:
    return {"id": new_id(), "outcome": outcome, "kind": "advice", "name": "souss", "version": 1,
            "bundle": bundle_id, "code": code, "reason": "why", "at_s": 1.0}  # fmt: skip


def test_migrations_make_the_tables_of_the_code(any_hub: Hub) -> None:  # noqa: F811
    found = inspect(any_hub.database.engine)
    for table in (BUNDLES, ROOTS, BUNDLE_REPORTS):
        made = {c["name"]: bool(c["nullable"]) for c in found.get_columns(table.name)}
        assert made == {c.name: bool(c.nullable) for c in table.columns}
        keys = found.get_pk_constraint(table.name)["constrained_columns"]
        assert keys == [c.name for c in table.primary_key]


def test_the_newest_that_a_node_may_have_is_offered(any_hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    put(any_hub, bundle(tmp_path, 1))
    put(any_hub, bundle(tmp_path, 1, name="rif", target=Target(regions=("rif",))))
    two = put(any_hub, bundle(tmp_path, 2), share=20)
    nodes = places(200)
    early = [node for node in nodes if offered(any_hub, node) == [2]]
    late = [node for node in nodes if offered(any_hub, node) == [1]]
    assert len(early) + len(late) == 200
    assert 15 < len(early) < 70
    with any_hub.database.writing() as connection:
        set_rollout(connection, two, share=60)
    assert all(offered(any_hub, node) == [2] for node in early), "who has it keeps it"
    assert sum(offered(any_hub, node) == [2] for node in nodes) > len(early) + 40
    with any_hub.database.writing() as connection:
        with pytest.raises(PersonError) as error:
            set_rollout(connection, two, share=10)
        assert error.value.code == "share_falls"
        set_rollout(connection, two, paused=True)
    assert all(offered(any_hub, node) == [1] for node in nodes)
    with any_hub.database.writing() as connection:
        set_rollout(connection, two, share=100, paused=False)
    assert all(offered(any_hub, node) == [2] for node in nodes)


def test_rollbacks_pause_a_bundle_and_a_keepers_wish_does_not(
    any_hub: Hub,  # noqa: F811
    tmp_path: Path,
) -> None:
    put(any_hub, bundle(tmp_path, 1))
    with any_hub.database.reading() as connection:
        [first] = published(connection)
    words = [("installed", "")] * 17 + [("rolled_back", "by_keeper")] * 9
    for outcome, code in [*words, ("rolled_back", "golden_differs"), ("refused", "bad_content")]:
        with any_hub.database.writing() as connection:
            note_reports(connection, new_id(), [report(first.signed.id, outcome, code)])
    with any_hub.database.reading() as connection:
        assert tally(connection, first.signed.id) == (28, 2)
        assert not published(connection)[0].paused
    with any_hub.database.writing() as connection:
        note_reports(connection, new_id(), [report(first.signed.id, "rolled_back", "x")])
    with any_hub.database.reading() as connection:
        [now] = published(connection)
    assert now.paused
    assert now.paused_why == "3 of 29 nodes report that it failed"


def test_a_report_counts_once_however_often_it_arrives(any_hub: Hub) -> None:  # noqa: F811
    node, said = new_id(), [report("b" * 64, "rolled_back")]
    for _ in range(3):
        with any_hub.database.writing() as connection:
            note_reports(connection, node, said)
    with any_hub.database.reading() as connection:
        assert tally(connection, "b" * 64) == (1, 1)


@pytest.mark.parametrize(
    "said",
    [None, {}, [1], [{}], [report("b", "exploded")], [report("b", "refused") | {"version": -1}],
     [report("b", "refused") | {"version": True}], [report("b", "refused")] * 501,
     [report("b", "refused") | {"at_s": "soon"}], [report("b", "refused") | {"at_s": 10**400}],
     [report("b", "refused") | {"id": ""}]],
)  # fmt: skip
def test_what_is_no_report_is_refused(sqlite_hub: Hub, said: Any) -> None:  # noqa: F811
    with sqlite_hub.database.writing() as connection, pytest.raises(PersonError) as error:
        note_reports(connection, new_id(), said)
    assert error.value.code == "bad_reports"


def test_text_that_a_database_cannot_hold_is_taken_without_it(any_hub: Hub) -> None:  # noqa: F811
    said = report("b" * 64, "refused") | {
        "reason": "a\0b'; drop table bundles; --",
        "name": "x" * 99,
    }
    with any_hub.database.writing() as connection:
        note_reports(connection, new_id(), [said])
    with any_hub.database.reading() as connection:
        row = connection.execute(BUNDLE_REPORTS.select()).one()
    assert row.reason == "ab'; drop table bundles; --"


def test_a_hub_offers_only_what_a_publisher_signed(sqlite_hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    put(sqlite_hub, bundle(tmp_path, 5))
    twice = put(sqlite_hub, bundle(tmp_path, 5))
    for path, code in (
        (bundle(tmp_path, 6, key=STRANGER), "bundle_untrusted"),
        (bundle(tmp_path, 7, key=None), "bundle_unsigned"),
        (bundle(tmp_path, 4), "bundle_old"),
        (bundle(tmp_path, 5, note="another"), "bundle_old"),
    ):
        with pytest.raises(PublisherError) as error:
            put(sqlite_hub, path)
        assert error.value.code == code
    with sqlite_hub.database.reading() as connection:
        assert [each.sha256 for each in published(connection)] == [twice]


def test_a_hub_offers_nothing_that_every_node_would_fetch_and_refuse(
    sqlite_hub: Hub,  # noqa: F811
    tmp_path: Path,
) -> None:
    head, rest = parts_of(bundle(tmp_path, 1))
    harmed = put_together(tmp_path / "x.ghb", head, bytes([rest[0] ^ 1]) + rest[1:])
    with pytest.raises(PublisherError) as error:
        put(sqlite_hub, harmed)
    assert error.value.code == "bundle_damaged"
    put(sqlite_hub, bundle(tmp_path, 1))


def test_a_hub_takes_roots_one_after_the_other(sqlite_hub: Hub) -> None:  # noqa: F811
    two = signed_root(root(2, (ROOT_A, ROOT_C)), ROOT_A, ROOT_B, ROOT_C)
    with sqlite_hub.database.writing() as connection:
        assert add_roots(connection, [two.with_signature(ROOT_A), signed_root()]) == 2
        assert add_roots(connection, [signed_root()]) == 2
        forged = signed_root(root(3, (STRANGER, OTHER)), STRANGER, OTHER)
        with pytest.raises(PublisherError):
            add_roots(connection, [forged])


class CutError(NetworkError):
    """The link is gone."""


@dataclass
class Answer:
    """Implements `edge_app.bundles_down.Reply`."""

    status: int
    body: bytes


@dataclass
class Phone:
    """A node's signed requests to a hub in this process; every ``breaks``-th fails."""

    client: FlaskClient
    hub: str
    node: str
    key: SecretKey = KEY
    breaks: Iterator[bool] = itertools.repeat(False)  # noqa: RUF009
    harm: Any = None
    received: int = 0

    def signed(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        if next(self.breaks):
            raise CutError("link_failed", "cut")
        word = authorization(self.key, self.node, self.hub, method, path, 7, body_word(body))
        answer = self.client.open(
            path, method=method, data=body, headers={**(headers or {}), "Authorization": word}
        )
        data = answer.get_data()
        self.received += len(data)
        if self.harm is not None and path.startswith("/n/1/bundles/"):
            data = self.harm(data)
        return Answer(answer.status_code, data)


@dataclass
class Pair:
    """A hub, its app, and a node that is enrolled there."""

    hub: Hub
    app: Flask
    bundles: NodeBundles
    phone: Phone


@pytest.fixture
def pair(sqlite_hub: Hub, tmp_path: Path) -> Pair:  # noqa: F811
    node = new_id()
    with sqlite_hub.database.writing() as connection:
        connection.execute(
            insert(NODES).values(
                id=node, name="n", organisation="coop", region="souss",
                public_key=KEY.public.raw, enrolled_s=0.0, epoch=0, health={},
            )
        )  # fmt: skip
    app = create_hub(sqlite_hub.settings)
    home = trusting(tmp_path / "home")
    phone = Phone(app.test_client(), sqlite_hub.identity.id, node)
    return Pair(sqlite_hub, app, NodeBundles(home, place_of(home, node)), phone)


def test_a_bundle_comes_down_and_the_hub_hears_of_it(pair: Pair, tmp_path: Path) -> None:
    put(pair.hub, bundle(tmp_path, 3, target=Target(organisations=("coop",))))
    assert come_down(pair.bundles, pair.phone).taken == (), "it does not know yet whose it is"
    pair.bundles = NodeBundles(
        pair.bundles.home, place_of(pair.bundles.home, pair.bundles.place.node)
    )
    came = come_down(pair.bundles, pair.phone)
    assert came.taken == ("advice/souss 3",)
    assert pair.bundles.slots.get("advice", "souss").active == 3
    assert not pair.bundles.reports.waiting()
    with pair.hub.database.reading() as connection:
        rows = connection.execute(BUNDLE_REPORTS.select()).all()
    assert [(row.outcome, row.version) for row in rows] == [("installed", 3)]
    before = pair.phone.received
    assert come_down(pair.bundles, pair.phone) == Came()
    assert pair.phone.received - before < 1200, "what is in use costs one list"


def test_over_a_link_that_breaks_every_byte_comes_once(pair: Pair, tmp_path: Path) -> None:
    noise = {f"audio/tomato-brought.{lang}.ogg": os.urandom(150_000) for lang in ("ar", "fr")}
    path = bundle(tmp_path, 1, files=noise)
    put(pair.hub, path)
    pair.phone.breaks = itertools.cycle([False, False, False, True])
    total, tries = 0, 0
    while pair.bundles.slots.get("advice", "souss").active != 1:
        tries += 1
        assert tries < 60
        try:
            total += come_down(pair.bundles, pair.phone, most=40_000).bytes
        except CutError:
            continue
    assert tries > 7
    fetched = pair.phone.received - 600 * tries
    assert fetched < 1.1 * path.stat().st_size
    assert not list((pair.bundles.home / "bundles" / INCOMING).iterdir())


def test_bytes_that_were_changed_on_the_way_are_refused_and_fetched_again(
    pair: Pair, tmp_path: Path
) -> None:
    put(pair.hub, bundle(tmp_path, 1))
    pair.phone.harm = lambda data: b"x" + data[1:]
    assert come_down(pair.bundles, pair.phone).refused == ("bundle_damaged",)
    assert pair.bundles.reports.all()[-1].code == "bundle_damaged"
    assert not pair.bundles.reports.waiting(), "the hub has heard"
    pair.phone.harm = None
    assert come_down(pair.bundles, pair.phone).taken == ("advice/souss 1",)


def test_what_a_hub_forged_costs_no_bytes_and_is_reported(pair: Pair, tmp_path: Path) -> None:
    put(pair.hub, bundle(tmp_path, 1))
    head, rest = parts_of(bundle(tmp_path, 2))
    forged = put_together(tmp_path / "f.ghb", head | {"signature": ""}, rest)
    with pair.hub.database.writing() as connection:
        import json

        row = connection.execute(BUNDLES.select()).one()._asdict()
        fake = {"sha256": "f" * 64, "bundle": "f" * 64, "version": 9, "bytes": 5_000_000}
        text = json.dumps(parts_of(forged)[0])
        connection.execute(insert(BUNDLES).values(row | fake | {"head": text}))
    before = pair.phone.received
    assert come_down(pair.bundles, pair.phone).bytes == 0
    assert pair.phone.received - before < 2000
    assert pair.bundles.reports.all()[-1].code == "bundle_unsigned"


def test_newer_roots_come_before_what_their_publishers_sign(pair: Pair, tmp_path: Path) -> None:
    put(pair.hub, bundle(tmp_path, 1))
    come_down(pair.bundles, pair.phone)
    newer = signed_root(root(2, publisher=OTHER))
    with pair.hub.database.writing() as connection:
        add_roots(connection, [newer])
    put(pair.hub, bundle(tmp_path, 2, key=OTHER))
    assert come_down(pair.bundles, pair.phone).taken == ("advice/souss 2",)
    mine = root_of(pair.bundles.home)
    assert mine is not None
    assert mine.root.version == 2


def test_what_failed_here_does_not_come_again_by_itself(pair: Pair, tmp_path: Path) -> None:
    put(pair.hub, bundle(tmp_path, 1, files={"cards/x.toml": b"no card"}))
    assert come_down(pair.bundles, pair.phone).refused == ("bad_content",)
    before = pair.phone.received
    assert come_down(pair.bundles, pair.phone) == Came()
    assert pair.phone.received - before < 1200
    put(pair.hub, bundle(tmp_path, 2))
    assert come_down(pair.bundles, pair.phone).taken == ("advice/souss 2",)
    pair.bundles.roll_back("advice", "souss")
    assert come_down(pair.bundles, pair.phone).taken == (), "the keeper's wish stands"


def test_what_the_keeper_took_back_does_not_come_under_another_head(
    pair: Pair, tmp_path: Path
) -> None:
    """A hub that offers one bundle and sends another, each soundly signed."""
    old = put(pair.hub, bundle(tmp_path, 1))
    come_down(pair.bundles, pair.phone)
    pair.bundles.roll_back("advice", "souss")
    newer = put(pair.hub, bundle(tmp_path, 2))
    with pair.hub.database.writing() as connection:
        rows = {row.sha256: row for row in connection.execute(BUNDLES.select())}
        connection.execute(BUNDLES.delete())
        connection.execute(insert(BUNDLES).values(
            rows[old]._asdict() | {"head": rows[newer].head, "version": 2}))  # fmt: skip
    came = come_down(pair.bundles, pair.phone)
    assert came.taken == ()
    assert came.refused == ("bundle_waits",)
    assert pair.bundles.slots.get("advice", "souss").active == 0


@pytest.mark.parametrize("fault", ["busy", "cut"])
def test_what_has_arrived_and_could_not_be_taken_in_is_not_fetched_again(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    path = bundle(tmp_path, 1, files={"cards/brought.toml": CARD.encode() + b"#" * 50_000})
    put(pair.hub, path)
    with monkeypatch.context() as patch:
        if fault == "cut":
            patch.setattr(NodeBundles, "take", lambda *_, **__: sys.exit("the power failed"))
            with pytest.raises(SystemExit):
                come_down(pair.bundles, pair.phone)
        else:
            with HomeLock(pair.bundles.home / "bundles"), pytest.raises(KeeperError):
                come_down(pair.bundles, pair.phone)
    came = come_down(pair.bundles, pair.phone)
    assert (came.taken, came.bytes) == (("advice/souss 1",), 0)
    assert not list((pair.bundles.home / "bundles" / INCOMING).iterdir())


def test_one_that_does_not_fit_on_the_disk_keeps_no_other_out(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(pair.hub, bundle(tmp_path, 1, files={"audio/tomato-brought.ar.ogg": os.urandom(90_000)}))
    put(pair.hub, bundle(tmp_path, 1, "settings", files={"settings.toml": b"sat_weekly_mb = 7"}))
    keep = read_settings(pair.bundles.home).min_free_mb * 1_000_000
    for module in ("sync.fetch", "edge_app.bundles_node"):
        monkeypatch.setattr(f"{module}.free_bytes", lambda _: keep + 50_000)
    with pytest.raises(KeeperError) as error:
        come_down(pair.bundles, pair.phone)
    assert error.value.code == "disk_full"
    assert pair.bundles.slots.get("settings", "souss").active == 1
    assert not pair.bundles.reports.waiting(), "the hub has heard of the other"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("advice", "cards/x.toml"), ("forms", "x.toml"), ("settings", "settings.toml")],
)
@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = " + "[" * 50_000])
def test_what_a_parser_chokes_on_is_refused_once(
    pair: Pair, tmp_path: Path, kind: str, name: str, text: str
) -> None:
    put(pair.hub, bundle(tmp_path, 1, kind, files={name: text.encode()}))
    assert len(come_down(pair.bundles, pair.phone).refused) == 1
    assert come_down(pair.bundles, pair.phone) == Came()


def test_strangers_the_revoked_and_nodes_that_it_is_not_for_get_nothing(
    pair: Pair, tmp_path: Path
) -> None:
    sha = put(pair.hub, bundle(tmp_path, 1, target=Target(regions=("rif",))))

    def code(phone: Phone, path: str) -> str:
        answer = phone.signed("GET", path)
        assert answer.status >= 400
        return str(cbor2.loads(answer.body)["reason"])

    assert code(pair.phone, f"/n/1/bundles/{sha}") == "unknown_bundle"
    assert code(pair.phone, f"/n/1/bundles/{'0' * 64}") == "unknown_bundle"
    stranger = replace(pair.phone, key=STRANGER)
    assert code(stranger, "/n/1/bundles") == "bad_signature"
    assert code(replace(pair.phone, node=new_id()), "/n/1/bundles") == "unknown_node"
    assert pair.app.test_client().get("/n/1/bundles").status_code == 403
    with pair.hub.database.writing() as connection:
        connection.execute(NODES.update().values(revoked_s=1.0))
    assert code(pair.phone, "/n/1/bundles") == "revoked"
    with pytest.raises(GhallaError) as error:
        come_down(pair.bundles, pair.phone)
    assert isinstance(error.value, HubError)


RANGES: list[tuple[str, int, int | None]] = [
    ("", 200, None),
    ("bytes=0-9", 206, 10),
    ("bytes=5-", 206, None),
    ("bytes=0-99999999", 206, None),
    ("bytes=9999999-", 416, None),
    ("bytes=9-3", 416, None),
    ("bytes=-5", 416, None),
    ("bytes=0-1,3-4", 416, None),
    ("lines=1-2", 416, None),
    ("bytes=" + "9" * 40 + "-", 416, None),
]


@pytest.mark.parametrize(("wish", "status", "length"), RANGES)
def test_ranges(pair: Pair, tmp_path: Path, wish: str, status: int, length: int | None) -> None:
    path = bundle(tmp_path, 1)
    headers = {"Range": wish} if wish else {}
    answer = pair.phone.signed("GET", f"/n/1/bundles/{put(pair.hub, path)}", headers=headers)
    assert answer.status == status
    if status < 300:
        whole = path.read_bytes()
        assert answer.body in whole
        assert len(answer.body) == (length or len(whole) - (5 if wish == "bytes=5-" else 0))


def test_reports_that_cannot_be_told_wait(pair: Pair, tmp_path: Path) -> None:
    pair.bundles.take(bundle(tmp_path, 1))
    pair.phone.breaks = iter([True])
    with pytest.raises(CutError):
        tell(pair.bundles, pair.phone)
    assert len(pair.bundles.reports.waiting()) == 1
    pair.phone.breaks = itertools.repeat(False)
    tell(pair.bundles, pair.phone)
    assert not pair.bundles.reports.waiting()
