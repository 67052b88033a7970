"""What the pages ask of the node: the one seam between what people touch and what computes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

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
        """The crops whose problems a model can name."""

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

    def photo(self, sha256: str) -> bytes | None:
        """The JPEG bytes of a kept photo."""

    def health(self) -> list[Part]:
        """Every part and how it is."""
