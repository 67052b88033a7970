"""What a running node does about its hub by itself, and the page that tells of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from edge_app.agent.intake import state_of
from edge_app.settings import Settings
from edge_app.uplink import Uplinks
from edge_app.uplink_health import hub_part
from edge_app.uplink_job import Schedule, in_hours, month_left, send_once, sending
from edge_app.uplink_words import STOPPED
from field_data.clock import now
from field_data.people import Role
from field_data.uplinks import Uplink
from sync.hub.tables import NODES
from tests.people import Staff
from tests.sending import World, world
from tests.village import jpeg


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        ("22:00-06:00", ["22:00", "23:59", "00:00", "05:59"], ["06:00", "21:59", "12:00"]),
        ("12:30-14:00", ["12:30", "13:59"], ["12:29", "14:00", "00:00"]),
        ("", ["00:00", "23:59"], []),
    ],
)
def test_the_node_sends_in_its_hours(hours: str, inside: list[str], outside: list[str]) -> None:
    def minute(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    assert all(in_hours(hours, minute(each)) for each in inside)
    assert not any(in_hours(hours, minute(each)) for each in outside)


def test_pauses_grow_after_failures_and_never_end_the_trying() -> None:
    schedule = Schedule(Settings(hub_every_minutes=60), chance=lambda: 1.0)
    pauses = [schedule.next_s(failed=True) for _ in range(40)]
    assert pauses[:4] == [120, 240, 480, 960]
    assert max(pauses) == 3600
    assert schedule.next_s(failed=False) == pytest.approx(3960)
    assert schedule.next_s(failed=True) == 120
    other = Schedule(Settings(hub_every_minutes=60), chance=lambda: 0.0)
    assert other.next_s(failed=True) == 60


def test_a_month_has_so_many_bytes() -> None:
    assert month_left(0, 5_000_000_000) is None
    assert month_left(3, 1_000_000) == 2_000_000
    assert month_left(3, 4_000_000) == 0


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def test_the_job_sends_and_says_so_and_stops_for_the_month(here: World) -> None:
    ground = here.node.ground
    here.node.see()
    assert send_once(ground)
    assert len(here.rows()) == 1
    assert not ground.bell.sending
    part = hub_part(ground)
    assert part is not None
    assert (part.ok, part.code) == (True, "ok")
    ground.settings = Settings(hub_monthly_mb=1)
    here.node.uplinks.uplink().keep(month_bytes=999_000)
    here.node.see()
    assert send_once(ground)
    assert len(here.rows()) == 1
    assert here.node.uplinks.status().last["reason"] == "month_spent"


def test_a_node_with_nothing_to_say_is_heard_once_a_day(here: World) -> None:
    assert here.node.send().bytes_up > 0
    with here.hub.database.reading() as connection:
        assert connection.execute(select(NODES.c.heard_s)).scalar_one() is not None
    assert here.node.send().bytes_up == 0
    here.node.uplinks.uplink().keep(heard_s=now().utc_s - 90_000)
    assert here.node.send().bytes_up > 0


def test_the_bell_lets_a_running_node_send_at_once(here: World) -> None:
    here.node.see()
    with sending(here.node.ground):
        here.node.ground.bell.wanted.set()
        end = time.monotonic() + 20
        while not here.rows() and time.monotonic() < end:
            time.sleep(0.05)
        assert len(here.rows()) == 1
        asked = time.monotonic()
    assert time.monotonic() - asked < 5


def test_a_node_that_is_out_of_favour_needs_its_keeper(here: World) -> None:
    here.node.uplinks.note("revoked", "this node's right to send was withdrawn")
    part = hub_part(here.node.ground)
    assert part is not None
    assert (part.ok, part.code) == (False, "hub_revoked")


def test_a_record_is_at_the_hub_for_tablets_when_its_photos_are(here: World) -> None:
    ground = here.node.ground
    event = here.node.see("", ground.photos.put(jpeg(4)).sha256)
    assert state_of(ground, event) == "node"
    uplink = here.node.uplinks.uplink()
    departures = here.node.uplinks.departures(uplink)
    segment = departures.next(10)
    assert segment is not None
    with here.node.link() as link:
        client = here.node.client(link)
        client._send(segment)
    assert ground.outbox.arrived(event.seq)
    assert state_of(ground, event) == "node"
    here.node.send()
    assert state_of(ground, event) == "hub"


def test_the_page_tells_what_waits_and_rings_the_bell(tmp_path: Path) -> None:
    with Staff(tmp_path) as staff:
        agent, keeper = staff.client(Role.AGENT), staff.client(Role.KEEPER)
        assert "ghalla sync enrol" in agent.get("/en/staff/sync").get_data(as_text=True)
        Uplink(staff.ground.store, "hub-1").keep(url="https://hub.example.org", organisation="ONCA")
        staff.ground.registry.add_farm("keeper", "A farm")
        shown = agent.get("/en/staff/sync").get_data(as_text=True)
        assert "Records that wait: <bdi>1</bdi>" in shown
        assert "https://hub.example.org" in shown
        assert "A farm" not in shown
        assert agent.post("/en/staff/sync", data={}).status_code == 303
        assert staff.ground.bell.wanted.is_set()
        Uplinks(staff.ground).note("link_failed", "timed out")
        staff.ground.outbox.acknowledge("hub-1", 1)
        staff.ground.outbox.hold("hub-1", {1: "refused:damaged"})
        for lang in ("ar", "fr", "zgh", "en"):
            shown = keeper.get(f"/{lang}/staff/sync").get_data(as_text=True)
            assert "refused:damaged" in shown
        assert str(STOPPED["link_failed"]) in shown
        assert agent.post("/en/staff/sync/retry").status_code == 403
        assert keeper.post("/en/staff/sync/retry").status_code == 303
        assert staff.ground.outbox.held("hub-1") == {}
        assert Uplink(staff.ground.store, "hub-1").to_revise() == [1]
