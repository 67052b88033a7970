"""What a node says to systemd, and when it falls silent."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from edge_app.appliance.supervisor import answers, notify, supervised, watchdog_s
from tests.serving import ServedNode, listening


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """A supervisor's end of the line."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(30)
        yield line


def test_a_node_is_ready_when_it_answers_and_says_when_it_stops(
    systemd: socket.socket, tmp_path: Path
) -> None:
    with ServedNode(
        tmp_path / "home", NOTIFY_SOCKET=systemd.getsockname(), WATCHDOG_USEC="3000000"
    ) as node:
        assert "READY=1" in systemd.recv(4096).decode().splitlines()
        assert node.request("GET", "/en/")[0] == 200
        assert systemd.recv(4096) == b"WATCHDOG=1"
        node.stop()
        said = systemd.recv(4096)
        while said == b"WATCHDOG=1":
            said = systemd.recv(4096)
        assert said == b"STOPPING=1"


def test_a_node_that_hangs_gives_no_sign_of_life(systemd: socket.socket) -> None:
    asked, alive = threading.Event(), [True, False]

    def answer(_limit_s: float) -> bool:
        if len(alive) == 1:
            asked.set()
        return alive.pop(0) if alive else False

    environ = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "3000000"}
    with supervised(answer, environ):
        assert systemd.recv(4096).startswith(b"READY=1")
        assert systemd.recv(4096) == b"WATCHDOG=1"
        assert asked.wait(10)
    assert systemd.recv(4096) == b"STOPPING=1"


def test_an_error_page_is_an_answer_and_silence_is_not() -> None:
    app = Flask("broken")

    @app.route("/")
    def broken() -> tuple[str, int]:
        return "broken", 500

    with listening(app) as address:
        port = int(address.rsplit(":", 1)[1])
        assert answers("0.0.0.0", port, 5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not answers("127.0.0.1", silent.getsockname()[1], 0.2)
    assert not answers("127.0.0.1", 1, 0.2)


def test_an_abstract_name_is_reached_and_no_name_is_no_trouble() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(f"\0ghalla-{os.getpid()}")
        line.settimeout(5)
        assert notify("READY=1", {"NOTIFY_SOCKET": f"@ghalla-{os.getpid()}"})
        assert line.recv(100) == b"READY=1"
    assert not notify("READY=1", {})
    assert not notify("READY=1", {"NOTIFY_SOCKET": "vsock:2:1"})
    assert not notify("READY=1", {"NOTIFY_SOCKET": "/nobody/is/here"})


def test_a_watchdog_meant_for_another_process_is_not_fed() -> None:
    assert watchdog_s({"WATCHDOG_USEC": "60000000"}) == 60
    assert watchdog_s({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}) == 60
    assert watchdog_s({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}) is None
    assert watchdog_s({"WATCHDOG_USEC": "soon"}) is None
    assert watchdog_s({}) is None
