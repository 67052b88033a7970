"""Show a labelled photo set to the node's own reader and keep what it says, photo by photo.

Answers come from :class:`models.diagnosis.Diagnoser`, from the file's bytes, as a farmer would get
them: once with the crop given, once without.  What the model cannot know (another crop, another
condition, no plant at all, a file that is no photo) is counted apart and never mixed in.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from field_data.errors import PersonError
from models.diagnosis import Diagnoser, Reading
from models.evaluation import Answer, report, summary
from models.intervals import auroc
from models.labelled import NEGATIVE, Row, check_photos

Watch = Callable[[Sequence[Row]], Iterable[Row]]


def unwatched(rows: Sequence[Row]) -> Iterable[Row]:
    """No progress bar."""
    return rows


@dataclass(frozen=True, slots=True)
class Examination:
    """What was said; every list holds one answer a photo.

    ``given`` and ``open``: photos of conditions that the model knows, crop given and not.
    ``strange_conditions`` (crop given), ``strange_crops`` and ``negatives`` (crop not given): what
    it does not know.  ``unreadable``: (file, error code).
    """

    given: list[Answer] = field(default_factory=list)
    open: list[Answer] = field(default_factory=list)
    strange_conditions: list[Answer] = field(default_factory=list)
    strange_crops: list[Answer] = field(default_factory=list)
    negatives: list[Answer] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def to_answer(row: Row, reading: Reading) -> Answer:
    """What was said of one labelled photo."""
    top = reading.candidates[0] if reading.candidates else None
    return Answer(
        crop=row.crop,
        truth=row.condition,
        setting=row.setting,
        source=row.source,
        status=reading.status,
        said=(top.crop, top.condition) if top else None,
        probability=top.probability if top else 0.0,
        file=row.file,
        photo=row.photo,
        series=row.series,
        familiar=reading.familiar,
    )


def examine(
    model: Diagnoser, folder: Path, rows: Sequence[Row], watch: Watch = unwatched
) -> Examination:
    """Every photo as a plant of its own.

    Raises:
        PersonError: ``bad_dataset`` when a photo is not there.
    """
    check_photos(folder, rows)
    labels, found = set(model.manifest.labels), Examination()
    for row in watch(rows):
        photo = [(row.file, (folder / row.file).read_bytes())]

        def ask(crop: str | None, row: Row = row, photo: Any = photo) -> Answer:
            return to_answer(row, model.read(photo, crop, keep=False))

        try:
            if row.crop == NEGATIVE:
                found.negatives.append(ask(None))
            elif row.crop not in model.manifest.crops:
                found.strange_crops.append(ask(None))
            elif row.label not in labels:
                found.strange_conditions.append(ask(row.crop))
            else:
                found.given.append(ask(row.crop))
                found.open.append(ask(None))
        except PersonError as error:
            found.unreadable.append((row.file, error.code))
    return found


def became(answers: Sequence[Answer], key: Callable[[Answer], str]) -> dict[str, Any]:
    """What is said of photos for which no answer is right: by kind, how often each status."""
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for answer in answers:
        by_kind[key(answer)][answer.status.value] += 1
    said = Counter(" ".join(a.said) for a in answers if a.said and a.sure)
    return {
        "photos": len(answers),
        "confident_errors": sum(a.sure for a in answers),
        "by_kind": {kind: dict(sorted(n.items())) for kind, n in sorted(by_kind.items())},
        "confidently_said": dict(said.most_common(5)),
    }


def _familiarity(answers: Sequence[Answer]) -> list[float]:
    """Similarity to known photos; a refused photo counts as the least familiar of all."""
    return [-1.0 if a.familiar is None else a.familiar for a in answers]


def report_of(found: Examination) -> dict[str, Any]:
    """All figures of an examination, as JSON; ``all`` and the slices are there if photos are."""
    known = _familiarity(found.open)
    figures: dict[str, Any] = report(found.given) if found.given else {}
    if found.open:
        figures["crop_not_given"] = summary(found.open)
    return figures | {
        "not_a_crop": became(found.negatives, lambda a: a.truth),
        "unknown_crops": became(found.strange_crops, lambda a: a.crop),
        "unknown_conditions": became(found.strange_conditions, lambda a: f"{a.crop} {a.truth}"),
        "unreadable": [{"file": file, "error": code} for file, code in found.unreadable],
        "familiarity_auroc": {
            "not_a_crop": auroc(known, _familiarity(found.negatives)),
            "unknown_crops": auroc(known, _familiarity(found.strange_crops)),
        },
    }


def each_line(answer: Answer) -> dict[str, Any]:
    """One answer as JSON."""
    return {
        "file": answer.file,
        "crop": answer.crop,
        "truth": answer.truth,
        "said": list(answer.said) if answer.said else None,
        "status": answer.status.value,
        "probability": round(answer.probability, 4),
        "familiar": None if answer.familiar is None else round(answer.familiar, 4),
        "right": answer.right,
    }


def confidently_wrong(answers: Sequence[Answer], most: int) -> list[Answer]:
    """The wrong answers that hurt most: confident ones first, then by probability."""
    wrong = [a for a in answers if a.said is not None and not a.right]
    return sorted(wrong, key=lambda a: (not a.sure, -a.probability))[:most]
