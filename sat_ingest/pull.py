"""A season for a few fields over a weak link: which dates first, within which budget.

Nothing is fetched twice and nothing is decided twice: windows are in the archive, clouds are noted
in ``judged.jsonl``, blocks and half-received blocks are in the block store.  So a pull that was
stopped, by its budget or by a power cut, goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from field_data.errors import GhallaError, KeeperError, NetworkError, PersonError
from field_data.files import disk_full_named, make_folder, write_atomic
from field_data.types import Field
from sat_ingest.archive import outline_key
from sat_ingest.block_store import QUOTA_BYTES, BlockStore
from sat_ingest.catalogue import Catalogue, Query
from sat_ingest.choice import Plan, Plot, by_day, ranked
from sat_ingest.cog_source import CogSource
from sat_ingest.grid import Grid
from sat_ingest.ranges import Budget, BudgetSpentError, Patience, Ranges
from sat_ingest.scenes import Scene, Skip, UnusableError, read_scene
from sat_ingest.sources import TokenSigner, find_source
from sat_ingest.windows import BANDS, Window

SCENES = Path("sat") / "scenes"

# More than any gap of another day can be worth, and less.
_BEGUN, _FAILING = 1000.0, 1e-6
# A day that failed so often in succession, with fewer bytes than this, waits for all others.
_PATIENCE, _HEADWAY = 2, 16 * 1024
# Windows kept in one transaction: a commit waits for the disk, and what a power cut takes of a
# day is read again from blocks that are here.
_TOGETHER = 64

Watch = Callable[[int, int, int], None]


class Keeps(Protocol):
    """Where windows go: `sat_ingest.archive.Archive`."""

    def put_all(self, windows: Sequence[Window]) -> int:
        """Keep windows; durable when it returns."""

    def has(self, field: str, scene: str) -> bool:
        """Whether the scene of the field is or was kept."""

    def days(self, field: str) -> list[int]:
        """Days with a window."""

    def fit(self, field: str, grid: Grid) -> None:
        """Erase what is kept of a field on another grid."""

    def hide(self, field: str, outline: str, day: int) -> None:
        """Note that clouds hid the field inside ``outline`` on a day."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to pull: days since 1970 (both inclusive), common band names, bytes at most.

    ``catalog``: a source's name, a web address or a path.
    """

    catalog: str
    since: int
    until: int
    bands: Sequence[str] = BANDS
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """A scene of which windows were kept for ``fields`` fields."""

    scene: str
    day: int
    fields: int


@dataclass(slots=True)
class Report:
    """What a pull did.  ``left``: days not looked at yet.  ``stopped``: code, "" when all is done.

    ``bytes`` received and ``requests`` sent, the catalogue's included.
    """

    bytes: int = 0
    requests: int = 0
    windows: int = 0
    used: list[Used] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stopped: str = ""
    message: str = ""


class Judged:
    """Which scenes showed which fields (`_ground`) only clouds or nothing.

    Lines of JSON, added and synced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[tuple[str, str]] = set()
        for line in path.read_bytes().splitlines() if path.exists() else ():
            with suppress(ValueError, TypeError):  # torn by a power cut, or worn
                name, scene, _ = json.loads(line)
                self._known.add((name, scene))

    def has(self, name: str, scene: str) -> bool:
        """Whether the scene is known not to show the field."""
        return (name, scene) in self._known

    def add(self, refused: Iterable[tuple[str, str, str]]) -> None:
        """Note (field, scene, reason); durable when it returns."""
        lines = [json.dumps(each) for each in refused]
        if not lines:
            return
        with disk_full_named(self._path), self._path.open("ab") as file:
            # Begins a line of its own, should the last one be torn.
            file.write(("\n" + "\n".join(lines) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        self._known |= {(name, scene) for name, scene, _ in map(json.loads, lines)}


class Allowance:
    """Bytes of this week, by this machine's clock; 0 a week means no limit."""

    def __init__(self, path: Path, weekly_bytes: int, now_s: float) -> None:
        self._path, self._weekly = path, weekly_bytes
        year, week, _ = datetime.fromtimestamp(now_s, UTC).isocalendar()
        self._week = f"{year}-W{week:02}"
        said = _noted(path)
        self._before = int(said.get("bytes", 0)) if said.get("week") == self._week else 0

    def limit(self, max_bytes: int | None) -> int | None:
        """What one pull may receive."""
        left = max(self._weekly - self._before, 0) if self._weekly else None
        given = [each for each in (left, max_bytes) if each is not None]
        return min(given) if given else None

    def note(self, spent: int) -> None:
        """This pull has received ``spent`` bytes so far."""
        noted = {"week": self._week, "bytes": self._before + spent}
        write_atomic(self._path, json.dumps(noted).encode())


@dataclass(slots=True)
class Puller:
    """Pulls into ``folder`` (blocks, notes) and ``archive``; one at a time in a folder.

    ``weekly_bytes`` 0: no limit.  ``watch(days done, days to do, bytes)`` is told of progress.
    """

    folder: Path
    archive: Keeps
    now_s: float
    weekly_bytes: int = 0
    cache_bytes: int = QUOTA_BYTES
    patience: Patience | None = None
    watch: Watch = lambda done, of, spent: None

    def pull(self, wish: Wish, fields: Sequence[Field]) -> Report:
        """Pull what is wished; the report also tells of a pull that was stopped.

        Raises:
            PersonError: ``no_fields``, ``no_catalogue``; KeeperError: ``home_in_use``.
        """
        if not fields:
            raise PersonError("no_fields", "there is no field to pull scenes for")
        make_folder(self.folder)
        report = Report()
        ranges = Ranges(patience=self.patience)
        with closing(ranges), BlockStore(self.folder, ranges, self.cache_bytes) as store:
            allowance = Allowance(self.folder / "spent.json", self.weekly_bytes, self.now_s)
            ranges.budget = Budget(allowance.limit(wish.max_bytes))
            try:
                self._run(wish, fields, store, report, allowance)
            except (NetworkError, KeeperError) as error:
                report.stopped, report.message = error.code, str(error)
            finally:
                report.bytes, report.requests = ranges.budget.spent, ranges.budget.requests
                allowance.note(report.bytes)
        return report

    def _run(
        self,
        wish: Wish,
        fields: Sequence[Field],
        store: BlockStore,
        report: Report,
        allowance: Allowance,
    ) -> None:
        days = by_day(self._scenes(wish, fields, store.ranges, report))
        source = CogSource([], store, skips=report.skipped)
        plots = source.plots(fields)
        for plot in plots:
            self.archive.fit(plot.field.id, plot.grid)
        judged = Judged(self.folder / "judged.jsonl")
        names = list(days)
        shows = self._shows(days, plots, judged)
        begun = _Begun(self.folder / "begun.json")
        plan = Plan(names, [_worth(days[day], begun) for day in names], shows)
        self._note_known(plan, plots)
        report.skipped += _outside(plots, days.values())
        todo = int(shows.any(axis=1).sum())
        missed: NetworkError | None = None
        failing = False
        try:
            for done in range(todo):
                self.watch(done, todo, store.ranges.budget.spent)
                index = plan.next()
                if index is None:
                    break
                wanted = [plot for plot, wants in zip(plots, shows[index], strict=True) if wants]
                before = store.ranges.budget.spent
                try:
                    self._day(source, days[names[index]], wanted, wish, report, plan, plots)
                    begun.done(names[index])
                    failing = False
                except GhallaError as error:
                    report.left.append(names[index])
                    begun.note(names[index], error, store.ranges.budget.spent - before)
                    if failing or not _may_be_the_files(error):
                        raise
                    missed, failing = error, True
                finally:
                    self._note_refused(source.refused, plots, names[index], judged)
                    source.refused.clear()
                    allowance.note(store.ranges.budget.spent)
        finally:
            report.left = sorted([*report.left, *(names[index] for index in plan.left())])
        if missed:
            raise missed
        self.watch(todo, todo, store.ranges.budget.spent)

    def _note_refused(
        self,
        refused: Sequence[tuple[str, str, str]],
        plots: Sequence[Plot],
        day: int,
        judged: Judged,
    ) -> None:
        mine = {plot.field.id: plot for plot in plots}
        judged.add((_ground(mine[name]), scene, reason) for name, scene, reason in refused)
        for name in {name for name, _, reason in refused if reason == "cloudy"}:
            self.archive.hide(name, outline_key(mine[name].field.boundary), day)

    def _day(
        self,
        source: CogSource,
        scenes: Sequence[Scene],
        wanted: Sequence[Plot],
        wish: Wish,
        report: Report,
        plan: Plan,
        plots: Sequence[Plot],
    ) -> None:
        kept: dict[str, set[str]] = {}
        here: list[Window] = []

        def keep() -> None:
            together = here.copy()
            here.clear()
            self.archive.put_all(together)
            for window in together:
                kept.setdefault(window.scene, set()).add(window.field)
            report.windows += len(together)

        try:
            try:
                for window in source.day(scenes, wanted, wish.bands):
                    here.append(window)
                    if len(here) == _TOGETHER:
                        keep()
            finally:
                keep()
        finally:
            day = scenes[0].day
            report.used += [Used(scene, day, len(names)) for scene, names in kept.items()]
            seen = set().union(*kept.values())
            plan.seen(day, np.array([plot.field.id in seen for plot in plots], bool))

    def _scenes(
        self, wish: Wish, fields: Sequence[Field], ranges: Ranges, report: Report
    ) -> list[Scene]:
        described, address = find_source(wish.catalog)
        if described.token_url:
            ranges.signer = TokenSigner(described.token_url, described.token_hosts, ranges.document)
        catalogue = Catalogue(address, described, ranges, self.folder / "items", notes=report.notes)
        corners = np.array([point for each in fields for point in each.boundary])
        west, south = corners.min(axis=0)
        east, north = corners.max(axis=0)
        query = Query(
            (float(west), float(south), float(east), float(north)), wish.since, wish.until
        )
        found = []
        for each in catalogue.items(query):
            try:
                scene = read_scene(each, described)
            except UnusableError as error:
                name = str(each.item.get("id"))[:100]
                report.skipped.append(Skip(name, error.reason, detail=error.detail))
                continue
            if wish.since <= scene.day <= wish.until:
                found.append(scene)
        return found

    def _shows(
        self, days: dict[int, list[Scene]], plots: Sequence[Plot], judged: Judged
    ) -> NDArray[np.bool_]:
        """Bool [day, field]: the day may tell something about the field that is not known yet."""
        shows = np.zeros((len(days), len(plots)), bool)
        for row, scenes in enumerate(days.values()):
            for column, plot in enumerate(plots):
                found, name = ranked(scenes, plot), plot.field.id
                known = any(self.archive.has(name, scene.id) for scene in found)
                shows[row, column] = bool(found) and not (
                    known or judged.has(_ground(plot), found[0].id)
                )
        return shows

    def _note_known(self, plan: Plan, plots: Sequence[Plot]) -> None:
        for column, plot in enumerate(plots):
            mine = np.arange(len(plots)) == column
            for day in self.archive.days(plot.field.id):
                plan.seen(day, mine)


def _noted(path: Path) -> dict[str, Any]:
    """A note, or an empty one: what was noted only helps."""
    with suppress(FileNotFoundError, ValueError):
        said = json.loads(path.read_bytes())
        if isinstance(said, dict):
            return said
    return {}


def _ground(plot: Plot) -> str:
    """A field inside its present boundary: of another one the clouds say nothing."""
    return f"{plot.field.id} {outline_key(plot.field.boundary)}"


class _Begun:
    """The day in which the last pull stopped: what it received is lost unless it is finished.

    And how often days failed in succession: a file may never come, and must not hold up the others.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        said = _noted(path)
        self.day: int | None = said.get("day")
        self._failed: dict[str, int] = said.get("failed", {})

    def failing(self, day: int) -> bool:
        """Whether it has failed too often to be tried before others."""
        return self._failed.get(str(day), 0) >= _PATIENCE

    def note(self, day: int, error: GhallaError, received: int) -> None:
        """The pull stops in that day, after so many bytes of it."""
        stopped = isinstance(error, BudgetSpentError) or not isinstance(error, NetworkError)
        if received >= _HEADWAY or stopped:
            self._failed.pop(str(day), None)
            self.day = day
        else:
            self._failed[str(day)] = self._failed.get(str(day), 0) + 1
            self.day = None if self.day == day else self.day
        self._write()

    def done(self, day: int) -> None:
        """That day is finished."""
        if self._failed.pop(str(day), None):
            self._write()

    def _write(self) -> None:
        noted = {"day": self.day, "failed": self._failed}
        write_atomic(self._path, json.dumps(noted).encode())


def _may_be_the_files(error: GhallaError) -> TypeGuard[NetworkError]:
    """Whether other files may come although this one did not."""
    return isinstance(error, NetworkError) and error.code == "link_failed"


def _worth(scenes: Sequence[Scene], begun: _Begun) -> float:
    """The chance that a field is clear, from the clouds of the whole scene; never quite none.

    A day that was begun goes before all others: much of it is paid for.  One that fails goes last.
    """
    if scenes[0].day == begun.day:
        return _BEGUN
    if begun.failing(scenes[0].day):
        return _FAILING
    return max(1 - min(scene.cloud_cover for scene in scenes) / 100, 0.02)


def _outside(plots: Sequence[Plot], days: Iterable[Sequence[Scene]]) -> list[Skip]:
    scenes = [scene for found in days for scene in found]
    missed = [p for p in plots if not any(p.covered(scene) > 0 for scene in scenes)]
    return [Skip("", "outside", fields=1, detail=plot.field.id) for plot in missed]
