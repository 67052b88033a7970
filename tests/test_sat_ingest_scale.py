"""Many fields on a cluster: the same figures as on the node, whatever dies on the way."""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dask
import geopandas
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from distributed import LocalCluster
from shapely.geometry import Polygon

from edge_app import cli
from field_data.errors import KeeperError, NetworkError, PersonError
from field_data.types import Field
from sat_ingest import scale
from sat_ingest.archive import Archive
from sat_ingest.pull import Puller, Wish
from sat_ingest.scale import GROUP, Job, groups, run, work
from sat_ingest.scale_tables import parquet_fields, results
from sat_ingest.window_packs import PackSource
from sync.bundles import WINDOWS, verify
from sync.keys import trusted_keys
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


def test_what_a_power_cut_spoiled_is_done_again(job: Job) -> None:
    group = groups(FIELDS[:4], 4)[0]
    scratch = job.out / "scratch" / group.name
    scratch.mkdir(parents=True)
    (scratch / "archive.db").write_bytes(b"spoiled" * 1000)
    assert work(group, job).fields == 4
    assert len(results(job.out)) == 4


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


def test_fields_come_from_geoparquet_in_any_projection(tmp_path: Path) -> None:
    path = tmp_path / "fields.parquet"
    shapes = geopandas.GeoSeries([Polygon(field.boundary) for field in FIELDS[:3]], crs=4326)
    ids, crops = [field.id for field in FIELDS[:3]], ["TRZAX", None, "x" * 30]
    table = geopandas.GeoDataFrame({"id": ids, "crop": crops}, geometry=shapes).to_crs(32629)
    table.to_parquet(path)
    found = parquet_fields(path)
    assert [(field.id, field.crop) for field in found] == [
        (ids[0], "TRZAX"), (ids[1], None), (ids[2], None),
    ]  # fmt: skip
    np.testing.assert_allclose(found[0].boundary, FIELDS[0].boundary, atol=1e-9)
    table.drop(columns="id").to_parquet(path)
    assert [field.id for field in parquet_fields(path)] == ["1", "2", "3"]


@pytest.mark.parametrize("fault", ["text", "lines", "twice", "empty", "plain"])
def test_a_file_of_fields_that_is_none_is_refused(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "fields.parquet"
    shape = Polygon(FIELDS[0].boundary)
    wrong: dict[str, list[Any]] = {
        "lines": [shape.exterior],
        "empty": [None],
        "twice": [shape, shape],
    }
    if fault in wrong:
        ids = ["a"] * len(wrong[fault])
        shapes = geopandas.GeoSeries(wrong[fault], crs=4326)
        geopandas.GeoDataFrame({"id": ids}, geometry=shapes).to_parquet(path)
    elif fault == "plain":
        pyarrow.parquet.write_table(pyarrow.table({"id": [1]}), path)
    else:
        path.write_text("no parquet")
    with pytest.raises(PersonError) as error:
        parquet_fields(path)
    assert error.value.code == "bad_geoparquet"


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "geopandas", None)
    calls: tuple[Callable[[Path], object], ...] = (parquet_fields, results)
    for call in calls:
        with pytest.raises(KeeperError) as error:
            call(tmp_path)
        assert error.value.code == "no_scale"
        assert "pip install 'ghalla[scale]'" in str(error.value)


def test_errors_travel_between_processes_and_others_get_a_name() -> None:
    ours = pickle.loads(pickle.dumps(KeeperError("disk_full", "no room", file="x")))
    assert (ours.code, str(ours)) == ("disk_full", "no room")
    assert scale._named(ours) is ours
    named = scale._named(RuntimeError("KilledWorker"))
    assert isinstance(named, KeeperError)
    assert named.code == "scale_failed"


def test_packs_are_cut_and_signed_for_nodes(catalogue: Path, tmp_path: Path) -> None:
    path, out, key = tmp_path / "fields.parquet", tmp_path / "country", tmp_path / "key"
    shapes = geopandas.GeoSeries([Polygon(field.boundary) for field in FIELDS], crs=4326)
    ids = [field.id for field in FIELDS]
    geopandas.GeoDataFrame({"field": ids}, geometry=shapes).to_parquet(path)
    words = [
        "scenes", "scale", "--catalog", str(catalogue), "--fields", str(path), "--since",
        "2022-01-01", "--until", "2022-02-28", "--bands", "red,nir", "--out", str(out),
        "--group", "12", "--key", str(key), "--json",
    ]  # fmt: skip
    assert CliRunner().invoke(cli.main, ["keys", "new", "--out", str(key)]).exit_code == 0
    assert CliRunner().invoke(cli.main, words).exit_code == 2  # a key, but no packs
    said = CliRunner().invoke(cli.main, [*words, "--packs"], catch_exceptions=False)
    assert json.loads(said.stdout)["packs"] == 3
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "hub.pub").write_bytes(Path(f"{key}.pub").read_bytes())
    trusted, windows = trusted_keys(tmp_path), 0
    for pack in (out / "packs").glob("*.ghw"):
        with pack.open("rb") as file:
            assert verify(pack, file, WINDOWS, trusted).name == pack.stem
            packed = PackSource(file).fields
            windows += sum(len(stack.days) for each in packed for stack in each.stacks)
    seen = results(out).ndvi_mean.map(lambda values: np.isfinite(values).sum()).sum()
    assert windows == seen > 60
