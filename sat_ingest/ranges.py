"""Bytes from afar: HTTP ranges with resume, retries and a budget.  The one door to urllib3.

What a range costs is known before it is asked for, so that a budget is never exceeded; what has
arrived is handed on at once, so that a cut link costs nothing twice.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, SSLError

from field_data.errors import NetworkError, PublisherError

# Kept back for the headers of one request and its answer, without TLS.
HEADERS_RESERVE = 1024
_CHUNK = 64 * 1024
# What is on its way when an answer is hung up on: two of TCP's first windows (RFC 6928).
_IN_FLIGHT = 28 * 1024
# No scene is larger, and a sparse file must still have room for it.
_LARGEST = 2**36
# A server that asks for more patience than this is tried again at the next pull.
_LONGEST_WAIT_S = 120.0
# An answer cut after less than this made no headway.
_HEADWAY = 1024
_RETRY = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED = frozenset({401, 403})
_GONE = frozenset({404, 410})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
_MAX_DOCUMENT = 16 * 1024 * 1024

Sink = Callable[[int, bytes], None]


class BudgetSpentError(NetworkError):
    """``sat_budget_spent``: the allowance is used up; the next pull goes on from here."""

    def __init__(self) -> None:
        super().__init__("sat_budget_spent", "the byte budget is spent")


class RemoteChangedError(PublisherError):
    """``scene_changed``: the file is no longer the one whose parts are held."""

    def __init__(self, url: str) -> None:
        super().__init__("scene_changed", f"{url} was replaced by its publisher", url=url)


class Signer(Protocol):
    """Turns an address into one that may be read now; ``renew`` after a refusal."""

    def __call__(self, url: str, *, renew: bool = False) -> str:
        """The address to ask; the same one where nothing has to be signed."""


@dataclass(slots=True)
class Budget:
    """Bytes that may still be received, and those that were: bodies and headers, without TLS."""

    limit: int | None = None
    spent: int = 0
    requests: int = 0

    def room(self, wanted: int, least: int = 1) -> int:
        """How many of ``wanted`` bytes the next request may bring.

        Raises:
            BudgetSpentError: fewer than ``least`` are left.
        """
        if self.limit is None:
            return wanted
        left = self.limit - self.spent - HEADERS_RESERVE
        if left < min(least, wanted):
            raise BudgetSpentError
        return min(wanted, left)


@dataclass(frozen=True, slots=True)
class Remote:
    """A file elsewhere: ``size`` in bytes, ``validator`` its ETag or date ("" if none)."""

    size: int
    validator: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait and how often to try; ``attempts`` counts tries without headway."""

    attempts: int = 5
    base_s: float = 1.0
    longest_s: float = 30.0
    connect_s: float = 15.0
    read_s: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = field(default=random.random)

    def rest(self, tries: int, asked_s: float) -> None:
        """Wait before try number ``tries``: full jitter (AWS, 2015), at least as asked."""
        longest = min(self.longest_s, self.base_s * 2.0 ** max(tries - 1, 0))
        self.sleep(asked_s + self.chance() * longest)


class _AgainError(Exception):
    """A failure that another try may mend."""

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.after_s = after_s


