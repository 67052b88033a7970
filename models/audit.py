"""Does a model keep its card's promise on every slice of a photo set, or only on average?

The promise stands in the manifest (``metrics`` → ``promise``, figure → least value); where it
states none, nine of ten confident answers must be right.

A slice is judged when the figure rests on at least twenty photos, and it *breaks* the promise only
when even the upper end of its 95 % interval lies below: of slices that just keep the promise about
one in forty is then condemned by chance.  A slice whose figure lies below with an interval that
reaches above is *in doubt*, said so, and not refused; *too few* is no proof either way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from field_data.errors import PersonError, PublisherError
from models import photo_quality, preprocess
from models.diagnosis import Diagnoser
from models.evaluation import Answer, described
from models.examine import Watch, to_answer, unwatched
from models.labelled import Row, check_photos
from models.manifest import Manifest
from models.photo_quality import Quality

DEFAULT_PROMISE = {"right_when_confident": 0.90}
PROMISABLE = ("accuracy", "macro_f1", "coverage", "right_when_confident")
LEAST_PHOTOS = 20
KEPT, DOUBT, BROKEN, FEW = "kept", "in doubt", "broken", "too few"
_RECORDED = {"by_setting": "setting", "by_crop": "crop", "by_source": "source"}


@dataclass(frozen=True, slots=True)
class Case:
    """One photo of the set: its row, what was said with the crop given, and how good it is."""

    row: Row
    answer: Answer
    quality: Quality


@dataclass(frozen=True, slots=True)
class Slice:
    """One figure of one slice; ``judged`` photos are behind it, ``interval`` is its 95 % one."""

    by: str
    name: str
    figure: str
    photos: int
    judged: int
    value: float | None
    interval: tuple[float, float] | None
    promised: float

    @property
    def verdict(self) -> str:
        """KEPT, DOUBT, BROKEN or FEW."""
        if self.judged < LEAST_PHOTOS or self.value is None or self.interval is None:
            return FEW
        if self.value >= self.promised:
            return KEPT
        return DOUBT if self.interval[1] >= self.promised else BROKEN


def promise_of(manifest: Manifest) -> dict[str, float]:
    """What the manifest promises: figure -> least value on any slice.

    Raises:
        PublisherError: ``bad_manifest`` for a figure that cannot be promised, or no number.
    """
    promise = manifest.metrics.get("promise", DEFAULT_PROMISE)
    sound = isinstance(promise, Mapping) and all(
        figure in PROMISABLE and type(least) in (int, float) and 0 <= least <= 1
        for figure, least in promise.items()
    )
    if not sound or not promise:
        raise PublisherError("bad_manifest", f"not a promise: {promise}")
    return dict(promise)


def cases_of(
    model: Diagnoser, folder: Path, rows: Sequence[Row], watch: Watch = unwatched
) -> list[Case]:
    """Read and measure every photo whose condition the model knows, the crop given.

    Photos that cannot be read are left out: ``model eval`` lists them.

    Raises:
        PersonError: ``bad_dataset`` when a photo is not there, or the model knows none of them.
    """
    labels = set(model.manifest.labels)
    known = [row for row in rows if row.label in labels]
    check_photos(folder, known)
    cases = []
    for row in watch(known):
        data = (folder / row.file).read_bytes()
        try:
            reading = model.read([(row.file, data)], row.crop, keep=False)
        except PersonError:
            continue
        square = preprocess.model_input(preprocess.decode(data), model.manifest.px)
        cases.append(Case(row, to_answer(row, reading), photo_quality.measure(square)))
    if not cases:
        raise PersonError("bad_dataset", "no photo of a condition that the model knows")
    return cases


def thirds(values: Sequence[float], names: tuple[str, str, str]) -> list[str]:
    """The name of the third of all values in which each lies; equal values share one."""
    low, high = np.quantile(np.asarray(values, float), [1 / 3, 2 / 3])
    return [names[int(v > low) + int(v > high)] for v in values]


def _groups(cases: Sequence[Case]) -> dict[tuple[str, str], list[Answer]]:
    light = thirds([c.quality.luma for c in cases], ("darkest", "middle", "brightest"))
    blur = thirds([c.quality.blur for c in cases], ("sharpest", "middle", "most blurred"))
    groups: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for case, bright, blurred in zip(cases, light, blur, strict=True):
        row = case.row
        places = {
            "all": "all",
            "crop": row.crop,
            "setting": row.setting,
            "source": row.source,
            "brightness": bright,
            "blur": blurred,
            "phone": row.phone,
            "region": row.region,
            "language": row.lang,
        }
        for by, name in places.items():
            if name:
                groups[by, name].append(case.answer)
    return groups


def _slices(
    by: str, name: str, figures: Mapping[str, Any], promise: Mapping[str, float]
) -> Iterable[Slice]:
    photos = figures["photos"]
    for figure, least in promise.items():
        sure = round(photos * figures["coverage"])
        judged = sure if figure == "right_when_confident" else photos
        bounds = figures["interval"][figure]
        interval = (bounds[0], bounds[1]) if bounds else None
        yield Slice(by, name, figure, photos, judged, figures[figure], interval, least)


def audit(cases: Sequence[Case], promise: Mapping[str, float]) -> list[Slice]:
    """Every promised figure on every slice, in order of kind and name."""
    return [
        one
        for (by, name), answers in sorted(_groups(cases).items())
        for one in _slices(by, name, described(answers), promise)
    ]


def recorded(manifest: Manifest, promise: Mapping[str, float]) -> list[Slice]:
    """The same from the figures that the manifest itself records, when no photos are at hand.

    Raises:
        PersonError: ``no_slices`` when it records none with intervals.
    """
    found = [
        one
        for split, figures in sorted(manifest.metrics.get("tests", {}).items())
        for key, by in _RECORDED.items()
        for name, said in figures.get(key, {}).items()
        if "interval" in said
        for one in _slices(f"{split} {by}", name, said, promise)
    ]
    if not found:
        raise PersonError("no_slices", "the manifest records no slices: give photos with --data")
    return found


def worst_of(slices: Sequence[Slice]) -> Slice | None:
    """Of the slices that can be judged the one furthest below (or least above) its promise."""
    judged = [s for s in slices if s.verdict != FEW and s.value is not None]
    return min(judged, key=lambda s: (s.value or 0.0) - s.promised, default=None)
