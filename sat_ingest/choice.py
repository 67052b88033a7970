"""Which scenes show a field on a day, best first.  Pure: no pixel is read here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from field_data.types import Field
from sat_ingest.grid import Grid, field_grid
from sat_ingest.scenes import Scene

# One datatake is cut into products that begin seconds apart; reprocessing moves the time by less.
_SAME_LOOK_S = 120.0
_SAME_AREA = 0.9
# A field that was not seen for longer than this is as good as never seen.
_LONGEST_GAP = 20
# The newest day counts half as much again as the oldest: an agent can still act on it.
_RECENT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """A field on its grid, ready to be compared with footprints; ``polygon`` in degrees."""

    field: Field
    grid: Grid
    polygon: Polygon

    @classmethod
    def of(cls, field: Field) -> Plot:
        """Raises ``PersonError("field_too_large")``."""
        return cls(field, field_grid(field.boundary), Polygon(field.boundary).buffer(0))

    def covered(self, scene: Scene) -> float:
        """Share of the field inside the footprint, 0 to 1."""
        if not self.polygon.intersects(scene.footprint):
            return 0.0
        shared: float = self.polygon.intersection(scene.footprint).area
        return shared / self.polygon.area if self.polygon.area else 1.0


def _same_look(a: Scene, b: Scene) -> bool:
    """Whether one of two scenes is the other processed again, or listed in two collections.

    Parts of a split datatake share time, satellite and tile too, but hardly any ground.
    """
    if a.platform != b.platform or abs(a.utc_s - b.utc_s) > _SAME_LOOK_S:
        return False
    if a.tile != b.tile and a.tile and b.tile:
        return False
    smaller = min(a.footprint.area, b.footprint.area)
    return bool(a.footprint.intersection(b.footprint).area >= _SAME_AREA * smaller)


def _newness(scene: Scene) -> tuple[int, int, str, str]:
    return scene.baseline or 0, scene.sequence, scene.created, scene.id


def latest(scenes: Iterable[Scene]) -> list[Scene]:
    """Each look once: of reprocessed or repeated ones the latest baseline, then sequence."""
    kept: list[Scene] = []
    for scene in sorted(scenes, key=_newness, reverse=True):
        if not any(_same_look(scene, other) for other in kept):
            kept.append(scene)
    return kept


def ranked(scenes: Sequence[Scene], plot: Plot) -> list[Scene]:
    """Scenes of one day that touch a field: those that cover it first, then those in its zone.

    ``scenes``: of that day, each look once.  The later ones fill what the first leaves open.
    """
    touching = [(plot.covered(scene), scene) for scene in scenes]
    order = sorted(
        (-round(share, 2), scene.epsg != plot.grid.epsg, -(scene.baseline or 0), scene.id)
        for share, scene in touching
        if share > 0
    )
    named = {scene.id: scene for _, scene in touching}
    return [named[name] for *_, name in order]


def by_day(scenes: Iterable[Scene]) -> dict[int, list[Scene]]:
    """Solar day to its scenes, each look once."""
    days: dict[int, list[Scene]] = {}
    for scene in scenes:
        days.setdefault(scene.day, []).append(scene)
    return {day: latest(found) for day, found in sorted(days.items())}


class Plan:
    """Which day to look at next: the one that tells most about the fields, for its likely cost.

    A day is worth the gap it closes, for each field that it shows, times the chance of a clear
    sky, a little more when it is recent.
    """

    def __init__(self, days: Sequence[int], worth: Sequence[float], shows: NDArray[np.bool_]):
        """``worth`` of each day, such as its chance of a clear sky.  ``shows``: bool [day, field],
        still wanted.
        """
        self._days = np.array(days, dtype=np.int64)
        span = max(int(np.ptp(self._days)), 1) if len(days) else 1
        recency = (self._days - self._days.min(initial=0 if not len(days) else days[0])) / span
        self._weight = np.array(worth) * (1 + _RECENT * recency)
        self._shows = shows
        self._gap = np.full(shows.shape, float(_LONGEST_GAP))
        self._open = np.ones(len(days), bool)

    def seen(self, day: int, fields: NDArray[np.bool_]) -> None:
        """Fields (bool [field]) are known on that day."""
        distance = np.abs(self._days - day).astype(float)
        self._gap[:, fields] = np.minimum(self._gap[:, fields], distance[:, None])

    def next(self) -> int | None:
        """The index of the best day not yet taken, or None; it is taken then."""
        value = (self._gap * self._shows).sum(axis=1) * self._weight + 1e-9 * self._shows.any(1)
        value[~self._open] = 0.0
        if not value.size or value.max() <= 0:
            return None
        best = int(value.argmax())
        self._open[best] = False
        return best

    def left(self) -> list[int]:
        """Indices of days that were not taken though some field still wants them."""
        return list(np.flatnonzero(self._open & self._shows.any(axis=1)))
