"""A node without models: it answers what the test told it to, through the real seam."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from edge_app.pin import PinGuard
from edge_app.seam import Part
from edge_app.teaching import Lesson, Refused
from field_data.errors import BusyError, GhallaError, PersonError
from field_data.local_sets import LocalSet
from field_data.reviews import Outcome, State
from field_data.types import (
    Candidate,
    Diagnosis,
    Instant,
    ModelRef,
    PhotoFault,
    PhotoVerdict,
    Status,
    Timing,
    TrapCount,
    Trust,
)
from models.counting import CountReading, CountStatus, Detection

WITH_MODEL = frozenset({"LYPES", "SOLTU", "CPSAN", "1CIDG", "MABSD", "PHSVX", "ZEAMX"})
MODEL = ModelRef("leaf_health", "1.0.0", "ab" * 32)
AT = Instant(1_790_000_000.0, Trust.NTP)


def verdict(
    status: Status = Status.CONFIDENT,
    crop: str | None = "LYPES",
    candidates: Sequence[tuple[str, str, float]] = (
        ("LYPES", "PHYTIN", 0.94),
        ("LYPES", "ALTESO", 0.04),
        ("LYPES", "healthy", 0.02),
    ),
    *,
    alert: bool = False,
    photos: Sequence[PhotoVerdict] = (
        PhotoVerdict("a.jpg", top="PHYTIN"),
        PhotoVerdict("b.jpg", top="PHYTIN"),
        PhotoVerdict("c.jpg", top="ALTESO"),
    ),
    at: Instant = AT,
    id: str | None = None,
) -> Diagnosis:
    """A diagnosis with everything in it; change what the test is about."""
    return Diagnosis(
        id=id or secrets.token_urlsafe(16),
        at=at,
        status=status,
        crop=crop,
        candidates=tuple(Candidate(*candidate) for candidate in candidates),
        alert=alert,
        model=MODEL,
        photos=tuple(photos),
        timing=Timing(20.5, 4.25, 30.125),
    )


def one_of_each() -> dict[str, Diagnosis]:
    """A diagnosis for every kind of result page."""
    none: tuple[tuple[str, str, float], ...] = ()
    bad = [PhotoVerdict(f"{fault}.jpg", fault) for fault in PhotoFault]
    mixed = [PhotoVerdict("1.jpg", top="PHYTIN"), PhotoVerdict("2.jpg", PhotoFault.DARK)]
    unsure = [("LYPES", "SEPTLY", 0.41), ("LYPES", "ALTESO", 0.33), ("LYPES", "PHYTIN", 0.2)]
    feared = [("1CIDG", "LIBEAS", 0.81), ("1CIDG", "XANTCI", 0.1), ("1CIDG", "healthy", 0.05)]
    return {
        "confident": verdict(),
        "mixed": verdict(photos=mixed),
        "healthy": verdict(crop="ZEAMX", candidates=[("ZEAMX", "healthy", 0.97)], photos=()),
        "uncertain": verdict(Status.UNCERTAIN, candidates=unsure),
        "alert": verdict(Status.UNCERTAIN, "1CIDG", feared, alert=True),
        "not_a_plant": verdict(Status.NOT_A_PLANT, None, none, photos=bad[-1:]),
        "poor_photo": verdict(Status.POOR_PHOTO, "LYPES", none, photos=bad),
        "no_model": verdict(Status.NO_MODEL, "OLVEU", none, photos=()),
    }


MOTHS = TrapCount("GNORAB-ADULT", 23, 19, 28)


def trap_reading(
    status: CountStatus = CountStatus.COUNTED,
    count: TrapCount | None = MOTHS,
    *,
    fault: PhotoFault | None = None,
    picture: bytes | None = b"\xff\xd8\xff annotated",
) -> CountReading:
    """A trap photo that was read; change what the test is about."""
    found = (Detection("GNORAB-ADULT", 0.91, (120, 80, 22, 20)),)
    return CountReading(
        trap="tuta",
        status=status,
        count=count,
        detections=found if count else (),
        fault=fault,
        model=replace(MODEL, name="trap_insects"),
        timing=Timing(5.0, 60.0, 66.0),
        picture=picture if count else None,
    )


class FakeNode:
    """The seam of ``edge_app.seam``, in memory."""

    def __init__(self) -> None:
        self.next: Diagnosis | GhallaError | Exception = verdict()
        self.asks: list[tuple[list[tuple[str, bytes]], str | None, str | None]] = []
        self.next_count: CountReading | Exception = trap_reading()
        self.counted: list[tuple[bytes, str]] = []
        self.parts = [
            Part("store", True, "ok", ""),
            Part("model", False, "model_missing", "leaf_health/model.onnx is missing"),
        ]
        self.with_model = WITH_MODEL
        self.pin = PinGuard("")
        self.sets: list[LocalSet] = []
        self.photos: dict[str, bytes] = {}
        self.outcomes: dict[str, Outcome] = {}
        self._known: dict[str, Diagnosis] = {}
        self._asked: set[str] = set()

    def put(self, diagnosis: Diagnosis) -> str:
        """As if it had been made earlier."""
        self._known[diagnosis.id] = diagnosis
        return diagnosis.id

    def crops_with_model(self) -> frozenset[str]:
        return self.with_model

    @contextmanager
    def place(self) -> Iterator[None]:
        if isinstance(self.next, BusyError):
            raise self.next
        yield

    def diagnose(
        self, photos: Sequence[tuple[str, bytes]], crop: str | None, *, consent: str | None
    ) -> Diagnosis:
        self.asks.append((list(photos), crop, consent))
        if isinstance(self.next, Exception):
            raise self.next
        made = replace(self.next, id=secrets.token_urlsafe(16))
        if consent:
            kept = [self._keep(data) for _, data in photos]
            verdicts = [
                PhotoVerdict(p[0], None, None, k) for p, k in zip(photos, kept, strict=True)
            ]
            made = replace(made, photos=tuple(verdicts))
        self.put(made)
        return made

    def _keep(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self.photos[sha256] = data
        return sha256

    def count(self, photo: bytes, trap: str) -> CountReading:
        self.counted.append((photo, trap))
        if isinstance(self.next_count, Exception):
            raise self.next_count
        return replace(self.next_count, trap=trap)

    def diagnosis(self, id: str) -> Diagnosis | None:
        return self._known.get(id)

    def forget(self, ids: Sequence[str]) -> None:
        for id in ids:
            gone = self._known.pop(id, None)
            for photo in gone.photos if gone else ():
                self.photos.pop(photo.sha256 or "", None)

    def ask_agent(self, id: str) -> None:
        self._asked.add(id)

    def asked_agent(self, id: str) -> bool:
        return id in self._asked

    def reviewed(self, id: str) -> Outcome:
        return self.outcomes.get(id, Outcome(State.OPEN))

    def photo(self, sha256: str) -> bytes | None:
        return self.photos.get(sha256)

    def conditions_in_model(self, crop: str) -> frozenset[str]:
        return frozenset({"PHYTIN", "healthy"}) if crop in self.with_model else frozenset()

    def may_be_taught(self) -> bool:
        return self.pin.exists

    def admit(self, pin: str) -> None:
        self.pin.check(pin)

    def teach(
        self, crop: str, condition: str, name: str, photos: Iterable[tuple[str, bytes]]
    ) -> Lesson:
        names = [shown for shown, _ in photos]
        refused = [Refused(shown, "blur") for shown in names if "blur" in shown]
        taken = tuple(shown for shown in names if "blur" not in shown)
        if len(taken) < 5:
            raise PersonError("too_few_photos", refused=refused)
        made = LocalSet(crop, condition, name, 1, AT, tuple(f"{n:064x}" for n in range(len(taken))))
        self.sets.append(made)
        return Lesson(made, taken, tuple(refused))

    def restore_local(self, crop: str, condition: str, version: int | None = None) -> LocalSet:
        for each in self.sets:
            if (each.crop, each.condition) == (crop, condition):
                self.sets.remove(each)
                return each
        raise PersonError("unknown_local_class")

    def local_sets(self) -> list[LocalSet]:
        return list(self.sets)

    def health(self) -> list[Part]:
        return list(self.parts)
