"""How telephones and computers ask whether a network is the internet, and what they expect.

Names and answers as the systems' own sources and manuals give them; ``PROBE_HOSTS`` are the only
names of others that a box answers with its own address.
"""

from __future__ import annotations

from dataclasses import dataclass

_SUCCESS = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a system takes as "this is the internet": status, body and its type."""

    status: int
    body: str = ""
    kind: str = "text/plain"


_204 = Expected(204)
# By path, since makers of telephones have names of their own for the same question.
PROBES: dict[str, Expected] = {
    "/generate_204": _204,  # Android, ChromeOS and most makers
    "/gen_204": _204,
    "/hotspot-detect.html": Expected(200, _SUCCESS, "text/html"),  # iOS, macOS
    "/library/test/success.html": Expected(200, _SUCCESS, "text/html"),
    "/connecttest.txt": Expected(200, "Microsoft Connect Test"),  # Windows 10 and 11
    "/ncsi.txt": Expected(200, "Microsoft NCSI"),  # Windows before
    "/success.txt": Expected(200, "success\n"),  # Firefox
    "/canonical.html": Expected(
        200, '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/'
        'captive-portal"/>', "text/html",
    ),
    "/check_network_status.txt": Expected(200, "NetworkManager is online\n"),  # GNOME
}  # fmt: skip

PROBE_HOSTS = (
    "connectivitycheck.gstatic.com",
    "connectivitycheck.android.com",
    "clients3.google.com",
    "play.googleapis.com",
    "connect.rom.miui.com",
    "connectivitycheck.platform.hicloud.com",
    "captive.apple.com",
    "www.msftconnecttest.com",
    "ipv6.msftconnecttest.com",
    "www.msftncsi.com",
    "detectportal.firefox.com",
    "nmcheck.gnome.org",
)
