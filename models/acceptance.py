"""Is a new model worse than the old one on the photos that were reviewed on this very node?

Both read the same photos, so only those count on which they differ: the exact sign test on them
(McNemar 1947, exact form), one-sided.  It is asked twice, for right answers and for confident
errors, since a model may be right as often and wrong more boldly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import comb

from field_data.errors import PersonError
from field_data.types import Status
from models.diagnosis import Diagnoser, Reading

# (bytes of the photo, crop, reviewed condition), EPPO codes.
Labelled = tuple[bytes, str, str]
MIN_PHOTOS = 20
# By chance alone one good model in ten would be kept out; a bad one harms farmers, a good one
# that is kept out can be activated after more reviews.
_DOUBT = 0.1


class Decision(StrEnum):
    """What the local photos say of a new model."""

    ACCEPT = "accept"
    WORSE = "worse"
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A paired comparison on ``photos`` photos.

    right: how many each has right; mended, broken: right only now, right only before.
    bold: confident errors of each; p: chance of so many broken (or so many new confident errors) if
    both were equally good, the smaller of the two tests.
    """

    decision: Decision
    photos: int
    right: tuple[int, int]
    mended: int
    broken: int
    bold: tuple[int, int]
    p: float

    def sentence(self) -> str:
        """For the keeper, in English."""
        if self.decision is Decision.TOO_FEW:
            return f"not enough local photos to judge ({self.photos} of {MIN_PHOTOS})"
        word = "worse" if self.decision is Decision.WORSE else "not worse"
        return (
            f"{word} on {self.photos} photos reviewed here: right {self.right[0]} before, "
            f"{self.right[1]} now ({self.broken} lost, {self.mended} won); confident errors "
            f"{self.bold[0]} before, {self.bold[1]} now; p {self.p:.3f}"
        )


def sign_test(worse: int, better: int) -> float:
    """P(X >= worse) for X binomial(worse + better, 1/2): how surprising so many losses are."""
    n = worse + better
    return float(sum(comb(n, k) for k in range(worse, n + 1)) / 2**n)


def compare(old: Diagnoser, new: Diagnoser, photos: Iterable[Labelled]) -> Verdict:
    """Let both read every photo, crop given.  Photos that cannot be read any more are left out."""
    pairs = []
    for data, crop, condition in photos:
        try:
            readings = [each.read([("photo", data)], crop, keep=False) for each in (old, new)]
        except PersonError:
            continue
        pairs.append(tuple(_marks(reading, condition) for reading in readings))
    return judge([before for before, _ in pairs], [now for _, now in pairs])


def _marks(reading: Reading, condition: str) -> tuple[bool, bool]:
    """(right, confidently wrong)."""
    top = reading.candidates[0].condition if reading.candidates else None
    return top == condition, reading.status is Status.CONFIDENT and top != condition


def judge(before: list[tuple[bool, bool]], now: list[tuple[bool, bool]]) -> Verdict:
    """The verdict on (right, confidently wrong) of every photo, old and new in the same order."""
    pairs = list(zip(before, now, strict=True))
    broken = sum(a and not b for (a, _), (b, _) in pairs)
    mended = sum(b and not a for (a, _), (b, _) in pairs)
    bolder = sum(b and not a for (_, a), (_, b) in pairs)
    shyer = sum(a and not b for (_, a), (_, b) in pairs)
    p = min(sign_test(broken, mended), sign_test(bolder, shyer))
    decision = Decision.ACCEPT if p > _DOUBT else Decision.WORSE
    right, bold = ((sum(m[k] for m in before), sum(m[k] for m in now)) for k in (0, 1))
    if len(pairs) < MIN_PHOTOS:
        decision = Decision.TOO_FEW
    return Verdict(decision, len(pairs), right, mended, broken, bold, p)
