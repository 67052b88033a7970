"""A country's fields on many cores or machines, with the code of the node.

Fields are put into groups that share scenes' blocks; a group is one task, drawn by `Puller` and
`figures` in a folder of its own and written as one GeoParquet file.  A file that is there is a task
that is done: a run that was stopped goes on, and a task whose worker died is simply done again.

With ``packs`` a group's windows are kept too, as a window pack for the nodes of that place.

Needs the extra ``[scale]``.  Workers must see the same ``out`` folder, or one mounted there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from field_data.days import date_of
from field_data.errors import GhallaError, KeeperError, NetworkError, PersonError
from field_data.files import disk_full_named, make_folder, sync_folder, write_atomic
from field_data.types import Field
from sat_ingest.archive import Archive, outline_key
from sat_ingest.figures import INDICES, STATISTICS, Figures, draw, read
from sat_ingest.grid import utm_epsg
from sat_ingest.indices import index_named
from sat_ingest.pull import Puller, Report, Wish
from sat_ingest.series import observed, read_series
from sat_ingest.window_packs import write_pack

if TYPE_CHECKING:
    from distributed import Client
    from pyarrow import Table

GROUP = 100
RETRIES = 3
# Blocks of Sentinel-2 scenes are some 10 km wide.
_CELL_DEGREES = 0.1
PARTS, PACKS, SCRATCH = "parts", "packs", "scratch"
# GeoParquet 1.0: coordinates in OGC:CRS84, which is what it means when no CRS is given.
_GEO = {
    "version": "1.0.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"]}},
}

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What is wanted: ``out`` is the folder of the results, ``index`` the one that seasons are
    read from; the figures of all indices whose bands are in ``wish`` are written.

    ``packs``: the step of the window packs (`sat_ingest.window_packs`), 0 for none.
    """

    wish: Wish
    out: Path
    index: str = "ndvi"
    packs: int = 0

    def pack_of(self, group: str) -> Path:
        """Where the window pack of a group is; no file for a group that saw nothing."""
        return self.out / PACKS / f"{group}.ghw"


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that are done together, under a name that changes when any of them changes."""

    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """A group that was written; ``again`` when its file was there already."""

    group: str
    fields: int
    days: int
    bytes: int
    again: bool = False


def groups(fields: Sequence[Field], size: int = GROUP) -> list[Group]:
    """Fields in groups of at most ``size`` that lie together, in a stable order."""
    ordered = sorted(fields, key=lambda field: (*_cell(field), field.id))
    chunks = [tuple(ordered[at : at + size]) for at in range(0, len(ordered), size)]
    return [Group(_name(chunk), chunk) for chunk in chunks]


def _cell(field: Field) -> tuple[int, int, int]:
    """UTM zone, row and column of a field's first corner."""
    lon, lat = field.boundary[0]
    return utm_epsg(lon, lat), int(lat // _CELL_DEGREES), int(lon // _CELL_DEGREES)


def _name(fields: Sequence[Field]) -> str:
    told = "".join(f"{field.id}:{outline_key(field.boundary)};" for field in fields)
    return hashlib.sha256(told.encode()).hexdigest()[:20]


def work(group: Group, job: Job) -> Done:
    """Do one group, or find that it is done; what is here when it dies is used the next time.

    Raises:
        NetworkError: the link failed; KeeperError: a full disk …; PersonError: ``no_catalogue``.
    """
    try:
        return _worked(group, job)
    except KeeperError as error:
        if error.code != "store_damaged":
            raise
    shutil.rmtree(job.out / SCRATCH / group.name)  # left by a power cut
    return _worked(group, job)


def _worked(group: Group, job: Job) -> Done:
    part = job.out / PARTS / f"{group.name}.parquet"
    if part.exists():
        return Done(group.name, len(group.fields), 0, 0, again=True)
    scratch = job.out / SCRATCH / group.name
    make_folder(scratch)
    with Archive(scratch / "archive.db", durable=False) as archive:
        # No clock is needed: there is no weekly allowance in a data centre.
        report = Puller(scratch / "scenes", archive, now_s=0.0).pull(job.wish, group.fields)
        _whole(report)
        figures = [_figures(archive, field) for field in group.fields]
        if job.packs and any(archive.days(field.id) for field in group.fields):
            make_folder(job.out / PACKS)
            write_pack(job.pack_of(group.name), archive, group.fields, job.packs)
    _write(part, _table(group.fields, figures, job))
    shutil.rmtree(scratch, ignore_errors=True)
    return Done(group.name, len(figures), sum(len(f.days) for f in figures), report.bytes)


def _figures(archive: Archive, field: Field) -> Figures:
    draw(archive, field)
    return read(archive, field)


def _whole(report: Report) -> None:
    """A pull that was stopped is no result."""
    if report.stopped:
        raise NetworkError(report.stopped, report.message)


def _table(fields: Sequence[Field], figures: Sequence[Figures], job: Job) -> Table:
    """One row a field, in columns whose types do not depend on what was seen."""
    import pyarrow

    rows = [_row(field, found, job) for field, found in zip(fields, figures, strict=True)]
    return pyarrow.Table.from_pylist(rows, schema=_schema(job))


def _measured(job: Job) -> list[str]:
    """The columns of figures that the wished bands allow."""
    names = [name for name in INDICES if set(index_named(name).needs) <= set(job.wish.bands)]
    return [f"{name}_{statistic}" for name in names for statistic in STATISTICS]


def _schema(job: Job) -> Any:
    import pyarrow as pa

    numbers, days = pa.list_(pa.float32()), pa.list_(pa.date32())
    columns = [("field", pa.string()), ("crop", pa.string()), ("days", days), ("usable", numbers)]
    columns += [(name, numbers) for name in _measured(job)]
    columns += [(f"season_{name}", days) for name in ("start", "peak", "end")]
    columns += [("season_integral", numbers), ("geometry", pa.binary())]
    return pa.schema(columns, metadata={"geo": json.dumps(_GEO)})


def _row(field: Field, figures: Figures, job: Job) -> dict[str, Any]:
    """A field: its days with figures as lists, and the seasons read from one index."""
    from shapely import to_wkb
    from shapely.geometry import Polygon

    table = {
        f"{name}_{statistic}": _plain(figures.table[:, i, j])
        for i, name in enumerate(INDICES)
        for j, statistic in enumerate(STATISTICS)
    }
    found = read_series(observed(field.id, figures, job.index)).seasons
    return {
        **{name: table[name] for name in _measured(job)},
        "field": field.id,
        "crop": field.crop,
        "days": [_date(day) for day in figures.days],
        "usable": figures.usable.tolist(),
        "season_start": [_date(season.start) for season in found],
        "season_peak": [_date(season.peak) for season in found],
        "season_end": [_date(season.end) for season in found],
        "season_integral": [float(season.integral) for season in found],
        "geometry": to_wkb(Polygon(field.boundary)),
    }


def _plain(values: NDArray[np.float32]) -> list[float | None]:
    """As numbers, null where nothing was seen."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _date(day: float) -> date:
    return date_of(round(float(day)))


def _write(part: Path, table: Table) -> None:
    """Whole or not at all: a file that is there is a result."""
    from pyarrow import parquet

    make_folder(part.parent)
    temporary = part.with_name(f".{part.name}.tmp")
    with disk_full_named(part):
        parquet.write_table(table, temporary, compression="zstd")
        temporary.replace(part)
        sync_folder(part.parent)


def run(
    job: Job,
    fields: Sequence[Field],
    *,
    scheduler: str | None = None,
    workers: int = 0,
    size: int = GROUP,
    progress: Progress = lambda done, of: None,
) -> list[Done]:
    """Do all fields; returns what was done, in the order of the groups.

    ``scheduler`` is the address of a Dask cluster; without one, ``workers`` processes, or threads
    of this process for 0.  A task is tried `RETRIES` times more when it or its worker fails.

    Raises:
        PersonError: ``no_fields``, ``other_job`` when ``out`` holds results of another job.
        KeeperError: ``no_scale`` when the extra is not installed, ``scale_failed`` when workers
            died of a task.
        NetworkError, KeeperError: of a task that failed every time; the others are done.
    """
    need_extra()
    if not fields:
        raise PersonError("no_fields", "there is no field to do")
    _same_job(job)
    todo = groups(fields, size)
    with _client(scheduler, workers) as client:
        return list(_gathered(client, job, todo, progress))


def _gathered(
    client: Client, job: Job, todo: Sequence[Group], progress: Progress
) -> Iterator[Done]:
    from distributed import as_completed

    # Not pure: a group whose file was removed is to be done again.
    futures = [client.submit(work, group, job, retries=RETRIES, pure=False) for group in todo]
    failed: list[BaseException] = []
    for done, future in enumerate(as_completed(futures), start=1):
        if future.status == "error":
            failed.append(future.exception())
        progress(done, len(futures))
    if failed:
        raise _named(failed[0])
    for future in futures:
        yield future.result()


def _named(error: BaseException) -> BaseException:
    """An error of ours, or one that says what became of the task."""
    if isinstance(error, GhallaError):
        return error
    message = f"a group failed {RETRIES + 1} times: {type(error).__name__}: {str(error)[:300]}"
    return KeeperError("scale_failed", message)


def need_extra() -> None:
    """What this module needs is installed.

    Raises:
        KeeperError: ``no_scale``, saying how to get it.
    """
    try:
        import distributed  # noqa: F401
        import geopandas  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        message = f"country scale needs {error.name}: pip install 'ghalla[scale]'"
        raise KeeperError("no_scale", message) from error


@contextmanager
def _client(scheduler: str | None, workers: int) -> Iterator[Client]:
    from distributed import Client

    plain: dict[str, Any] = {"dashboard_address": ":0"}
    if scheduler:
        plain = {"address": scheduler}
    elif workers:
        plain |= {"n_workers": workers, "threads_per_worker": 1}
    else:
        plain |= {"processes": False, "n_workers": 1}
    try:
        client = Client(**plain)
    except OSError as error:
        raise NetworkError("no_scheduler", f"no Dask scheduler at {scheduler}: {error}") from error
    with client:
        yield client


def _same_job(job: Job) -> None:
    """Results of two jobs must not be mixed in one folder."""
    make_folder(job.out)
    told = json.dumps({**asdict(job), "out": ""}, default=str, sort_keys=True)
    path = job.out / "job.json"
    if not path.exists():
        write_atomic(path, told.encode())
    elif path.read_text(encoding="utf-8") != told:
        raise PersonError("other_job", f"{job.out} holds the results of another job")
