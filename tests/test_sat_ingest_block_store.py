"""Sparse copies: the whole file's pixels for the fewest bytes, nothing half-written trusted."""

from __future__ import annotations

import itertools
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.windows import Window

from field_data.errors import KeeperError, NetworkError, PublisherError
from field_data.files import write_atomic
from sat_ingest import sparse_cog
from sat_ingest.block_store import BlockStore
from sat_ingest.ranges import Budget, BudgetSpentError, Patience, Ranges, RemoteChangedError
from sat_ingest.sparse_cog import FIRST_READ, Pixels, SparseCog, guessed_bytes, merged
from tests.range_server import Fault, NginxServer, RangeServer
from tests.sat_catalogues import land, read_pixels, write_cog

FAST = Patience(attempts=3, base_s=0.001, read_s=2.0)
SIZE = 700


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("remote")
    noisy = land(SIZE, SIZE) + np.random.default_rng(3).integers(0, 900, (SIZE, SIZE), np.uint16)
    write_cog(path / "a.tif", noisy, block=256)
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[RangeServer]:
    with RangeServer(folder) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlockStore]:
    ranges = Ranges(patience=FAST)
    with BlockStore(tmp_path / "store", ranges) as opened:
        yield opened
    ranges.close()


def pixels(cog: SparseCog, window: Pixels) -> NDArray[np.uint16]:
    cog.ensure([window])
    row, column, height, width = window
    with cog.opened() as dataset:
        found: NDArray[np.uint16] = dataset.read(1, window=Window(column, row, width, height))
    return found


def blocks_bytes(path: Path, *blocks: tuple[int, int]) -> int:
    with rasterio.open(path) as dataset:
        said = [f"BLOCK_SIZE_{x}_{y}" for y, x in blocks]
        return sum(int(dataset.get_tag_item(name, "TIFF", bidx=1)) for name in said)


@pytest.mark.parametrize("kind", [RangeServer, NginxServer])
def test_a_field_costs_the_header_and_the_rows_it_needs(
    kind: type[RangeServer], folder: Path, store: BlockStore
) -> None:
    with kind(folder) as server, store.cog(server.url("a.tif")) as cog:
        window = (300, 300, 48, 48)
        assert np.array_equal(pixels(cog, window), read_pixels(folder / "a.tif", *window))
        assert len(server.asked) == 2
        share = (300 + 48 - 256) / 256
        assert server.sent < FIRST_READ + blocks_bytes(folder / "a.tif", (1, 1)) * (share + 0.06)
        before = server.sent
        assert np.array_equal(pixels(cog, (260, 400, 80, 50)),
                              read_pixels(folder / "a.tif", 260, 400, 80, 50))  # fmt: skip
        assert server.sent == before


