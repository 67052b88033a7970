"""The network of a box as files: access point, addresses and names, firewall, mDNS.

Pure: settings in, text out; :mod:`edge_app.appliance.network_apply` puts them in their places.

Phones on the Wi-Fi reach the node's pages and nothing else: no way leads from them to the cable, so
that nobody's telephone eats the keeper's data.  Only the names by which telephones ask "is this the
internet?" are answered with the node's address; all others do not exist here, so that a telephone
knows at once that it must use its own data for them, and no other site is ever impersonated.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from edge_app.appliance.box_settings import BoxSettings, Security
from edge_app.farmer.portal_probes import PROBE_HOSTS

ADDRESS_4 = ipaddress.IPv4Interface("10.87.0.1/24")
# "ghalla" in the digits of RFC 4193; the same on every box, as 192.168.1.1 is on every router.
ADDRESS_6 = ipaddress.IPv6Interface("fd67:6861:6c6c:6100::1/64")
NAME = "ghalla.local"
PROFILE = "ghalla-wifi"
# Of a name-based kind (RFC 4122) over the profile's name: the same at every rendering.
_UUID = "1f7c52c5-5a1d-5d0c-9a53-6f4a3c0d1b87"
_FIRST, _LAST, _LEASES = 20, 250, 220
# New connections of one telephone: a page with its pictures needs ten.
_RATE, _BURST = 30, 120
_MDNS_UNIT = """[Service]
ExecStart=
ExecStart=/usr/sbin/avahi-daemon -s -f /etc/ghalla/network/avahi-daemon.conf
"""


@dataclass(frozen=True, slots=True)
class File:
    """One file of the system: where, what, and who may read it."""

    path: PurePosixPath
    text: str
    mode: int = 0o644


PROFILE_FILE = PurePosixPath(f"etc/NetworkManager/system-connections/{PROFILE}.nmconnection")
DNS_FILE = PurePosixPath("etc/ghalla/network/dnsmasq.conf")
FIREWALL_FILE = PurePosixPath("etc/ghalla/network/nftables.conf")
MDNS_FILE = PurePosixPath("etc/ghalla/network/avahi-daemon.conf")
# Debian's avahi reads one file; the unit is told to read ours instead.
MDNS_UNIT_FILE = PurePosixPath("etc/systemd/system/avahi-daemon.service.d/ghalla.conf")
RADIO_FILE = PurePosixPath("etc/modprobe.d/ghalla-wifi.conf")


def own_name(code: str) -> str:
    """The name of this very box, as ``ghalla-bcdfgh.local``; ``code`` is its node's short code."""
    return f"ghalla-{code.lower()}.local"


def rendered(settings: BoxSettings, passphrase: str) -> tuple[File, ...]:
    """All files of the network, with paths below the root."""
    return (
        File(PROFILE_FILE, profile(settings, passphrase), 0o600),
        File(DNS_FILE, dnsmasq(settings)),
        File(FIREWALL_FILE, nftables(settings)),
        File(MDNS_FILE, avahi(settings)),
        File(MDNS_UNIT_FILE, _MDNS_UNIT),
        File(RADIO_FILE, f"options cfg80211 ieee80211_regdom={settings.country}\n"),
    )


def profile(settings: BoxSettings, passphrase: str) -> str:
    """The keyfile of NetworkManager for the access point.

    The name is written as its bytes, which no letter in it can break.  Addresses are fixed and
    nothing is shared: `dnsmasq` here hands out addresses, the firewall lets nobody through.
    """
    parts = {
        "connection": {
            "id": PROFILE,
            "uuid": _UUID,
            "type": "wifi",
            "interface-name": settings.wifi,
            "autoconnect": "true",
            "autoconnect-retries": "0",
        },
        "wifi": {
            "mode": "ap",
            "ssid": "".join(f"{byte};" for byte in settings.ssid.encode()),
            "band": "bg",
            "channel": str(settings.channel),
        },
        "wifi-security": _security(settings.security, passphrase),
        "ipv4": {"method": "manual", "address1": str(ADDRESS_4), "never-default": "true"},
        "ipv6": {"method": "manual", "address1": str(ADDRESS_6), "never-default": "true"},
    }
    return "\n".join(_section(name, values) for name, values in parts.items() if values)


def _security(security: Security, passphrase: str) -> dict[str, str]:
    if security is Security.OPEN:
        return {}
    # Backslash and blanks are the letters that mean something at any place of a key file's value.
    psk = passphrase.replace("\\", "\\\\").replace(" ", "\\s")
    common = {"proto": "rsn;", "pairwise": "ccmp;", "group": "ccmp;", "psk": psk}
    if security is Security.WPA3:
        return {"key-mgmt": "sae", "pmf": "3", **common}
    return {"key-mgmt": "wpa-psk", "pmf": "1", **common}  # old phones stumble over pmf


