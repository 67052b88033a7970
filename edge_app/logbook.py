"""The log of a serving node: to stderr, where the journal takes it, and its last lines in memory.

No line holds a secret, a link or a number of a phone: they are taken out before it is written.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from edge_app.scrub import Scrubbed

KEPT = 300
_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# A traceback is one line of the log; nobody reads more of one.
_LONGEST = 4000


class Logbook(logging.Handler):
    """The last `KEPT` lines, scrubbed."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(Scrubbed(_LINE))
        self._lines: deque[str] = deque(maxlen=KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        try:
            self._lines.append(self.format(record)[:_LONGEST])
        except Exception:  # as logging's own handlers: a line never stops a request
            self.handleError(record)

    @property
    def lines(self) -> list[str]:
        """From the oldest on."""
        return list(self._lines)


@contextmanager
def remembering() -> Iterator[Logbook]:
    """Keep what is logged while inside."""
    book = Logbook()
    with _heard(book):
        yield book


@contextmanager
def to_stderr() -> Iterator[None]:
    """Say on stderr what is logged while inside, scrubbed."""
    screen = logging.StreamHandler()
    screen.setFormatter(Scrubbed(_LINE))
    with _heard(screen):
        yield


@contextmanager
def _heard(handler: logging.Handler) -> Iterator[None]:
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
