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
from pathlib import Path
from typing import Self

_CONNECTIONS = 100
_HANDSHAKE_S = 20.0
# For a reader that takes nothing; who says nothing is hung up on by the server inside.
_STUCK_S = 120.0
_CHUNK = 64 * 1024


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
        self._open = 0
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="tls", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        # A phone that hangs up in the middle is no event worth a traceback.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._one,
            sock=self._listening,
            ssl=self._tls,
            ssl_handshake_timeout=_HANDSHAKE_S,
            limit=_CHUNK,
        )
        await self._stop.wait()
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _one(self, outer_in: asyncio.StreamReader, outer_out: asyncio.StreamWriter) -> None:
        if self._open >= _CONNECTIONS:
            outer_out.close()
            return
        self._open += 1
        try:
            with contextlib.suppress(OSError, TimeoutError):
                inner_in, inner_out = await asyncio.open_connection(*self._inner)
                await self._both((outer_in, inner_out), (inner_in, outer_out))
        finally:
            self._open -= 1
            outer_out.close()

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
