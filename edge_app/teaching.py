"""People teach the node a condition with a few photos, and take it back."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_app.advice import Advice
from field_data.clock import now
from field_data.document_store import DocumentStore
from field_data.errors import KeeperError, PersonError
from field_data.local_sets import LocalSet, LocalSets
from field_data.photos import PhotoStore, photo_of
from models.diagnosis import Diagnoser, Inspection
from models.local_classes import LEAST_PHOTOS, LocalHead, Taught, alike, same_picture

Floats = NDArray[np.float32]
_CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{2,23}|healthy")
_LONGEST_NAME = 60
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """One photo that was not taken: its shown name and why (a fault, or an error's code)."""

    photo: str
    why: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """What became of the photos of one lesson; ``taken`` are their shown names."""

    made: LocalSet
    taken: tuple[str, ...]
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class _Fit:
    """A photo that passed: its name, the JPEG to keep, the vector [d] of that JPEG."""

    name: str
    jpeg: bytes
    vector: Floats


@dataclass(frozen=True, slots=True)
class _Seen:
    """A photo of the crop that is there: ``picture`` is its hash, or the JPEG of this lesson."""

    condition: str
    vector: Floats
    picture: str | bytes


class Teacher:
    """The local classes of one node: ``sets`` are what is kept, :attr:`head` what is known now."""

    def __init__(
        self,
        sets: LocalSets,
        photos: PhotoStore,
        advice: Advice,
        reader: Diagnoser,
        lock: threading.Lock | None = None,
    ) -> None:
        self._sets = sets
        self._photos = photos
        self._advice = advice
        self._reader = reader
        self._lock = lock or threading.Lock()
        self._vectors: dict[str, Floats] = {}
        self.head = self._learn()

    @property
    def outdated(self) -> bool:
        """Whether something was taught or forgotten that :attr:`head` does not know."""
        return self._learnt != self._sets.changes

    @property
    def crops(self) -> frozenset[str]:
        """Crops that the model knows or was taught."""
        return self._reader.manifest.crops | self.head.crops

    def current(self) -> list[LocalSet]:
        """What is taught now, by crop and condition."""
        return self._sets.all_current()

    def teach(
        self,
        crop: str,
        condition: str,
        name: str,
        photos: Iterable[tuple[str, bytes]],
        origins: Mapping[str, str] | None = None,
    ) -> Lesson:
        """Add the photos, (name, file bytes), to a condition; durable when it returns.

        ``origins`` names by the photo's name the diagnosis that it comes from: the photo goes when
        that is erased.  A photo that is unfit, or that the condition has already, is refused alone.

        Raises:
            PersonError: ``unknown_crop``, ``unknown_condition`` (no card names it and no ``name``
                was given), ``condition_in_model``, ``no_photo``, or ``too_few_photos`` with what
                was ``refused`` in the details.
            KeeperError: ``disk_full``.
        """
        self._check(crop, condition, name)
        if self._on_card(condition):
            name = ""  # a card has it in every language
        with self._lock:
            before = self._sets.current(crop, condition)
            fit, refused = self._sift(crop, condition, photos)
            total = len(fit) + (len(before.photos) if before else 0)
            if not fit and not refused:
                raise PersonError("no_photo", "no photo was given")
            if total < LEAST_PHOTOS:
                said = "; ".join(f"{each.photo}: {each.why}" for each in refused)
                raise PersonError(
                    "too_few_photos",
                    f"a condition needs {LEAST_PHOTOS} different good photos, these are {total}"
                    + (f" (refused: {said})" if said else ""),
                    refused=refused,
                )
            made = before
            if fit or made is None:
                jpegs = [each.jpeg for each in fit]
                hashes = {each.name: photo_of(each.jpeg).sha256 for each in fit}
                known = origins or {}
                source = {hashes[name]: known[name] for name in hashes if name in known}
                made = self._sets.teach(crop, condition, name, now(), jpegs, source)
                self._remember({photo_of(each.jpeg).sha256: each.vector for each in fit})
                self.head = self._learn()
        return Lesson(made, tuple(each.name for each in fit), tuple(refused))

    def forget(self, crop: str, condition: str) -> LocalSet:
        """Forget a condition; :meth:`restore` brings it back.

        Raises:
            PersonError: ``unknown_local_class``.
        """
        with self._lock:
            made = self._sets.forget(crop, condition, now())
            self.head = self._learn()
        return made

    def erase(self, crop: str, condition: str) -> int:
        """Remove a condition with its photos for good; how many photos went.

        Raises:
            PersonError: ``unknown_local_class``.
        """
        with self._lock:
            gone = self._sets.erase(crop, condition)
            self._vectors.clear()
            self.head = self._learn()
        return gone

    def restore(self, crop: str, condition: str, version: int | None = None) -> LocalSet:
        """Go back to ``version``, or undo the latest change.

        Raises:
            PersonError: ``unknown_local_class``.
        """
        with self._lock:
            made = self._sets.restore(crop, condition, now(), version)
            self.head = self._learn()
        return made

    def _on_card(self, condition: str) -> bool:
        return any(card.condition == condition for card in self._advice.cards)

    def _check(self, crop: str, condition: str, name: str) -> None:
        if self._advice.crop(crop) is None:
            raise PersonError("unknown_crop", f"no crop {crop}", crop=crop)
        known = self._on_card(condition) or self._sets.history(crop, condition)
        if not _CODE.fullmatch(condition) or not (known or name):
            raise PersonError(
                "unknown_condition", f"no card knows {condition!r}: give a code and a name"
            )
        if (crop, condition) in self._reader.manifest.labels:
            raise PersonError(
                "condition_in_model", f"the model knows {condition} on {crop} already"
            )

    def _sift(
        self, crop: str, condition: str, photos: Iterable[tuple[str, bytes]]
    ) -> tuple[list[_Fit], list[Refused]]:
        """Photos to take and photos to refuse."""
        seen = [
            _Seen(each.condition, self._vectors[photo], photo)
            for each in self._sets.all_current()
            if each.crop == crop
            for photo in each.photos
            if photo in self._vectors
        ]
        fit: list[_Fit] = []
        refused: list[Refused] = []
        for name, data in photos:
            try:
                looked = self._reader.inspect(data)
            except PersonError as error:
                refused.append(Refused(name, error.code))
                continue
            same = self._same(looked, seen)
            if looked.fault is not None:
                refused.append(Refused(name, looked.fault.value))
            elif same is not None:
                why = "duplicate" if same == condition else "taught_as_other"
                refused.append(Refused(name, why))
            else:
                fit.append(_Fit(name, looked.jpeg, looked.embedding))
                seen.append(_Seen(condition, looked.embedding, looked.jpeg))
        return fit, refused

    def _same(self, looked: Inspection, seen: Sequence[_Seen]) -> str | None:
        """The condition under which the same picture was taught, or None."""
        for place in alike(looked.embedding, [each.vector for each in seen]):
            picture = seen[place].picture
            # Kept photos are read only where they may be the same: a crop may have hundreds.
            jpeg = self._kept(picture) if isinstance(picture, str) else picture
            thumbnail = self._reader.thumbnail
            if jpeg and same_picture(thumbnail(looked.jpeg), thumbnail(jpeg)):
                return seen[place].condition
        return None

    def _learn(self) -> LocalHead:
        """The head of all that is taught now; what a newer model knows itself is left to it."""
        self._learnt = self._sets.changes
        sets = self._sets.all_current()
        self._load({photo for each in sets for photo in each.photos})
        taught = [
            Taught(each.crop, each.condition, each.name, np.stack(vectors))
            for each in sets
            if (vectors := self._vectors_of(each))
            and (each.crop, each.condition) not in self._reader.manifest.labels
        ]
        return self._reader.local_head(taught, self._alerts())

    def _vectors_of(self, each: LocalSet) -> list[Floats]:
        return [self._vectors[photo] for photo in each.photos if photo in self._vectors]

    def _load(self, wanted: set[str]) -> None:
        """Have the vectors of these photos: as kept for this very model, else read anew."""
        if not self._vectors:
            kept = self._sets.vectors(self._reader.ref.sha256)
            self._vectors = {photo: np.frombuffer(v, np.float32) for photo, v in kept.items()}
        jpegs = ((photo, self._kept(photo)) for photo in sorted(wanted - set(self._vectors)))
        made = {photo: self._reader.embed(jpeg) for photo, jpeg in jpegs if jpeg}
        if made:
            self._remember(made)

    def _kept(self, photo: str) -> bytes | None:
        """A taught photo; None where the disk lost or damaged it: the others still teach."""
        try:
            jpeg = self._photos.get(photo)
        except OSError as error:
            _log.error("taught photo %s cannot be read: %s", photo, error)
            return None
        return jpeg if jpeg is not None and photo_of(jpeg).sha256 == photo else None

    def _remember(self, vectors: dict[str, Floats]) -> None:
        self._vectors |= vectors
        plain = {photo: vector.astype(np.float32).tobytes() for photo, vector in vectors.items()}
        try:
            self._sets.keep_vectors(self._reader.ref.sha256, plain)
        except KeeperError as error:  # they only save time at the next start
            _log.error("what the model made of taught photos is not kept: %s", error)

    def _alerts(self) -> frozenset[str]:
        return frozenset(card.condition for card in self._advice.cards if card.alert)


class School:
    """The teacher of whichever model speaks: embeddings belong to one model.

    After a switch what was taught is read again by the new one.
    """

    def __init__(self, store: DocumentStore, photos: PhotoStore, advice: Advice) -> None:
        self._sets = LocalSets(store, photos)
        self._photos, self._advice = photos, advice
        self._lock = threading.Lock()
        self._held: tuple[Diagnoser, Teacher] | None = None

    def teacher(self, model: Diagnoser) -> Teacher:
        """The teacher of ``model``, made on first use; waits for a lesson that is under way."""
        teacher = self._current(model)
        if teacher is None:
            with self._lock:
                teacher = self._current(model)  # another thread may have made it meanwhile
                if teacher is None:
                    teacher = Teacher(self._sets, self._photos, self._advice, model, self._lock)
                    self._held = model, teacher
        return teacher

    def _current(self, model: Diagnoser) -> Teacher | None:
        """The teacher at hand, unless it is another model's or a lesson passed it by.

        A lesson passes by when it began with the model before.
        """
        held = self._held
        return held[1] if held and held[0] is model and not held[1].outdated else None


def condition_of(advice: Advice, text: str) -> str | None:
    """The code of a condition that a card knows, by its code or by its name in any language."""
    key = text.strip().casefold()
    for card in advice.cards:
        if key in {card.condition.casefold(), *(name.casefold() for name in card.name.values())}:
            return card.condition
    return None


def new_condition(name: str) -> str:
    """A code for a condition that no card names: the same name always gives the same code."""
    key = " ".join(name.casefold().split())
    return f"LOCAL-{hashlib.sha256(key.encode()).hexdigest()[:8].upper()}"


def tidy_name(text: str) -> str:
    """A name fit to print: one line, no control characters, at most 60 characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:_LONGEST_NAME]
