"""https for tablets: TLS is taken off here, what is inside goes to the server's own socket.

waitress speaks no TLS.  Instead of a second web server with other limits, this hands bytes on and
knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

_CONNECTIONS = 100
_HANDSHAKE_S = 20.0
# For a reader that takes nothing; who says nothing is hung up on by the server inside.
_STUCK_S = 120.0
_CHUNK = 64 * 1024
_AGAIN_S = 0.2


def context(pem: Path) -> ssl.SSLContext:
    """TLS 1.2 and later with the key and certificate in ``pem``."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(pem)
    return made


class TlsPipe:
    """``with TlsPipe(listening, context, inner): …`` serves in a thread until it is left.

    ``listening`` is a bound TCP socket, ``inner`` where the server inside listens.
    """

    def __init__(
        self, listening: socket.socket, tls: ssl.SSLContext, inner: tuple[str, int]
    ) -> None:
        self._listening, self._tls, self._inner = listening, tls, inner
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="tls", daemon=True)
        self._peers: dict[int, str] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def peer(self, port: int) -> str | None:
        """Who is behind the connection that came to the server inside from that port."""
        return self._peers.get(port)

    def _run(self) -> None:
        # A phone that hangs up in the middle is no event worth a traceback.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._listening.setblocking(False)
        accepting = asyncio.create_task(self._accept())
        await self._stop.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()} | {accepting}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self) -> None:
        """Count who comes before the handshake: who never makes one holds an open file as well."""
        loop, ones = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        while True:
            try:
                outer, _ = await loop.sock_accept(self._listening)
            except OSError:  # hung up meanwhile, or no file left for it
                await asyncio.sleep(_AGAIN_S)
                continue
            if len(ones) >= _CONNECTIONS:
                outer.close()
                continue
            one = asyncio.create_task(self._one(outer))
            ones.add(one)
            one.add_done_callback(ones.discard)

    async def _one(self, outer: socket.socket) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            peer = str(outer.getpeername()[0])
            outer_in, outer_out = await self._shaken(outer)
            try:
                inner_in, inner_out = await asyncio.open_connection(*self._inner)
                with self._known(inner_out.get_extra_info("sockname")[1], peer):
                    await self._both((outer_in, inner_out), (inner_in, outer_out))
            finally:
                outer_out.close()

    @contextlib.contextmanager
    def _known(self, port: int, peer: str) -> Iterator[None]:
        self._peers[port] = peer  # before the first byte is handed on
        try:
            yield
        finally:
            self._peers.pop(port, None)

    async def _shaken(
        self, outer: socket.socket
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_CHUNK)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, outer, ssl=self._tls, ssl_handshake_timeout=_HANDSHAKE_S
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _both(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Hand on in both directions until one side has hung up and the other has said its last."""
        copies = [asyncio.create_task(_copy(*way)) for way in ways]
        try:
            await asyncio.gather(*copies)
        finally:
            for copy in copies:
                copy.cancel()
            for _, out in ways:
                out.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        target.write(data)
        await asyncio.wait_for(target.drain(), _STUCK_S)
    if target.can_write_eof():
        target.write_eof()
    else:  # TLS cannot close half
        target.close()
