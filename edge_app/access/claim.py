"""Who is setting up a box that has no keeper yet: one browser at a time, in memory only."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

# Who does nothing for so long has gone away.
LAPSE_S = 15 * 60.0


class Claim:
    """The first browser holds it until it does nothing for ``lapse_s``, or the box restarts."""

    def __init__(
        self, lapse_s: float = LAPSE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lapse_s, self._clock = lapse_s, clock
        self._lock = threading.Lock()
        self._token, self._seen_s = "", 0.0

    def is_others(self, token: str) -> bool:
        """Whether another browser than the one with ``token`` holds it."""
        with self._lock:
            return not self._free() and not self._same(token)

    def take(self, token: str) -> str | None:
        """The token of who holds it now, new or as given; None when another browser does."""
        with self._lock:
            if self._free():
                self._token = secrets.token_urlsafe(24)
            elif not self._same(token):
                return None
            self._seen_s = self._clock()
            return self._token

    def _free(self) -> bool:
        return not self._token or self._clock() - self._seen_s > self._lapse_s

    def _same(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._token.encode())
