"""Which telephones have seen the portal and stay."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

# The time of a visit; who comes back tomorrow sees the page again.
_STAY_S = 8 * 3600.0
_MOST = 1024


class Released:
    """The addresses of telephones that stay; in memory, the longest ago go first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: OrderedDict[str, float] = OrderedDict()

    def add(self, address: str) -> None:
        """Let an address go."""
        with self._lock:
            self._until[address] = self._clock() + _STAY_S
            self._until.move_to_end(address)
            if len(self._until) > _MOST:
                self._until.popitem(last=False)

    def __contains__(self, address: str) -> bool:
        with self._lock:
            return self._until.get(address, 0.0) > self._clock()
