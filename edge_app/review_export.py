"""What people reviewed, as a labelled photo set with the whole history of every label.

The folder is what ``ghalla model eval`` reads; ``history.json`` beside it tells which version of
the model said what, and who (by pseudonymous id) said what, when, in which round, blind or not.
The id of a diagnosis opens its page, so plants are named by a hash of it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_app.advice import Advice
from edge_app.local_export import begin_set, finish_set, scientific
from edge_app.review_figures import ENDED
from field_data.files import write_atomic
from field_data.photos import PhotoStore
from field_data.review_queue import Shares, sampled
from field_data.reviews import (
    Case,
    Review,
    labelled,
    outcome,
)
from field_data.types import Diagnosis

SPLIT = "reviewed"


@dataclass(frozen=True, slots=True)
class Shot:
    """A kept photo (SHA-256) and what people say that it shows: EPPO codes."""

    case: Case
    crop: str
    condition: str
    photo: str


def plant_of(id: str) -> str:
    """A name for the plant of a diagnosis that opens nothing: 64 bits in hex."""
    return hashlib.sha256(id.encode()).hexdigest()[:16]


def reviewed_set(cases: Iterable[Case]) -> list[Shot]:
    """The photos of all plants on whose condition people came to a word, first made first.

    A plant's label is given to its photos that passed the gate, or to all where none did: one
    photo of six may show a hand.  A photo that went into two plants is in the set once, and not
    at all where people call the two different things.
    """
    found = [
        Shot(case, crop, condition, photo)
        for case, (crop, condition) in labelled(cases, ENDED)
        if condition is not None
        for photo in _photos(case.diagnosis)
    ]
    names: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for shot in found:
        names[shot.photo].add((shot.crop, shot.condition))
    once = {shot.photo: shot for shot in reversed(found) if len(names[shot.photo]) == 1}
    return list(once.values())[::-1]


def _photos(diagnosis: Diagnosis) -> list[str]:
    kept = [photo for photo in diagnosis.photos if photo.sha256]
    fit = [photo for photo in kept if photo.fault is None]
    return [photo.sha256 for photo in fit or kept if photo.sha256]


def export(
    out: Path,
    cases: Sequence[Case],
    photos: PhotoStore,
    advice: Advice,
    source: str,
    shares: Shares,
) -> int:
    """Write ``images/``, ``history.json``, ``vocabulary.csv`` and, last, ``classification.csv``.

    Returns how many photos there are; with none the set says so and cannot be read as one.

    Raises:
        PersonError: ``folder_in_use``.
        KeeperError: ``disk_full``.
    """
    begin_set(out)
    shots = list(_written(out, reviewed_set(cases), photos))
    rows = [_row(shot, advice, source) for shot in shots]
    reviewed = [case for case in cases if case.reviews]
    history = {"source": source, "plants": [_history(case, shares) for case in reviewed]}
    text = json.dumps(history, ensure_ascii=False, indent=1)
    write_atomic(out / "history.json", text.encode())
    finish_set(out, rows, [_meaning(shot, advice) for shot in shots])
    return len(rows)


def _written(out: Path, shots: Iterable[Shot], photos: PhotoStore) -> Iterator[Shot]:
    for shot in shots:
        jpeg = photos.get(shot.photo)
        if jpeg is not None:
            write_atomic(out / _file(shot), jpeg)
            yield shot


def _file(shot: Shot) -> str:
    return f"images/{shot.photo[:16]}.jpg"


def _row(shot: Shot, advice: Advice, source: str) -> dict[str, str]:
    state = outcome(shot.case.reviews).state
    return {
        "file": _file(shot),
        "crop": scientific(advice, shot.crop),
        "condition": shot.condition,
        "source": source,
        "licence": "not stated",
        "setting": "field",
        "split": SPLIT,
        "condition_name": advice.condition_name(shot.crop, shot.condition, "en").text,
        "organ": "",
        "source_file": f"{shot.photo}.jpg",
        # Photos of one plant are no independent witnesses: the set says which belong together.
        "note": f"series {plant_of(shot.case.diagnosis.id)}; {state}",
    }


def _meaning(shot: Shot, advice: Advice) -> dict[str, str]:
    return {
        "crop": scientific(advice, shot.crop),
        "crop_eppo": shot.crop,
        "condition": shot.condition,
        "meaning": advice.condition_name(shot.crop, shot.condition, "en").text,
    }


def _history(case: Case, shares: Shares) -> dict[str, Any]:
    made, end = case.diagnosis, outcome(case.reviews)
    return {
        "plant": plant_of(made.id),
        "at": asdict(made.at),
        "photos": _photos(made),
        "in_random_sample": sampled(made.id, shares),
        "model": asdict(made.model) if made.model else None,
        "said": {
            "status": str(made.status),
            "alert": made.alert,
            "candidates": [asdict(candidate) for candidate in made.candidates],
        },
        "outcome": {"state": str(end.state), **_label(end.label)},
        "reviews": [_review(review) for review in case.reviews],
    }


def _review(review: Review) -> dict[str, Any]:
    return {
        "id": review.id,
        "by": review.author,
        "at": asdict(review.at),
        "round": review.round,
        "blind": review.blind,
        "correction": review.correction,
        "verdict": str(review.verdict),
        **_label(review.label),
    }


def _label(label: tuple[str, str | None] | None) -> dict[str, str | None]:
    crop, condition = label or (None, None)
    return {"crop": crop, "condition": condition}
