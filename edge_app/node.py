"""The node: everything wired once, behind the seam that pages and command line use."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from edge_app import health
from edge_app.advice import Advice
from edge_app.health import STORE
from edge_app.seam import Part
from edge_app.settings import Settings, documented, read_settings
from edge_app.turnstile import Turnstile
from field_data.clock import now
from field_data.diagnoses import DiagnosisLog
from field_data.document_store import DocumentStore
from field_data.errors import GhallaError, PersonError, PublisherError
from field_data.files import HomeLock, make_folder, write_atomic
from field_data.ids import new_id
from field_data.node_identity import node_id
from field_data.photos import PhotoStore
from field_data.types import Diagnosis
from models.counting import Counter, CountReading
from models.diagnosis import Diagnoser, Reading, unread

MODEL_FOLDER = Path(__file__).parents[1] / "models" / "leaf_health"
TRAP_FOLDER = MODEL_FOLDER.parent / "trap_insects"


def load_model(folder: Path = MODEL_FOLDER) -> Diagnoser | PublisherError:
    """The leaf model, or why there is none: a node without a model still serves."""
    try:
        return Diagnoser(folder)
    except PublisherError as error:
        return error


def make_home(home: Path) -> None:
    """Make the folder and its settings file, or leave them as they are.

    Raises:
        KeeperError: ``disk_full``.
    """
    make_folder(home)
    settings = home / "settings.toml"
    if not settings.exists():
        write_atomic(settings, documented().encode())


def init_home(home: Path) -> str:
    """Make a home with its store, or complete one; returns the node's id.

    Raises:
        KeeperError: ``home_in_use``, ``disk_full``, or the store's own.
    """
    make_home(home)
    with HomeLock(home), DocumentStore(home / STORE) as store:
        return node_id(store)


def concluded(reading: Reading, consent: str | None = None) -> Diagnosis:
    """A reading with an identity and a time: what is recorded and shown."""
    return Diagnosis(
        id=new_id(),
        at=now(),
        status=reading.status,
        crop=reading.crop,
        candidates=reading.candidates,
        alert=reading.alert,
        model=reading.model,
        photos=reading.photos,
        timing=reading.timing,
        consent=consent,
    )


class FarmNode:
    """The node of one home folder; implements :class:`edge_app.seam.Node`."""

    def __init__(self, home: Path, advice: Advice, *, model_folder: Path = MODEL_FOLDER) -> None:
        """Open the home, alone.

        Raises:
            KeeperError: ``home_in_use``, ``bad_settings``, or the store's own.
        """
        self.home = home
        make_home(home)
        self.settings: Settings = read_settings(home)
        self._lock = HomeLock(home).acquire()
        try:
            self._advice = advice
            self._store = DocumentStore(home / STORE)
            self.id = node_id(self._store)
            self._photos = PhotoStore(home / "photos")
            self._log = DiagnosisLog(self._store, self._photos)
            # Beside a store that was set aside every photo looks unused: keep them until the
            # keeper has looked at it.
            if not health.set_aside(home):
                self._log.tidy()
            self._model = load_model(model_folder)
            self._counter: Counter | None = None
            self._counter_lock = threading.Lock()
            self._turnstile = Turnstile(self.settings.workers, self.settings.queue)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Close the store and give the home free."""
        self._store.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def crops_with_model(self) -> frozenset[str]:
        """The crops that the model knows; none while there is no sound model."""
        if isinstance(self._model, GhallaError):
            return frozenset()
        return self._model.manifest.crops

    def place(self) -> AbstractContextManager[None]:
        """A turn at diagnosing; photos are read into memory only inside one."""
        return self._turnstile.place()

    def diagnose(
        self, photos: Sequence[tuple[str, bytes]], crop: str | None, *, consent: str | None
    ) -> Diagnosis:
        """Read, record, answer; see the seam."""
        if crop is not None and self._advice.crop(crop) is None:
            raise PersonError("unknown_crop", f"no crop {crop}", crop=crop)
        # File names may hold a person's name or number: they are not kept.
        plain = [(f"photo-{place}", data) for place, (_, data) in enumerate(photos, start=1)]
        reading = self._read(plain, crop, consent is not None)
        diagnosis = concluded(reading, consent)
        kept = {place: jpeg for place, jpeg in enumerate(reading.kept) if jpeg is not None}
        return self._log.record(diagnosis, kept)

    def _read(self, photos: Sequence[tuple[str, bytes]], crop: str | None, keep: bool) -> Reading:
        if isinstance(self._model, GhallaError):
            return unread(photos, crop, keep=keep)
        return self._model.read(photos, crop, keep=keep)

    def count(self, photo: bytes, trap: str) -> CountReading:
        """Count and answer; see the seam."""
        # Loaded when first asked for: most nodes answer for leaves all day.
        with self._counter_lock:
            if self._counter is None:
                self._counter = Counter(TRAP_FOLDER)
        return self._counter.read(photo, trap, picture=True)

    def diagnosis(self, id: str) -> Diagnosis | None:
        """The diagnosis of that id, if it is still there."""
        return self._log.get(id)

    def forget(self, ids: Sequence[str]) -> None:
        """Erase diagnoses with their photos."""
        self._log.forget(ids)

    def ask_agent(self, id: str) -> None:
        """Put a diagnosis on the agent's list."""
        self._log.ask_agent(id)

    def asked_agent(self, id: str) -> bool:
        """Whether it is on that list."""
        return self._log.asked_agent(id)

    def photo(self, sha256: str) -> bytes | None:
        """The JPEG bytes of a kept photo."""
        return self._photos.get(sha256)

    def health(self) -> list[Part]:
        """Every part and how it is."""
        return [
            health.store_part(self.home, self._log),
            health.disk_part(self.home, self.settings),
            health.model_part(self._model),
            health.trap_part(TRAP_FOLDER),
            health.clock_part(),
            health.advice_part(self._advice),
            health.fonts_part(),
        ]
