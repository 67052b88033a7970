"""The trap counter that speaks in a running node: loaded when first asked for, then kept.

Most nodes answer for leaves all day.  Another version that the keeper activated is opened at the
next photo; one that cannot be opened is switched off, and the one before it counts.
"""

from __future__ import annotations

import logging
import threading
from functools import partial
from pathlib import Path

from field_data.errors import GhallaError, KeeperError, PersonError
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
        while True:
            version, counter = self._current()
            if version == BUILTIN or self._life().confirmed:
                return counter.read(photo, trap, picture=True)
            reading = self._try(version, counter, photo, trap)
            if reading is not None:
                return reading

    def _current(self) -> tuple[str, Counter]:
        with self._lock:
            active = self._life().active
            if self._held is None or self._held[0] != active:
                self._held = self._open()
            return self._held

    def _try(self, version: str, counter: Counter, photo: bytes, trap: str) -> CountReading | None:
        """The reading of a version on trial; None where it fails and the one before it counts."""
        self._step(partial(steps.next_answer, version=version))
        try:
            reading = counter.read(photo, trap, picture=True)
        except PersonError:
            self._step(partial(steps.spared, version=version))
            raise
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            if self._refuse(version, error).active != version:
                return None
            shipped = Counter(self._shipped / self._name)  # the state cannot be written
            return shipped.read(photo, trap, picture=True)
        self._step(partial(steps.answered, version=version))
        return reading

    def _refuse(self, version: str, error: Exception) -> Life:
        code = error.code if isinstance(error, GhallaError) else "model_corrupt"
        _log.error("%s %s is switched off: %s", self._name, version, error)
        why = Refusal(code, str(error))
        return self._step(partial(steps.refused, version=version, why=why))

    def _open(self) -> tuple[str, Counter]:
        while True:
            version = self._step(steps.next_start).active
            folder = folder_of(self._home, self._name, version, self._shipped)
            if version == BUILTIN:
                return version, Counter(folder)
            try:
                counter = Counter(folder)
            except Exception as error:  # whatever it is, the version does not work here
                if self._refuse(version, error).active == version:  # the state cannot be written
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
