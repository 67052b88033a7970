"""Whom the hub lets in: forged, strange, revoked, late and curious ones."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from sqlalchemy import select

from sync.dictionaries import dictionary, versions
from sync.hub.app import create_hub, hub_of
from sync.hub.enrolment import new_code, revoke
from sync.hub.tables import EVENTS
from sync.segments import seal
from tests.hub_nodes import Node, Wire, enrolled, record, sha
from tests.hubs import ServedHub, hub_on, served, settings_in


def test_forged_and_strange_requests_are_refused(served_hub: ServedHub) -> None:
    wire = enrolled(served_hub)
    node, forger = wire.node, Node()
    good = node.segment(record(1))
    with hub_on(served_hub.settings) as hub:
        assert wire.refused(forger.segment(record(1)))[:2] == (403, "unknown_node")
        forged = replace(node, key=forger.key).segment(record(1))
        assert wire.refused(forged)[:2] == (403, "bad_signature")
        assert wire.refused(good[:-1] + b"?")[:2] == (403, "bad_signature")
        assert wire.refused(good[:40])[:2] == (400, "bad_segment")
        assert wire.refused(b"")[:2] == (400, "bad_segment")
        assert wire.refused(b"x" * (3 << 20))[:2] == (413, "too_large")
        unknown = seal(node.batch(record(1)), node.key, replace(dictionary(0), version=250))
        status, reason, told = wire.refused(unknown)
        assert (status, reason, told["dictionaries"]) == (415, "unknown_dictionary", [*versions()])
        newer = good[:3] + b"\x63" + good[4:]
        assert wire.refused(newer)[:2] == (415, "newer_schema")
        status, reason, told = wire.refused(bomb(node))
        assert (status, reason) == (400, "bad_segment")
        assert "unfolds to 1073741824 bytes" in told["detail"]
        revoke(hub.database, node.id)
        assert wire.refused(good)[:2] == (403, "revoked")
        assert wire.photo("HEAD", sha(b""))[0] == 403
        with hub.database.reading() as connection:
            assert connection.execute(select(EVENTS)).all() == []


def bomb(node: Node) -> bytes:
    """A segment, well signed, whose columns would take 1 GiB, and which says so."""
    head = node.segment(record(1))[:21]  # GHS, schema, dictionary, node
    zeros = zstandard.ZstdCompressor().compressobj(size=1 << 30)
    packed = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(1 << 10)) + zeros.flush()
    payload = b"\x01" + bytes(2) + node.token + packed[4:]  # without the magic number
    return head + node.key.sign(b"ghalla segment 1\n" + head + payload) + payload


def test_a_code_lets_in_one_node_once(served_hub: ServedHub) -> None:
    with hub_on(served_hub.settings) as hub:
        code = new_code(hub.database, "ONCA", "Chaouia")
        old = new_code(hub.database, "ONCA", "Chaouia", valid_s=-1)
        fresh, second, foreign = (
            new_code(hub.database, organisation, "Tadla") for organisation in ("ONCA", "ONCA", "X")
        )
        wire = Wire(served_hub.url, Node())
        spaced = f"{code[:4].lower()}-{code[4:8]} {code[8:]}"
        assert wire.enrol(spaced)[0] == 200
        assert wire.enrol(code)[0] == 200  # the answer was lost
        assert Wire(served_hub.url, Node()).enrol(code)[1]["reason"] == "bad_code"
        assert Wire(served_hub.url, Node()).enrol(old)[1]["reason"] == "bad_code"
        # Another key under the same id: only after the first was revoked, within the organisation.
        stolen = Wire(served_hub.url, replace(wire.node, key=Node().key))
        assert stolen.enrol(fresh)[1]["reason"] == "node_taken"
        revoke(hub.database, wire.node.id)
        assert wire.enrol(code)[1]["reason"] == "bad_code"
        assert stolen.enrol(foreign)[1]["reason"] == "node_taken"
        assert stolen.enrol(second)[1]["region"] == "Tadla"
        assert stolen.send(stolen.node.segment(record(1))).seq == 1
        assert wire.refused(wire.node.segment(record(2)))[1] == "bad_signature"


def test_who_is_refused_too_often_waits(tmp_path: Path) -> None:
    app = create_hub(replace(settings_in(tmp_path), strangers_a_minute=5))
    client = app.test_client()
    answers = [client.post("/n/1/segments", data=b"?" * 99) for _ in range(12)]
    assert {each.status_code for each in answers} == {400, 429}
    assert answers[-1].headers["Retry-After"] == "60"
    elsewhere = client.post("/n/1/enrol", data=b"?", environ_base={"REMOTE_ADDR": "10.1.1.1"})
    assert elsewhere.status_code == 400
    hub_of(app).database.close()


def test_a_wrong_clock_locks_nobody_out(
    served_hub: ServedHub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire = enrolled(served_hub)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 1000.0)
        assert wire.photo("HEAD", sha(b"x"))[0] == 404
        assert wire.send(wire.node.segment(record(1))).seq == 1
    with hub_on(served_hub.settings) as hub, hub.database.reading() as connection:
        from sync.hub.tables import NODES

        assert connection.execute(select(NODES.c.clock_off_s)).scalar_one() > 1e9


def test_strangers_who_promise_much_and_send_nothing_hold_nobody_up(tmp_path: Path) -> None:
    with served(settings_in(tmp_path), 1) as server, ExitStack() as open_links:
        wire = enrolled(server)
        for _ in range(40):  # more than there are threads
            link = open_links.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            link.settimeout(20)
            link.sendall(
                b"POST /n/1/segments HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999999\r\n\r\n"
            )
            assert link.recv(12) == b"HTTP/1.1 413"
        assert wire.send(wire.node.segment(record(1))).seq == 1
