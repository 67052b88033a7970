"""What one would write instead of sync: records as JSON and whole photos, in POSTs over TLS.

`PlainHub` takes them; the senders are as frugal as `http.client` makes them.
"""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

_PATIENCE_S = 20.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PlainHub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) == int(self.headers["Content-Length"]):
            self.server.taken.append(body)
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class PlainHub(ThreadingHTTPServer):
    """``with PlainHub(address, certificate) as hub:``; bodies that came whole are in ``taken``.

    ``certificate`` holds key and certificate.  It listens in the network namespace of the thread
    that makes it.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], certificate: Path) -> None:
        self.taken: list[bytes] = []
        super().__init__(address, _Handler)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self) -> tuple[socket.socket, Any]:
        line, peer = super().get_request()
        line.settimeout(60)
        # The handshake is for the thread of this connection: here it would hold up the others.
        return self._tls.wrap_socket(line, server_side=True, do_handshake_on_connect=False), peer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A line that drops is what is measured."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        self.server_close()


class PlainSender:
    """Sends to the hub at ``address``, whose certificate ``authority`` signed."""

    def __init__(self, address: tuple[str, int], authority: Path) -> None:
        self._address = address
        self._tls = ssl.create_default_context(cafile=str(authority))

    def each(self, records: Sequence[Mapping[str, Any]]) -> None:
        """A POST a record, a connection each."""
        for record in records:
            self._post(_json(record), "application/json")

    def batch(self, records: Sequence[Mapping[str, Any]]) -> None:
        """All in one POST, compressed."""
        packed = gzip.compress(_json(records), 9)
        self._post(packed, "application/json", encoding="gzip")

    def photo(self, jpeg: bytes, most_s: float) -> int:
        """The whole photo, until it is there or ``most_s`` have passed; returns how many tries."""
        end, tries = time.monotonic() + most_s, 0
        while time.monotonic() < end:
            tries += 1
            try:
                self._post(jpeg, "image/jpeg", end)
            except OSError:
                continue
            return tries
        raise TimeoutError(f"not there after {most_s} s and {tries} tries")

    def _post(self, body: bytes, kind: str, end: float | None = None, encoding: str = "") -> None:
        patience = _PATIENCE_S if end is None else min(_PATIENCE_S, max(1, end - time.monotonic()))
        line = http.client.HTTPSConnection(*self._address, timeout=patience, context=self._tls)
        try:
            packed = {"Content-Encoding": encoding} if encoding else {}
            line.request("POST", "/records", body, {"Content-Type": kind, **packed})
            answer = line.getresponse()
            answer.read()
            if answer.status != http.client.CREATED:
                raise OSError(f"the hub says {answer.status}")
        finally:
            line.close()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
