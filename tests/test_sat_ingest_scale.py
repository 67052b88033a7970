"""Many fields on a cluster: the same figures as on the node, whatever dies on the way."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dask
import geopandas
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from distributed import LocalCluster

from edge_app import cli
from field_data.errors import NetworkError, PersonError
from field_data.types import Field
from sat_ingest import scale
from sat_ingest.archive import Archive
from sat_ingest.pull import Puller, Wish
from sat_ingest.scale import GROUP, Job, groups, run, work
from sat_ingest.scale_tables import results
from tests.sat_catalogues import bands_of, field_at, write_catalogue, write_scene

DAYS = ("01-05", "01-15", "01-25", "02-04")
FIELDS = [
    field_at(f"f{row}{column}", 12 * row, 12 * column) for row in range(6) for column in range(6)
]


def number(day: str) -> int:
    return date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote")
    for seed, day in enumerate(DAYS):
        bands = bands_of(128, seed=seed)
        bands["scl"][:20, :20] = 9
        write_scene(folder, f"s{day}", f"2022-{day}T11:10:00", bands, block=128)
    return write_catalogue(folder, *(f"s{day}" for day in DAYS))


@pytest.fixture
def job(catalogue: Path, tmp_path: Path) -> Job:
    wish = Wish(str(catalogue), number("2022-01-01"), number("2022-02-28"), ("red", "nir"))
    return Job(wish, tmp_path / "out")


def table(out: Path) -> geopandas.GeoDataFrame:
    return results(out).set_index("field")


def plain(out: Path) -> pyarrow.Table:
    """All parts as they are on the disk, by field."""
    parts = [pyarrow.parquet.read_table(part) for part in (out / "parts").glob("*.parquet")]
    return pyarrow.concat_tables(parts).sort_by("field")


def test_threads_give_what_the_node_would_have(job: Job, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    done = run(job, FIELDS, size=9, progress=lambda *at: seen.append(at))
    assert seen == [(n, 4) for n in range(1, 5)]
    assert sum(each.fields for each in done) == 36
    found = table(job.out)
    assert found.crs == "OGC:CRS84"
    with Archive(tmp_path / "node.db") as archive:
        Puller(tmp_path / "scenes", archive, 0.0).pull(job.wish, FIELDS)
        for field in FIELDS:
            figures = scale._figures(archive, field)
            row = found.loc[field.id]
            assert [d.isoformat() for d in row.days] == [
                date.fromordinal(int(d) + date(1970, 1, 1).toordinal()).isoformat()
                for d in figures.days
            ]
            assert row.ndvi_mean == pytest.approx(figures.table[:, 0, 0].tolist(), nan_ok=True)
            assert row.geometry.exterior.coords[0] == field.boundary[0]
    for name, clear in (("f00", 0), ("f55", 4)):  # clouds over the first
        assert found.loc[name].days.size == 4
        assert np.isfinite(found.loc[name].ndvi_mean).sum() == clear


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as running:
        yield running


def kill_one_when_work_has_begun(cluster: LocalCluster, out: Path, killed: list[int]) -> None:
    while not list((out / "parts").glob("*.parquet")):
        time.sleep(0.01)
    pid = next(iter(cluster.workers.values())).pid
    os.kill(pid, signal.SIGKILL)
    killed.append(pid)


def test_a_worker_killed_midway_changes_nothing(
    job: Job, cluster: LocalCluster, tmp_path: Path
) -> None:
    killed: list[int] = []
    watcher = threading.Thread(
        target=kill_one_when_work_has_begun, args=(cluster, job.out, killed), daemon=True
    )
    watcher.start()
    done = run(job, FIELDS, scheduler=cluster.scheduler_address, size=2)
    watcher.join(10)
    assert killed
    assert len(done) == 18
    alone = Job(job.wish, tmp_path / "alone")
    run(alone, FIELDS, size=36)
    assert plain(job.out).equals(plain(alone.out))


def test_a_run_that_was_stopped_goes_on(job: Job) -> None:
    first, *_ = groups(FIELDS, 9)
    work(first, job)
    scale._same_job(job)
    done = run(job, FIELDS, size=9)
    assert [each.again for each in done] == [True, False, False, False]
    assert all(each.again for each in run(job, FIELDS, size=9))
    assert not any((job.out / "scratch").glob("*"))


def test_results_of_two_jobs_are_not_mixed(job: Job) -> None:
    scale._same_job(job)
    with pytest.raises(PersonError) as error:
        run(Job(job.wish, job.out, index="ndmi"), FIELDS)
    assert error.value.code == "other_job"


def test_a_failing_group_is_told_and_leaves_the_others_done(job: Job) -> None:
    bad = Job(Wish(str(job.out / "none.json"), 0, 10), job.out)
    with pytest.raises(PersonError):
        run(bad, FIELDS[:2], size=1)
    assert not list((job.out / "parts").glob("*.parquet"))


def test_groups_are_stable_and_lie_together() -> None:
    far = Field("far", "farm", tuple((lon + 3, lat) for lon, lat in FIELDS[0].boundary))
    made = groups([*FIELDS, far], 10)
    assert made == groups([far, *reversed(FIELDS)], 10)
    assert [len(group.fields) for group in made] == [10, 10, 10, 7]
    assert made[-1].fields[-1] == far or made[0].fields[0] == far
    moved = Field("f00", "farm", FIELDS[1].boundary)
    assert groups([moved], 1)[0].name != groups([FIELDS[0]], 1)[0].name
    assert GROUP >= 10


def test_no_scheduler_is_a_network_error() -> None:
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(NetworkError) as error,
        scale._client("tcp://127.0.0.1:9", 0),
    ):
        pass
    assert error.value.code == "no_scheduler"


def test_the_verb_does_it(catalogue: Path, tmp_path: Path) -> None:
    path = tmp_path / "fields.geojson"
    shapes = geopandas.GeoDataFrame.from_features(
        [
            {
                "type": "Feature",
                "properties": {"id": field.id},
                "geometry": {"type": "Polygon", "coordinates": [field.boundary]},
            }
            for field in FIELDS[:4]
        ],
        crs="EPSG:4326",
    )
    shapes.to_file(path, driver="GeoJSON")
    out = tmp_path / "country"
    said = CliRunner().invoke(
        cli.main,
        ["scenes", "scale", "--catalog", str(catalogue), "--fields", str(path), "--since",
         "2022-01-01", "--until", "2022-02-28", "--bands", "red,nir", "--out", str(out), "--json"],
        catch_exceptions=False,
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    assert '"fields": 4' in said.output
    assert len(results(out)) == 4
