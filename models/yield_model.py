"""The yield model of a node: how a season compares with usual, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from field_data.types import HORIZONS, ModelRef
from models.runtime import Tabular, checked_bytes
from models.yield_intervals import Range, range_of, relative_range, stretch_of
from models.yield_levels import Level, Prior
from models.yield_manifest import YieldManifest, read_yield_manifest

NAME = "wheat_yield"
FOLDER = Path(__file__).parent / NAME

Features = NDArray[np.float32]
Floats = NDArray[np.float64]


class YieldModel:
    """One loaded model; `load` makes it.  Columns are those of ``manifest.features``.

    ``at_home`` False leaves out the slope that was tuned on Moroccan harvests.
    """

    def __init__(self, manifest: YieldManifest, graph: Tabular, at_home: bool = True) -> None:
        self.manifest = manifest
        self._graph, self._at_home = graph, at_home

    @classmethod
    def load(cls, folder: Path = FOLDER, at_home: bool = True) -> YieldModel:
        """The model of a folder.

        Raises:
            PublisherError: ``model_missing``, ``model_corrupt`` or ``bad_manifest``.
        """
        manifest = read_yield_manifest(folder)
        outputs = [f"shift_{horizon}" for horizon in HORIZONS]
        data = checked_bytes(folder, manifest.files["fp32"])
        graph = Tabular(data, "features", len(manifest.features), outputs)
        return cls(manifest, graph, at_home)

    @property
    def ref(self) -> ModelRef:
        """Which model speaks, for what is kept with a forecast."""
        m = self.manifest
        return ModelRef(m.name, m.version, m.files["fp32"].sha256)

    def shift(self, features: Features, horizon: str) -> Floats:
        """The season against usual, a share (-0.12: twelve percent less), float64 [n].

        ``features`` float32 [n, len(manifest.features)], NaN where nothing was seen; what is not
        known counts as usual.
        """
        if not len(features):
            return np.zeros(0)
        found = self._graph.run(features)[HORIZONS.index(horizon)]
        slope = self.manifest.horizons[horizon].slope if self._at_home else 1.0
        return slope * found.astype(np.float64).reshape(len(features))

    def outside(self, features: Features) -> Floats:
        """How far the farthest number of each row lies outside the training's range, in such
        ranges, float64 [n]; 0 inside."""
        least, most = np.array(self.manifest.least), np.array(self.manifest.most)
        width = np.maximum(most - least, 1e-9)
        beyond = np.maximum(np.maximum(least - features, features - most), 0) / width
        farthest: Floats = np.nan_to_num(beyond).max(axis=1, initial=0.0).astype(np.float64)
        return farthest

    def prior(self) -> Prior:
        """What is known of a level before any harvest, for `models.yield_levels.level`; past
        seasons are looked at to their end, whatever month is forecast."""
        m = self.manifest
        luck = m.horizons[HORIZONS[-1]].season_sd
        return Prior(m.prior_mean_t_ha, m.prior_sd_t_ha, luck, m.unseen_sd, m.drift)

    def interval(self, shift: float, level: Level, horizon: str, outside: float = 0.0) -> Range:
        """The 80 % range in t/ha; ``outside`` as `outside` gave it."""
        return range_of(shift, level, self.manifest.horizons[horizon], stretch_of(outside))

    def relative_interval(self, shift: float, horizon: str, outside: float = 0.0) -> Range:
        """The 80 % range against usual, shares: where no level is known."""
        return relative_range(shift, self.manifest.horizons[horizon], stretch_of(outside))

    def drivers(self, features: Features, horizon: str) -> Mapping[str, float]:
        """What each group of one row [len(features)] moved, a share, the largest first: how much
        the forecast changes when that part of the season is taken as usual."""
        groups = self.manifest.groups
        rows = np.repeat(features[None], len(groups) + 1, axis=0)
        for row, names in enumerate(groups.values(), 1):
            rows[row, [self.manifest.features.index(name) for name in names]] = np.nan
        said = self.shift(rows, horizon)
        moved = {name: float(said[0] - said[i]) for i, name in enumerate(groups, 1)}
        return dict(sorted(moved.items(), key=lambda pair: -abs(pair[1])))
