"""So many diagnoses at once, so many waiting, and the next one is told when to come back."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from field_data.errors import BusyError

_SMOOTHING = 0.2
_FIRST_GUESS_S = 0.5


class Turnstile:
    """``slots`` may work, ``waiting`` may queue behind them."""

    def __init__(self, slots: int, waiting: int) -> None:
        self._slots = slots
        self._places = threading.BoundedSemaphore(slots + waiting)
        self._work = threading.BoundedSemaphore(slots)
        self._lock = threading.Lock()
        self._inside = 0
        self._usual_s = _FIRST_GUESS_S

    @property
    def inside(self) -> int:
        """How many work or wait."""
        return self._inside

    @contextmanager
    def place(self) -> Iterator[None]:
        """A turn: waits while the queue lasts.

        Raises:
            BusyError: the queue is full; says in how many seconds it should have emptied.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError(self.retry_after_s())
        with self._counted(), self._work:
            started = time.monotonic()
            try:
                yield
            finally:
                self._learn(time.monotonic() - started)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
            self._places.release()

    def _learn(self, spent_s: float) -> None:
        with self._lock:
            self._usual_s += _SMOOTHING * (spent_s - self._usual_s)

    def retry_after_s(self) -> int:
        """Seconds until everybody inside should be done, at least one."""
        with self._lock:
            return max(1, math.ceil(self._inside * self._usual_s / self._slots))
