"""What is served for real: a node in a process of its own, or an application in a thread."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from flask import Flask
from waitress.server import create_server


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """The address of ``app`` while it is served on a free port."""
    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        # In its own thread: closed from here, its loop would poll a socket that is gone.
        server.trigger.pull_trigger(server.close)
        thread.join(5)


class ServedNode:
    """``with ServedNode(home) as node:``; ``environ`` are extra variables."""

    def __init__(self, home: Path, port: int = 0, /, *options: str, **environ: str) -> None:
        self.home = home
        self._process = subprocess.Popen(
            [*self.command(home), "serve", "--home", str(home), "--port", str(port), "--json",
             *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | environ,
            text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "addresses" not in line:
            _, errors = self._process.communicate(timeout=20)
            raise RuntimeError(f"the node did not start: {line}{errors}")
        said = json.loads(line)
        self.addresses: list[str] = said["addresses"]
        self.address = self.addresses[0]
        self.setup: list[str] = said["setup"]

    @classmethod
    def command(cls, home: Path) -> list[str]:
        """What is run, up to the verb."""
        return [sys.executable, "-m", "edge_app.cli"]

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request."""
        line = http.client.HTTPConnection(self.address.removeprefix("http://"), timeout=60)
        try:
            line.request(method, path, body, headers)
            answer = line.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            line.close()

    def diagnose(self, photo: bytes, query: str = "crop=LYPES&lang=en") -> dict[str, Any]:
        """The JSON answer for one photo, ``page`` added: where a person can read it."""
        status, headers, body = self.request(
            "POST", f"/api/v1/diagnose?{query}", photo, **{"Content-Type": "image/jpeg"}
        )
        answer: dict[str, Any] = json.loads(body)
        return answer | {"http": status, "page": headers.get("Content-Location")}

    def kill(self) -> None:
        """``kill -9``: no time to tidy up."""
        self._process.send_signal(signal.SIGKILL)
        self._finish()

    def _finish(self) -> int:
        code = self._process.wait(20)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()
        return code

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        return self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
