"""https for tablets: a real handshake, certificates that vouch for this node and nothing else."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_app.appliance.network import own_name
from edge_app.tls_keys import fingerprint, make_ready
from field_data.errors import KeeperError
from field_data.ids import new_id, short_code
from tests.builders import leaf_jpeg, phone_jpeg
from tests.serving import ServedNode


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    home = tmp_path_factory.mktemp("https") / "home"
    with ServedNode(home, GHALLA_HTTPS_PORT=str(free_port())) as served:
        yield served


@contextmanager
def secure(node: ServedNode) -> Iterator[http.client.HTTPSConnection]:
    trusting = ssl.create_default_context(cafile=node.home / "tls" / "ca.crt")
    place = node.addresses[1].removeprefix("https://")
    line = http.client.HTTPSConnection(place, timeout=30, context=trusting)
    try:
        yield line
    finally:
        line.close()


def test_a_tablet_that_installed_the_authority_is_served(node: ServedNode) -> None:
    with secure(node) as line:
        for _ in range(3):  # one connection serves several requests
            line.request("GET", "/fr/")
            answer = line.getresponse()
            assert answer.status == 200
            assert b"<html" in answer.read()


def test_a_large_photo_arrives_whole(node: ServedNode) -> None:
    kind = {"Content-Type": "image/jpeg"}
    with secure(node) as line:
        line.request("POST", "/api/v1/diagnose?lang=en&crop=LYPES", phone_jpeg(), kind)
        answer = line.getresponse()
        assert (answer.status, json.loads(answer.read())["photo"]) == (200, "photo")


def test_a_form_from_our_own_page_is_no_other_site(node: ServedNode) -> None:
    origin = {"Origin": node.addresses[1], "Content-Type": "image/jpeg"}
    with secure(node) as line:
        line.request("POST", "/api/v1/diagnose?lang=en", leaf_jpeg(), origin)
        assert line.getresponse().status == 200


def test_who_has_not_installed_it_is_warned(node: ServedNode) -> None:
    place = node.addresses[1].removeprefix("https://")
    line = http.client.HTTPSConnection(place, timeout=30)
    with closing(line), pytest.raises(ssl.SSLCertVerificationError):
        line.request("GET", "/")


def test_a_crowd_that_never_shakes_hands_takes_no_more_than_its_share(node: ServedNode) -> None:
    host, port = node.addresses[1].removeprefix("https://").split(":")
    files = Path(f"/proc/{node.pid}/fd")
    before = len(list(files.iterdir()))
    with ExitStack() as crowd:
        for _ in range(400):
            crowd.enter_context(socket.create_connection((host, int(port)), timeout=5))
        assert node.request("GET", "/health")[0] == 200
        assert len(list(files.iterdir())) < before + 150
    with secure(node) as line:
        line.request("GET", "/health")
        assert line.getresponse().status == 200


def test_a_client_that_hangs_up_or_talks_plain_http_harms_nobody(node: ServedNode) -> None:
    host, port = node.addresses[1].removeprefix("https://").split(":")
    for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"):
        with socket.create_connection((host, int(port)), timeout=5) as plain:
            plain.sendall(said)
    with secure(node) as line:
        line.request("GET", "/health")
        assert line.getresponse().status == 200


def test_the_authority_may_vouch_for_local_names_only(tmp_path: Path) -> None:
    files = make_ready(tmp_path, new_id(), ["192.168.4.1"])
    assert verified(files.ca, files.leaf)
    assert not verified(files.ca, forged(files.ca, files.ca_key, tmp_path, "bank.example"))
    assert verified(files.ca, forged(files.ca, files.ca_key, tmp_path, "ghalla.local"))


def verified(ca: Path, leaf: Path, at: str = "2026-11-25") -> bool:
    """What OpenSSL thinks of the chain on a day, name constraints included."""
    moment = dt.datetime.fromisoformat(at).replace(minute=1, tzinfo=dt.UTC).timestamp()
    day = ["-attime", str(round(moment))]
    command = ["openssl", "verify", *day, "-CAfile", str(ca), str(leaf)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def forged(
    ca: Path, ca_key: Path, folder: Path, name: str, life: dt.timedelta | None = None
) -> Path:
    """A certificate for ``name`` signed with the stolen key of the authority."""
    issuer = x509.load_pem_x509_certificate(ca.read_bytes())
    key = serialization.load_pem_private_key(ca_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(issuer.subject)
    builder = builder.public_key(ec.generate_private_key(ec.SECP256R1()).public_key())
    builder = builder.serial_number(7).not_valid_before(issuer.not_valid_before_utc)
    end = issuer.not_valid_before_utc + life if life else issuer.not_valid_after_utc
    builder = builder.not_valid_after(end)
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    made = builder.add_extension(names, critical=True).sign(key, hashes.SHA256())
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


def test_keys_are_for_the_node_alone_and_stay(tmp_path: Path) -> None:
    first = make_ready(tmp_path / "tls", "a" * 26, ["10.0.0.1"])
    before = {path: path.read_bytes() for path in (first.ca, first.ca_key, first.leaf)}
    assert {path.stat().st_mode & 0o077 for path in (first.ca_key, first.leaf)} == {0}
    make_ready(tmp_path / "tls", "a" * 26, ["10.0.0.1"])
    assert {path: path.read_bytes() for path in before} == before
    assert len(fingerprint(first).split(":")) == 32


@pytest.mark.parametrize(
    ("addresses", "renewed"),
    [(["10.0.0.1"], False), (["10.0.0.7"], True), (["8.8.8.8"], False), (["fd00::7"], True)],
    ids=["the same", "another address", "public address", "IPv6"],
)
def test_the_certificate_is_renewed_without_the_internet_when_it_must(
    tmp_path: Path, addresses: list[str], renewed: bool
) -> None:
    files = make_ready(tmp_path, "a" * 26, ["10.0.0.1"])
    ca, leaf = files.ca.read_bytes(), files.leaf.read_bytes()
    make_ready(tmp_path, "a" * 26, addresses)
    assert files.ca.read_bytes() == ca
    assert (files.leaf.read_bytes() != leaf) is renewed
    assert verified(files.ca, files.leaf)


def test_one_that_ran_out_is_renewed_whatever_the_clock_says(tmp_path: Path) -> None:
    files = make_ready(tmp_path, "a" * 26, [])
    short = forged(files.ca, files.ca_key, tmp_path, "ghalla.local", dt.timedelta(days=1))
    key = files.leaf.read_bytes().split(b"-----BEGIN CERTIFICATE")[0]
    files.leaf.write_bytes(key + short.read_bytes())
    make_ready(tmp_path, "a" * 26, [])
    assert verified(files.ca, files.leaf, at="2040-06-01")


@pytest.mark.parametrize("day", ["1970-01-01", "2026-11-25", "2040-06-01", "2060-01-01"])
def test_no_clock_of_a_tablet_locks_it_out(tmp_path: Path, day: str) -> None:
    """By OpenSSL, and by NSS as `certutil` has it."""
    files = make_ready(tmp_path / "tls", new_id(), ["192.168.4.1"])
    assert verified(files.ca, files.leaf, at=day)
    database = f"sql:{tmp_path}"
    authority, leaf = ["-n", "box", "-t", "C,,", "-i", files.ca], ["-n", "leaf", "-t", ",,"]
    moment = f"{day[2:].replace('-', '')}000100Z"
    for what in (["-N", "--empty-password"], ["-A", *authority], ["-A", *leaf, "-i", files.leaf]):
        subprocess.run(["certutil", "-d", database, *what], check=True, timeout=60)
    command = ["certutil", "-d", database, "-V", "-n", "leaf", "-u", "V", "-b", moment]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if day < "2050":  # two digits of a year are all that certutil takes
        assert "is valid" in told.stdout, told.stderr


def test_the_leaf_names_the_wifi_before_it_is_up_and_the_box_itself(tmp_path: Path) -> None:
    node = new_id()
    files = make_ready(tmp_path, node, [])
    leaf = x509.load_pem_x509_certificate(files.leaf.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {
        "ghalla.local", own_name(short_code(node)), "localhost",
    }  # fmt: skip
    ips = {str(ip) for ip in names.get_values_for_type(x509.IPAddress)}
    assert {"10.87.0.1", "fd67:6861:6c6c:6100::1"} <= ips
    assert verified(files.ca, forged(files.ca, files.ca_key, tmp_path, own_name(short_code(node))))
    assert not verified(files.ca, forged(files.ca, files.ca_key, tmp_path, own_name("BBBBBB")))


def test_damaged_keys_are_named_not_replaced(tmp_path: Path) -> None:
    files = make_ready(tmp_path, "a" * 26, [])
    files.ca_key.write_bytes(b"-----BEGIN")
    with pytest.raises(KeeperError) as error:
        make_ready(tmp_path, "a" * 26, [])
    assert error.value.code == "tls_damaged"


def test_a_tablet_learns_to_trust_the_node_over_plain_http(node: ServedNode) -> None:
    status, headers, body = node.request("GET", "/ghalla-ca.crt")
    assert (status, headers["Content-Type"]) == (200, "application/x-x509-ca-cert")
    assert body == (node.home / "tls" / "ca.crt").read_bytes()
    _, _, page = node.request("GET", "/en/staff/tablet")
    digest = x509.load_pem_x509_certificate(body).fingerprint(hashes.SHA256()).hex().upper()
    assert digest in page.decode().replace(":", "")


def test_without_https_there_is_no_authority_and_the_page_says_why(tmp_path: Path) -> None:
    with ServedNode(tmp_path / "home") as plain:
        assert plain.request("GET", "/ghalla-ca.crt")[0] == 404
        assert b"does not speak https" in plain.request("GET", "/en/staff/tablet")[2]
