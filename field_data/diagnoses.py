"""The log of diagnoses: what was said, with which photos, and which ones wait for an agent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from tinydb import where

from field_data.document_store import DocumentStore
from field_data.errors import GhallaError, PersonError
from field_data.local_sets import LocalSets
from field_data.photo_uses import PhotoUses
from field_data.photos import PhotoStore, photo_of
from field_data.types import (
    Candidate,
    Diagnosis,
    Instant,
    ModelRef,
    PhotoFault,
    PhotoVerdict,
    Status,
    Timing,
    Trust,
)

_AT_ONCE = 500


class DiagnosisLog:
    """Diagnoses in ``store``, their photos in ``photos``."""

    def __init__(self, store: DocumentStore, photos: PhotoStore) -> None:
        self._store = store
        self._photos = photos
        self._log = store.table("diagnoses")
        self._uses = PhotoUses(store, photos)
        self._taught = LocalSets(store, photos)
        self._asked = store.table("asked_agent")
        self._unsaid = store.table("forgotten")
        store.index("diagnoses", "id")
        store.index("asked_agent", "diagnosis")

    def record(self, diagnosis: Diagnosis, kept: Mapping[int, bytes] | None = None) -> Diagnosis:
        """Keep the diagnosis and the photos of ``kept``: JPEG bytes by place in ``.photos``.

        Returns it with the hashes of the kept photos filled in; durable then.  Raises
        ``KeeperError("disk_full")`` and keeps nothing, `ValueError` for an id already recorded
        and for JPEG bytes that `PhotoStore` refuses.
        """
        jpegs = kept or {}
        hashes = {place: photo_of(jpeg).sha256 for place, jpeg in jpegs.items()}
        recorded = replace(diagnosis, photos=_with_hashes(diagnosis.photos, hashes))
        try:
            self._photos.put_many(list(jpegs.values()))
            with self._store.transaction():
                for place, sha256 in hashes.items():
                    if not self._photos.has(sha256):  # forgotten by another thread meanwhile
                        self._photos.put(jpegs[place])
                self._insert(recorded, sorted(set(hashes.values())))
        except BaseException:
            with suppress(GhallaError):  # what failed first is what the caller must hear
                self._uses.remove_unused(hashes.values())
            raise
        return recorded

    def _insert(self, diagnosis: Diagnosis, photos: Sequence[str]) -> None:
        if self._log.contains(where("id") == diagnosis.id):
            raise ValueError(f"diagnosis {diagnosis.id} is already recorded")
        self._log.insert(to_json(diagnosis))
        self._uses.claim(diagnosis.id, photos)

    def get(self, id: str) -> Diagnosis | None:
        """The diagnosis, None if it is not (or no longer) there."""
        found = self._log.get(where("id") == id)
        return None if found is None else from_json(found)

    def count(self) -> int:
        """How many diagnoses are kept."""
        return len(self._log)

    def forget(self, ids: Iterable[str], *, here_alone: bool = False) -> None:
        """Erase diagnoses, their place on the agent's list and the photos no one else uses.

        Their photos go also where the node was taught with them, and are `unsaid` to the hub but
        with ``here_alone``: then only this node keeps them no longer.  Ids that are not there are
        passed over.
        """
        ids = list(ids)
        with self._store.erasing():
            for id in ids:
                photos = self._uses.of(id)
                if photos and not here_alone:
                    self._unsaid.insert({"diagnosis": id, "photos": photos})
                self._uses.release(id)
                self._log.remove(where("id") == id)
                self._asked.remove(where("diagnosis") == id)
            self._taught.forget_from(ids)

    def unsaid(self) -> dict[str, list[str]]:
        """Photos of diagnoses that were forgotten, by diagnosis: a hub may have some of them."""
        return {row["diagnosis"]: list(row["photos"]) for row in self._unsaid.all()}

    def said(self, id: str) -> None:
        """No hub needs to hear of the forgotten diagnosis any more."""
        self._unsaid.remove(where("diagnosis") == id)

    def ask_agent(self, id: str) -> None:
        """Put the diagnosis on the agent's list; ``PersonError("unknown_diagnosis")`` if gone."""
        with self._store.transaction():
            if not self._log.contains(where("id") == id):
                raise PersonError("unknown_diagnosis", f"no diagnosis {id}", id=id)
            if not self.asked_agent(id):
                self._asked.insert({"diagnosis": id})

    def asked_agent(self, id: str) -> bool:
        """Whether the diagnosis is on the agent's list."""
        return self._asked.contains(where("diagnosis") == id)

    def asked_count(self) -> int:
        """How long the agent's list is."""
        return len(self._asked)

    def answered(self, id: str) -> None:
        """Take the diagnosis off the agent's list: a person has looked at it."""
        self._asked.remove(where("diagnosis") == id)

    def with_photos(self) -> Iterator[Diagnosis]:
        """The diagnoses with kept photos, first made first; all others are not even read."""
        last = 0
        while rows := self._log.after(last, _AT_ONCE):
            last = rows[-1].doc_id
            for row in rows:
                if row["consent"] is not None and any(photo["sha256"] for photo in row["photos"]):
                    yield from_json(row)

    def older_than(self, utc_s: float) -> list[str]:
        """Ids of the diagnoses made before that moment, by a clock that could be trusted."""
        old = (from_json(row) for row in self._log.all())
        return [d.id for d in old if d.at.utc_s < utc_s and d.at.trust is not Trust.UNKNOWN]

    def ids(self) -> list[str]:
        """Ids of all diagnoses, first made first."""
        return [row["id"] for row in self._log.all()]

    def asked(self) -> list[Diagnosis]:
        """The agent's list, first asked first."""
        found = (self.get(row["diagnosis"]) for row in self._asked.all())
        return [diagnosis for diagnosis in found if diagnosis is not None]

    def tidy(self) -> None:
        """Remove photos that a power cut left without a record.

        Only at boot, under the home's lock: they were kept without an answer being given.
        """
        self._photos.tidy()
        self._uses.tidy()


def _with_hashes(
    photos: Sequence[PhotoVerdict], hashes: Mapping[int, str]
) -> tuple[PhotoVerdict, ...]:
    if not all(0 <= place < len(photos) for place in hashes):
        raise ValueError("a kept photo has no place in the diagnosis")
    return tuple(
        replace(photo, sha256=hashes.get(place, photo.sha256)) for place, photo in enumerate(photos)
    )


def to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """What ``json.dumps`` takes, under the names of the fields; `from_json` gives the same back."""
    return asdict(diagnosis)


def from_json(plain: Mapping[str, Any]) -> Diagnosis:
    """The diagnosis that `to_json` was given; `KeyError` or `ValueError` for anything else."""
    return Diagnosis(
        id=plain["id"],
        at=Instant(plain["at"]["utc_s"], Trust(plain["at"]["trust"])),
        status=Status(plain["status"]),
        crop=plain["crop"],
        candidates=tuple(Candidate(**candidate) for candidate in plain["candidates"]),
        alert=plain["alert"],
        model=None if plain["model"] is None else ModelRef(**plain["model"]),
        photos=tuple(_photo_from_json(photo) for photo in plain["photos"]),
        timing=Timing(**plain["timing"]),
        consent=plain["consent"],
    )


def _photo_from_json(plain: Mapping[str, Any]) -> PhotoVerdict:
    fault = plain["fault"]
    return PhotoVerdict(**{**plain, "fault": None if fault is None else PhotoFault(fault)})