class Ranges:
    """One pool of kept-alive connections, one budget.  Not for several threads."""

    def __init__(
        self,
        budget: Budget | None = None,
        signer: Signer | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.budget = budget or Budget()
        self.signer = signer
        self._patience = patience or Patience()
        wait = urllib3.Timeout(connect=self._patience.connect_s, read=self._patience.read_s)
        # Redirects only: all else is tried again here, where headway and the budget are known.
        once = urllib3.Retry(
            4, connect=0, read=0, redirect=3, status=0, other=0, respect_retry_after_header=False
        )
        self._pool = urllib3.PoolManager(num_pools=8, maxsize=2, timeout=wait, retries=once)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def fetch(
        self, url: str, start: int, stop: int, sink: Sink, known: Remote | None = None
    ) -> Remote:
        """Bytes ``start`` to ``stop`` (or the end of the file), handed to ``sink(at, bytes)``.

        A cut range goes on at the byte reached.  With ``known`` the file must still be that one.

        Raises:
            BudgetSpentError: nothing more may be received; the sink has what came before.
            RemoteChangedError: it is another file now.
            PublisherError: ``no_ranges``, ``bad_range``, ``cog_truncated``, ``scene_gone``,
                ``access_refused``, ``bad_answer``.
            NetworkError: ``link_failed``, ``server_busy``, ``tls_failed``.
        """
        at, idle = start, 0
        while at < (min(stop, known.size) if known else stop):
            before = at
            try:
                room = self.budget.room(stop - at, least=_HEADWAY)
                with self._asked(url, at, at + room, known) as (remote, chunks):
                    known = remote
                    for chunk in chunks:
                        sink(at, chunk)
                        at += len(chunk)
                if at == before:
                    raise _AgainError("an empty answer")
            except _AgainError as again:
                idle = 0 if at - before >= _HEADWAY else idle + 1
                self._wait(url, idle, again)
        if known is None:
            raise ValueError("an empty range")
        return known

    def document(self, url: str, body: bytes | None = None) -> bytes:
        """A JSON document by GET, or by POST of ``body``; at most 16 MiB.

        Raises:
            As :meth:`fetch`; ``PublisherError("catalogue_too_large")``.
        """
        idle = 0
        while True:
            try:
                return self._document(url, body)
            except _AgainError as again:
                idle += 1
                self._wait(url, idle, again)

    def _wait(self, url: str, idle: int, again: _AgainError) -> None:
        if idle >= self._patience.attempts or again.after_s > _LONGEST_WAIT_S:
            code = "server_busy" if again.after_s else "link_failed"
            raise NetworkError(code, f"{_host(url)}: {again}", url=url) from again
        self._patience.rest(idle, again.after_s)

    def _document(self, url: str, body: bytes | None) -> bytes:
        headers = {"Accept": "application/geo+json, application/json", "Accept-Encoding": "gzip"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        # Its length is not known before; what is refused then still came in part.
        self.budget.room(_IN_FLIGHT, least=_IN_FLIGHT)
        with self._answer(url, headers, body) as answer:
            length = _length(answer)
            if self.budget.room(length) < length:
                self.budget.spent += min(length, _IN_FLIGHT)
                raise BudgetSpentError
            return self._whole(url, answer)

    def _whole(self, url: str, answer: urllib3.BaseHTTPResponse) -> bytes:
        parts, size, before = [], 0, self.budget.spent
        try:
            with _failures_named():
                for part in answer.stream(_CHUNK, decode_content=True):
                    self.budget.spent = before + answer.tell()
                    self.budget.room(1)
                    parts.append(part)
                    size += len(part)
                    if size > _MAX_DOCUMENT:
                        raise PublisherError("catalogue_too_large", f"{url} is longer than 16 MiB")
        finally:
            self.budget.spent = before + answer.tell()  # what came before a cut was paid for
        return b"".join(parts)

    @contextmanager
    def _asked(
        self, url: str, start: int, stop: int, known: Remote | None
    ) -> Iterator[tuple[Remote, Iterator[bytes]]]:
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        # If-Match rather than If-Range: a changed file then costs a refusal, not the whole file.
        if known and known.validator.startswith('"'):
            headers["If-Match"] = known.validator
        with self._answer(url, headers) as answer:
            if answer.status == 200 and stop - start < _length(answer):
                self.budget.spent += min(_length(answer), _IN_FLIGHT)
            remote = _remote(url, answer, start, stop)
            if known and remote != known:
                raise RemoteChangedError(url)
            yield remote, self._chunks(answer, min(stop, remote.size) - start)

    def _chunks(self, answer: urllib3.BaseHTTPResponse, wanted: int) -> Iterator[bytes]:
        with _failures_named():
            while wanted > 0:
                chunk = answer.read1(min(_CHUNK, wanted), decode_content=False)
                if not chunk:
                    return
                self.budget.spent += len(chunk)
                wanted -= len(chunk)
                yield chunk

    @contextmanager
    def _answer(
        self, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        answer = self._ask(url, headers, body, renew=False)
        if answer.status in _REFUSED and self.signer is not None:
            answer.close()
            answer = self._ask(url, headers, body, renew=True)
        whole = False
        try:
            _check(url, answer)
            yield answer
            whole = True
        finally:
            # A connection with something unread in it cannot be used again.
            if whole and answer.length_remaining == 0:
                answer.release_conn()
            else:
                answer.close()

    def _ask(
        self, url: str, headers: Mapping[str, str], body: bytes | None, renew: bool
    ) -> urllib3.BaseHTTPResponse:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise PublisherError("bad_address", f"not a web address: {url}")
        signed = self.signer(url, renew=renew) if self.signer else url
        self.budget.requests += 1
        with _failures_named():
            answer = self._pool.request(
                "GET" if body is None else "POST",
                signed,
                headers=dict(headers),
                body=body,
                preload_content=False,
                decode_content=False,
            )
        self.budget.spent += 20 + sum(len(k) + len(v) + 4 for k, v in answer.headers.items())
        return answer


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except MaxRetryError as error:
        if isinstance(error.reason, SSLError):
            text = f"no safe connection ({error.reason}); is this machine's clock right?"
            raise NetworkError("tls_failed", text) from error
        raise _AgainError(_short(error.reason or error)) from error
    except (HTTPError, OSError) as error:
        raise _AgainError(_short(error)) from error


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _check(url: str, answer: urllib3.BaseHTTPResponse) -> None:
    status = answer.status
    if status in _RETRY:
        raise _AgainError(f"answered {status}", _retry_after(answer.headers))
    if status in _REFUSED:
        raise PublisherError("access_refused", f"{_host(url)} refuses {url} ({status})", url=url)
    if status in _GONE:
        raise PublisherError("scene_gone", f"{url} is not there ({status})", url=url)
    if status == 412:
        raise RemoteChangedError(url)
    if status == 416:
        raise PublisherError("cog_truncated", f"{url} is shorter than its header says", url=url)
    if status not in {200, 206}:
        raise PublisherError("bad_answer", f"{url} answers {status}", url=url, status=status)


def _length(answer: urllib3.BaseHTTPResponse) -> int:
    """Bytes of the body, 0 where the answer does not say."""
    said = answer.headers.get("Content-Length", "")
    return int(said) if said.isdigit() and len(said) <= 15 else 0


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks for; a date is measured by the server's own clock."""
    said = headers.get("Retry-After", "").strip()
    if said.isdigit():
        return float(said[:9])
    try:
        wait = parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return 0.0
    return max(wait.total_seconds(), 0.0)


def _remote(url: str, answer: urllib3.BaseHTTPResponse, start: int, stop: int) -> Remote:
    """What a 206 says of the file; a 200 will do when the whole file was wanted anyway."""
    validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified", "")
    if answer.status == 200:
        if start == 0 and 0 < _length(answer) <= stop:
            return Remote(_length(answer), validator)
        raise PublisherError("no_ranges", f"{_host(url)} sends whole files only", url=url)
    said = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    first, last, size = map(int, said.groups()) if said else (-1, -1, -1)
    if first != start or not start <= last < min(stop, size) or size > _LARGEST:
        text = f"{url} answered another range than {start}-{stop - 1}"
        raise PublisherError("bad_range", text, url=url)
    return Remote(size, validator)
