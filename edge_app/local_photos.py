"""The photos that were reviewed on this very node: the test that a new model must pass here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_app.live_model import load_model
from field_data.errors import PublisherError
from models.acceptance import MIN_PHOTOS, Decision, Labelled, Verdict, compare, judge
from models.life import Refusal
from models.manifest import LEAF_CLASSIFIER, read_header


def reviewed_photos(home: Path) -> list[Labelled]:
    """Photos of ``home`` with the condition that a person confirmed: (bytes, crop, condition).

    None yet: reviews are not a feature of the node so far.
    """
    return []


class LocalJudge:
    """Compares a new version with the one that speaks, on reviewed photos; ``verdict`` tells."""

    def __init__(self, photos: Sequence[Labelled]) -> None:
        self._photos = photos
        self.verdict: Verdict | None = None

    def __call__(self, old: Path, new: Path) -> Refusal | None:
        """What speaks against ``new``: that it is worse here than ``old``."""
        if read_header(new).kind != LEAF_CLASSIFIER:
            return None
        if len(self._photos) < MIN_PHOTOS:
            blank = [(False, False)] * len(self._photos)
            self.verdict = judge(blank, blank)
            return None
        before, now = load_model(old), load_model(new)
        if isinstance(now, PublisherError):
            raise now
        if isinstance(before, PublisherError):  # anything is better than none
            return None
        self.verdict = compare(before, now, self._photos)
        worse = self.verdict.decision is Decision.WORSE
        return Refusal("model_worse_here", self.verdict.sentence()) if worse else None
