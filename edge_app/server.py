"""The node's HTTP server: waitress, which takes in slow uploads without holding a thread."""

from __future__ import annotations

import ctypes
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import waitress
from flask import Flask

from edge_app.advice import Advice, load_advice
from edge_app.farmer.uploads import MAX_REQUEST_BYTES
from edge_app.node import FarmNode
from edge_app.web import create_app
from field_data.errors import KeeperError

# Threads beyond those that diagnose or wait: pages and pictures go on while the queue is full.
_SPARE_THREADS = 8
# Bodies above this go to a temporary file until it is their turn.
_IN_MEMORY_BYTES = 1024 * 1024
_READ_BYTES = 256 * 1024
# Of malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise KeeperError("port_in_use", f"cannot listen on {host}:{port}: {error}") from error


def _server(app: Flask, node: FarmNode, listening: socket.socket) -> Any:
    return waitress.create_server(
        app,
        sockets=[listening],
        threads=node.settings.workers + node.settings.queue + _SPARE_THREADS,
        connection_limit=1000,
        channel_timeout=120,
        # A little above Flask's limit, which answers in the phone's language.
        max_request_body_size=2 * MAX_REQUEST_BYTES,
        inbuf_overflow=_IN_MEMORY_BYTES,
        recv_bytes=_READ_BYTES,
        ident=None,
    )


def _tame_malloc() -> None:
    """Make glibc give memory back: one heap instead of one a thread, large blocks by themselves.

    Without it forty threads that each once held a photo keep some 150 MiB between them.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, 256 * 1024)
        libc.mallopt(_M_TRIM_THRESHOLD, 1024 * 1024)
    except (OSError, AttributeError):  # another C library: nothing to tame
        return


def _stop(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


def addresses(host: str, port: int) -> list[str]:
    """Where to reach the node: this machine, and its Wi-Fi address if it listens there."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return [f"http://{host}:{port}"]
    found = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    return [f"http://{address}:{port}" for address in ["127.0.0.1", *sorted(found - {"127.0.0.1"})]]


def serve(
    home: Path,
    host: str | None,
    port: int | None,
    ready: Callable[[FarmNode, list[str]], None],
    advice: Advice | None = None,
) -> None:
    """Serve a home until SIGTERM or Ctrl-C; ``ready`` hears the node and its addresses.

    Raises:
        KeeperError: ``home_in_use``, ``port_in_use``, ``bad_settings`` or the store's own.
    """
    _tame_malloc()
    advice = advice or load_advice()
    with FarmNode(home, advice) as node:
        host, port = host or node.settings.host, node.settings.port if port is None else port
        with _listen(host, port) as listening:
            server = _server(create_app(node, advice), node, listening)
            signal.signal(signal.SIGTERM, _stop)
            ready(node, addresses(host, listening.getsockname()[1]))
            try:
                server.run()
            finally:
                server.close()
