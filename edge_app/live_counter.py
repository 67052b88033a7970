"""The trap counter that speaks in a running node: loaded when first asked for, then kept.

Most nodes answer for leaves all day.  Another version that the keeper activated is opened at the
next photo; one that cannot be opened is switched off, and the one before it counts.
"""

from __future__ import annotations

import logging
import threading
from functools import partial
from pathlib import Path

from field_data.errors import GhallaError, KeeperError
from models import life as steps
from models.counting import Counter, CountReading
from models.life import BUILTIN, Life, Refusal
from models.registry import Change, change, folder_of, life_of

_log = logging.getLogger(__name__)


class LiveCounter:
    """One counter of a home: ``shipped`` is its folder in the software, named after the model."""

    def __init__(self, home: Path, shipped: Path) -> None:
        self._home, self._shipped, self._name = home, shipped.parent, shipped.name
        self._lock = threading.Lock()
        self._held: tuple[str, Counter] | None = None

    def read(self, photo: bytes, trap: str) -> CountReading:
        """Count in a photo, with the picture of what was counted.

        Raises:
            PersonError: as :meth:`models.counting.Counter.read`.
            PublisherError: there is no sound counter.
        """
        with self._lock:
            active = self._life().active
            if self._held is None or self._held[0] != active:
                self._held = self._open()
            version, counter = self._held
        reading = counter.read(photo, trap, picture=True)
        if version != BUILTIN and not self._life().confirmed:
            self._step(partial(steps.answered, version=version))
        return reading

    def _open(self) -> tuple[str, Counter]:
        while True:
            version = self._step(steps.next_start).active
            folder = folder_of(self._home, self._name, version, self._shipped)
            if version == BUILTIN:
                return version, Counter(folder)
            try:
                counter = Counter(folder)
            except Exception as error:  # whatever it is, the version does not work here
                code = error.code if isinstance(error, GhallaError) else "model_corrupt"
                _log.error("%s %s is switched off: %s", self._name, version, error)
                why = Refusal(code, str(error))
                if self._step(partial(steps.refused, version=version, why=why)).active == version:
                    return BUILTIN, Counter(self._shipped / self._name)
                continue
            self._step(partial(steps.started, version=version))
            return version, counter

    def _life(self) -> Life:
        try:
            return life_of(self._home, self._name)
        except (KeeperError, OSError) as error:
            _log.error("the shipped counter speaks: %s", error)
            return Life()

    def _step(self, step: Change) -> Life:
        """One step of the state; where it cannot be written the node works on without."""
        try:
            return change(self._home, self._name, step)
        except (KeeperError, OSError) as error:
            _log.error("the state of the counter cannot be kept: %s", error)
            return self._life()
