"""How often an address may be refused before it has to wait; of one process alone.  No I/O."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True, eq=False)
class Strangers:
    """Refused requests by address within the present minute, ``most`` at a time."""

    most: int
    _counts: dict[str, int] = field(default_factory=dict)
    _minute: int = 0
    _lock: Lock = field(default_factory=Lock)

    def note(self, address: str) -> None:
        """One more from there was refused."""
        with self._lock:
            self._turn()
            self._counts[address] = self._counts.get(address, 0) + 1

    def waits(self, address: str) -> bool:
        """Whether that address is to come back in a minute."""
        with self._lock:
            self._turn()
            return self._counts.get(address, 0) >= self.most

    def _turn(self) -> None:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, {}
