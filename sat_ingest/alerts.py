"""Something happened to a field and not to its neighbours: a reason to go and look.

The newest clear observation is held against the highest of the fortnight before it, and the loss
against what the neighbours lost between the same days: where all turn yellow, it is the season.
One picture is enough for an alert; it is ``confirmed`` when the picture before the newest shows the
loss too, since a missed wisp of cloud lowers one picture only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from field_data.types import IndexSeries, Sight

# What an agent would see from the edge of the field: a fifth of the range from soil to full cover.
LEAST_LOSS = 0.15
# ... and more than chance: a difference of two observations has root two of their noise.
NOISE_FACTOR = 3.0
# Of several pictures as high as the highest, the last tells best when the loss began.
AS_HIGH = 0.02
# A loss is looked for within so many days; after clouds, against the last picture before them ...
FORTNIGHT = 15
# ... but not beyond this: then it is news no more, or only the season's course.
LONGEST_DAYS = 25
# The pictures must show most of the field, or a shadow on one half is a loss.
LEAST_VALID = 0.6
# So many neighbours with pictures of both days, or there is nobody to compare with.
LEAST_NEIGHBOURS = 3
# A neighbour's picture counts for a day this near.
NEIGHBOUR_DAYS = 6
# A loss is the field's own when its neighbours lost less than this share of it.
SHARED = 0.5

Floats = NDArray[np.float64]


class Verdict(StrEnum):
    """Whether there is an alert, and why not."""

    LOSS = "loss"
    STEADY = "steady"
    NEIGHBOURS_TOO = "neighbours_too"
    NO_NEIGHBOURS = "no_neighbours"
    CLOUDY = "cloudy"
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class Change:
    """From ``before`` on ``before_day`` to ``after`` on ``after_day`` (days since 1970-01-01).

    ``neighbours`` is their median change between the same days and ``compared`` how many they are;
    ``needed`` the loss above which it would count; ``confirmed`` whether the picture before
    ``after_day`` shows it too.
    """

    before_day: int
    after_day: int
    before: float
    after: float
    needed: float
    neighbours: float
    compared: int
    confirmed: bool

    @property
    def change(self) -> float:
        """Of the index; negative when it was lost."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Alert:
    """A verdict with the numbers behind it; ``change`` is None for ``cloudy`` and ``too_few``."""

    verdict: Verdict
    change: Change | None = None

    @property
    def raised(self) -> bool:
        """Whether somebody should go and look."""
        return self.verdict is Verdict.LOSS


def change_alert(series: IndexSeries, neighbours: Sequence[IndexSeries], today: int) -> Alert:
    """Judge the newest change of a field at the end of ``today``.

    ``neighbours``: other fields of the same crop, same index, on the node or around.
    """
    days, values = _clear(series, today)
    if len(days) < 2:
        return Alert(Verdict.TOO_FEW)
    if today - days[-1] > LONGEST_DAYS or days[-1] - days[-2] > LONGEST_DAYS:
        return Alert(Verdict.CLOUDY)
    recent = min(int(np.searchsorted(days, days[-1] - FORTNIGHT)), len(days) - 2)
    high = values[recent:-1]
    first = recent + int(np.flatnonzero(high >= high.max() - AS_HIGH)[-1])
    others = [_change_of(each, int(days[first]), int(days[-1]), today) for each in neighbours]
    known = [each for each in others if np.isfinite(each)]
    needed = _needed(series.noise)
    change = Change(
        before_day=int(days[first]),
        after_day=int(days[-1]),
        before=float(values[first]),
        after=float(values[-1]),
        needed=needed,
        neighbours=float(np.median(known)) if known else float("nan"),
        compared=len(known),
        confirmed=bool(values[-2] - values[first] <= -needed),
    )
    return Alert(_verdict(change), change)


def _needed(noise: float) -> float:
    chance = NOISE_FACTOR * float(np.sqrt(2)) * noise
    return max(LEAST_LOSS, chance) if np.isfinite(noise) else LEAST_LOSS


def _verdict(change: Change) -> Verdict:
    if change.change > -change.needed:
        return Verdict.STEADY
    if change.compared < LEAST_NEIGHBOURS:
        return Verdict.NO_NEIGHBOURS
    own = change.change - change.neighbours
    if change.neighbours < SHARED * change.change or own > -change.needed:
        return Verdict.NEIGHBOURS_TOO
    return Verdict.LOSS


def _clear(series: IndexSeries, until: int) -> tuple[NDArray[np.int64], Floats]:
    """Days and values up to ``until`` on which most of the field was seen."""
    kept = [
        (day, value)
        for day, value, valid, sight in zip(
            series.days, series.values, series.valid, series.sights, strict=True
        )
        if day <= until and valid >= LEAST_VALID and sight in (Sight.CLEAR, Sight.PARTLY)
    ]
    return np.array([day for day, _ in kept], np.int64), np.array([value for _, value in kept])


def _change_of(series: IndexSeries, start: int, end: int, today: int) -> float:
    """What a neighbour changed between two days, from its pictures nearest to them; else NaN."""
    days, values = _clear(series, today)
    picked = []
    for day in (start, end):
        gaps = np.abs(days - day)
        if not len(gaps) or gaps.min() > NEIGHBOUR_DAYS:
            return float("nan")
        picked.append(int(np.argmin(gaps)))
    if picked[0] == picked[1]:
        return float("nan")
    return float(values[picked[1]] - values[picked[0]])
