"""How many photos one telephone may send: a bucket of tokens for each address.

It stands before the queue: who floods it is told to wait and leaves its places to the others.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

# A family sends a dozen plants one after the other; nobody photographs faster for long.
BURST = 12
EVERY_S = 6.0
_MOST_ADDRESSES = 2048


class Pace:
    """``burst`` uploads at once, then one every ``every_s`` seconds, for each address."""

    def __init__(
        self,
        burst: int = BURST,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst, self._every_s, self._clock = burst, every_s, clock
        self._lock = threading.Lock()
        # When each address will have its whole burst again; who was here longest ago goes first.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """Seconds until this address may send again: 0, and counted, when it may now."""
        with self._lock:
            now_s = self._clock()
            full_at = max(now_s, self._full_at.get(address, now_s)) + self._every_s
            over_s = full_at - now_s - self._burst * self._every_s
            if over_s > 1e-9:
                return math.ceil(over_s)
            self._full_at[address] = full_at
            self._full_at.move_to_end(address)
            if len(self._full_at) > _MOST_ADDRESSES:
                self._full_at.popitem(last=False)
            return 0
