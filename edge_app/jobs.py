"""What a running node does by itself once a day."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from field_data.errors import GhallaError

DAY_S = 24 * 3600.0
# Not at once: a start is when people wait.
FIRST_S = 10 * 60.0


@contextmanager
def daily(
    action: Callable[[], object], *, first_s: float = FIRST_S, every_s: float = DAY_S
) -> Iterator[None]:
    """Run ``action`` in the background while inside; what fails is logged and tried again."""
    stop = threading.Event()

    def work() -> None:
        wait_s = first_s
        while not stop.wait(wait_s):
            wait_s = every_s
            try:
                action()
            except GhallaError as error:
                logging.getLogger(__name__).error("%s: %s", error.code, error)

    thread = threading.Thread(target=work, name="daily", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