def _section(name: str, values: dict[str, str]) -> str:
    return "\n".join([f"[{name}]", *(f"{key}={value}" for key, value in values.items()), ""])


def dnsmasq(settings: BoxSettings) -> str:
    """Addresses and names for phones on the Wi-Fi: a whole configuration of dnsmasq."""
    names = ",".join([NAME, *([own_name(settings.code)] if settings.code else [])])
    four, six, net = ADDRESS_4.ip, ADDRESS_6.ip, ADDRESS_4.network
    lines = [
        f"interface={settings.wifi}",
        "except-interface=lo",
        "bind-dynamic",  # the access point may come up later
        "no-resolv",
        "no-hosts",
        "no-poll",
        "cache-size=0",
        "pid-file",
        "dhcp-authoritative",
        f"dhcp-range={net[_FIRST]},{net[_LAST]},{net.netmask},12h",
        f"dhcp-lease-max={_LEASES}",
        "dhcp-leasefile=/run/ghalla-dns/leases",
        "dhcp-ignore-names",  # what a phone calls itself is nobody's business
        f"dhcp-range=::,constructor:{settings.wifi},ra-stateless,64,12h",
        "enable-ra",
        f"ra-param={settings.wifi},60,0",  # life 0: nobody's way to the internet
        f"host-record={names},{four},{six}",
        "address=/#/",  # everything else does not exist
        *_addresses(PROBE_HOSTS, str(four), str(six)),
    ]
    return "\n".join([*lines, ""])


def _addresses(names: tuple[str, ...], *addresses: str) -> Iterator[str]:
    for name in names:
        for address in addresses:
            yield f"address=/{name}/{address}"


def avahi(settings: BoxSettings) -> str:
    """mDNS on the Wi-Fi alone: two boxes on one cable would quarrel over the name."""
    server = {"host-name": "ghalla", "domain-name": "local", "allow-interfaces": settings.wifi}
    return "\n".join(
        (
            _section("server", server),
            _section("wide-area", {"enable-wide-area": "no"}),
            _section("publish", {"publish-hinfo": "no", "publish-workstation": "no"}),
        )
    )


def nftables(settings: BoxSettings) -> str:
    """The firewall: pages, names and addresses for the Wi-Fi; what the settings say for the cable.

    Reading it twice changes nothing; tables of others stay.  A phone that opens far more
    connections than a page needs is slowed down by its hardware address, however many addresses it
    takes.
    """
    web = f"{{ {', '.join(map(str, sorted({settings.http_port, settings.https_port})))} }}"
    wifi = settings.wifi
    return f"""#!/usr/sbin/nft -f
table inet ghalla
delete table inet ghalla
table inet ghalla {{
  set talkers {{
    type ether_addr; size 1024; flags dynamic,timeout; timeout 1m;
  }}
  chain ports {{
    type nat hook prerouting priority dstnat; policy accept;
{"".join(f"    {rule}{chr(10)}" for rule in _redirects(settings))}  }}
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    iifname "lo" accept
    meta l4proto ipv6-icmp icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, \
nd-router-solicit, nd-router-advert, mld-listener-query, mld-listener-report, \
mld2-listener-report }} accept
    icmp type echo-request limit rate 20/second accept
    icmpv6 type echo-request limit rate 20/second accept
    iifname "{wifi}" jump wifi
{"".join(f"    {rule}{chr(10)}" for rule in _cable(settings, web))}  }}
  chain wifi {{
    tcp dport {web} ct state new add @talkers {{ ether saddr limit rate over \
{_RATE}/second burst {_BURST} packets }} drop
    tcp dport {web} accept
    udp dport {{ 53, 67, 547, 5353 }} accept
    tcp dport 53 accept
    meta l4proto tcp reject with tcp reset
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
  }}
}}
"""


def _redirects(settings: BoxSettings) -> Iterator[str]:
    for outside, inside in ((80, settings.http_port), (443, settings.https_port)):
        if outside != inside:
            yield f"fib daddr type local tcp dport {outside} redirect to :{inside}"


def _cable(settings: BoxSettings, web: str) -> Iterator[str]:
    if not settings.cable:
        return
    yield f'iifname "{settings.cable}" udp dport {{ 68, 546 }} accept'
    if settings.cable_pages:
        yield f'iifname "{settings.cable}" tcp dport {web} accept'
    if settings.cable_ssh:
        yield f'iifname "{settings.cable}" tcp dport 22 accept'


def is_own(address: str) -> bool:
    """Whether an address is one that this Wi-Fi hands out."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    return ip in ADDRESS_4.network or ip in ADDRESS_6.network
