"""The node's HTTP server: waitress, which takes in slow uploads without holding a thread."""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import waitress
from flask import Flask

from edge_app import heap, https
from edge_app.advice import Advice
from edge_app.appliance.supervisor import answers, supervised
from edge_app.bundles_node import begin_bundles
from edge_app.draining import serve_until
from edge_app.farmer.uploads import MAX_REQUEST_BYTES
from edge_app.home_advice import advice_at_start
from edge_app.interfaces import own_addresses
from edge_app.jobs import daily
from edge_app.live_app import LiveApp, watching
from edge_app.logbook import to_stderr
from edge_app.node import FarmNode
from edge_app.uplink_job import sending
from field_data.errors import KeeperError
from field_data.files import make_folder

_CONNECTIONS = 200
# Bodies above this go to a temporary file until it is their turn.
_IN_MEMORY_BYTES = 1024 * 1024
_READ_BYTES = 256 * 1024
# Of malloc.h.


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; ``::`` is everybody, with IPv4 and, where the kernel has it, IPv6."""
    both = host == "::" and socket.has_dualstack_ipv6()
    host = "0.0.0.0" if host == "::" and not both else host  # noqa: S104 - what was asked for
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256, dualstack_ipv6=both)
    except OSError as error:
        raise KeeperError("port_in_use", f"cannot listen on {host}:{port}: {error}") from error


def _server(app: Flask, node: FarmNode, listening: Sequence[socket.socket]) -> Any:
    return waitress.create_server(
        app,
        sockets=list(listening),
        # Some beyond those that diagnose or wait: pages go on while the queue is full.
        threads=node.means.workers + node.means.queue + node.means.spare_threads,
        # Far below the usual 1024 open files; poll, since select breaks above them.
        connection_limit=_CONNECTIONS,
        asyncore_use_poll=True,
        channel_timeout=120,
        # A little above Flask's limit, which answers in the phone's language.
        max_request_body_size=MAX_REQUEST_BYTES + 16 * _IN_MEMORY_BYTES,
        inbuf_overflow=_IN_MEMORY_BYTES,
        recv_bytes=_READ_BYTES,
        ident=None,
    )


@contextmanager
def _uploads_on_disk(home: Path) -> Iterator[None]:
    """Let large uploads wait beside the store: the system's folder may be memory (Debian 13)."""
    folder, before = home / "uploads", tempfile.tempdir
    shutil.rmtree(folder, ignore_errors=True)  # left by a power cut
    make_folder(folder)
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)


def addresses(host: str, port: int, scheme: str = "http") -> list[str]:
    """Where to reach the node: this machine, and its own addresses if it listens on all."""
    hosts = [host]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        mine = [each for each in own_addresses() if host == "::" or ":" not in each]
        hosts = ["127.0.0.1", *mine]
    return [f"{scheme}://{f'[{each}]' if ':' in each else each}:{port}" for each in hosts]


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
    heap.tame()
    # A full queue is ordinary and answered; waitress would log every request that waits for it.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    with ExitStack() as opened:
        opened.enter_context(to_stderr())
        begin_bundles(home)
        advice = advice or advice_at_start(home)
        node = opened.enter_context(FarmNode(home, advice))
        opened.enter_context(_uploads_on_disk(home))
        opened.enter_context(daily(node.ground.daily))
        opened.enter_context(sending(node.ground))
        host, port = host or node.settings.host, node.settings.port if port is None else port
        listening = opened.enter_context(_listen(host, port))
        reached = addresses(host, listening.getsockname()[1])
        live = LiveApp(node, advice)
        app, sockets = live.app, [listening]
        if node.settings.https_port:
            outer = opened.enter_context(_listen(host, node.settings.https_port))
            sockets.append(opened.enter_context(https.inside(app, home, node.id, outer)))
            reached += addresses(host, outer.getsockname()[1], "https")
        server = _server(app, node, sockets)
        opened.callback(server.close)
        stopping = threading.Event()
        signal.signal(signal.SIGTERM, lambda _signal, _frame: stopping.set())

        def look() -> None:
            if node.turnstile.inside == 0:
                heap.give_back()
            live.look()

        opened.enter_context(watching(look))
        heap.give_back()  # what the start needed for a while: 25 MiB
        ready(node, reached)
        name = listening.getsockname()
        opened.enter_context(supervised(lambda limit_s: answers(name[0], name[1], limit_s)))
        serve_until(stopping, server)
