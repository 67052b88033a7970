"""The hub behind gunicorn: some processes, some threads each, over TLS or behind a proxy.

Threads, because a node behind 2G needs a quarter of a minute for a photo.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from sync.hub.app import create_hub, open_hub
from sync.hub.settings import HubSettings

THREADS = 32


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how wide; ``cert`` and ``key`` are PEM files, both or neither."""

    host: str
    port: int
    workers: int = 2
    threads: int = THREADS
    cert: Path | None = None
    key: Path | None = None


class _Served(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: HubSettings, options: dict[str, Any]) -> None:
        self._settings, self._options = settings, options
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        return create_hub(self._settings)  # in each worker: nothing open crosses the fork


def serve(settings: HubSettings, listening: Listening, ready: Callable[[str], None]) -> None:
    """Serve until a signal; ``ready`` is told the hub's id before the first request.

    Raises:
        As `open_hub`: the tables are brought up once, before any worker starts.
    """
    hub = open_hub(settings)
    hub.database.close()
    ready(hub.identity.id)
    _Served(settings, _options(listening)).run()


def _options(listening: Listening) -> dict[str, Any]:
    options: dict[str, Any] = {
        "bind": f"{listening.host}:{listening.port}",
        "workers": listening.workers,
        "threads": listening.threads,
        "worker_class": "gthread",
        "worker_connections": 2000,
        "keepalive": 75,
        "timeout": 120,
        "graceful_timeout": 20,
        "limit_request_line": 4094,
        "limit_request_fields": 40,
        "loglevel": "warning",
        "proc_name": "ghalla-hub",
    }
    if listening.cert is not None:
        options["certfile"], options["keyfile"] = str(listening.cert), str(listening.key)
        context = _modern(listening.cert, listening.key)
        options["ssl_context"] = lambda _config, _default: context
    return options


def _modern(cert: Path, key: Path | None) -> ssl.SSLContext:
    """One context, made before any worker is: all of them then know each other's tickets, and a
    node that comes back need not pay for a handshake again.  One ticket a connection is enough.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    context.num_tickets = 1
    return context
