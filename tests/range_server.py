"""HTTP servers with ranges: one of ours that misbehaves on demand, and a real nginx."""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: ``span`` is (first, behind the last), ``sent`` bytes of body."""

    path: str
    span: tuple[int, int] | None
    sent: int
    status: int


@dataclass(slots=True)
class Fault:
    """What goes wrong with one request; ``path`` "" matches any.

    ``kind``: ``status``, ``cut`` (the line is reset after ``after`` bytes), ``whole`` (200 with
    everything), ``shifted`` (another range than asked), ``hang``, ``lying_size``, ``dribble``.
    """

    kind: str
    path: str = ""
    status: int = 503
    after: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: ClassVar[RangeServer]

    def setup(self) -> None:
        """Count connections."""
        super().setup()
        self.owner.connections += 1

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _serve(self, body: bytes) -> None:
        owner = self.owner
        path = urlsplit(self.path).path
        fault = owner.next_fault(path)
        if path in owner.broken:
            self._answer(503, b"no", {})
            return
        if fault and fault.kind == "status":
            self._answer(fault.status, b"no", {"Date": formatdate(usegmt=True)} | fault.headers)
            return
        if path in owner.pages:
            data = json.dumps(owner.pages[path](self.path, body)).encode()
        else:
            file = owner.folder / path.lstrip("/")
            if not file.is_file():
                self._answer(404, b"", {})
                return
            data = file.read_bytes()
        tag = owner.tag or f'"{md5(data, usedforsecurity=False).hexdigest()}"'
        headers = {"ETag": tag, "Date": formatdate(usegmt=True)}
        if fault and fault.kind == "hang":
            owner.stopped.wait(20)
        elif owner.key and path not in owner.pages and f"key={owner.key}" not in self.path:
            self._answer(403, b"", headers)
        elif self.headers.get("If-Match", tag) != tag:
            self._answer(412, b"", headers)
        else:
            self._ranged(data, headers, fault)

    def _ranged(self, data: bytes, headers: dict[str, str], fault: Fault | None) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked is None or self.owner.whole or (fault and fault.kind == "whole"):
            self._answer(200, data, headers, fault)
            return
        first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        if first >= len(data):
            self._answer(416, b"", headers)
            return
        if fault and fault.kind == "shifted":
            first, last = first + 1, last + 1
        size = len(data) + (fault.after if fault and fault.kind == "lying_size" else 0)
        said = {"Content-Range": f"bytes {first}-{last}/{size}"}
        self._answer(206, data[first : last + 1], headers | said, fault, (first, last + 1))

    def _answer(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str],
        fault: Fault | None = None,
        span: tuple[int, int] | None = None,
    ) -> None:
        limit = fault.after if fault and fault.kind == "cut" else self.owner.cut_every
        sent = body[:limit] if limit else body
        self.owner.asked.append(Asked(urlsplit(self.path).path, span, len(sent), status))
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault and fault.kind == "dribble":
            for at in range(0, len(body), 1000):
                self.wfile.write(body[at : at + 1000])
                time.sleep(0.002)
        else:
            try:
                self.wfile.write(sent)
            except OSError:
                self.close_connection = True
        if len(sent) < len(body):
            time.sleep(0.02)  # so that what was sent is not lost to the reset
            self.close_connection = True
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up, or is killed, is no error of ours."""


class RangeServer:
    """Serves ``folder``; ``pages``: path to a function of (path with query, body) giving JSON.

    ``faults`` are used up one a request; ``whole``: never any ranges; ``cut_every``: every answer
    is reset after so many bytes; ``broken``: paths that always answer 503; ``key``: without
    ``?key=…`` files are refused.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages: dict[str, Callable[[str, bytes], Any]] = {}
        self.faults: deque[Fault] = deque()
        self.asked: list[Asked] = []
        self.whole = False
        self.broken: set[str] = set()
        self.cut_every = 0
        self.key = ""
        self.tag = ""
        self.connections = 0
        self.stopped = threading.Event()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = _Quiet(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def next_fault(self, path: str) -> Fault | None:
        """The fault that this request meets."""
        if self.faults and (not self.faults[0].path or self.faults[0].path == path):
            return self.faults.popleft()
        return None

    def url(self, path: str) -> str:
        """Address of a file in the folder."""
        return f"http://127.0.0.1:{self._server.server_port}/{path}"

    @property
    def sent(self) -> int:
        """Bytes of bodies so far."""
        return sum(each.sent for each in self.asked)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


_NGINX = """
daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 64; }}
http {{
  log_format bytes '$request_method $uri $status $body_bytes_sent $bytes_sent "$http_range"';
  access_log {home}/access.log bytes;
  client_body_temp_path {home}/1; proxy_temp_path {home}/2; fastcgi_temp_path {home}/3;
  uwsgi_temp_path {home}/4; scgi_temp_path {home}/5;
  keepalive_requests 100000;
  server {{ listen 127.0.0.1:{port}; root {root}; sendfile off; }}
}}
"""


class NginxServer:
    """A real nginx that serves ``folder`` and counts what it sends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._home = tempfile.TemporaryDirectory()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def __enter__(self) -> Self:
        home = Path(self._home.name)
        config = home / "nginx.conf"
        config.write_text(_NGINX.format(home=home, port=self.port, root=self.folder))
        self._process = subprocess.Popen(
            ["nginx", "-e", str(home / "error.log"), "-c", str(config)], stderr=subprocess.DEVNULL
        )
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        raise RuntimeError("nginx did not start")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._home.cleanup()

    def url(self, path: str) -> str:
        """Address of a file in the folder."""
        return f"http://127.0.0.1:{self.port}/{path}"

    @property
    def asked(self) -> list[Asked]:
        """What the access log says."""
        time.sleep(0.05)
        found = []
        for line in (Path(self._home.name) / "access.log").read_text().splitlines():
            _, path, status, sent, _, span = line.split(" ", 5)
            said = re.fullmatch(r'"bytes=(\d+)-(\d+)"', span)
            pair = (int(said[1]), int(said[2]) + 1) if said else None
            found.append(Asked(path, pair, int(sent), int(status)))
        return found

    @property
    def sent(self) -> int:
        """Bytes of bodies so far."""
        return sum(each.sent for each in self.asked)
