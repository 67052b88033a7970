"""Words to systemd (``sd_notify``) without a library: ready, stopping, and "still answering".

The protocol is sd_notify(3): datagrams of ``KEY=value`` lines to the socket that ``NOTIFY_SOCKET``
names.  Without that variable, as in a terminal or a container, nothing is said and nothing runs.
"""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

# The page that costs least: it redirects to a language.
_PATH = "/"
_LEAST_S = 1.0


def notify(words: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send ``words`` (lines of ``KEY=value``) to the supervisor; False where there is none.

    A supervisor that cannot be reached is not the node's trouble: nothing is raised.
    """
    name = environ.get("NOTIFY_SOCKET", "")
    if name[:1] not in ("/", "@"):
        return False
    # "@" stands for a name outside the file system (unix(7)).
    address = b"\0" + name[1:].encode() if name[0] == "@" else name.encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        try:
            line.sendto(words.encode(), address)
        except OSError:
            return False
    return True


def watchdog_s(environ: Mapping[str, str] = os.environ, pid: int | None = None) -> float | None:
    """Seconds within which the supervisor wants a sign of life; None: it wants none."""
    try:
        meant = int(environ.get("WATCHDOG_PID") or os.getpid())
        microseconds = int(environ["WATCHDOG_USEC"])
    except (KeyError, ValueError):
        return None
    if microseconds <= 0 or meant != (pid or os.getpid()):
        return None
    return microseconds / 1e6


def answers(host: str, port: int, timeout_s: float) -> bool:
    """Whether an HTTP server answers there at all; with what status does not matter.

    An error page is a living node, which a restart would not mend; silence is not.
    """
    line = http.client.HTTPConnection(_reachable(host), port, timeout=timeout_s)
    try:
        line.request("HEAD", _PATH, headers={"Connection": "close"})
        return line.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


def _reachable(host: str) -> str:
    """The address by which a machine reaches itself where it listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


@contextmanager
def supervised(
    alive: Callable[[float], bool], environ: Mapping[str, str] = os.environ
) -> Iterator[None]:
    """Say "ready" now, a sign of life while ``alive(timeout_s)`` holds, and "stopping" at the end.

    ``alive`` is asked three times in the supervisor's time, and may take one such third.
    """
    if not notify("READY=1\nSTATUS=answering", environ):
        yield
        return
    limit_s, stop = watchdog_s(environ), threading.Event()
    thread = threading.Thread(
        target=_signs, args=(alive, limit_s or 0.0, stop, environ), name="watchdog", daemon=True
    )
    if limit_s:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        notify("STOPPING=1", environ)


def _signs(
    alive: Callable[[float], bool],
    limit_s: float,
    stop: threading.Event,
    environ: Mapping[str, str],
) -> None:
    pause_s = max(_LEAST_S, limit_s / 3)
    while not stop.wait(pause_s):
        if alive(pause_s):
            notify("WATCHDOG=1", environ)
