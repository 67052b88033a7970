"""The weak link of the tests is as weak as it says, and counts what passes."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import NO_TUN
from tests.link import ADDRESSES, FAR, NEAR, Link, Weather, cannot_here

HEAD_BYTES = 28  # IPv4 and UDP
PORT = 7000
_RECEIVE_BUFFER_BY_ROOT = 33  # SO_RCVBUFFORCE, which Python does not name


@pytest.fixture(autouse=True)
def _possible() -> None:
    if why := cannot_here():
        pytest.skip(NO_TUN if os.geteuid() == 0 else why)


@contextmanager
def ends(link: Link, kind: socket.SocketKind) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A socket on either side, the far one bound."""
    with link.inside(NEAR):
        near = socket.socket(socket.AF_INET, kind)
    with link.inside(FAR):
        far = socket.socket(socket.AF_INET, kind)
    with near, far:
        far.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_BY_ROOT, 1 << 22)
        far.bind((ADDRESSES[FAR], PORT))
        near.settimeout(10)
        far.settimeout(0.5)
        yield near, far


def arrived(far: socket.socket) -> list[int]:
    """The numbers of the datagrams that came, until none comes for half a second."""
    found = []
    try:
        while True:
            found.append(int(far.recv(2000)[:6]))
    except TimeoutError:
        return found


def send(near: socket.socket, numbers: range, size: int = 100, pause_s: float = 0.0) -> None:
    for number in numbers:
        near.sendto(b"%06d" % number + bytes(size - 6), (ADDRESSES[FAR], PORT))
        time.sleep(pause_s)


def test_bytes_and_packets_are_those_that_a_socket_sent() -> None:
    with Link(Weather()) as link, ends(link, socket.SOCK_DGRAM) as (near, far):
        send(near, range(50), size=300, pause_s=0.001)
        assert arrived(far) == list(range(50))
        assert link.counted.bytes == [50 * (300 + HEAD_BYTES), 0]
        assert link.counted.packets == [50, 0]


def test_a_packet_takes_the_delay_each_way() -> None:
    with Link(Weather(delay_s=0.2)) as link, ends(link, socket.SOCK_DGRAM) as (near, far):
        begun = time.monotonic()
        send(near, range(1))
        _, back = far.recvfrom(2000)
        there = time.monotonic() - begun
        far.sendto(b"x", back)
        near.recv(10)
        both = time.monotonic() - begun
        assert there == pytest.approx(0.2, abs=0.05)
        assert both == pytest.approx(0.4, abs=0.08)


def test_a_stream_runs_at_the_rate() -> None:
    size, weather = 100_000, Weather(delay_s=0.01, bit_s=400_000)
    with Link(weather) as link, ends(link, socket.SOCK_STREAM) as (near, far):
        far.settimeout(10)
        far.listen()
        near.connect((ADDRESSES[FAR], PORT))
        peer, _ = far.accept()
        begun = time.monotonic()
        sender = threading.Thread(target=near.sendall, args=(bytes(size),))
        sender.start()
        left = size
        while left:
            left -= len(peer.recv(65536))
        took_s = time.monotonic() - begun
        sender.join()
        peer.close()
    assert link.counted.bytes[NEAR] * 8 / took_s == pytest.approx(weather.bit_s, rel=0.1)


def test_the_share_that_vanishes_is_the_loss_and_a_seed_makes_it_the_same_ones() -> None:
    def those_lost(seed: int) -> set[int]:
        weather = Weather(loss=0.1, seed=seed)
        with Link(weather) as link, ends(link, socket.SOCK_DGRAM) as (near, far):
            send(near, range(1000), pause_s=0.0005)
            gone = set(range(1000)) - set(arrived(far))
            assert link.counted.lost == len(gone)
            return gone

    first = those_lost(1)
    assert 70 <= len(first) <= 130  # three standard deviations
    assert those_lost(1) == first
    assert those_lost(2) != first


def test_nothing_passes_while_the_link_is_down_and_it_comes_back() -> None:
    weather = Weather(up_s=0.6, down_s=0.4)
    with Link(weather) as link, ends(link, socket.SOCK_DGRAM) as (near, far):
        link.reset()
        send(near, range(100), pause_s=0.02)  # two seconds: up, down, up, down
        came = arrived(far)
        assert {5, 70} <= set(came)
        assert not {35, 85} & set(came)
        link.cut = True
        send(near, range(3))
        assert arrived(far) == []


def test_a_full_queue_drops_the_next_packet() -> None:
    weather = Weather(bit_s=1_000_000, queue=5)
    with Link(weather) as link, ends(link, socket.SOCK_DGRAM) as (near, far):
        send(near, range(20), size=1300)
        came = arrived(far)
        assert 5 <= len(came) <= 8
        assert link.counted.overflowed == 20 - len(came)


def test_a_command_runs_on_its_side() -> None:
    with Link(Weather()) as link:
        shown = subprocess.run(
            [*link.prefix(FAR), "ip", "-4", "addr"], capture_output=True, text=True, check=True
        )
        assert ADDRESSES[FAR] in shown.stdout
