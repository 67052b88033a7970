"""The node: everything wired once, behind the seam that pages and command line use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Self

from edge_app import health, health_box
from edge_app.advice import Advice
from edge_app.appliance.memory import means_of, memory_bytes
from edge_app.ground import Ground
from edge_app.health import STORE
from edge_app.live_counter import LiveCounter
from edge_app.live_model import LiveModel
from edge_app.logbook import remembering
from edge_app.metrics import Requests
from edge_app.pin import PinGuard
from edge_app.seam import Part
from edge_app.settings import Settings, documented, read_settings
from edge_app.sky_health import satellite_part
from edge_app.teaching import Lesson, School, Teacher
from edge_app.tls_health import certificate_part
from edge_app.turnstile import Turnstile
from edge_app.uplink_health import hub_part
from edge_app.weather_health import weather_part
from field_data.clock import now
from field_data.diagnoses import DiagnosisLog
from field_data.errors import GhallaError, KeeperError, PersonError, PublisherError
from field_data.files import HomeLock, make_folder, write_atomic
from field_data.forms.library import Forms
from field_data.ids import new_id
from field_data.local_sets import LocalSet
from field_data.node_identity import node_id
from field_data.photos import PhotoStore
from field_data.reviews import Outcome
from field_data.schema import open_store
from field_data.types import Diagnosis
from models.counting import CountReading
from models.diagnosis import Diagnoser, Reading

MODEL_FOLDER = Path(__file__).parents[1] / "models" / "leaf_health"
# Anybody may ask how the box is: that must cost little.  ``ghalla check`` reads the whole log.
_WATCHED = 200
TRAP_FOLDER = MODEL_FOLDER.parent / "trap_insects"


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
    with HomeLock(home), open_store(home / STORE) as store:
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
        with ExitStack() as opened:
            opened.enter_context(HomeLock(home))
            self._advice = advice
            self._store = opened.enter_context(open_store(home / STORE))
            self.id = node_id(self._store)
            self._photos = PhotoStore(home / "photos")
            self._log = DiagnosisLog(self._store, self._photos)
            self.ground = Ground(self._store, self._photos, self.id, self.settings)
            opened.callback(self.ground.close)
            self.ground.privacy.resume()
            # Beside a store that was set aside every photo looks unused: keep them until the
            # keeper has looked at it.
            if not health.set_aside(home):
                self._log.tidy()
            self._pin = PinGuard(self.settings.teach_pin)
            self._counter = LiveCounter(home, TRAP_FOLDER)
            self.logbook = opened.enter_context(remembering())
            self.requests = Requests()
            limit = memory_bytes(self.settings.memory_mb)
            self.means = means_of(limit, self.settings.workers, self.settings.queue)
            self.turnstile = Turnstile(self.means.workers, self.means.queue)
            if self.means.drawing_waits:
                self.ground.sky.turn = self.turnstile.place
            self._school = School(self._store, self._photos, advice)
            self._live = LiveModel(home, model_folder, lambda m: self._school.teacher(m).head)
            opened.callback(self._live.close)
            _ = self._teacher  # so that the first farmer does not wait for it
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the store and give the home free."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def _model(self) -> Diagnoser | PublisherError:
        return self._live.model

    def crops_with_model(self) -> frozenset[str]:
        """The crops that the model knows or was taught; none while there is no sound model."""
        teacher = self._teacher
        return frozenset() if teacher is None else teacher.crops

    def place(self) -> AbstractContextManager[None]:
        """A turn at diagnosing; photos are read into memory only inside one."""
        return self.turnstile.place()

    def diagnose(
        self, photos: Sequence[tuple[str, bytes]], crop: str | None, *, consent: str | None
    ) -> Diagnosis:
        """Read, record, answer; see the seam."""
        if crop is not None and self._advice.crop(crop) is None:
            raise PersonError("unknown_crop", f"no crop {crop}", crop=crop)
        # File names may hold a person's name or number: they are not kept.
        plain = [(f"photo-{place}", data) for place, (_, data) in enumerate(photos, start=1)]
        reading = self._live.read(plain, crop, keep=consent is not None)
        diagnosis = concluded(reading, consent)
        kept = {place: jpeg for place, jpeg in enumerate(reading.kept) if jpeg is not None}
        try:
            return self._log.record(diagnosis, kept)
        except KeeperError as error:
            if error.code != "photos_full":
                raise
            return self._log.record(diagnosis)  # the answer matters more than its photos

    @property
    def _teacher(self) -> Teacher | None:
        """The teacher of the model that speaks now; None while there is no sound model."""
        model = self._model
        return None if isinstance(model, GhallaError) else self._school.teacher(model)

    def _taught(self) -> Teacher:
        teacher = self._teacher
        if teacher is None:
            raise KeeperError("no_teaching", "without a sound model nothing can be taught")
        return teacher

    def conditions_in_model(self, crop: str) -> frozenset[str]:
        """What the model knows of a crop."""
        if isinstance(self._model, GhallaError):
            return frozenset()
        return frozenset(condition for c, condition in self._model.manifest.labels if c == crop)

    def may_be_taught(self) -> bool:
        """Whether there is a PIN for the teaching page."""
        return self._pin.exists

    def admit(self, pin: str) -> None:
        """Let who knows the PIN pass; see the seam."""
        self._pin.check(pin)

    def teach(
        self,
        crop: str,
        condition: str,
        name: str,
        photos: Iterable[tuple[str, bytes]],
        origins: Mapping[str, str] | None = None,
    ) -> Lesson:
        """Add photos to a local class; see the seam and, for ``origins``, the teacher."""
        return self._taught().teach(crop, condition, name, photos, origins)

    def forget_local(self, crop: str, condition: str) -> LocalSet:
        """Forget a local class; :meth:`restore_local` brings it back."""
        return self._taught().forget(crop, condition)

    def erase_local(self, crop: str, condition: str) -> int:
        """Remove a local class and its photos for good; how many photos went."""
        return self._taught().erase(crop, condition)

    def restore_local(self, crop: str, condition: str, version: int | None = None) -> LocalSet:
        """Undo the latest change of a local class; see the seam."""
        return self._taught().restore(crop, condition, version)

    def local_sets(self) -> list[LocalSet]:
        """What this node was taught."""
        teacher = self._teacher
        return teacher.current() if teacher else []

    def speak(self, advice: Advice, forms: Forms) -> None:
        """Use other cards and forms from now on."""
        self._advice, self.ground.forms = advice, forms
        self._school = School(self._store, self._photos, advice)

    def examine_model(self) -> None:
        """See :meth:`edge_app.live_model.LiveModel.examine`."""
        self._live.examine()

    def count(self, photo: bytes, trap: str) -> CountReading:
        """Count and answer; see the seam."""
        return self._counter.read(photo, trap)

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

    def reviewed(self, id: str) -> Outcome:
        """What people who looked at its photos came to."""
        return self.ground.reviews.outcome(id)

    def photo(self, sha256: str) -> bytes | None:
        """The JPEG bytes of a kept photo."""
        return self._photos.get(sha256)

    def health(self) -> list[Part]:
        """Every part and how it is."""
        return [
            health.store_part(self.home, self._log),
            health_box.disk_part(self.home, self.settings),
            *health_box.box_parts(self.home, self.settings),
            *health.model_parts(self._model, self._live.name, self._live.life),
            health.trap_part(TRAP_FOLDER),
            health.audit_part(self.ground.audit, last=_WATCHED),
            health_box.clock_part(now()),
            health.advice_part(self._advice),
            health.fonts_part(),
            satellite_part(self.home, self.settings),
            weather_part(self.home, self.settings),
            *filter(None, self._rarer_parts()),
        ]

    def _rarer_parts(self) -> Iterator[Part | None]:
        yield health_box.photos_part(self._photos.taken_bytes(), self.settings)
        yield health.forms_part(self.ground.broken_forms)
        yield hub_part(self.ground)
        yield certificate_part(self.home, self.settings)
