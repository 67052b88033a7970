"""A line that drops: a TCP relay which cuts replies after the request has reached the server."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress
from typing import Self

_READ = 65536


class CuttingProxy:
    """``with CuttingProxy(0.2, seed) as proxy:`` relays ``proxy.port`` to ``proxy.target``.

    A share of the replies is cut: nothing of it arrives, or half of its first piece.
    """

    def __init__(self, share: float, seed: int) -> None:
        self.share = share
        self.target = 0
        self.replies = self.cut = 0
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
        except OSError:
            client.close()
            return
        server.settimeout(120)
        asked = threading.Event()
        up = threading.Thread(target=self._up, args=(client, server, asked), daemon=True)
        up.start()
        with suppress(OSError):
            self._down(server, client, asked)
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _up(self, client: socket.socket, server: socket.socket, asked: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(_READ):
                asked.set()
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _down(self, server: socket.socket, client: socket.socket, asked: threading.Event) -> None:
        while data := server.recv(_READ):
            if asked.is_set():  # the first piece of a reply
                asked.clear()
                if self._cuts():
                    if self._random.random() < 0.5:
                        client.sendall(data[: len(data) // 2])
                    return
            client.sendall(data)

    def _cuts(self) -> bool:
        with self._lock:
            self.replies += 1
            cut = self._random.random() < self.share
            self.cut += cut
            return cut

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._listening.close()
