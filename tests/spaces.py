"""A box, a phone on its Wi-Fi and a machine on its cable, as network namespaces of this kernel."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from field_data.ids import new_id

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_Made = TypeVar("_Made")


def cannot_here() -> str:
    """Why this machine cannot do that; empty if it can."""
    if os.geteuid() != 0:
        return "only root may make networks"
    made = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return "" if made.returncode == 0 else "no namespaces"


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True, capture_output=True)


class Space:
    """One namespace, by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, command: str) -> None:
        """Run a command in it."""
        run("ip", "netns", "exec", self.name, *command.split())

    def inside(self, work: Callable[[], _Made]) -> _Made:
        """Do ``work`` in a thread that is in the namespace; sockets made there stay in it."""
        done: list[_Made | OSError] = []

        def there() -> None:
            try:
                with Path(f"/run/netns/{self.name}").open() as space:
                    if _LIBC.setns(space.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                done.append(work())
            except OSError as error:
                done.append(error)

        thread = threading.Thread(target=there)
        thread.start()
        thread.join(30)
        if isinstance(done[0], OSError):
            raise done[0]
        return done[0]

    def socket(self, family: int, kind: int) -> socket.socket:
        """A socket in it that waits for no more than half a second."""
        made = self.inside(lambda: socket.socket(family, kind))
        made.settimeout(0.5)
        return made


@contextmanager
def village() -> Iterator[tuple[Space, Space, Space]]:
    """Box (``wlan0`` 10.87.0.1, ``eth0`` 10.99.0.1), phone (10.87.0.9), machine (10.99.0.2)."""
    mark = new_id()[:6]
    box, phone, cable = (Space(f"g{mark}{number}") for number in range(3))
    try:
        for each in (box, phone, cable):
            run("ip", "netns", "add", each.name)
            each.run("ip link set lo up")
        _join(box, "wlan0", ("10.87.0.1/24", "fd67:6861:6c6c:6100::1/64"),
              phone, ("10.87.0.9/24", "fd67:6861:6c6c:6100::9/64"))  # fmt: skip
        _join(box, "eth0", ("10.99.0.1/24",), cable, ("10.99.0.2/24",))
        box.run("sysctl -qw net.ipv4.ip_forward=1")  # as when somebody else switched it on
        phone.run("ip route add default via 10.87.0.1")
        cable.run("ip route add default via 10.99.0.1")
        yield box, phone, cable
    finally:
        for each in (box, phone, cable):
            subprocess.run(["ip", "netns", "del", each.name], check=False, capture_output=True)


def _join(
    one: Space, name: str, addresses: tuple[str, ...], other: Space, others: tuple[str, ...]
) -> None:
    run("ip", "-n", one.name, "link", "add", name, "type", "veth", "peer", "name", "up0",
        "netns", other.name)  # fmt: skip
    for space, device, each in ((one, name, addresses), (other, "up0", others)):
        for address in each:
            late = ["nodad"] if ":" in address else []
            run("ip", "-n", space.name, "addr", "add", address, "dev", device, *late)
        run("ip", "-n", space.name, "link", "set", device, "up")
