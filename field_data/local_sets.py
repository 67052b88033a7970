"""Local classes: conditions that people taught this node, as versioned sets of kept photos.

Nothing is changed or removed: each lesson, each forgetting and each way back is a new version, one
row, so that a power cut leaves the old version or the new one.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from tinydb import where
from tinydb.queries import QueryLike

from field_data.document_store import DocumentStore
from field_data.errors import GhallaError, PersonError
from field_data.photo_uses import PhotoUses
from field_data.photos import PhotoStore, photo_of
from field_data.types import Instant, Trust


@dataclass(frozen=True, slots=True)
class LocalSet:
    """One version of the photos (SHA-256) of one condition of one crop, in the order taught.

    ``name`` is what the people of the place call a condition that no advice card names, else
    empty; ``version`` counts from 1; a set that was forgotten has no photos.
    """

    crop: str
    condition: str
    name: str
    version: int
    at: Instant
    photos: tuple[str, ...]


class LocalSets:
    """The local sets in ``store``, their photos in ``photos``, and what a model made of them.

    The vectors of a model are kept beside the photos, so that a start costs nothing; they belong
    to one model file (its SHA-256) and those of another are made anew.
    """

    def __init__(self, store: DocumentStore, photos: PhotoStore) -> None:
        self._store = store
        self._photos = photos
        self._sets = store.table("local_sets")
        self._vectors = store.table("local_vectors")
        self._origins = store.table("local_origins")
        self._uses = PhotoUses(store, photos)
        for table, field in (
            ("local_sets", "condition"),
            ("local_vectors", "photo"),
            ("local_origins", "diagnosis"),
            ("local_origins", "photo"),
        ):
            store.index(table, field)

    @property
    def changes(self) -> tuple[int, int, int]:
        """Another value after every lesson, forgetting or erasure, whoever made it."""
        return self._sets.last_id(), len(self._sets), len(self._origins)

    def history(self, crop: str, condition: str) -> list[LocalSet]:
        """Every version, first made first; empty if the condition was never taught."""
        found = self._sets.search(_of(crop, condition))
        return sorted((_from_json(row) for row in found), key=lambda each: each.version)

    def all_current(self) -> list[LocalSet]:
        """The latest version of every set that is not forgotten, by crop and condition."""
        latest = {(row["crop"], row["condition"]): _from_json(row) for row in self._sets.all()}
        return [each for _, each in sorted(latest.items()) if each.photos]

    def current(self, crop: str, condition: str) -> LocalSet | None:
        """The latest version; None if never taught or forgotten."""
        versions = self.history(crop, condition)
        return versions[-1] if versions and versions[-1].photos else None

    def teach(
        self,
        crop: str,
        condition: str,
        name: str,
        at: Instant,
        jpegs: Sequence[bytes],
        origins: Mapping[str, str] | None = None,
    ) -> LocalSet:
        """A new version with ``jpegs`` (bytes that `PhotoStore` takes) after the photos before.

        ``origins`` names by a photo's SHA-256 the diagnosis that it comes from.
        Durable when it returns.  Raises ``KeeperError("disk_full")`` and keeps nothing then.
        """
        taught = {photo_of(jpeg).sha256: jpeg for jpeg in jpegs}
        try:
            self._photos.put_many(list(taught.values()))
            with self._store.transaction():
                for sha256, jpeg in taught.items():
                    if not self._photos.has(sha256):  # forgotten by another thread meanwhile
                        self._photos.put(jpeg)
                before = self.current(crop, condition)
                known = before.photos if before else ()
                photos = tuple(dict.fromkeys((*known, *taught)))
                self._uses.claim(_owner(crop, condition), photos)
                self._origins.insert_multiple(
                    {"photo": photo, "diagnosis": id} for photo, id in (origins or {}).items()
                )
                kept_name = name or (before.name if before else "")
                return self._append(LocalSet(crop, condition, kept_name, 0, at, photos))
        except BaseException:
            with suppress(GhallaError):  # what failed first is what the caller must hear
                self._uses.remove_unused(taught)
            raise

    def forget(self, crop: str, condition: str, at: Instant) -> LocalSet:
        """A new version without photos.

        Raises:
            PersonError: ``unknown_local_class``.
        """
        with self._store.transaction():
            if self.current(crop, condition) is None:
                raise _unknown(crop, condition)
            before = self.history(crop, condition)[-1]
            return self._append(replace(before, at=at, photos=()))

    def restore(
        self, crop: str, condition: str, at: Instant, version: int | None = None
    ) -> LocalSet:
        """A new version with the content of ``version``; None means the one before the latest.

        What was taught once can so be undone, even to "not taught yet", and done again.

        Raises:
            PersonError: ``unknown_local_class``, also for a version that never was.
        """
        with self._store.transaction():
            versions = self.history(crop, condition)
            if not versions:
                raise _unknown(crop, condition)
            wanted = versions[-1].version - 1 if version is None else version
            untaught = replace(versions[0], version=0, photos=())
            found = [each for each in (untaught, *versions) if each.version == wanted]
            if not found:
                raise _unknown(crop, condition)
            return self._append(replace(found[0], at=at))

    def erase(self, crop: str, condition: str) -> int:
        """Remove every version for good, with the photos that nothing else uses; how many went.

        Raises:
            PersonError: ``unknown_local_class``.
        """
        owner = _owner(crop, condition)
        with self._store.erasing():
            if not self.history(crop, condition):
                raise _unknown(crop, condition)
            photos = self._uses.of(owner)
            self._uses.release(owner)
            self._sets.remove(_of(crop, condition))
            self._forget_made(photos)
        return sum(not self._photos.has(photo) for photo in photos)

    def forget_from(self, diagnoses: Iterable[str]) -> None:
        """Remove the photos that come from these diagnoses for good, from every version."""
        with self._store.erasing():
            for id in diagnoses:
                gone = {row["photo"] for row in self._origins.search(where("diagnosis") == id)}
                if gone:
                    self._drop(gone)
                    self._forget_made(gone)

    def _drop(self, gone: Collection[str]) -> None:
        for row in self._sets.all():
            left = [photo for photo in row["photos"] if photo not in gone]
            if len(left) < len(row["photos"]):
                self._sets.update({"photos": left}, doc_ids=[row.doc_id])
                self._uses.release(_owner(row["crop"], row["condition"]), gone)

    def _forget_made(self, photos: Iterable[str]) -> None:
        """Forget what was made of these photos, and where they come from."""
        for photo in photos:
            self._vectors.remove(where("photo") == photo)
            self._origins.remove(where("photo") == photo)

    def vectors(self, model: str) -> dict[str, bytes]:
        """Bytes kept by photo for the model file of that SHA-256."""
        rows = self._vectors.search(where("model") == model)
        return {row["photo"]: base64.b64decode(row["vector"]) for row in rows}

    def keep_vectors(self, model: str, vectors: Mapping[str, bytes]) -> None:
        """Keep these in place of those of any other model."""
        with self._store.transaction():
            self._vectors.remove(where("model") != model)
            for photo, vector in vectors.items():
                self._vectors.remove(where("photo") == photo)
                plain = base64.b64encode(vector).decode()
                self._vectors.insert({"photo": photo, "model": model, "vector": plain})

    def _append(self, made: LocalSet) -> LocalSet:
        versions = self.history(made.crop, made.condition)
        numbered = replace(made, version=len(versions) + 1)
        self._sets.insert(asdict(numbered))
        return numbered


def _of(crop: str, condition: str) -> QueryLike:
    query: QueryLike = (where("condition") == condition) & (where("crop") == crop)
    return query


def _owner(crop: str, condition: str) -> str:
    return f"local:{crop}:{condition}"


def _unknown(crop: str, condition: str) -> PersonError:
    return PersonError(
        "unknown_local_class",
        f"{condition} on {crop} has no such version on this node",
        crop=crop,
        condition=condition,
    )


def _from_json(plain: Mapping[str, Any]) -> LocalSet:
    at = Instant(plain["at"]["utc_s"], Trust(plain["at"]["trust"]))
    return LocalSet(**{**plain, "at": at, "photos": tuple(plain["photos"])})
