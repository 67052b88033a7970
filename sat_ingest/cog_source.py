"""Windows straight from remote scenes: fewest bytes, one field-wise judgement of clouds.

The scene classification is read first; bands only for the fields that it shows clear.  Everything
is brought to the field's grid by the nearest pixel, in whatever resolution and UTM zone it comes:
20 m pixels fall on whole 10 m ones in the field's own zone.  In another zone the nearest pixel is
at most 7 m off; interpolation would mix land with cloud edges and "no data", and scenes of the
field's own zone go first anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.features import geometry_mask
from rasterio.io import DatasetReader
from rasterio.warp import transform_geom
from rasterio.windows import Window as PixelWindow

from field_data.errors import PersonError, PublisherError
from field_data.types import Field
from sat_ingest import boa
from sat_ingest.block_store import BlockStore
from sat_ingest.catalogue import is_web
from sat_ingest.choice import Plot, by_day, ranked
from sat_ingest.grid import PIXEL_M, Grid
from sat_ingest.masks import CLOUD_MARGIN_M, cut_out, scene_mask
from sat_ingest.pictures import Bool, LocalPicture, Picture, lookup_in
from sat_ingest.scenes import Scene, Skip
from sat_ingest.windows import Window

# Below this share of usable pixels a date says nothing about a field.
MIN_USABLE = 0.5
# GDAL's cache of decoded blocks; a node has little.  Bytes: rasterio hands the number on as it is.
_GDAL_CACHE = 32 * 1024**2
_SAMPLE_STEP = 8
# Clouds are looked for so many pixels around a field, since they spoil what is near them.
_AROUND = CLOUD_MARGIN_M // PIXEL_M
# Half a block of 1024 pixels of 10 m.
_CELL_M = 5120


class BadSceneError(Exception):
    """A scene that cannot be used, for its file at ``address``; the others of its day can."""

    def __init__(self, scene: Scene, address: str, error: PublisherError) -> None:
        super().__init__(str(error))
        self.scene, self.address, self.error = scene, address, error


@dataclass(slots=True, eq=False)
class _Look:
    """What a day shows of one field so far; ``taken``: scene id to the pixels it gives."""

    plot: Plot
    scenes: Sequence[Scene]
    ground: Bool  # pixels of the grid inside the boundary
    scl: NDArray[np.uint8]
    usable: float = 0.0
    taken: dict[str, Bool] = field(default_factory=dict)

    @property
    def satisfied(self) -> bool:
        """Whether another scene of the day could add nothing."""
        return self.usable >= MIN_USABLE and bool((self.scl[self.ground] > 0).all())

    def used(self) -> list[Scene]:
        """The scenes that give pixels, the one that gives most first."""
        given = {name: int(pixels.sum()) for name, pixels in self.taken.items()}
        giving = [scene for scene in self.scenes if given.get(scene.id)]
        return sorted(giving, key=lambda scene: -given[scene.id])

    def add(self, scene: Scene, scl: NDArray[np.uint8]) -> None:
        """Take from a scene what is missing, and clear land where there was none."""
        mine, theirs = scene_mask(self.scl).usable, scene_mask(scl).usable
        better = (scl > 0) & ((self.scl == 0) | (theirs & ~mine))
        for pixels in self.taken.values():
            pixels &= ~better
        self.taken[scene.id] = better
        self.scl = np.where(better, scl, self.scl)
        self.usable = float(scene_mask(self.scl).usable[self.ground].mean())


def _pixels_inside(plot: Plot) -> Bool:
    """Pixels of the grid that the boundary touches, bool [height, width]."""
    outline = {"type": "Polygon", "coordinates": [list(plot.field.boundary)]}
    placed = transform_geom("EPSG:4326", f"EPSG:{plot.grid.epsg}", outline)
    shape = (plot.grid.height, plot.grid.width)
    inside: Bool = geometry_mask(
        [placed], shape, plot.grid.transform, all_touched=True, invert=True
    )
    return inside


@dataclass(slots=True)
class CogSource:
    """Implements :class:`sat_ingest.windows.WindowSource` over scenes and a block store.

    ``skips`` collects what was not used, and why: ``cloudy``, ``no_data``, ``outside`` (for
    fields), or the code of the error that a scene met (for scenes).  ``refused``: (field, its best
    scene, ``cloudy`` or ``no_data``), for who wants to remember.
    """

    scenes: Sequence[Scene]
    store: BlockStore
    min_usable: float = MIN_USABLE
    skips: list[Skip] = field(default_factory=list)
    decisions: dict[str, boa.Decision] = field(default_factory=dict)
    refused: list[tuple[str, str, str]] = field(default_factory=list)

    def windows(
        self, fields: Sequence[Field], since: int, until: int, bands: Sequence[str]
    ) -> Iterator[Window]:
        """Windows of the fields for days ``since`` to ``until`` (inclusive), day by day.

        Raises:
            NetworkError, KeeperError, and `BudgetSpentError`: with what was yielded before.
        """
        days = by_day(scene for scene in self.scenes if since <= scene.day <= until)
        plots = self.plots(fields)
        for scenes in days.values():
            yield from self.day(scenes, plots, bands)

    def plots(self, fields: Sequence[Field]) -> list[Plot]:
        """Fields on their grids; what is too large is skipped."""
        found = []
        for each in fields:
            try:
                found.append(Plot.of(each))
            except PersonError as error:
                self.skips.append(Skip("", error.code, fields=1, detail=each.id))
        return found

    def day(
        self, scenes: Sequence[Scene], plots: Sequence[Plot], bands: Sequence[str]
    ) -> Iterator[Window]:
        """Windows of one solar day; a scene that fails is skipped, and the day begun again."""
        left, renewed = list(scenes), list[str]()
        while left:
            try:
                with rasterio.Env(
                    GDAL_CACHEMAX=_GDAL_CACHE, GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"
                ):
                    looks = self._looks(left, plots)
                    clear = self._judged(looks)
                    self._fetch_bands(clear, bands)
                    yield from self._read(clear, bands)
                return
            except BadSceneError as bad:
                # A replaced or damaged file is begun anew; nothing old of it is left.
                renewed.append(bad.scene.id)
                changed = bad.error.code == "scene_changed" or self._doubted(bad)
                if changed and renewed.count(bad.scene.id) <= len(bad.scene.assets):
                    continue
                self._skip(bad.scene, bad.error.code, 0, str(bad.error))
                left = [scene for scene in left if scene.id != bad.scene.id]

    def _doubted(self, bad: BadSceneError) -> bool:
        """Whether a damaged copy was thrown away: it may have rotted here, or on its way."""
        damaged = bad.error.code in {"cog_damaged", "bad_tiff"}
        return damaged and is_web(bad.address) and self.store.doubt(bad.address)

    def _skip(self, scene: Scene, reason: str, fields: int, detail: str = "") -> None:
        self.skips.append(Skip(scene.id, reason, scene.day, fields, detail))

    # -- clouds first ---------------------------------------------------------------------------

    def _looks(self, scenes: Sequence[Scene], plots: Sequence[Plot]) -> list[_Look]:
        """Scene classification of every field: its best scene, then others while they add."""
        looks = []
        for plot in sorted(plots, key=lambda plot: _cell(plot.grid)):
            shown = ranked(scenes, plot)
            if shown:
                empty = np.zeros((plot.grid.height, plot.grid.width), np.uint8)
                looks.append(_Look(plot, shown, _pixels_inside(plot), empty))
        for rank in range(max((len(look.scenes) for look in looks), default=0)):
            open_ = [one for one in looks if rank < len(one.scenes) and not one.satisfied]
            for scene in scenes:
                these = [look for look in open_ if look.scenes[rank].id == scene.id]
                if these:
                    self._classify(scene, these)
        return looks

    def _classify(self, scene: Scene, looks: Sequence[_Look]) -> None:
        with self._picture(scene, "scl") as picture:
            self._fetch(picture, [look.plot.grid.grown(_AROUND) for look in looks])
            with picture.opened() as dataset:
                if dataset.dtypes[0] != "uint8":
                    raise PublisherError("bad_scl", f"SCL of {scene.id} is {dataset.dtypes[0]}")
                for look in looks:
                    lookup = lookup_in(look.plot.grid.grown(_AROUND), dataset)
                    found = lookup.read(dataset, lookup.inside).astype(np.uint8)
                    look.add(scene, cut_out(found, _AROUND))

    def _judged(self, looks: Sequence[_Look]) -> list[_Look]:
        """Fields that are clear enough; the others are counted by scene and reason."""
        counts: dict[tuple[str, str], list[Scene]] = {}
        clear = []
        for look in looks:
            seen = look.scl[look.ground].any()
            if seen and look.usable >= self.min_usable:
                clear.append(look)
            else:
                key = look.scenes[0].id, "cloudy" if seen else "no_data"
                self.refused.append((look.plot.field.id, *key))
                counts.setdefault(key, []).append(look.scenes[0])
        for (_, reason), found in counts.items():
            self._skip(found[0], reason, len(found))
        return clear

    # -- then the bands -------------------------------------------------------------------------

    def _fetch_bands(self, looks: Sequence[_Look], bands: Sequence[str]) -> None:
        for scene, theirs in _by_scene(looks):
            for band in bands:
                if band in scene.assets:
                    with self._picture(scene, band) as picture:
                        self._fetch(picture, [look.plot.grid for look in theirs])

    def _read(self, looks: Sequence[_Look], bands: Sequence[str]) -> Iterator[Window]:
        """Windows, field by field."""
        with ExitStack() as stack:
            opened = {}
            for scene, theirs in _by_scene(looks):
                for band in (name for name in bands if name in scene.assets):
                    picture = stack.enter_context(self._picture(scene, band))
                    opened[scene.id, band] = stack.enter_context(picture.opened())
                    if band == _telling(scene, bands):
                        self._decide(scene, band, theirs, picture, opened[scene.id, band])
                self.decisions.setdefault(scene.id, _without_pixels(scene))
            for look in looks:
                yield from self._window(look, bands, opened)

    def _window(
        self, look: _Look, bands: Sequence[str], opened: Mapping[tuple[str, str], DatasetReader]
    ) -> Iterator[Window]:
        """The window of a field, or none where its scenes share no band with data."""
        scenes = look.used()
        kept = {}
        for band in bands:
            if all((scene.id, band) in opened for scene in scenes):
                found = np.zeros(look.scl.shape, np.uint16)
                for scene in scenes:
                    with _naming(scene, scene.assets[band]):
                        dataset = opened[scene.id, band]
                        numbers = lookup_in(look.plot.grid, dataset).read(
                            dataset, look.taken[scene.id]
                        )
                    found |= boa.corrected(numbers, self.decisions[scene.id].offset)
                if found.any():
                    kept[band] = found
        if kept:
            name, day = scenes[0].id, scenes[0].day
            yield Window(look.plot.field.id, day, name, look.plot.grid, kept, look.scl)
        else:
            self._skip(scenes[0], "no_data", 1)

    def _decide(
        self,
        scene: Scene,
        band: str,
        looks: Sequence[_Look],
        picture: Picture,
        dataset: DatasetReader,
    ) -> None:
        """The BOA offset: clear land of the fields, and all else that is here of the band."""
        with _naming(scene, scene.assets[band]):
            fields = [
                _thinned(
                    lookup_in(look.plot.grid, dataset).read(
                        dataset, look.taken[scene.id] & scene_mask(look.scl).usable
                    )
                )
                for look in looks
            ]
            strips = [
                dataset.read(1, window=PixelWindow(left, top, width, height))[
                    ::_SAMPLE_STEP, ::_SAMPLE_STEP
                ].copy()
                for top, left, height, width in picture.strips()
            ]
        nothing = np.zeros(0, np.uint16)  # a file may hold no block at all
        samples = [
            np.concatenate([nothing, *(part.ravel() for part in parts)])
            for parts in (fields, strips)
        ]
        decided = boa.decide(scene.baseline, scene.offset_in_pixels, band, samples)
        self.decisions[scene.id] = decided

    # -- files ----------------------------------------------------------------------------------

    @contextmanager
    def _picture(self, scene: Scene, band: str) -> Iterator[Picture]:
        address = scene.assets[band]
        with _naming(scene, address):
            if not is_web(address):
                yield LocalPicture(address)
                return
            with self.store.cog(address) as cog:
                yield cog

    @staticmethod
    def _fetch(picture: Picture, grids: Sequence[Grid]) -> None:
        """Make all that grids need of a picture readable."""
        with picture.opened() as dataset:
            windows = (lookup_in(grid, dataset).window for grid in grids)
            needed = [window for window in windows if window]
        picture.ensure(needed)


@contextmanager
def _naming(scene: Scene, address: str) -> Iterator[None]:
    """What is wrong with a file is wrong with its scene."""
    try:
        yield
    except PublisherError as error:
        raise BadSceneError(scene, address, error) from error
    except RasterioError as error:
        wrapped = PublisherError("bad_tiff", f"{scene.id}: {str(error)[:200]}")
        raise BadSceneError(scene, address, wrapped) from error


def _telling(scene: Scene, bands: Sequence[str]) -> str:
    """The darkest visible band at hand, "" if none."""
    return next((b for b in boa.VISIBLE if b in bands and b in scene.assets), "")


def _thinned(numbers: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Up to about a thousand of the numbers, evenly taken."""
    return numbers.ravel()[:: max(numbers.size // 1000, 1)].copy()


def _cell(grid: Grid) -> tuple[int, int, int]:
    """Orders fields by neighbourhood, so that a decoded block serves all fields that it touches."""
    return grid.epsg, -grid.top // _CELL_M, grid.left // _CELL_M


def _without_pixels(scene: Scene) -> boa.Decision:
    return boa.decide(scene.baseline, scene.offset_in_pixels, "", ())


def _by_scene(looks: Sequence[_Look]) -> list[tuple[Scene, list[_Look]]]:
    """Scenes with the looks to which they give pixels."""
    named: dict[str, tuple[Scene, list[_Look]]] = {}
    for look in looks:
        for scene in look.used():
            named.setdefault(scene.id, (scene, []))[1].append(look)
    return list(named.values())
