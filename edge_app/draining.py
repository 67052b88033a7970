"""A stop that lets people finish: what is under way is taken in and answered, nothing new begins.

A restart for an update, or in a night, then cuts nobody's photos off.
"""

from __future__ import annotations

import threading
import time
from typing import Any

# Below what the unit of systemd waits for; who uploads for longer sends again.
MOST_S = 20.0
_ROUND_S = 0.2


def serve_until(stopping: threading.Event, server: Any, most_s: float = MOST_S) -> None:
    """Run waitress until ``stopping`` is set, then let what has begun come to its end."""
    known = server.map if hasattr(server, "map") else server._map
    try:
        while not stopping.is_set():
            _round(server, known, server.adj.asyncore_loop_timeout)
        _refuse_new(known)
        end = time.monotonic() + most_s
        while time.monotonic() < end and any(map(_is_busy, list(known.values()))):
            _round(server, known, _ROUND_S)
    except (SystemExit, KeyboardInterrupt):
        pass
    server.task_dispatcher.shutdown()


def _round(server: Any, known: dict[int, Any], timeout_s: float) -> None:
    poll = server.adj.asyncore_use_poll
    server.asyncore.loop(timeout=timeout_s, use_poll=poll, map=known, count=1)


def _refuse_new(known: dict[int, Any]) -> None:
    """Close the sockets that listen; those of people stay open."""
    for each in list(known.values()):
        if each.accepting:
            each.del_channel(known)
            each.socket.close()


def _is_busy(each: Any) -> bool:
    """Whether somebody is sending a request there, waits for its answer, or receives it."""
    return bool(
        getattr(each, "request", None)
        or getattr(each, "requests", None)
        or getattr(each, "total_outbufs_len", 0)
    )
