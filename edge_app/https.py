"""https beside http: the tablets' way into the same server."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask

from edge_app.interfaces import own_addresses
from edge_app.jobs import daily
from edge_app.settings import Settings
from edge_app.tls_pipe import TlsPipe, context

if TYPE_CHECKING:
    from edge_app.ground import Ground
    from edge_app.tls_keys import TlsFiles

FOLDER = "tls"
_Wsgi = Callable[..., Any]


@contextmanager
def inside(app: Flask, home: Path, node: str, outer: socket.socket) -> Iterator[socket.socket]:
    """Take TLS off what comes to ``outer``; yields the socket on which the server hears it.

    Raises:
        KeeperError: ``tls_damaged``, ``disk_full``.
    """
    from edge_app.tls_keys import make_ready  # cryptography: 8 MiB that plain http saves

    def ready() -> TlsFiles:
        return make_ready(home / FOLDER, node, _addresses(outer))

    files = ready()
    tls = context(files.leaf)
    app.extensions["ghalla_ground"].tls = files
    with socket.create_server(("127.0.0.1", 0), backlog=256) as inner:
        place = inner.getsockname()
        # What a cable brings may be another address tomorrow; handshakes from then on show it.
        renewing = daily(lambda: tls.load_cert_chain(ready().leaf))
        with TlsPipe(outer, tls, place) as pipe, renewing:
            app.wsgi_app = _https_inside(  # type: ignore[method-assign]
                app.wsgi_app, str(place[1]), pipe
            )
            yield inner


def tls_files(app: Flask) -> TlsFiles | None:
    """The certificates of this server, None where it speaks no https."""
    ground: Ground | None = app.extensions.get("ghalla_ground")
    return ground.tls if ground else None


def secure_address(app: Flask, host: str, settings: Settings) -> str | None:
    """Where who reached this node as ``host`` reaches it over https; None where it speaks none."""
    if tls_files(app) is None:
        return None
    if settings.tablet_url.startswith("https://"):
        return settings.tablet_url.rstrip("/")
    return f"https://{f'[{host}]' if ':' in host else host}:{settings.https_port}"


def _https_inside(app: _Wsgi, port: str, pipe: TlsPipe) -> _Wsgi:
    """Tell the application that what came to the inner socket came over https, and from whom."""

    def told(environ: dict[str, Any], start: Any) -> Any:
        if environ["SERVER_PORT"] == port:
            environ["wsgi.url_scheme"] = "https"
            peer = pipe.peer(int(environ["REMOTE_PORT"]))
            environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = peer or ""
        return app(environ, start)

    return told


def _addresses(outer: socket.socket) -> list[str]:
    bound = outer.getsockname()[0].partition("%")[0]
    return own_addresses() if ipaddress.ip_address(bound).is_unspecified else [bound]
