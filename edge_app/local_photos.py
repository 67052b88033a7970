"""The photos that were reviewed on this very node: the test that a new model must pass here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_app.ground import Ground
from edge_app.health import STORE
from edge_app.home import open_ground
from edge_app.live_model import load_model
from edge_app.review_export import Shot, reviewed_set
from field_data.errors import PublisherError
from field_data.reviews import Label
from models.acceptance import MIN_PHOTOS, Decision, Labelled, Verdict, compare, judge
from models.life import Refusal
from models.manifest import LEAF_CLASSIFIER, read_header

# All are held in memory (some 0.2 MB each), and each is read by two models.
MOST = 300


def reviewed_photos(home: Path) -> list[Labelled]:
    """Photos of ``home`` and what people say that they show: (bytes, crop, condition).

    The `MOST` newest, of plants that people have named without a dispute; empty where there is no
    store yet.

    Raises:
        KeeperError: the store's own.
    """
    if not (home / STORE).is_file():
        return []
    with open_ground(home) as ground:
        return [(jpeg, shot.crop, shot.condition) for shot, jpeg in newest(ground)]


def newest(ground: Ground, of: Label | None = None) -> list[tuple[Shot, bytes]]:
    """The `MOST` newest reviewed photos, oldest first; ``of``, a (crop, condition), those alone."""
    shots = reviewed_set(ground.reviews.cases())
    wanted = [shot for shot in shots if of in (None, (shot.crop, shot.condition))][-MOST:]
    read = ((shot, ground.photos.get(shot.photo)) for shot in wanted)
    return [(shot, jpeg) for shot, jpeg in read if jpeg is not None]


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
