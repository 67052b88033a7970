"""What becomes of records at the hub; every rule on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from field_data.errors import HubError
from field_data.events import Kind
from field_data.types import Instant, Trust
from sync.hub.app import Hub, open_hub
from sync.hub.enrolment import revoke
from sync.hub.ingest import ingest
from sync.hub.tables import EVENTS, NODES, REFUSED, STREAMS
from sync.types import ERASED_REV, Refusal, Refused
from tests.hub_nodes import T0, Node, erased, erasure, record


def rows(hub: Hub, node: Node) -> dict[tuple[int, int], Any]:
    where = EVENTS.c.node == node.id
    with hub.database.reading() as connection:
        found = connection.execute(select(EVENTS).where(where)).mappings()
        return {(row["epoch"], row["seq"]): dict(row) for row in found}


def counts(hub: Hub, node: Node) -> dict[int, int]:
    return {seq: row["body"]["values"]["count"] for (_, seq), row in rows(hub, node).items()}


def test_a_record_stands_at_the_hub_as_it_was_said(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    receipt = ingest(any_hub, node.batch(record(1)))
    assert (receipt.seq, receipt.epoch, receipt.refused) == (1, 0, ())
    row = rows(any_hub, node)[0, 1]
    said = record(1)
    assert row["body"] == said.body
    assert (row["lon"], row["lat"]) == (said.body["place"]["lon"], 33.25)
    assert (row["at_s"], row["received_s"], row["form"]) == (T0 + 1, T0 + 61, "pest")
    with any_hub.database.reading() as connection:
        known = connection.execute(select(NODES).where(NODES.c.id == node.id)).one()
    assert known.health == {"version": "0.1"}
    assert abs(known.clock_off_s) < 60


def test_the_same_again_is_a_success_and_nothing_new(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    batch = node.batch(*map(record, range(1, 20)))
    assert ingest(any_hub, batch).seq == 19
    before = rows(any_hub, node)
    again = ingest(any_hub, batch)
    assert (again.seq, again.refused) == (19, ())
    assert rows(any_hub, node) == before


def test_the_higher_revision_stands_in_any_order(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    ingest(any_hub, node.batch(record(1, rev=1, coarse=True), record(2)))
    late = ingest(any_hub, node.batch(record(1, rev=0), last=2))
    assert late.refused == (Refused(1, Refusal.OLDER, "1"),)  # a node that went back learns of it
    assert rows(any_hub, node)[0, 1]["coarse"] is True
    first = rows(any_hub, node)[0, 1]["arrival"]
    ingest(any_hub, node.batch(record(1, rev=2), last=2))
    row = rows(any_hub, node)[0, 1]
    assert (row["coarse"], row["rev"]) == (False, 2)
    assert row["arrival"] > first  # a pull sees it again


def test_other_content_is_set_aside_and_blocks_nothing(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    ingest(any_hub, node.batch(record(1)))
    other = record(1, body={"form": "pest", "values": {"count": 99}})
    for _ in range(2):
        receipt = ingest(any_hub, node.batch(other, record(2)))
        assert [(r.seq, r.reason) for r in receipt.refused] == [(1, Refusal.CONFLICT)]
        assert receipt.seq == 2
    assert counts(any_hub, node) == {1: 1, 2: 2}
    with any_hub.database.reading() as connection:
        kept = connection.execute(select(REFUSED.c.content)).scalars().all()
    assert [each["body"]["values"]["count"] for each in kept] == [99]


def test_what_no_database_keeps_is_set_aside_and_counted(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    bad = record(2, body={"values": {"note": "a\0b"}})
    long = record(3, body={"values": {"note": "x" * 300_000}})
    typed = record(4, body={"values": {"count": 4, "note": "a\\u0000b"}})
    strange = record(5, body={"values": {"count": float("nan")}})
    bytes_ = record(6, body={"values": {"count": b"6"}})
    ahead = record(7, supersedes=9)
    batch = node.batch(record(1), bad, long, typed, strange, bytes_, ahead, record(8))
    receipt = ingest(any_hub, batch)
    assert {r.seq: r.reason for r in receipt.refused} == dict.fromkeys((2, 3, 5, 6, 7), "damaged")
    assert receipt.seq == 8
    assert set(counts(any_hub, node)) == {1, 4, 8}


def test_numbers_out_of_all_bounds_are_refused(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    for batch in (node.batch(record(1 << 60)), replace(node.batch(record(5)), last=4)):
        with pytest.raises(HubError, match="beyond the last"):
            ingest(any_hub, batch)
    health = {"backlog": 3, "version": "0\0", "load": float("nan"), "disk": [1], "x": "y" * 900}
    assert ingest(any_hub, replace(node.batch(record(1)), health=health)).seq == 1
    with any_hub.database.reading() as connection:
        assert connection.execute(select(NODES.c.health)).scalar_one() == {"backlog": 3}


def test_a_gap_shows_until_it_is_filled(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    assert ingest(any_hub, node.batch(record(5), record(6, supersedes=2))).seq == 0
    assert ingest(any_hub, node.batch(record(1), record(3), last=6)).seq == 1
    assert ingest(any_hub, node.batch(record(4), record(2), last=6)).seq == 6
    assert rows(any_hub, node)[0, 2]["superseded"] is True  # though its correction came first


def test_a_correction_marks_what_it_corrects_for_pullers(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    ingest(any_hub, node.batch(record(1), record(2)))
    before = rows(any_hub, node)
    ingest(any_hub, node.batch(record(3, supersedes=1), record(4), record(5, supersedes=4)))
    after = rows(any_hub, node)
    assert [seq for (_, seq), row in sorted(after.items()) if row["superseded"]] == [1, 4]
    assert after[0, 1]["arrival"] > before[0, 2]["arrival"]
    ingest(any_hub, node.batch(record(1, rev=1), last=5))
    assert rows(any_hub, node)[0, 1]["superseded"] is True


def test_an_erasure_empties_records_even_those_yet_to_come(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    other = record(1, body={"values": {"count": 99}})
    ingest(any_hub, node.batch(record(1), record(2)))
    ingest(any_hub, node.batch(other, last=2))
    receipt = ingest(any_hub, node.batch(erasure(4, [1, 3])))
    assert receipt.seq == 4
    ingest(any_hub, node.batch(record(1, rev=9), record(3), erased(3), last=4))  # an old stick
    found = rows(any_hub, node)
    for seq in (1, 3):
        row = found[0, seq]
        assert (row["rev"], row["body"], row["subject"], row["author"]) == (ERASED_REV, {}, "", "")
        assert (row["lon"], row["digest"], row["at_s"]) == (None, b"", 0.0)
    assert found[0, 2]["body"]["values"]["count"] == 2
    with any_hub.database.reading() as connection:
        assert connection.execute(select(REFUSED)).all() == []


def test_a_node_with_fewer_events_has_diverged(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    ingest(any_hub, node.batch(*map(record, range(1, 11))))
    before = rows(any_hub, node)
    with pytest.raises(HubError) as caught:
        ingest(any_hub, node.batch(last=7, acknowledged=7))
    assert (caught.value.code, caught.value.details) == (Refusal.DIVERGED, {"seq": 10, "epoch": 0})
    with pytest.raises(HubError) as caught:  # it recorded on before it asked
        ingest(any_hub, node.batch(*(record(s, at=Instant(T0 + s + 0.5, Trust.RTC))
                                     for s in range(8, 13)), acknowledged=7))  # fmt: skip
    assert caught.value.code == Refusal.DIVERGED
    assert rows(any_hub, node) == before


def test_the_next_epoch_goes_on_and_nothing_counts_twice(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    ingest(any_hub, node.batch(*map(record, range(1, 11))))
    back = node.next_epoch(base=7)
    # A tablet brings 9 again, coarser than before; 20 is new; 10 is lost on the node.
    again = replace(
        record(9), seq=8, received=Instant(T0 + 500, Trust.NTP),
        body={**record(9).body, "place": {"lon": -7.495, "lat": 33.255, "accuracy_m": None}},
    )  # fmt: skip
    fresh = replace(record(20), seq=9)
    receipt = ingest(any_hub, back.batch(again, fresh, acknowledged=7))
    assert (receipt.epoch, receipt.seq) == (1, 9)
    found = rows(any_hub, node)
    assert len(found) == 12
    assert found[1, 8]["same_as"] == "0:9"
    assert found[1, 9]["same_as"] is None
    # A consent changes number 3, which belongs to epoch 0.
    ingest(any_hub, back.batch(record(3, rev=1, coarse=True), last=9, acknowledged=9))
    found = rows(any_hub, node)
    assert found[0, 3]["coarse"] is True
    assert (1, 3) not in found


def test_erasing_reaches_the_other_epochs(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    mine = [record(s, subject="parcel") for s in (1, 2, 3, 4)]
    ingest(any_hub, node.batch(*mine, record(5, subject="neighbour")))
    back = node.next_epoch(base=2)
    ingest(any_hub, back.batch(replace(mine[2], seq=3), acknowledged=2))
    # The node knows 1 and its own 3; what 0:4 was it cannot know any more.
    ingest(any_hub, back.batch(erasure(4, [1, 3]), acknowledged=3))
    left = {key for key, row in rows(any_hub, node).items() if row["rev"] < ERASED_REV}
    assert left == {(0, 2), (0, 5), (1, 4)}


def test_two_boxes_of_one_image_are_told(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    ingest(any_hub, node.batch(*map(record, range(1, 6))))
    other = node.next_epoch(base=3)
    ingest(any_hub, other.batch(replace(record(30), seq=4), acknowledged=3))
    with pytest.raises(HubError) as caught:
        ingest(any_hub, node.batch(record(6)))
    assert (caught.value.code, caught.value.details["epoch"]) == (Refusal.CLONED, 1)
    with any_hub.database.writing() as connection:
        connection.execute(STREAMS.update().values(heard_s=time.time() - 4000))
    with pytest.raises(HubError) as caught:
        ingest(any_hub, node.batch(record(6)))
    assert caught.value.code == Refusal.SUPERSEDED
    twin = replace(other, token=b"otherbox")
    with pytest.raises(HubError) as caught:
        ingest(any_hub, twin.batch(record(6)))
    assert (caught.value.code, caught.value.details["epoch"]) == (Refusal.DIVERGED, 1)
    # On a stick it is no second box but what the first wrote before it went back.
    assert ingest(any_hub, node.batch(record(6)), late=True).seq == 6


def test_a_revoked_node_sends_nothing(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    revoke(any_hub.database, node.id)
    with pytest.raises(HubError, match="withdrawn"):
        ingest(any_hub, node.batch(record(1)))
    with pytest.raises(HubError, match="not enrolled"):
        ingest(any_hub, Node().batch(record(1)))
    assert rows(any_hub, node) == {}


def test_a_pull_by_cursor_misses_nothing_while_many_write(any_hub: Hub) -> None:
    nodes = [Node().enrolled(any_hub) for _ in range(6)]
    failed: list[BaseException] = []

    def send(node: Node) -> None:
        hub = open_hub(any_hub.settings)
        try:
            for start in range(1, 100, 3):
                ingest(hub, node.batch(*map(record, range(start, start + 3))))
        except BaseException as error:
            failed.append(error)
        finally:
            hub.database.close()

    threads = [threading.Thread(target=send, args=(node,)) for node in nodes]
    for each in threads:
        each.start()
    seen: list[tuple[int, str, int]] = []
    writing = more = True
    while writing or more:
        writing = any(each.is_alive() for each in threads)
        more = _more(any_hub, seen)
    assert failed == []
    assert len(seen) == len(set(seen)) == 6 * 99
    for node in nodes:
        assert [seq for _, id, seq in seen if id == node.id] == list(range(1, 100))


def _more(hub: Hub, seen: list[tuple[int, str, int]]) -> bool:
    """A step of a cursor pull; whether there was more."""
    cursor = seen[-1][0] if seen else 0
    c = EVENTS.c
    page = select(c.arrival, c.node, c.seq).where(c.arrival > cursor).order_by(c.arrival).limit(50)
    with hub.database.reading() as connection:
        found = [(row.arrival, row.node, row.seq) for row in connection.execute(page)]
    seen.extend(found)
    return bool(found)


_STEPS = st.lists(
    st.tuples(st.integers(1, 9), st.integers(1, 4), st.sampled_from([0, 0, 0, 1, 2])),
    max_size=25,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=_STEPS)
def test_any_order_of_arrival_ends_in_the_same_rows(sqlite_hub: Hub, steps: Any) -> None:
    node = Node().enrolled(sqlite_hub)
    best: dict[int, int] = {}
    for first, many, rev in steps:
        batch = [record(s, rev=rev) for s in range(first, first + many)]
        receipt = ingest(sqlite_hub, node.batch(*batch, last=20))
        best |= {s: max(rev, best.get(s, 0)) for s in range(first, first + many)}
        mark = next(s for s in range(20) if s + 1 not in best)
        assert (receipt.seq, receipt.refused) == (mark, ())
    found = rows(sqlite_hub, node)
    assert {seq: row["rev"] for (_, seq), row in found.items()} == best
    arrivals = [row["arrival"] for row in found.values()]
    assert len(arrivals) == len(set(arrivals))


def test_the_database_agrees_about_the_kinds(any_hub: Hub) -> None:
    node = Node().enrolled(any_hub)
    ring = [[-7.5, 33.2], [-7.4, 33.2], [-7.4, 33.3], [-7.5, 33.2]]
    field = record(1, kind=Kind.FIELD, body={"boundary": ring, "area_ha": 3.0})
    ingest(any_hub, node.batch(field))
    row = rows(any_hub, node)[0, 1]
    assert (round(row["lon"], 6), round(row["lat"], 6)) == (-7.45, 33.25)
    with any_hub.database.reading() as connection:
        assert connection.execute(text("select kind from events")).scalar() == "field"


def test_an_erasure_may_name_more_than_a_statement_holds(any_hub: Hub) -> None:
    node, most = Node().enrolled(any_hub), 35_000
    ingest(any_hub, node.batch(record(1), record(2)))
    photos = [f"{number:064x}" for number in range(2_000)]
    receipt = ingest(any_hub, node.batch(erasure(most, list(range(2, most)), photos)))
    assert receipt.refused == ()
    found = rows(any_hub, node)
    assert len(found) == most
    assert [seq for (_, seq), row in found.items() if row["rev"] < ERASED_REV] == [1, most]


def test_what_was_set_aside_goes_when_a_later_revision_stands(any_hub: Hub) -> None:
    """It tells an exact place, maybe, which the revision no longer does."""
    node = Node().enrolled(any_hub)
    ingest(any_hub, node.batch(record(1), record(2)))
    other = {"form": "pest", "values": {}, "place": {"lon": -7.123456, "lat": 33.654321}}
    ingest(any_hub, node.batch(record(1, body=other), record(2, body=other)))
    ingest(any_hub, node.batch(record(1, rev=1, coarse=True), last=2))
    with any_hub.database.reading() as connection:
        assert connection.execute(select(REFUSED.c.seq)).scalars().all() == [2]
