"""The addresses of this machine, asked from the kernel: also where no way leads outside."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

_SIOCGIFADDR = 0x8915  # linux/sockios.h
_INTERFACES = Path("/sys/class/net")
_IF_INET6 = Path("/proc/net/if_inet6")


def own_addresses() -> list[str]:
    """Addresses that phones can use, IPv4 first; neither loopback nor those of one link only."""
    fours = [each for name in _names() if (each := _ipv4(name))]
    found = [ipaddress.ip_address(each) for each in (*fours, *_ipv6())]
    return [str(ip) for ip in found if not ip.is_loopback and not ip.is_link_local]


def _names() -> list[str]:
    """From the files of the kernel: a hardened service may not ask by netlink."""
    try:
        return sorted(path.name for path in _INTERFACES.iterdir())
    except OSError:
        return []


def _ipv4(name: str) -> str:
    """The first address of an interface; empty if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            said = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError:
            return ""
    return socket.inet_ntoa(said[20:24])


def _ipv6() -> list[str]:
    try:
        lines = _IF_INET6.read_text(encoding="ascii").splitlines()
    except OSError:  # a kernel without it
        return []
    return [str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0]))) for line in lines]
