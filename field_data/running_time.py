"""How long this node has been running, all its lives together: a clock that nobody can set.

A box without a clock chip may wake up in 1970 and be told the time later, so what must end (a
session, a code, a pause) is measured in running time: it never goes back and never jumps.  It is
never ahead of real time; a power cut loses what was not kept, so it may be a little behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from field_data.document_store import DocumentStore

TABLE = "running_time"


class RunningTime:
    """The running time of the node that ``store`` belongs to; ``clock`` gives monotonic seconds."""

    def __init__(self, store: DocumentStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._table = store.table(TABLE)
        self._clock = clock
        self._lock = threading.Lock()
        self._before = self._kept_s()
        self._since = clock()

    def now_s(self) -> float:
        """Seconds of running time."""
        return self._before + self._clock() - self._since

    def keep(self) -> float:
        """Write the running time down, durably, and return it."""
        with self._lock, self._store.transaction():
            now_s = self.now_s()
            # Another process (the command line) may have counted further, or less far.
            kept_s = max(now_s, self._kept_s())
            if not self._table.update({"total_s": kept_s}):
                self._table.insert({"total_s": kept_s})
            return now_s

    def _kept_s(self) -> float:
        row = next(iter(self._table.all()), None)
        return 0.0 if row is None else float(row["total_s"])
