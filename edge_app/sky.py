"""What the satellite saw, for the pages: map tiles of a day, and the season of a field.

`ghalla scenes pull` and `ghalla scenes import` fill the archive, often in another process; it is
opened when it is there, and the map is empty until then.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_app.settings import MB, Settings
from field_data.clock import now
from field_data.days import date_of, day_of
from field_data.errors import BusyError, KeeperError, PersonError
from field_data.registry import Registry
from field_data.types import Field, IndexSeries
from sat_ingest.archive import ARCHIVE, Archive, ArchiveStatus, outline_key
from sat_ingest.cube import Cube, cube_of
from sat_ingest.field_report import FieldReport, field_report, series_of
from sat_ingest.grid import Grid, field_grid
from sat_ingest.indices import index_named
from sat_ingest.map_tiles import Layer, tile_png
from sat_ingest.mercator import Tile, meets, tiles_over
from sat_ingest.palette_png import palette_png
from sat_ingest.ramps import CHANGE, CLOUD, RAMPS, Ramp
from sat_ingest.tile_cache import CACHE, TileCache
from sat_ingest.zonal import field_weights

# A map of a day shows each field as it was last seen, unless that is too long ago.
SHOWN_FOR_DAYS = 12
_LAYERS_KEPT = 400
# Codes of an archive that cannot be read: pages say so and go on without it.
DAMAGED = frozenset({"store_damaged", "archive_damaged", "archive_newer"})


def today() -> int:
    """The present day, by this machine's clock."""
    return int(now().utc_s // 86_400)


@dataclass(frozen=True, slots=True)
class View:
    """A map: ``index`` on ``day`` or, with ``before``, what it changed since that day."""

    index: str
    day: int
    before: int | None = None

    def __post_init__(self) -> None:
        index_named(self.index)
        if self.before is not None and self.before >= self.day:
            raise PersonError("bad_dates", "the earlier day must come first")

    @property
    def name(self) -> str:
        """As the cache and the addresses call it: ``ndvi/2019-05-03``, ``…/2019-04-08..2019-…``."""
        days = (self.day,) if self.before is None else (self.before, self.day)
        return f"{self.index}/{'..'.join(date_of(day).isoformat() for day in days)}"

    @property
    def ramp(self) -> Ramp:
        """Its colours."""
        return RAMPS[self.index] if self.before is None else CHANGE

    @classmethod
    def named(cls, index: str, when: str) -> View:
        """The view of an address.

        Raises:
            PersonError: ``unknown_index``, ``bad_dates``.
        """
        try:
            days = [day_of(dt.date.fromisoformat(each)) for each in when.split("..")]
        except ValueError:
            raise PersonError("bad_dates", f"{when!r} is no date") from None
        if len(days) > 2:
            raise PersonError("bad_dates", f"{when!r} is no date")
        return cls(index, days[-1], days[0] if len(days) == 2 else None)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What tiles are drawn from: fields with windows on the grid of their present boundary.

    ``key`` tells cheaply whether anything may have changed, ``revision`` whether it did.
    """

    key: tuple[str, int]
    revision: str
    shown: tuple[tuple[Field, Grid], ...]


class Sky:
    """The satellite's side of one home; threads may share it."""

    def __init__(self, home: Path, registry: Registry, settings: Settings | None = None) -> None:
        self._home = home
        self._registry = registry
        self._settings = settings or Settings()
        # A turn at drawing; on a small box the one in which photos are diagnosed.
        self.turn: Callable[[], AbstractContextManager[None]] = nullcontext
        self._lock = threading.Lock()
        self._archive: Archive | None = None
        self._cache: TileCache | None = None
        self._ground: _Ground | None = None
        self._layers: OrderedDict[tuple[str, str, str], Layer | None] = OrderedDict()

    def close(self) -> None:
        """Close what was opened."""
        for each in (self._archive, self._cache):
            if each is not None:
                each.close()

    def status(self) -> ArchiveStatus | None:
        """What the archive holds; None before the first scene."""
        archive = self._opened()
        return archive.status() if archive else None

    def fields(self) -> list[Field]:
        """The fields of the node."""
        return self._registry.fields()

    def days(self) -> list[int]:
        """Days on which some field was seen, increasing.

        Raises:
            KeeperError: the archive's; `DAMAGED` are the codes of one that cannot be read.
        """
        archive = self._opened()
        if archive is None:
            return []
        mine = (archive.days(field.id) for field, _ in self._seen_from(archive).shown)
        return sorted({day for days in mine for day in days})

    def edition(self) -> str:
        """A short name of what the maps are drawn from: part of a tile's address, so that a
        device never shows an old one."""
        archive = self._opened()
        text = self._seen_from(archive).revision if archive else ""
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def tile(self, view: View, tile: Tile) -> bytes | None:
        """The tile as PNG, drawn or from the cache; None when nothing is on it.

        Raises:
            BusyError: many wait for a turn at drawing.
        """
        archive = self._opened()
        if archive is None:
            return None
        ground = self._seen_from(archive)
        found = _kept(self._cache, view, tile, ground.revision)
        if found is None:
            with self.turn():
                there = [field for field, grid in ground.shown if meets(tile, grid)]
                layers = [self._layer(archive, field, view, ground) for field in there]
                shown = [layer for layer in layers if layer is not None]
                found = tile_png(tile, shown, view.ramp) or b""
            _keep(self._cache, view, tile, found, ground.revision)
        return found or None

    def draw_all(self, view: View, zooms: Iterable[int]) -> int:
        """Draw every tile of a view into the cache; how many have something on them.

        Raises:
            PersonError: ``no_scenes``.
        """
        archive = self._opened()
        if archive is None:
            raise PersonError("no_scenes", "no scene was brought to this node yet")
        grids = [grid for _, grid in self._seen_from(archive).shown]
        wanted = {tile for zoom in zooms for grid in grids for tile in tiles_over(grid, zoom)}
        return sum(self.tile(view, tile) is not None for tile in wanted)

    def picture(self, field: Field, view: View) -> bytes | None:
        """One field as PNG in its own pixels; None when it was not seen around that day."""
        archive = self._opened()
        if archive is None:
            return None
        layer = self._layer(archive, field, view, self._seen_from(archive))
        if layer is None:
            return None
        coloured = np.where(layer.hidden, np.uint8(CLOUD), view.ramp.indices(layer.values))
        return palette_png(coloured, view.ramp.palette)

    def report(self, field: Field, index: str) -> FieldReport:
        """The season of a field, up to today.

        Raises:
            PersonError: ``no_scenes``, ``unknown_index``.
        """
        archive = self._opened()
        if archive is None:
            raise PersonError("no_scenes", "no scene was brought to this node yet")
        last = max((*archive.days(field.id)[-1:], today()))  # a clock may say 1970
        return field_report(archive, field, self.fields(), index, last)

    def revision(self) -> str:
        """Another text whenever what is kept may have changed; "damaged" where nobody can tell."""
        try:
            archive = self._opened()
            return archive.revision() if archive else ""
        except KeeperError as error:
            if error.code not in DAMAGED:
                raise
            return "damaged"

    def series(self, field: Field, index: str, until: int | None = None) -> IndexSeries | None:
        """What was observed of a field up to a day (None: all of it); None before the first scene.

        Raises:
            KeeperError: the archive's.
        """
        archive = self._opened()
        if archive is None:
            return None
        last = max(archive.days(field.id), default=0)
        return series_of(archive, field, index, last if until is None else until)

    def forget(self, ids: Sequence[str]) -> None:
        """Erase what is kept of these fields; ids of other things do no harm."""
        try:
            archive = self._opened()
            if archive is not None:
                for field in set(archive.fields()).intersection(ids):
                    archive.forget(field)
                self._seen_from(archive)  # takes the drawn tiles away
        except KeeperError as error:
            if error.code not in DAMAGED:  # what cannot be read is no record of anybody
                raise

    def _opened(self) -> Archive | None:
        with self._lock:
            if self._archive is None and (self._home / ARCHIVE).is_file():
                archive = Archive(self._home / ARCHIVE, self._settings.sat_archive_mb * MB)
                with suppress(KeeperError, BusyError):  # no room for it: tiles are drawn each time
                    self._cache = TileCache(self._home / CACHE, self._settings.sat_tiles_mb * MB)
                self._archive = archive
            return self._archive

    def _seen_from(self, archive: Archive) -> _Ground:
        """The present ground; what was drawn from another is forgotten."""
        key = (archive.revision(), self._registry.revision())
        known = self._ground
        if known is not None and known.key == key:
            return known
        fields, grids = self.fields(), archive.grids()
        shown = tuple((each, grids[each.id]) for each in fields if _fits(each, grids))
        outlines = "".join(f"{each.id}{outline_key(each.boundary)}" for each, _ in shown)
        revision = f"{key[0]} {hashlib.sha256(outlines.encode()).hexdigest()}"
        with self._lock:
            if self._cache is not None:
                with suppress(KeeperError, BusyError):
                    self._cache.begin(revision)
            self._layers.clear()
            self._ground = _Ground(key, revision, shown)
            return self._ground

    def _layer(self, archive: Archive, field: Field, view: View, ground: _Ground) -> Layer | None:
        key = (ground.revision, field.id, view.name)
        with self._lock:
            if key in self._layers:
                self._layers.move_to_end(key)
                return self._layers[key]
        layer = _drawn(archive, field, view)
        with self._lock:
            self._layers[key] = layer
            while len(self._layers) > _LAYERS_KEPT:
                self._layers.popitem(last=False)
        return layer


def _fits(field: Field, grids: Mapping[str, Grid]) -> bool:
    """Whether windows of the field are here, cut for its present boundary."""
    try:
        return field.id in grids and grids[field.id] == field_grid(field.boundary)
    except PersonError:  # too large to have windows
        return False


def _kept(cache: TileCache | None, view: View, tile: Tile, revision: str) -> bytes | None:
    """The cache is a help: a full disk or another process at work never stops a page."""
    if cache is None:
        return None
    try:
        return cache.get(view.name, tile, revision)
    except (KeeperError, BusyError):
        return None


def _keep(cache: TileCache | None, view: View, tile: Tile, data: bytes, revision: str) -> None:
    if cache is None:
        return
    with suppress(KeeperError, BusyError):
        cache.put(view.name, tile, data, revision)


def _drawn(archive: Archive, field: Field, view: View) -> Layer | None:
    after = _seen(archive, field, view.index, view.day)
    if after is None or view.before is None:
        return after
    before = _seen(archive, field, view.index, view.before)
    if before is None:
        return None
    changed = after.values - before.values
    return Layer(after.grid, changed, (after.hidden | before.hidden) & np.isnan(changed))


def _seen(archive: Archive, field: Field, index: str, day: int) -> Layer | None:
    """The field as it was last seen up to a day, pixels outside its boundary left out."""
    needed = index_named(index).needs
    days = [d for d in archive.days(field.id) if day - SHOWN_FOR_DAYS < d <= day]
    grid = archive.grid(field.id)
    if not days or grid is None or not _fits(field, {field.id: grid}):
        return None
    try:
        cube = cube_of(archive.windows(field.id, days[-1], days[-1], needed))
    except KeeperError as error:
        if error.code != "archive_damaged":
            raise
        return None  # one field's window; the others are shown
    return None if cube is None else _layer_of(cube, field, index)


def _layer_of(cube: Cube, field: Field, index: str) -> Layer:
    inside = np.zeros((cube.grid.height, cube.grid.width), bool)
    inside.flat[field_weights(field.boundary, cube.grid).index] = True
    values = np.where(inside, cube.index(index)[0], np.float32(np.nan)).astype(np.float32)
    hidden = inside & cube.mask.covered[0] & ~cube.mask.usable[0]
    return Layer(cube.grid, values, hidden)


def nearest(days: Sequence[int], wanted: int) -> int | None:
    """The last of ``days`` up to ``wanted``, else the first; None for no days."""
    before = [day for day in days if day <= wanted]
    return before[-1] if before else next(iter(days), None)
