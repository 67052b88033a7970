"""The firewall and the names of a box, by the kernel and a real dnsmasq between namespaces."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_app.appliance.box_settings import BoxSettings
from edge_app.appliance.network import dnsmasq, nftables
from edge_app.farmer.portal_probes import PROBE_HOSTS
from tests.conftest import NO_TUN
from tests.spaces import Space, cannot_here, village

BOX, BOX_6, FROM_CABLE = "10.87.0.1", "fd67:6861:6c6c:6100::1", "10.99.0.1"
SETTINGS = BoxSettings(code="BCDFGH", cable_ssh=False)
NOBODY = 65534
# What listens on the box: the pages, and what must stay a secret between it and nobody.
LISTENS = (8080, 8443, 22, 631, 5432)


@dataclass
class Place:
    """The namespaces, with a box that listens and is walled."""

    box: Space
    phone: Space
    cable: Space

    def knock(self, who: Space, host: str, port: int) -> str:
        """``open``, ``refused`` or ``silent``."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with who.socket(family, socket.SOCK_STREAM) as line:
            try:
                line.connect((host, port))
            except ConnectionRefusedError:
                return "refused"
            except TimeoutError:
                return "silent"
        return "open"

    def ask(self, name: str, kind: int = 1) -> tuple[int, list[str]]:
        """Status and addresses that the box gives a phone for a name (RFC 1035)."""
        labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
        query = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)
        with self.phone.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.sendto(query, (BOX, 53))
            answer = line.recv(512)
        status, found, at = answer[3] & 15, [], len(query)
        for _ in range(struct.unpack(">H", answer[6:8])[0]):
            size = struct.unpack(">H", answer[at + 10 : at + 12])[0]
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            found.append(socket.inet_ntop(family, answer[at + 12 : at + 12 + size]))
            at += 12 + size
        return status, found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if why := cannot_here():
        pytest.skip(NO_TUN if os.geteuid() == 0 else why)
    folder = tmp_path_factory.mktemp("box")
    with village() as (box, phone, cable), ExitStack() as opened:
        for port in LISTENS:
            line = box.socket(socket.AF_INET6, socket.SOCK_STREAM)
            opened.enter_context(line)
            line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            line.bind(("::", port))
            line.listen(500)
        outside = cable.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.enter_context(outside).bind(("10.99.0.2", 80))
        outside.listen(5)
        wall(box, folder, SETTINGS)
        opened.callback(stop, names(box, folder))
        made = Place(box, phone, cable)
        wait_for_names(made)
        yield made


def wall(box: Space, folder: Path, settings: BoxSettings) -> None:
    (folder / "nft").write_text(nftables(settings))
    box.run(f"nft -f {folder}/nft")


def names(box: Space, folder: Path) -> subprocess.Popen[bytes]:
    """A dnsmasq as on a box: a user of no rights but those over the network."""
    text = dnsmasq(SETTINGS).replace("/run/ghalla-dns/leases", f"{folder}/leases")
    (folder / "dns").write_text(text)
    program = shutil.which("dnsmasq")
    assert program is not None, "dnsmasq-base is missing"
    (folder / "leases").touch()
    for path in (folder / "leases", folder / "dns", folder):
        os.chown(path, NOBODY, NOBODY)
    open_to_all(folder)
    rights = "-all,+net_admin,+net_raw,+net_bind_service"
    user = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups",
            "--inh-caps", rights, "--ambient-caps", rights, "--bounding-set", rights]  # fmt: skip
    inside = ["ip", "netns", "exec", box.name, *user, program, "-k", "-C", f"{folder}/dns"]
    return subprocess.Popen(inside, stderr=subprocess.DEVNULL)


def open_to_all(folder: Path) -> None:
    """Let another user through to ``folder``: pytest's are for root alone."""
    for parent in folder.parents:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o711)


def stop(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    program.wait(10)


def wait_for_names(place: Place) -> None:
    for _ in range(20):
        try:
            place.ask("ghalla.local")
        except (TimeoutError, ConnectionRefusedError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError("dnsmasq did not come up")


class TestWall:
    @pytest.mark.parametrize("host", [BOX, BOX_6])
    def test_phones_reach_the_pages_and_nothing_else(self, place: Place, host: str) -> None:
        found = {port: place.knock(place.phone, host, port) for port in (80, 443, *LISTENS)}
        expected = dict.fromkeys((80, 443, 8080, 8443), "open") | dict.fromkeys(
            (22, 631, 5432), "refused"
        )
        assert found == expected

    def test_no_way_leads_through_the_box(self, place: Place) -> None:
        assert place.knock(place.box, "10.99.0.2", 80) == "open"  # it is there
        assert place.knock(place.phone, "10.99.0.2", 80) == "silent"
        assert place.knock(place.cable, "10.87.0.9", 80) == "silent"

    def test_the_cable_has_what_the_settings_say(self, place: Place, tmp_path: Path) -> None:
        def seen() -> list[str]:
            return [place.knock(place.cable, FROM_CABLE, port) for port in (80, 443, 22, 5432)]

        assert seen() == ["open", "open", "silent", "silent"]
        wall(place.box, tmp_path, BoxSettings(cable_pages=False, cable_ssh=True))
        assert seen() == ["silent", "silent", "open", "silent"]
        wall(place.box, tmp_path, SETTINGS)  # again: no rule is there twice
        assert seen() == ["open", "open", "silent", "silent"]

    def test_a_phone_that_opens_lines_without_end_is_slowed_and_others_are_not(
        self, place: Place
    ) -> None:
        tries = 170
        with ExitStack() as crowd:
            lines = [place.phone.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(tries)]
            for line in lines:
                crowd.enter_context(line).settimeout(0.02)
            through = sum(line.connect_ex((BOX, 80)) == 0 for line in lines)
        assert 100 <= through < tries
        assert place.knock(place.cable, FROM_CABLE, 80) == "open"


class TestNames:
    @pytest.mark.parametrize("name", ["ghalla.local", "ghalla-bcdfgh.local", *PROBE_HOSTS])
    def test_the_box_and_the_questions_of_phones_lead_to_it(self, place: Place, name: str) -> None:
        assert place.ask(name) == (0, [BOX])
        assert place.ask(name, kind=28) == (0, [BOX_6])

    @pytest.mark.parametrize("name", ["www.google.com", "bank.example", "ma", "ghalla.example"])
    def test_no_other_site_is_impersonated(self, place: Place, name: str) -> None:
        assert place.ask(name) == (3, [])

    def test_a_phone_is_given_an_address(self, place: Place) -> None:
        kind, offered = discover(place.phone)
        assert kind == 2  # DHCPOFFER
        assert offered.startswith("10.87.0.")
        assert int(offered.split(".")[3]) >= 20


def discover(phone: Space) -> tuple[int, str]:
    """Ask for an address as a phone does (RFC 2131): kind of the answer, address offered."""
    mac = b"\x02\x11\x22\x33\x44\x55"
    head = struct.pack(">4BIHH", 1, 1, 6, 0, 0x1234ABCD, 0, 0x8000)
    ask = head + bytes(16) + mac + bytes(202) + b"\x63\x82\x53\x63" + b"\x35\x01\x01\xff"
    with phone.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"up0")
        line.settimeout(6)  # dnsmasq first looks whether somebody has the address
        line.bind(("", 68))
        line.sendto(ask, ("255.255.255.255", 67))
        answer = line.recv(1500)
    return answer[242], socket.inet_ntoa(answer[16:20])
