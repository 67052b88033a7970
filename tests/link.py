"""A weak link between two network namespaces: delay, rate, loss, outages; counts IP bytes.

Two TUN devices, one in each namespace, and a thread that carries packets between them.  Nothing is
left on the machine when the process ends, however it ends: the namespaces have no names, and go
with their last file descriptor.  Needs root and /dev/net/tun.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_DEVICE, _MTU = "weak0", 1400
_LONGEST_WAIT_S = 0.05
NEAR, FAR = 0, 1
ADDRESSES = ("10.199.7.1", "10.199.7.2")


@dataclass(frozen=True, slots=True)
class Weather:
    """What a link is like.

    ``delay_s`` is one way.  ``bit_s`` holds for each direction, 0 is no limit.  ``loss`` is the
    share of packets that vanish.  ``up_s`` and ``down_s`` alternate, up first; 0 is never down.
    Beyond ``queue`` full packets that wait to be sent, the next is dropped.
    """

    delay_s: float = 0.0
    bit_s: float = 0.0
    loss: float = 0.0
    up_s: float = 0.0
    down_s: float = 0.0
    queue: int = 30
    seed: int = 1

    def down(self, since_s: float) -> bool:
        """Whether nothing passes that long after the start."""
        return self.down_s > 0 and since_s % (self.up_s + self.down_s) >= self.up_s


# A village at the edge of the cell: 50 kbit/s, 600 ms there and back, one packet in twenty lost.
GPRS = Weather(delay_s=0.3, bit_s=50_000, loss=0.05)


@dataclass
class Counted:
    """IP packets and bytes that a side sent, lost ones among them; and those that never arrived."""

    packets: list[int] = field(default_factory=lambda: [0, 0])
    bytes: list[int] = field(default_factory=lambda: [0, 0])
    lost: int = 0
    overflowed: int = 0

    @property
    def total(self) -> int:
        """IP bytes, both ways."""
        return sum(self.bytes)


def cannot_here() -> str:
    """Why this machine cannot make such a link; empty if it can."""
    if os.geteuid() != 0:
        return "only root may make networks"
    if not Path("/dev/net/tun").exists():
        return "no /dev/net/tun"
    thread = _Inside(lambda: None)
    return "" if thread.failure is None else f"no namespaces: {thread.failure}"


class _Inside(threading.Thread):
    """A short-lived thread in a network namespace of its own, of which ``space`` holds on."""

    def __init__(self, work: object) -> None:
        super().__init__()
        self._work = work
        self.space = -1
        self.result: object = None
        self.failure: OSError | None = None
        self.start()
        self.join()

    def run(self) -> None:
        try:
            _checked(_LIBC.unshare(_CLONE_NEWNET))
            self.space = _own_space()
            self.result = self._work() if callable(self._work) else None
        except OSError as error:
            self.failure = error


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _own_space() -> int:
    return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)


def _device(side: int) -> int:
    """A TUN device in the namespace of this thread, up, as a file descriptor."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    name = struct.pack("16sH22x", _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI)
    fcntl.ioctl(tun, _TUNSETIFF, name)
    for command in (
        f"addr add {ADDRESSES[side]}/30 dev {_DEVICE}",
        f"link set {_DEVICE} mtu {_MTU} up",
        "link set lo up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    return tun


class Link:
    """``with Link(GPRS) as link: …``; ``link.counted`` is what passed since `reset`."""

    def __init__(self, weather: Weather) -> None:
        self.weather = weather
        self.counted = Counted()
        self.cut = False
        self._chance = random.Random(weather.seed)
        self._ahead: list[tuple[float, int, int, bytes]] = []
        self._free = [0.0, 0.0]
        self._number = 0
        self._running = True

    def __enter__(self) -> Self:
        sides = [_Inside(lambda side=side: _device(side)) for side in (NEAR, FAR)]
        for failure in filter(None, (side.failure for side in sides)):
            raise failure
        self.spaces = [side.space for side in sides]
        self._tuns = [int(str(side.result)) for side in sides]
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._running = False
        self._thread.join()
        for file in (*self._tuns, *self.spaces):
            os.close(file)

    def reset(self) -> None:
        """Count from zero, and begin the schedule of outages anew."""
        self.counted = Counted()
        self._begun = time.monotonic()

    @contextmanager
    def inside(self, side: int) -> Iterator[None]:
        """This thread in the namespace of ``side``: sockets it makes are there for good."""
        home = _own_space()
        _checked(_LIBC.setns(self.spaces[side], _CLONE_NEWNET))
        try:
            yield
        finally:
            _checked(_LIBC.setns(home, _CLONE_NEWNET))
            os.close(home)

    def prefix(self, side: int) -> list[str]:
        """What to put before a command so that it runs in the namespace of ``side``."""
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.spaces[side]}"]

    # --- the thread --------------------------------------------------------------------------

    def _carry(self) -> None:
        while self._running:
            now = time.monotonic()
            while self._ahead and self._ahead[0][0] <= now:
                _, _, side, packet = heapq.heappop(self._ahead)
                self._deliver(1 - side, packet)
            for tun in select.select(self._tuns, [], [], self._patience(now))[0]:
                self._take(self._tuns.index(tun))

    def _patience(self, now: float) -> float:
        ahead = self._ahead[0][0] - now if self._ahead else _LONGEST_WAIT_S
        return min(_LONGEST_WAIT_S, max(0.0, ahead))

    def _deliver(self, side: int, packet: bytes) -> None:
        try:
            os.write(self._tuns[side], packet)
        except OSError:  # the receiver's queue is full
            self.counted.lost += 1

    def _take(self, side: int) -> None:
        try:
            packet = os.read(self._tuns[side], 65536)
        except BlockingIOError:
            return
        if packet[0] >> 4 == 4:  # what IPv6 says of itself on a new device is no traffic of ours
            self._send(side, packet)

    def _send(self, side: int, packet: bytes) -> None:
        now, weather = time.monotonic(), self.weather
        waiting_s = max(0.0, self._free[side] - now)
        if waiting_s * weather.bit_s / 8 > weather.queue * _MTU:
            self.counted.overflowed += 1
            return
        took_s = len(packet) * 8 / weather.bit_s if weather.bit_s else 0.0
        self._free[side] = now + waiting_s + took_s
        self.counted.bytes[side] += len(packet)
        self.counted.packets[side] += 1
        vanishes = self._chance.random() < weather.loss
        if vanishes or self.cut or weather.down(self._free[side] - self._begun):
            self.counted.lost += 1
            return
        self._number += 1
        due = self._free[side] + weather.delay_s
        heapq.heappush(self._ahead, (due, self._number, side, packet))
