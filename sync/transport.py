"""One connection to a hub over a link that is slow and breaks: TLS resumed, every byte counted.

Counted are the bytes of IP packets both ways as the kernel knows them (retransmissions included),
because that is what people pay for.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from field_data.errors import GhallaError, KeeperError, NetworkError, PersonError

CONNECT_S = 25.0
READ_S = 60.0
# Small enough that what arrived before a cut can be used, large enough to cost little.
_BLOCK = 4096
# What is under way when the line goes down is paid for twice: little at first, then about as much
# as the line carries in this time.
_LEAST_UNDER_WAY, _MOST_UNDER_WAY, _UNDER_WAY_S = 6144, 256 * 1024, 1.0
# TCP doubles its patience at every loss, and sleeps on when the line is back: begin anew instead.
_PATIENCE_MS = 8000
_MOST_REPLY = 1 << 20
# Head, type and tag of a record of TLS 1.3.
_TLS_RECORD = 22
# TCP of a few packets under way does not double its patience (Linux's TCP_THIN_LINEAR_TIMEOUTS).
_LINEAR = 16
# Nor does it beyond this (TCP_RTO_MAX_MS, since Linux 6.15).
_LONGEST_PAUSE, _PAUSE_MS = 44, 2000
# OpenSSL's padding of the first message to 512 bytes, for servers of 2013 (SSL_OP_TLSEXT_PADDING).
_PADDING = 0x10
# Close without a farewell: the reply is here, and what both would still say has 200 bytes.
_AT_ONCE = struct.pack("ii", 1, 0)
# IP and TCP headers with time stamps.
_HEADERS_4, _HEADERS_6 = 52, 72
_TCP_INFO_BYTES = 232


class SpentError(NetworkError):
    """``budget_spent``: the bytes or seconds allowed are used up; the next run goes on."""

    def __init__(self, what: str) -> None:
        super().__init__("budget_spent", f"the {what} allowed are used up", what=what)


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where a hub is, and how it is known: by an authority of the system or of ``ca``, or by the
    SHA-256 of its certificate, ``pin``.

    Raises:
        PersonError: ``bad_hub_url``; ``insecure_hub`` for http to anywhere but this machine.
    """

    url: str
    ca: Path | None = None
    pin: str = ""
    insecure: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known or parts.query or parts.fragment or parts.username:
            raise PersonError("bad_hub_url", f"{self.url!r} is no address of a hub")
        if parts.scheme == "http" and not (self.insecure or _is_here(parts.hostname or "")):
            message = f"{self.url} is not encrypted: use https, or say --insecure-http"
            raise PersonError("insecure_hub", message)

    @property
    def host(self) -> str:
        """Name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return urlsplit(self.url).scheme == "https"

    @property
    def port(self) -> int:
        """TCP port."""
        return urlsplit(self.url).port or (443 if self.encrypted else 80)

    @property
    def name(self) -> str:
        """Host and port, as a request names them."""
        return urlsplit(self.url).netloc

    @property
    def path(self) -> str:
        """What stands before the paths of the protocol."""
        return urlsplit(self.url).path.rstrip("/")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the hub answered; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Allowance:
    """What one run may use: bytes on the wire and seconds, None for any number."""

    bytes: int | None = None
    seconds: float | None = None
    clock: Callable[[], float] = time.monotonic
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.clock()

    def left_s(self) -> float | None:
        """Seconds left, None for any number.

        Raises:
            SpentError: none.
        """
        if self.seconds is None:
            return None
        left = self.seconds - (self.clock() - self.begun)
        if left <= 0:
            raise SpentError("seconds")
        return left

    def left_bytes(self, spent: int) -> int | None:
        """Bytes left when so many are spent, None for any number; 0 when none are."""
        return None if self.bytes is None else max(0, self.bytes - spent)


class Link:
    """Requests to the hub at ``address``, one after the other; to be used as a context manager.

    A connection is opened when it is needed and kept; TLS sessions outlive connections.
    """

    def __init__(self, address: HubAddress, allowance: Allowance | None = None) -> None:
        self.address = address
        self.allowance = allowance or Allowance()
        self._context = _context(address) if address.encrypted else None
        self._session: ssl.SSLSession | None = None
        self._line: socket.socket | None = None
        self._up = self._down = 0
        self._under_way = _LEAST_UNDER_WAY
        self.resumed = 0

    # --- counting -----------------------------------------------------------------------------

    @property
    def bytes_up(self) -> int:
        """Bytes of IP packets sent."""
        return self._up + self._now()[0]

    @property
    def bytes_down(self) -> int:
        """Bytes of IP packets received."""
        return self._down + self._now()[1]

    @property
    def spent(self) -> int:
        """Both."""
        return self.bytes_up + self.bytes_down

    @property
    def opening_bytes(self) -> int:
        """About what the next request costs before its own bytes: a connection, if none is open."""
        if self._line is not None:
            return 0
        return 400 if self._context is None else 1800 if self._session is not None else 3200

    def _now(self) -> tuple[int, int]:
        return (0, 0) if self._line is None else wire_bytes(self._line)

    # --- asking -------------------------------------------------------------------------------

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """The hub's reply; a kept connection that turns out to be closed is opened again once.

        Raises:
            NetworkError: ``link_failed``; ``budget_spent``.
            KeeperError: ``hub_untrusted``: the certificate is not the one that is trusted.
        """
        # A piece of a photo may have arrived in part: its sender asks first how far it came.
        again = self._line is not None and method != "PATCH"
        try:
            return self._ask(method, path, body, headers or {})
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not again or not isinstance(error, ConnectionError):
                raise _known(error) from error
        except BaseException:
            self.close()
            raise
        return self.request(method, path, body, headers)

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        line = self._open()
        # Head and body in one piece: each has the headers of a packet and of a TLS record.
        whole = self._head(method, path, body, headers) + body
        begun = time.monotonic()
        block = _block(line)
        for at in range(0, len(whole), block):
            self._patience(line)
            line.sendall(whole[at : at + block])
        self._patience(line)
        with http.client.HTTPResponse(line, method=method) as answer:
            answer.begin()
            data = answer.read(_MOST_REPLY + 1)
            if len(data) > _MOST_REPLY:
                raise http.client.HTTPException("an answer that is too long")
            told = {name.lower(): value for name, value in answer.getheaders()}
            closing = answer.will_close
        self._pace(line, len(whole), time.monotonic() - begun)
        self._remember(line)
        if closing:
            self.close()
        return Reply(answer.status, told, data)

    def _pace(self, line: socket.socket, sent: int, seconds: float) -> None:
        """Have as much under way as the line has shown to carry."""
        if sent >= _BLOCK:
            carried = int(sent / max(seconds, 1e-3) * _UNDER_WAY_S)
            self._under_way = min(_MOST_UNDER_WAY, max(_LEAST_UNDER_WAY, carried))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._under_way)

    def _head(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {self.address.path}{path} HTTP/1.1", f"Host: {self.address.name}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method in ("POST", "PATCH", "PUT"):
            lines.append(f"Content-Length: {len(body)}")
        if any("\r" in each or "\n" in each for each in lines):
            raise ValueError("a header of two lines")
        return "\r\n".join((*lines, "", "")).encode("ascii")

    def _patience(self, line: socket.socket) -> None:
        left = self.allowance.left_s()
        line.settimeout(READ_S if left is None else min(READ_S, left))

    def _open(self) -> socket.socket:
        if self._line is not None:
            return self._line
        left = self.allowance.left_s()
        wait_s = CONNECT_S if left is None else min(CONNECT_S, left)
        raw = _connected(self.address.host, self.address.port, wait_s, self._under_way)
        if self._context is None:
            self._line = raw
            return raw
        try:
            self._line = self._secured(raw, self._context)
        except BaseException:
            raw.close()
            raise
        return self._line

    def _secured(self, raw: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        host, session = self.address.host, self._session
        secured = context.wrap_socket(raw, server_hostname=host, session=session)
        self.resumed += bool(secured.session_reused)
        shown = secured.getpeercert(binary_form=True) or b""
        if self.address.pin and hashlib.sha256(shown).hexdigest() != self.address.pin.lower():
            secured.close()
            message = "the hub shows another certificate than the one that is pinned"
            raise KeeperError("hub_untrusted", message)
        return secured

    def _remember(self, line: socket.socket) -> None:
        if isinstance(line, ssl.SSLSocket):
            self._session = line.session or self._session

    def _count(self, sock: socket.socket) -> None:
        up, down = wire_bytes(sock)
        self._up, self._down = self._up + up, self._down + down

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        line, self._line = self._line, None
        if line is not None:
            self._count(line)
            with suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                line.close()

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _connected(host: str, port: int, wait_s: float, under_way: int) -> socket.socket:
    """A connection that sends few packets without content (each has 52 bytes)."""
    failed: OSError = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        line = socket.socket(family, kind, protocol)
        try:
            line.settimeout(wait_s)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, under_way)
            _sparing(line)
            line.connect(address)
            _sparing(line)
            with suppress(AttributeError, OSError):
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _PATIENCE_MS)
                line.setsockopt(socket.IPPROTO_TCP, _LINEAR, 1)
                line.setsockopt(socket.IPPROTO_TCP, _LONGEST_PAUSE, _PAUSE_MS)
        except OSError as error:
            failed = error
            line.close()
        else:
            return line
    raise failed


def _block(line: socket.socket) -> int:
    """How much to write at once: a TLS record of it fills some packets and begins no other."""
    try:
        packet = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    except (AttributeError, OSError):
        return _BLOCK
    return max(1, _BLOCK // packet) * packet - _TLS_RECORD if packet > 500 else _BLOCK


def _sparing(line: socket.socket) -> None:
    """Acknowledge with what is sent next, where the system lets one choose (Linux)."""
    with suppress(AttributeError, OSError):
        # The last packet of the handshake waits for the first bytes to be sent.
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)


def wire_bytes(sock: socket.socket) -> tuple[int, int]:
    """Bytes of IP packets that a connection sent and received, by Linux's ``tcp_info``.

    ``tcpi_bytes_sent`` counts what was sent again; a packet has 40 bytes of headers and 12 of time
    stamps (20 more with IPv6).  (0, 0) where the kernel does not tell.
    """
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        received, packets_out, packets_in = struct.unpack_from("=QII", told, 128)
        (sent,) = struct.unpack_from("=Q", told, 200)
    except (OSError, AttributeError, struct.error):
        return 0, 0
    head = _HEADERS_6 if sock.family == socket.AF_INET6 else _HEADERS_4
    return sent + packets_out * head, received + packets_in * head


def _context(address: HubAddress) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(address.ca) if address.ca else None)
    except OSError as error:
        raise KeeperError("bad_ca", f"cannot read {address.ca}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options &= ~_PADDING
    # One small key share: the hybrid ones of newer libraries weigh 1.2 kB each way.
    with suppress(ValueError, ssl.SSLError):
        context.set_ecdh_curve("X25519")
    if address.pin:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the pin is checked in `Link._secured`
    return context


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _failed(why: object) -> NetworkError:
    return NetworkError("link_failed", f"the link to the hub failed: {why}")


def _known(error: OSError | http.client.HTTPException) -> GhallaError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return KeeperError("hub_untrusted", f"the hub's certificate is not trusted: {error}")
    return _failed(error or type(error).__name__)
