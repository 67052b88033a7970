"""A node that cannot start still answers: one page that says what is wrong and what to do.

The cause may go by itself (a card that can be written again, room on the disk): every few seconds
the start is tried anew, and when it succeeds the real pages take over.
"""

from __future__ import annotations

import gettext
import html
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from edge_app.appliance.supervisor import notify
from edge_app.health_words import NOTES, OTHER
from edge_app.i18n import OWN
from edge_app.languages import RTL
from edge_app.seam import Part
from edge_app.settings import Settings, read_settings
from field_data.errors import GhallaError, KeeperError, PublisherError

AGAIN_S = 15.0
# Another node is at work here: nothing to tell, and nobody to tell it to.
_NOT_OURS = frozenset({"home_in_use", "port_in_use"})
# Of a phone that says nothing, so that no thread waits for it for ever.
_SILENT_S = 10
_log = logging.getLogger(__name__)


def staying(
    home: Path,
    host: str | None,
    port: int | None,
    run: Callable[[], None],
    say: Callable[[Part, str], None],
    again_s: float = AGAIN_S,
) -> None:
    """Run; while that fails, say why on a page, and try again.

    ``say`` hears once of every new reason, with the address of the page.

    Raises:
        KeeperError: ``home_in_use``, ``port_in_use``.
    """
    said = ""
    while True:
        try:
            run()
        except (GhallaError, OSError) as error:
            part = part_of(error)
            if part.code in _NOT_OURS:
                raise
            _log.error("%s: %s", part.code, part.detail)
            where = _where(home, host, port)
            with _Page(part, where) as page:
                if said != part.code:
                    say(part, f"http://{where[0]}:{page.port}")
                said = part.code
                notify("READY=1\nWATCHDOG=1\nSTATUS=cannot start: " + part.code)
                time.sleep(again_s)
        else:
            return


def part_of(error: GhallaError | OSError) -> Part:
    """What keeps a node from starting, as a part of its health."""
    if isinstance(error, KeeperError | PublisherError):
        return Part("start", False, error.code, str(error))
    return Part("start", False, "home_unusable", str(error))


def _where(home: Path, host: str | None, port: int | None) -> tuple[str, int]:
    try:
        settings = read_settings(home)
    except (GhallaError, OSError):  # they may be what is wrong
        settings = Settings(host="0.0.0.0")  # noqa: S104 - it tells nothing of anybody
    return host or settings.host, settings.port if port is None else port


class _Page:
    """``with _Page(part, (host, port)):`` answers everything with what is wrong."""

    def __init__(self, part: Part, where: tuple[str, int]) -> None:
        try:
            self._server = ThreadingHTTPServer(where, _handler(part))
        except OSError as error:
            raise KeeperError("port_in_use", f"cannot listen on {where}: {error}") from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> _Page:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(part: Part) -> type[BaseHTTPRequestHandler]:
    page = page_of(part).encode()
    told = json.dumps({"ok": False, "parts": [asdict(part)]}).encode()
    refused = json.dumps({"status": 503, "code": part.code, "error": part.code}).encode()
    answers = {"/health": (told, "application/json")}

    class Handler(BaseHTTPRequestHandler):
        timeout = _SILENT_S
        server_version, sys_version = "ghalla", ""

        def do_GET(self) -> None:
            asked = self.path.partition("?")[0]
            body, kind = answers.get(asked, (page, "text/html"))
            if asked.startswith("/api/"):
                body, kind = refused, "application/problem+json"
            self.send_response(200 if asked == "/health" else 503)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Retry-After", str(int(AGAIN_S)))
            self.send_header("Content-Security-Policy", "default-src 'none'")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_POST = do_HEAD = do_PUT = do_DELETE = do_GET  # noqa: N815 - names of the library

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: addresses of pages are secrets."""

    return Handler


def page_of(part: Part) -> str:
    """The page, in four languages one under the other: nobody knows which phone will read it."""
    texts = [_said(lang, part.code) for lang in ("ar", "fr", "zgh", "en")]
    return (
        '<!doctype html><html lang="ar" dir="rtl"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Ghalla</title></head><body>'
        f'<h1 lang="en" dir="ltr">Ghalla</h1>{"".join(texts)}'
        f'<p lang="en" dir="ltr"><small>{html.escape(part.code)}</small></p></body></html>'
    )


def _said(lang: str, code: str) -> str:
    catalogue = gettext.translation("messages", OWN, [lang], fallback=True)
    head = catalogue.gettext("This box has a problem. Tell the person who looks after it.")
    note = catalogue.gettext(str(NOTES.get(code, OTHER)))
    way = "rtl" if lang in RTL else "ltr"
    return (
        f'<section lang="{lang}" dir="{way}"><p><strong>{head}</strong></p><p>{note}</p></section>'
    )
