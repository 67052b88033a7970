"""Full-size Sentinel-2 scenes for benchmarks, put together from real patches.

A scene is a mosaic of 64 x 64 pixel patches (32 x 32 at 20 m) of the public Belgian set, each from
a clear date and turned or mirrored at random.  No patch stands twice within 40 neighbours, more
than DEFLATE's window of 32 kB reaches, so that repetition does not make the file smaller than a
real one; edges between patches make it a little larger.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from sat_ingest.catalogue import Catalogue, Query
from sat_ingest.masks import scene_mask
from sat_ingest.ranges import Ranges
from sat_ingest.scenes import Scene, read_scene
from sat_ingest.sources import find_source
from tests.sat_catalogues import SAT_SET, write_cog

FULL = 10_980
# The grid of tile 29SQR, north of Marrakech: 100 km with its overlap.
EPSG, LEFT, TOP = 32629, 699_960, 3_600_000
_APART = 40


def belgian() -> list[Scene]:
    """The scenes of the Belgian set, by date."""
    source, _ = find_source("any")
    catalogue = Catalogue(str(SAT_SET / "stac" / "catalog.json"), source, Ranges())
    query = Query((3.0, 50.7, 3.1, 50.9), 17_000, 18_000)
    return sorted((read_scene(each, source) for each in catalogue.items(query)),
                  key=lambda scene: scene.utc_s)  # fmt: skip


def pixels(scene: Scene, band: str) -> NDArray[np.uint16]:
    """All pixels of a band of a scene, uint16 [64, 64] or [32, 32]."""
    with rasterio.open(scene.assets[band]) as dataset:
        found: NDArray[np.uint16] = dataset.read(1).astype(np.uint16)
    return found


def clear(scenes: list[Scene]) -> list[Scene]:
    """Scenes of which nine tenths are usable."""
    return [s for s in scenes if scene_mask(pixels(s, "scl").astype(np.uint8)).usable.mean() > 0.9]


def mosaic(
    patches: list[NDArray[np.uint16]], height: int, width: int, seed: int
) -> NDArray[np.uint16]:
    """Patches side by side, uint16 [height, width]."""
    rng, side = np.random.default_rng(seed), patches[0].shape[0]
    down, across = -(-height // side), -(-width // side)
    whole = np.empty((down * side, across * side), np.uint16)
    lately: list[tuple[int, int]] = []
    for row in range(down):
        for column in range(across):
            while True:
                pick = int(rng.integers(len(patches))), int(rng.integers(8))
                if pick not in lately:
                    break
            lately = [*lately[-_APART:], pick]
            patch = np.rot90(patches[pick[0]], pick[1] % 4)
            patch = patch[:, ::-1] if pick[1] > 3 else patch
            whole[row * side :, column * side :][:side, :side] = patch
    return whole[:height, :width]


def full_scene(path: Path, band: str, size: int = FULL) -> Path:
    """A COG of a whole scene, blocks of 1024, DEFLATE with predictor 2, with overviews."""
    metres = 20 if band == "scl" else 10
    wanted = belgian() if band == "scl" else clear(belgian())
    whole = mosaic([pixels(each, band) for each in wanted], size, size, seed=len(band))
    data = whole.astype(np.uint8) if band == "scl" else whole
    return write_cog(
        path, data, epsg=EPSG, left=LEFT, top=TOP, metres=metres, block=1024, overviews="AUTO"
    )
