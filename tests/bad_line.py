"""A line between a node and a hub, in memory, on which anything may happen to a request.

What goes wrong is said beforehand (`BadLine.ahead`), so that a failing history can be told again.
"""

from __future__ import annotations

import io
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from flask import Flask
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from field_data.errors import NetworkError
from sync.hub.app import hub_of
from sync.transport import Allowance, HubAddress, Link, Reply

ADDRESS = "http://hub.test"
_HEAD_BYTES = 250


class Fault(StrEnum):
    """What happens to one request or its reply."""

    NONE = "none"
    REQUEST_LOST = "request lost"
    REPLY_LOST = "reply lost"
    TWICE = "twice"
    BODY_CUT = "body cut"
    LATE = "late"
    HUB_DIES = "hub dies"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it leaves the node."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Got:
    """The reply that came back; names of headers are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BadLine:
    """Requests go to the app that ``start`` gives; the faults in ``ahead`` hit one request each.

    A hub that dies has done what it was asked, the reply is lost, and ``start`` is called again.
    """

    def __init__(self, start: Callable[[], Flask]) -> None:
        self._start = start
        self.app = start()
        self.ahead: deque[Fault] = deque()
        self.happened: Counter[Fault] = Counter()
        self._late: list[tuple[int, Asked]] = []

    def stop(self) -> None:
        """The hub lets go of its database."""
        hub_of(self.app).database.close()

    def restart(self) -> None:
        """Another process serves from now on."""
        self.stop()
        self.app = self._start()

    def expect(self, faults: Iterable[Fault]) -> None:
        """These instead of what was still ahead."""
        self.ahead = deque(faults)

    def exchange(self, asked: Asked) -> Got:
        """The hub's reply; `ConnectionError` when the node never gets one."""
        self._arrive_late()
        fault = self.ahead.popleft() if self.ahead else Fault.NONE
        self.happened[fault] += 1
        match fault:
            case Fault.REQUEST_LOST:
                raise ConnectionError("the request was lost")
            case Fault.BODY_CUT:
                self._deliver(asked, cut=len(asked.body) // 2)
                raise ConnectionError("the line was cut within the request")
            case Fault.LATE:
                self._late.append((2, asked))
                raise ConnectionError("no reply in time")
            case Fault.TWICE:
                self._deliver(asked)
        got = self._deliver(asked)
        if fault is Fault.HUB_DIES:
            self.restart()
        if fault in (Fault.REPLY_LOST, Fault.HUB_DIES):
            raise ConnectionError("the reply was lost")
        return got

    def calm(self) -> None:
        """No more faults; what is late arrives now."""
        self.ahead.clear()
        late, self._late = self._late, []
        for _, asked in late:
            self._deliver(asked)

    def _arrive_late(self) -> None:
        due = [asked for wait, asked in self._late if wait == 0]
        self._late = [(wait - 1, asked) for wait, asked in self._late if wait]
        for asked in due:
            self._deliver(asked)

    def _deliver(self, asked: Asked, cut: int | None = None) -> Got:
        """What the app makes of it; of a body that is ``cut`` only so many bytes arrive."""
        body = asked.body if cut is None else asked.body[:cut]
        builder = EnvironBuilder(
            asked.path,
            ADDRESS,
            method=asked.method,
            headers=Headers(list(asked.headers.items())),
            input_stream=io.BytesIO(body),
            content_length=len(asked.body),
        )
        content, status, headers = run_wsgi_app(self.app, builder.get_environ(), buffered=True)
        found = {name.lower(): value for name, value in headers}
        return Got(int(status.split()[0]), found, b"".join(content))


class BadLink(Link):
    """A client's connection over such a line; it counts bodies and about what heads weigh."""

    def __init__(self, line: BadLine, allowance: Allowance | None = None) -> None:
        super().__init__(HubAddress(ADDRESS, insecure=True), allowance)
        self._bad = line

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        self.allowance.left_s()
        self._up += _HEAD_BYTES + len(body)
        try:
            got = self._bad.exchange(Asked(method, path, headers or {}, body))
        except ConnectionError as error:
            raise NetworkError("link_failed", str(error)) from error
        self._down += _HEAD_BYTES + len(got.body)
        return Reply(got.status, got.headers, got.body)