def test_any_fields_in_any_order_read_as_from_the_whole_file(
    server: RangeServer, folder: Path, store: BlockStore
) -> None:
    rng = np.random.default_rng(7)
    with rasterio.open(folder / "a.tif") as dataset:
        whole = dataset.read(1)
    for _ in range(40):
        row, column = rng.integers(0, SIZE - 1, 2)
        height, width = (int(rng.integers(1, min(90, SIZE - at) + 1)) for at in (row, column))
        window = (int(row), int(column), height, width)
        with store.cog(server.url("a.tif")) as cog:
            found = pixels(cog, window)
        assert np.array_equal(found, whole[row : row + height, column : column + width]), window
    # Each byte of the file at most once, but for what holding a prefix twice may cost.
    assert server.sent <= (folder / "a.tif").stat().st_size


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "DEFLATE", "predictor": 1},
        {"compress": "NONE"},
        {"compress": "LZW"},
        {"compress": "ZSTD", "predictor": 2},
        {"bigtiff": "YES"},
        {"overviews": "AUTO"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_other_kinds_of_tiff_read_the_same(
    tmp_path: Path, store: BlockStore, options: dict[str, Any]
) -> None:
    write_cog(tmp_path / "b.tif", land(500, 500), block=128, **{"predictor": 1} | options)
    with RangeServer(tmp_path) as server, store.cog(server.url("b.tif")) as cog:
        for window in ((130, 130, 20, 20), (250, 250, 20, 20), (480, 490, 20, 10)):
            assert np.array_equal(pixels(cog, window), read_pixels(tmp_path / "b.tif", *window))
        assert not cog.has((0, 0, 5, 5))
        with cog.opened() as dataset, pytest.raises(RasterioError):
            dataset.read(1, window=Window(0, 0, 5, 5))
        assert server.sent < (tmp_path / "b.tif").stat().st_size


def test_what_was_not_fetched_is_never_a_picture(server: RangeServer, store: BlockStore) -> None:
    with store.cog(server.url("a.tif")) as cog:
        cog.ensure([(300, 300, 20, 20)])
        with cog.opened() as dataset:
            with pytest.raises(RasterioIOError):
                dataset.read(1, window=Window(0, 0, 10, 10))
            below = dataset.read(1, window=Window(300, 400, 30, 30))
        assert not below.any()
        assert not cog.has((400, 300, 30, 30))
        assert cog.has((256, 256, 64, 256))


def test_many_fields_of_a_block_are_one_request(server: RangeServer, store: BlockStore) -> None:
    windows = [(260 + 10 * n, 270 + 20 * n, 9, 9) for n in range(8)]
    with store.cog(server.url("a.tif")) as cog:
        cog.ensure(windows)
    assert len(server.asked) == 2


def test_neighbouring_blocks_come_in_one_request(server: RangeServer, store: BlockStore) -> None:
    with store.cog(server.url("a.tif")) as cog:
        cog.ensure([(480, 200, 32, 200)])  # their last rows: whole blocks, side by side
    assert len(server.asked) == 2


def test_a_cut_link_costs_no_byte_twice(
    server: RangeServer, folder: Path, store: BlockStore
) -> None:
    server.cut_every = 20_000
    window = (0, 0, 256, 512)
    with store.cog(server.url("a.tif")) as cog:
        assert np.array_equal(pixels(cog, window), read_pixels(folder / "a.tif", *window))
    assert len(server.asked) > 8
    assert server.sent <= 1.05 * blocks_bytes(folder / "a.tif", (0, 0), (0, 1)) + FIRST_READ


def test_a_pull_that_failed_goes_on_where_it_was(server: RangeServer, store: BlockStore) -> None:
    window = (0, 0, 256, 200)
    with store.cog(server.url("a.tif")) as cog:
        server.faults.extend([Fault("cut", after=50_000), *[Fault("status")] * 3])
        with pytest.raises(NetworkError):
            cog.ensure([window])
    server.asked.clear()
    with store.cog(server.url("a.tif")) as cog:
        cog.ensure([window])
        assert cog.has(window)
    [again] = server.asked
    assert again.span is not None
    assert again.sent == cog.head.span(0)[1] - again.span[0]
    assert again.span[0] >= cog.head.span(0)[0] + 50_000


def test_a_small_budget_gets_there_in_the_end(
    server: RangeServer, folder: Path, tmp_path: Path
) -> None:
    window = (0, 0, 256, 200)
    for runs in itertools.count(1):
        ranges = Ranges(Budget(30_000), patience=FAST)
        try:
            with BlockStore(tmp_path / "s", ranges) as store, store.cog(server.url("a.tif")) as cog:
                found = pixels(cog, window)
                assert runs > 3
            break
        except BudgetSpentError:
            assert ranges.budget.spent <= 30_000
        finally:
            ranges.close()
    assert np.array_equal(found, read_pixels(folder / "a.tif", *window))
    assert server.sent <= blocks_bytes(folder / "a.tif", (0, 0)) + FIRST_READ


@pytest.mark.parametrize(
    "note",
    ["[]", "7", '{"held": 3, "rows": {}}', '{"held": [[1]], "rows": {}}', '{"rows": {"x": 1}}'],
)
@pytest.mark.parametrize("kind", ["held", "head"])
def test_notes_of_another_shape_are_as_good_as_none(
    tmp_path: Path, store: BlockStore, kind: str, note: str
) -> None:
    write_cog(tmp_path / "c.tif", land(300, 300, 1), block=128)
    window = (0, 0, 10, 10)
    with RangeServer(tmp_path) as server:
        with store.cog(server.url("c.tif")) as cog:
            cog.ensure([window])
        for path in store.folder.glob(f"*.{kind}"):
            path.write_text(note)
        with store.cog(server.url("c.tif")) as cog:
            cog.ensure([window])
            assert np.array_equal(pixels(cog, window), read_pixels(tmp_path / "c.tif", *window))


def test_a_replaced_file_is_forgotten(tmp_path: Path, store: BlockStore) -> None:
    write_cog(tmp_path / "c.tif", land(300, 300, 1), block=128)
    with RangeServer(tmp_path) as server:
        with store.cog(server.url("c.tif")) as cog:
            cog.ensure([(0, 0, 10, 10)])
        write_cog(tmp_path / "c.tif", land(300, 300, 2), block=128)
        with store.cog(server.url("c.tif")) as cog:
            cog.ensure([(0, 0, 10, 10)])  # held: the network is not asked
        with pytest.raises(RemoteChangedError), store.cog(server.url("c.tif")) as cog:
            cog.ensure([(200, 200, 10, 10)])
        window = (0, 0, 10, 10)
        with store.cog(server.url("c.tif")) as cog:
            assert np.array_equal(pixels(cog, window), read_pixels(tmp_path / "c.tif", *window))


def test_a_truncated_file_is_its_publishers_matter(tmp_path: Path, store: BlockStore) -> None:
    write_cog(tmp_path / "d.tif", land(300, 300), block=128)
    data = (tmp_path / "d.tif").read_bytes()
    for size in (5, 100, 300, len(data) - 1000):
        (tmp_path / "d.tif").write_bytes(data[:size])
        with (
            RangeServer(tmp_path) as server,
            pytest.raises(PublisherError) as caught,
            store.cog(server.url("d.tif")) as cog,
        ):
            cog.ensure([(280, 280, 10, 10)])
        assert caught.value.code in {"cog_truncated", "bad_tiff"}


@pytest.mark.parametrize(("more", "code"), [(10**14, "bad_range"), (2**33, "bad_tiff")])
def test_a_file_that_claims_to_be_huge_is_refused(
    server: RangeServer, store: BlockStore, more: int, code: str
) -> None:
    server.faults.append(Fault("lying_size", after=more))
    with pytest.raises(PublisherError) as caught, store.cog(server.url("a.tif")):
        pass
    assert caught.value.code == code


def test_connections_are_kept(folder: Path, store: BlockStore) -> None:
    with RangeServer(folder) as server:
        with store.cog(server.url("a.tif")) as cog:
            for row in range(0, 600, 120):
                cog.ensure([(row, 10, 5, 500)])
        assert len(server.asked) > 4
        assert server.connections == 1


def test_a_damaged_block_is_its_publishers_matter(tmp_path: Path, store: BlockStore) -> None:
    path = write_cog(tmp_path / "e.tif", land(300, 300), block=128)
    with rasterio.open(path) as dataset:
        at = int(dataset.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", bidx=1))
    with path.open("r+b") as file:
        file.seek(at + 200)
        file.write(b"\xff" * 400)
    with RangeServer(tmp_path) as server, store.cog(server.url("e.tif")) as cog:
        for rows in (5, 128):
            with pytest.raises(PublisherError) as caught:
                cog.ensure([(128, 128, rows, 50)])
            assert caught.value.code == "cog_damaged"
        assert not cog.has((128, 128, 1, 1))


def test_the_least_recently_used_scene_gives_way(tmp_path: Path) -> None:
    for name in "abc":
        noise = np.random.default_rng(ord(name)).integers(1, 60000, (256, 256)).astype(np.uint16)
        write_cog(tmp_path / f"{name}.tif", noise, block=256)
    one = (tmp_path / "a.tif").stat().st_size
    with RangeServer(tmp_path) as server:
        ranges = Ranges(patience=FAST)
        with BlockStore(tmp_path / "s", ranges, quota_bytes=int(3.5 * one)) as store:
            for name in "abac":
                with store.cog(server.url(f"{name}.tif")) as cog:
                    cog.ensure([(0, 0, 256, 256)])
            server.asked.clear()
            for name in "ca":
                with store.cog(server.url(f"{name}.tif")) as cog:
                    cog.ensure([(0, 0, 256, 256)])
            assert server.asked == []
            with store.cog(server.url("b.tif")):
                assert server.asked != []
        with BlockStore(tmp_path / "s", ranges, quota_bytes=one // 2) as store:
            with pytest.raises(KeeperError) as caught, store.cog(server.url("b.tif")) as cog:
                cog.ensure([(0, 0, 256, 256)])
            assert caught.value.code == "sat_quota_full"
        ranges.close()


def test_two_pulls_do_not_share_a_folder(store: BlockStore) -> None:
    with pytest.raises(KeeperError) as caught, BlockStore(store.folder, store.ranges):
        pass
    assert caught.value.code == "home_in_use"


_PULLER = """
import sys
from pathlib import Path
from sat_ingest.block_store import BlockStore
from sat_ingest.ranges import Ranges
folder, url = sys.argv[1:]
rows = [(row, column, 10, 10) for row in range(5, 690, 60) for column in range(5, 690, 230)]
with BlockStore(Path(folder), Ranges()) as store, store.cog(url) as cog:
    for window in rows:
        cog.ensure([window])
print("all")
"""


def test_nothing_half_written_is_trusted_after_kill_9(
    server: RangeServer, folder: Path, tmp_path: Path
) -> None:
    with rasterio.open(folder / "a.tif") as dataset:
        whole = dataset.read(1)
    url, kills = server.url("a.tif"), 0
    for attempt in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", _PULLER, str(tmp_path / "s"), url], stdout=subprocess.PIPE
        )
        # A few requests later each time, so that every run comes further than the one before.
        until, begun = len(server.asked) + 1 + attempt, time.monotonic()
        while len(server.asked) < until and process.poll() is None:
            assert time.monotonic() < begun + 300  # every note is synced: a slow disk
            time.sleep(0.001)
        process.kill()
        out, _ = process.communicate(timeout=20)
        kills += b"all" not in out
        _check_all_held(tmp_path / "s", url, whole)
        if b"all" in out:
            break
    assert kills >= 3
    # The kills cost at most what lay between two notes.
    assert server.sent < 2 * (folder / "a.tif").stat().st_size


def test_what_is_noted_was_durable_before(
    server: RangeServer, folder: Path, store: BlockStore, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    """A power cut at any note: the pixels as they were last synced still back what it says."""
    with rasterio.open(folder / "a.tif") as dataset:
        whole = dataset.read(1)
    real_write, real_sync, checked = write_atomic, os.fsync, list[int]()
    synced: dict[int, bytes] = {}

    def sync(handle: int) -> None:
        real_sync(handle)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            synced[os.fstat(handle).st_ino] = Path(f"/proc/self/fd/{handle}").read_bytes()

    def write(path: Path, data: bytes) -> None:
        real_write(path, data)
        after = tmp_path / f"after-{len(checked)}"
        shutil.copytree(path.parent, after)
        pixels_path = path.with_suffix(".tif")
        (after / pixels_path.name).write_bytes(synced[pixels_path.stat().st_ino])
        _check_all_held(after, server.url("a.tif"), whole)
        checked.append(1)

    monkeypatch.setattr(sparse_cog, "write_atomic", write)
    monkeypatch.setattr(os, "fsync", sync)
    for window in ((5, 5, 9, 9), (150, 5, 9, 9), (250, 5, 9, 300), (600, 600, 5, 5)):
        with store.cog(server.url("a.tif")) as cog:
            cog.ensure([window])
    assert len(checked) > 8


def _check_all_held(folder: Path, url: str, whole: NDArray[np.uint16]) -> None:
    """What the notes call held reads as the truth; the network is not asked."""
    ranges = Ranges(Budget(0), patience=FAST)
    with BlockStore(folder, ranges) as store:
        if not store.cached():
            return
        with store.cog(url) as cog, cog.opened() as dataset:
            for row, column, height, width in cog.strips():
                found = dataset.read(1, window=Window(column, row, width, height))
                assert np.array_equal(found, whole[row : row + height, column : column + width])
    ranges.close()


def test_spans_join_when_near_and_guesses_never_stand_still() -> None:
    assert merged([(5, 9), (0, 3), (9, 12), (20, 20), (40, 50)], gap=2) == [(0, 12), (40, 50)]
    assert merged([(0, 3), (5, 9)]) == [(0, 3), (5, 9)]
    for have in (0, 10, 5000, 99_000):
        for known in (0, 3):
            guess = guessed_bytes(100_000, 256, 200, have, known)
            assert have < guess <= 100_000
