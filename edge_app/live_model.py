"""The model that speaks in a running node, and its replacement while people are being served.

A new version is loaded and probed beside the old one; people are answered by the old one until the
new one has answered its golden samples, and the old one is kept until it has answered a person's
photo.  Whatever fails on the way switches the new one off, with the reason (:mod:`models.life`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from field_data.errors import GhallaError, KeeperError, PersonError, PublisherError
from models import life as steps
from models.diagnosis import Diagnoser, Reading, unread
from models.life import BUILTIN, Life, Refusal
from models.local_classes import LocalHead
from models.probe import hold_again, probed_diagnoser
from models.registry import change, folder_of, life_of, state_file

# How often a running node looks whether the keeper activated another version.
_LOOK_S = 2.0
_log = logging.getLogger(__name__)


def load_model(folder: Path) -> Diagnoser | PublisherError:
    """The model of a folder, or why there is none: a node without a model still serves."""
    try:
        return Diagnoser(folder)
    except PublisherError as error:
        return error


@dataclass(frozen=True, slots=True)
class _Held:
    version: str
    model: Diagnoser | PublisherError


class LiveModel:
    """One model of a home: ``shipped`` is its folder in the software, named after the model.

    ``local`` gives what people taught the node, in the eyes of the model that speaks.
    """

    def __init__(
        self, home: Path, shipped: Path, local: Callable[[Diagnoser], LocalHead] | None = None
    ) -> None:
        self._local = local
        self._home, self._shipped, self.name = home, shipped.parent, shipped.name
        self._trial, self._stepping = threading.Lock(), threading.Lock()
        self._closing = threading.Event()
        self._seen = self._stamp()
        self._life = self._read_life()
        self._old: _Held | None = None
        self._files: list[tuple[str, int]] = []
        self._held = self._open(None)
        self._watcher = threading.Thread(target=self._watch, name="models", daemon=True)
        self._watcher.start()

    @property
    def model(self) -> Diagnoser | PublisherError:
        """The model that speaks now, or why none does."""
        return self._held.model

    @property
    def life(self) -> Life:
        """Where the model stands."""
        return self._life

    def close(self) -> None:
        """Stop looking for other versions; waits for a switch under way."""
        self._closing.set()
        self._watcher.join()

    def read(self, photos: Sequence[tuple[str, bytes]], crop: str | None, *, keep: bool) -> Reading:
        """As :meth:`models.diagnosis.Diagnoser.read`; without a model nothing is claimed."""
        if self._on_trial(self._held):
            with self._trial:  # one at a time, until the first has its answer
                while self._on_trial(held := self._held):
                    reading = self._try(held, photos, crop, keep)
                    if reading is not None:
                        return reading
        return self._ask(self._held.model, photos, crop, keep)

    def _ask(
        self,
        model: Diagnoser | PublisherError,
        photos: Sequence[tuple[str, bytes]],
        crop: str | None,
        keep: bool,
    ) -> Reading:
        if isinstance(model, PublisherError):
            return unread(photos, crop, keep=keep)
        return model.read(photos, crop, keep=keep, local=self._local_of(model))

    def _local_of(self, model: Diagnoser | PublisherError) -> LocalHead | None:
        if self._local is None or isinstance(model, PublisherError):
            return None
        return self._local(model)

    def _on_trial(self, held: _Held) -> bool:
        return not self._life.confirmed and self._life.active == held.version

    def _try(
        self, held: _Held, photos: Sequence[tuple[str, bytes]], crop: str | None, keep: bool
    ) -> Reading | None:
        """The reading of a version on trial; None where it fails and the one before it speaks."""
        self._step(partial(steps.next_answer, version=held.version))
        try:
            reading = self._ask(held.model, photos, crop, keep)
        except (PersonError, KeeperError):  # the photo's or the store's fault, not the version's
            self._step(partial(steps.spared, version=held.version))
            raise
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            self._refuse(held.version, error)
            self._held = self._open(self._old)
            self._old = None
            return None
        if reading.model is None:  # a crop that it does not know: it was not asked
            self._step(partial(steps.spared, version=held.version))
        else:
            self._step(partial(steps.answered, version=held.version))
            self._old = None
        return reading

    def examine(self) -> None:
        """Hold the installed version that speaks against its golden samples once more.

        Where it answers otherwise than when it was loaded, the one before it speaks.
        """
        held = self._held
        if held.version == BUILTIN or isinstance(held.model, PublisherError):
            return
        try:
            hold_again(folder_of(self._home, self.name, held.version, self._shipped), held.model)
        except Exception as error:  # whatever it is, the version does not work here
            with self._trial:
                self._refuse(held.version, error)
                self._held, self._old = self._open(self._old), None

    def _open(self, held: _Held | None) -> _Held:
        """Load and probe the active version; the ones before it where that fails."""
        while True:
            life = self._step(steps.next_start)
            version = life.active
            if held is not None and version == held.version:
                self._step(partial(steps.started, version=version))
                return held
            folder = folder_of(self._home, self.name, version, self._shipped)
            if version == BUILTIN:
                return _Held(version, load_model(folder))
            try:
                opened = _Held(version, probed_diagnoser(folder))
                if held is None:  # a node that starts needs it for its first page
                    self._local_of(opened.model)
            except KeeperError:  # the store's
                raise
            except Exception as error:  # whatever it is, the version does not work here
                self._refuse(version, error)
                continue
            self._step(partial(steps.started, version=version))
            return opened

    def _refuse(self, version: str, error: Exception) -> None:
        code = error.code if isinstance(error, GhallaError) else "model_corrupt"
        why = Refusal(code, str(error))
        _log.error("%s %s is switched off: %s", self.name, version, why.reason)
        self._step(partial(steps.refused, version=version, why=why))

    def _step(self, step: Callable[[Life], Life]) -> Life:
        """One step of the state; where it cannot be written the node works on without."""
        with self._stepping:
            try:
                self._life = change(self._home, self.name, step)
            except (KeeperError, OSError) as error:
                _log.error("the state of the models cannot be kept: %s", error)
                self._life = step(self._life)
            return self._life

    def _read_life(self) -> Life:
        try:
            return life_of(self._home, self.name)
        except (KeeperError, OSError) as error:
            _log.error("the shipped models speak: %s", error)
            return Life()

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = state_file(self._home).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def _watch(self) -> None:
        while not self._closing.wait(_LOOK_S):
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self._switch()
            if isinstance(self._held.model, PublisherError):
                self._look_again()

    def _look_again(self) -> None:
        """A shipped model whose files were missing or damaged speaks as soon as they are mended."""
        folder = folder_of(self._home, self.name, self._held.version, self._shipped)
        files = sorted((each.name, each.stat().st_mtime_ns) for each in folder.glob("*.*"))
        if files != self._files:
            self._files = files
            self._held = self._open(None)

    def _switch(self) -> None:
        """Serve what the state names now; the old version answers until the new one has."""
        held = self._held
        with self._stepping:
            self._life = self._read_life()
        if self._life.active == held.version:
            return
        opened = self._open(held)
        with self._trial:
            if opened is not held:
                self._old, self._held = held, opened
            if self._life.confirmed:
                self._old = None
