"""Wrong logins and the pauses they cost: growing, kept over a restart, never without end.

Wrong tries are counted by name (whether anybody has it or not) and for the whole box, in running
time, so that neither a restart nor a changed clock shortens a pause.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import dataclass

from tinydb import where

from field_data.document_store import DocumentStore
from field_data.running_time import RunningTime

TABLE = "login_failures"
# Names are thrown into so many heaps: strangers cannot fill the disk with names they make up.
_HEAPS = 4096


@dataclass(frozen=True, slots=True)
class Patience:
    """``free`` wrong tries cost nothing, then ``first_s``, doubling up to ``most_s``.

    All is forgotten ``forgotten_s`` after the last wrong try.
    """

    free: int
    first_s: float
    most_s: float
    forgotten_s: float = 24 * 3600.0

    def pause_s(self, wrong: int) -> float:
        """How long after that many wrong tries nobody may try again."""
        if wrong < self.free:
            return 0.0
        return min(self.most_s, self.first_s * 2.0 ** min(wrong - self.free, 30))


OF_A_NAME = Patience(free=5, first_s=30.0, most_s=900.0)
OF_THE_BOX = Patience(free=50, first_s=10.0, most_s=300.0, forgotten_s=3600.0)
_BOX = "box"


class LoginFailures:
    """The wrong tries in ``store``."""

    def __init__(self, store: DocumentStore, running: RunningTime) -> None:
        self._store = store
        self._table = store.table(TABLE)
        self._running = running
        self._lock = threading.Lock()
        store.index(TABLE, "heap")
        self._salt = self._kept_salt()

    def pause_s(self, key: str, *, box: bool = True) -> float:
        """Seconds until ``key`` (a name, a person's id, a device) may be tried again, 0 for now.

        ``box``: strangers' wrong tries on the whole box count too.
        """
        waits = [self._wait_s(self._heap(key), OF_A_NAME)]
        return max(waits + ([self._wait_s(_BOX, OF_THE_BOX)] if box else []))

    def wrong(self, key: str, *, box: bool = True) -> None:
        """Count a wrong try, durably."""
        with self._lock, self._store.transaction():
            self._running.keep()
            self._count(self._heap(key), OF_A_NAME)
            if box:
                self._count(_BOX, OF_THE_BOX)

    def right(self, key: str) -> None:
        """Forget the wrong tries of ``key``; those of the box stay."""
        heap = self._heap(key)
        if self._table.contains(where("heap") == heap):
            self._table.remove(where("heap") == heap)

    def _wait_s(self, heap: str, patience: Patience) -> float:
        wrong, last_s = self._state(heap, patience)
        return max(0.0, last_s + patience.pause_s(wrong) - self._running.now_s())

    def _state(self, heap: str, patience: Patience) -> tuple[int, float]:
        row = self._table.get(where("heap") == heap)
        if row is None or self._running.now_s() - row["last_s"] > patience.forgotten_s:
            return 0, 0.0
        return row["wrong"], row["last_s"]

    def _count(self, heap: str, patience: Patience) -> None:
        wrong = self._state(heap, patience)[0] + 1
        row = {"heap": heap, "wrong": wrong, "last_s": self._running.now_s()}
        self._table.upsert(row, where("heap") == heap)

    def _heap(self, key: str) -> str:
        mixed = hashlib.sha256(f"{self._salt}{key}".encode()).digest()
        return str(int.from_bytes(mixed[:4]) % _HEAPS)

    def _kept_salt(self) -> str:
        with self._store.transaction():
            row = self._table.get(where("heap") == "salt")
            if row is None:
                salt = secrets.token_hex(16)
                self._table.insert({"heap": "salt", "salt": salt})
                return salt
            return str(row["salt"])
