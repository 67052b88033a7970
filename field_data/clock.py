"""What time it is, and how far to believe it: a box without a clock chip may wake up in 1970."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from field_data.types import Instant, Trust

# 2026-01-01T00:00Z.  This code was not written earlier: a clock before that is wrong.
BUILT_UTC_S = 1_767_225_600.0
# Nobody runs eight years old software: a later time is believed only from a time server.
LATEST_UTC_S = BUILT_UTC_S + 8 * 365.25 * 86_400
# systemd-timesyncd makes this file at the first answer of a time server since boot.
SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")
CLOCK_CHIP = Path("/sys/class/rtc/rtc0")


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock; tests give it their own time and marker files.

    ``ntp`` when a time server answered since boot, ``rtc`` when only a clock chip vouches for the
    time, ``unknown`` when nothing does, when it is before this code was written, or when a chip
    alone says that it is years later: nothing is erased or thrown away for such a time.
    """

    time: Callable[[], float] = time.time
    synchronized: Path = SYNCHRONIZED
    chip: Path = CLOCK_CHIP

    def now(self) -> Instant:
        """The present moment; costs two look-ups of a file and never fails."""
        utc_s = self.time()
        return Instant(utc_s, self._trust(utc_s))

    def _trust(self, utc_s: float) -> Trust:
        if utc_s < BUILT_UTC_S:
            return Trust.UNKNOWN
        if self.synchronized.exists():
            return Trust.NTP
        chip = self.chip.exists() and utc_s < LATEST_UTC_S
        return Trust.RTC if chip else Trust.UNKNOWN


_system = Clock()


def now() -> Instant:
    """The present moment by the clock of this machine."""
    return _system.now()


def plausible(instant: Instant) -> bool:
    """Whether a time can be: not before this code was written, nor long after it.

    A time server's word is believed whatever it is.
    """
    return instant.trust is Trust.NTP or BUILT_UTC_S <= instant.utc_s < LATEST_UTC_S
