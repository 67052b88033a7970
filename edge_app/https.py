"""https beside http: the tablets' way into the same server."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask

from edge_app.tls_pipe import TlsPipe, context

if TYPE_CHECKING:
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

    files = make_ready(home / FOLDER, node, _addresses(outer))
    app.extensions["ghalla_tls"] = files
    with socket.create_server(("127.0.0.1", 0), backlog=256) as inner:
        place = inner.getsockname()
        app.wsgi_app = _https_inside(app.wsgi_app, str(place[1]))  # type: ignore[method-assign]
        with TlsPipe(outer, context(files.leaf), place):
            yield inner


def tls_files(app: Flask) -> TlsFiles | None:
    """The certificates of this server, None where it speaks no https."""
    files: TlsFiles | None = app.extensions.get("ghalla_tls")
    return files


def _https_inside(app: _Wsgi, port: str) -> _Wsgi:
    """Tell the application that what came to the inner socket came over https."""

    def told(environ: dict[str, Any], start: Any) -> Any:
        if environ["SERVER_PORT"] == port:
            environ["wsgi.url_scheme"] = "https"
        return app(environ, start)

    return told


def _addresses(outer: socket.socket) -> list[str]:
    from edge_app.server import own_address

    bound = outer.getsockname()[0].partition("%")[0]
    return own_address() if ipaddress.ip_address(bound).is_unspecified else [bound]
