"""The PIN that opens the teaching page, until people have accounts: few tries, constant time."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable

from field_data.errors import PersonError

TRIES = 5
# After so many wrong tries nobody gets in for this long, whatever they know: phones on a Wi-Fi
# change their address at will, so the tries are counted for the whole box.
PAUSE_S = 600.0


class PinGuard:
    """Compares with ``pin``; an empty one opens nothing.  ``clock`` gives monotonic seconds."""

    def __init__(self, pin: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._pin = pin.encode()
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: list[float] = []

    @property
    def exists(self) -> bool:
        """Whether the keeper has set a PIN at all."""
        return bool(self._pin)

    def check(self, given: str) -> None:
        """Let a right PIN pass.

        Raises:
            PersonError: ``wrong_pin``, or ``too_many_tries`` while the pause lasts.
        """
        with self._lock:
            now = self._clock()
            self._wrong = [moment for moment in self._wrong if now - moment < PAUSE_S]
            if len(self._wrong) >= TRIES:
                raise PersonError("too_many_tries", "too many wrong PINs: wait ten minutes")
            if not self.exists or not hmac.compare_digest(given.encode(), self._pin):
                self._wrong.append(now)
                raise PersonError("wrong_pin", "this is not the PIN of this node")
            self._wrong.clear()
