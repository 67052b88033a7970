"""A running node sends to its hub by itself: at its hours, within its month, with patience."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from edge_app.ground import Ground
from edge_app.settings import MB, Settings
from field_data.clock import now
from field_data.errors import GhallaError, PersonError
from field_data.types import Trust
from sync.backoff import rest_s

# Not at once: a start is when people wait.
FIRST_S = 120.0
_FAILED_S = 120.0
_LONGEST_S = 6 * 3600.0
# One run of the job; what is left goes on with the next, so that settings are read again.
_RUN_S = 1800.0
# Less is no use: a handshake and a record.
_LEAST_BYTES = 6000
_NICE = 10
MONTH_SPENT = "month_spent"


@dataclass
class Schedule:
    """When the next run is due, in seconds of a clock that only runs forward."""

    settings: Settings
    chance: Callable[[], float] = random.random
    failures: int = 0

    def next_s(self, failed: bool) -> float:
        """Seconds until the next run: the interval, or after failures a growing random pause."""
        self.failures = self.failures + 1 if failed else 0
        every_s = self.settings.hub_every_minutes * 60.0
        if not failed:
            return every_s * (0.9 + 0.2 * self.chance())  # not all nodes of a place at once
        pause_s = rest_s(self.failures, self.chance(), base_s=_FAILED_S, longest_s=_LONGEST_S)
        return min(every_s or pause_s, pause_s)

    def allows(self, minute: int) -> bool:
        """Whether ``minute`` of the local day lies in the hours of the settings."""
        return in_hours(self.settings.hub_hours, minute)


def in_hours(hours: str, minute: int) -> bool:
    """Whether a minute of the day lies within "22:00-06:00"; always for no hours."""
    if not hours:
        return True
    begin, end = (int(each[:2]) * 60 + int(each[3:]) for each in hours.split("-"))
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def month_left(limit_mb: int, spent: int) -> int | None:
    """Bytes left of the month's budget, None for no limit."""
    return max(0, limit_mb * MB - spent) if limit_mb else None


@contextmanager
def sending(ground: Ground) -> Iterator[None]:
    """Send in the background while inside; a running upload is left at the end, and goes on later.

    The thread is a daemon: what it does is durable at every step.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_work, args=(ground, stop), name="hub", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        ground.bell.wanted.set()
        thread.join(2)


def _work(ground: Ground, stop: threading.Event) -> None:
    with suppress(OSError, AttributeError):  # of this thread alone: serving goes first
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    schedule, wait_s = Schedule(ground.settings), FIRST_S
    while True:
        called = ground.bell.wanted.wait(wait_s if ground.settings.hub_every_minutes else None)
        ground.bell.wanted.clear()
        if stop.is_set():
            return
        # Without a clock to believe, any hour is as good as another.
        if not called and now().trust is not Trust.UNKNOWN and not schedule.allows(_minute()):
            wait_s = FIRST_S
            continue
        wait_s = schedule.next_s(failed=not send_once(ground))


def _minute() -> int:
    """Of the local day."""
    here = time.localtime(now().utc_s)
    return here.tm_hour * 60 + here.tm_min


def send_once(ground: Ground) -> bool:
    """One run within the month's budget; False when it should be tried again soon."""
    from edge_app.uplink import Uplinks
    from sync.transport import Allowance

    uplinks, bell = Uplinks(ground), ground.bell
    if not uplinks.known():
        return True
    left = month_left(ground.settings.hub_monthly_mb, uplinks.status().month_bytes)
    if left is not None and left < _LEAST_BYTES:
        uplinks.note(MONTH_SPENT, "the data of this month is used up")
        return True

    def say(progress: object) -> None:
        bell.records = getattr(progress, "records", 0)
        bell.photos = getattr(progress, "photos", 0)

    bell.sending, bell.records, bell.photos = True, 0, 0
    try:
        return uplinks.run(allowance=Allowance(left, _RUN_S), say=say).reason in (
            "",
            "budget_spent",
        )
    except PersonError:  # the command line sends just now
        return True
    except GhallaError as error:
        logging.getLogger(__name__).error("%s: %s", error.code, error)
        return False
    finally:
        bell.sending = False
