"""A hub behind gunicorn: killed, crowded, without its database, over TLS."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from sync import receipts
from sync.hub.settings import HubSettings
from sync.hub.tables import EVENTS
from tests.hub_nodes import Node, Wire, enrolled, record
from tests.hubs import S3, Postgres, hub_on, served, settings_in


def test_a_database_that_is_away_is_told_and_comes_back(
    tmp_path: Path,
    durable_postgres: Postgres,
) -> None:
    settings = HubSettings(durable_postgres.new_database(), str(tmp_path), spare_bytes=0)
    with served(settings) as server:
        wire = enrolled(server)
        assert wire.send(wire.node.segment(record(1))).seq == 1
        durable_postgres.stop()
        try:
            status, headers, _ = wire.ask("POST", "/n/1/segments", wire.node.segment(record(2)))
            assert (status, headers["retry-after"]) == (503, "60")
        finally:
            durable_postgres.start()
        assert wire.send(wire.node.segment(record(2))).seq == 2


def test_two_processes_killed_in_turn_lose_nothing(
    tmp_path: Path,
    postgres: Postgres,
    s3_server: S3,
) -> None:
    settings = HubSettings(postgres.new_database(), s3_server.new_bucket(), spare_bytes=0)
    with served(settings, 1) as one, served(settings, 1) as two:
        wire, sent = enrolled(one), 0
        for turn in range(4):
            down, up = (one, two) if turn % 2 else (two, one)
            node, wire.url = wire.node, down.url
            killer = threading.Timer(0.3, down.kill)
            killer.start()
            while True:
                part = [record(s) for s in range(sent + 1, sent + 8)]
                try:
                    sent = wire.send(node.segment(*part, acknowledged=sent)).seq
                except (OSError, http.client.HTTPException):
                    break
            killer.join()
            wire.url = up.url
            receipt = wire.send(node.segment(record(sent + 1), last=sent + 7, acknowledged=sent))
            assert receipt.refused == ()
            sent = receipt.seq
            down.start()
        with hub_on(settings) as hub, hub.database.reading() as connection:
            seqs = connection.execute(select(EVENTS.c.seq).order_by(EVENTS.c.seq)).scalars().all()
        assert list(seqs) == list(range(1, sent + 1))


def test_many_nodes_at_once_are_all_served(
    tmp_path: Path,
    postgres: Postgres,
) -> None:
    settings = HubSettings(postgres.new_database(), str(tmp_path), spare_bytes=0)
    with hub_on(settings) as hub:
        nodes = [Node().enrolled(hub) for _ in range(300)]
    with served(settings, 2) as server, ThreadPoolExecutor(300) as pool:

        def send(node: Node) -> int:
            wire = Wire(server.url, node)
            segment = node.segment(*map(record, range(1, 4)))
            while True:
                status, headers, body = wire.ask("POST", "/n/1/segments", segment)
                if status == 200:
                    return receipts.decode(body).seq
                assert status == 503
                assert headers["retry-after"]
                time.sleep(1)

        assert list(pool.map(send, nodes)) == [3] * 300


def test_a_hub_speaks_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with served(settings_in(tmp_path), 1, ("--cert", str(cert), "--key", str(key))) as server:
        context = ssl.create_default_context(cafile=str(cert))
        with (
            socket.create_connection(("127.0.0.1", server.port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as link,
        ):
            link.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert link.recv(12) == b"HTTP/1.1 404"
            assert link.version() == "TLSv1.3"
        old = ssl.create_default_context(cafile=str(cert))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection(("127.0.0.1", server.port)) as plain,
            pytest.raises(ssl.SSLError),
        ):
            old.wrap_socket(plain, server_hostname="localhost")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of localhost that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, secret
