"""What the pages ask of the node: the one seam between what people touch and what computes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from edge_app.teaching import Lesson
from field_data.local_sets import LocalSet
from field_data.reviews import Outcome
from field_data.types import Diagnosis
from models.counting import CountReading


@dataclass(frozen=True, slots=True)
class Part:
    """The health of one part: ``code`` is stable, ``detail`` is English for the keeper."""

    name: str
    ok: bool
    code: str
    detail: str


class Node(Protocol):
    """A node as the pages see it; crops are EPPO codes, ids are unguessable."""

    def crops_with_model(self) -> frozenset[str]:
        """The crops whose problems the model, or what people taught it, can name."""

    def place(self) -> AbstractContextManager[None]:
        """A turn at diagnosing: photos are read into memory only inside one.  Raises BusyError."""

    def diagnose(
        self, photos: Sequence[tuple[str, bytes]], crop: str | None, *, consent: str | None
    ) -> Diagnosis:
        """Judge one plant from (name, file bytes) pairs; durable when it returns.

        ``consent`` is the version of the wording under which the person agreed that the photos
        are kept; with None they are not.

        Raises PersonError (``no_photo``, ``too_many_photos``, ``photo_too_large``,
        ``not_an_image``, ``photo_damaged``, ``photo_too_big``, ``heic``, ``unknown_crop``),
        BusyError, and KeeperError (``disk_full`` …).
        """

    def count(self, photo: bytes, trap: str) -> CountReading:
        """Count the insects on a trap of that kind in one photo; nothing is kept.

        Raises PersonError (as :meth:`diagnose`, or ``unknown_trap``) and PublisherError.
        """

    def diagnosis(self, id: str) -> Diagnosis | None:
        """The diagnosis of that id; None when it never was or was erased."""

    def forget(self, ids: Sequence[str]) -> None:
        """Erase diagnoses with their photos."""

    def ask_agent(self, id: str) -> None:
        """Put a diagnosis on the agent's list; asking twice changes nothing."""

    def asked_agent(self, id: str) -> bool:
        """Whether it is on that list."""

    def reviewed(self, id: str) -> Outcome:
        """What people who looked at its photos came to; ``open`` while nobody did."""

    def photo(self, sha256: str) -> bytes | None:
        """The JPEG bytes of a kept photo."""

    def conditions_in_model(self, crop: str) -> frozenset[str]:
        """What the model knows of a crop: not to be taught."""

    def may_be_taught(self) -> bool:
        """Whether the keeper has set a PIN for teaching."""

    def admit(self, pin: str) -> None:
        """Let who knows the PIN teach.  Raises PersonError ``wrong_pin``, ``too_many_tries``."""

    def teach(
        self, crop: str, condition: str, name: str, photos: Iterable[tuple[str, bytes]]
    ) -> Lesson:
        """Add photos to a local class; see :meth:`edge_app.teaching.Teacher.teach`."""

    def restore_local(self, crop: str, condition: str, version: int | None = None) -> LocalSet:
        """Undo the latest change of a local class, or go back to a version.

        Raises PersonError ``unknown_local_class``.
        """

    def local_sets(self) -> list[LocalSet]:
        """What this node was taught, by crop and condition."""

    def health(self) -> list[Part]:
        """Every part and how it is."""
