"""Where a request comes from: this machine, the network around it, or elsewhere."""

from __future__ import annotations

import ipaddress

PRIVATE = tuple(
    ipaddress.ip_network(each)
    for each in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fe80::/10",
        "fc00::/7",
        "::1/128",
    )
)


def plain_address(text: str | None) -> str:
    """An address as one text: no scope, no IPv4 dressed up as IPv6; empty for anything else."""
    try:
        ip = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return ""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


def is_loopback(text: str | None) -> bool:
    """Whether it comes from this very machine."""
    plain = plain_address(text)
    return bool(plain) and ipaddress.ip_address(plain).is_loopback


def is_local(text: str | None) -> bool:
    """Whether it comes from a network that no router leads to from afar."""
    plain = plain_address(text)
    return bool(plain) and any(ipaddress.ip_address(plain) in net for net in PRIVATE)
