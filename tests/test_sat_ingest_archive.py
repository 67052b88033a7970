"""The archive: nothing lost, nothing twice, and room made where it costs least."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard

from field_data.errors import KeeperError, PublisherError
from sat_ingest import codec
from sat_ingest.archive import Archive, season_of
from sat_ingest.scene_names import picture_and_rank
from sat_ingest.windows import Window
from tests.sat_fields import GRID, window_of


def same(one: Window, other: Window) -> bool:
    head = (one.field, one.day, one.scene, one.grid) == (
        other.field,
        other.day,
        other.scene,
        other.grid,
    )
    pixels = list(one.bands) == list(other.bands) and all(
        np.array_equal(one.bands[name], other.bands[name]) for name in one.bands
    )
    return head and pixels and np.array_equal(one.scl, other.scl)


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (24, 20), (3, 200)])
def test_the_codec_gives_every_pixel_back(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    bands = {
        "wild": rng.integers(0, 65536, shape, dtype=np.uint16),
        "edges": np.where(rng.random(shape) < 0.5, 0, 65535).astype(np.uint16),
    }
    scl = rng.integers(0, 12, shape, dtype=np.uint8)
    found, classes = codec.decode(codec.encode(bands, scl), shape)
    assert all(np.array_equal(found[name], bands[name]) for name in bands)
    assert np.array_equal(classes, scl)


def test_a_quantum_moves_no_value_by_more_than_half_and_keeps_no_data() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    back = codec.quantised(values, 10).astype(int) * 10
    assert back[0, 0] == 0
    assert (back.ravel()[1:] > 0).all()
    gap = abs(back - values)
    assert gap.ravel()[5:].max() <= 5
    assert gap.max() <= 9


@pytest.mark.parametrize("harm", [b"", b"\x28\xb5\x2f\xfd", b"zip"])
def test_bytes_that_are_no_window_are_refused(harm: bytes) -> None:
    window = window_of()
    whole = codec.encode(window.bands, window.scl)
    shape = window.scl.shape
    for data in (harm, whole[:-3], whole + b"x", whole[:40] + harm + whole[40 + len(harm) :]):
        if data != whole:
            with pytest.raises(PublisherError):
                codec.decode(data, (shape[0], shape[1]))
    with pytest.raises(PublisherError):
        codec.decode(whole, (shape[0], shape[1] + 1))


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    bomb = zstandard.ZstdCompressor(level=3).compress(bytes(1 << 30))
    with pytest.raises(PublisherError, match="larger"):
        codec.decode(bomb, (24, 20))


def test_what_is_put_comes_back_and_only_once(tmp_path: Path) -> None:
    first, second = window_of(day=20_010), window_of(day=20_000)
    with Archive(tmp_path / "archive.db") as archive:
        assert archive.put(first)
        assert archive.put(second)
        assert not archive.put(first)
        assert archive.has("f1", first.scene)
        assert not archive.has("f2", first.scene)
    with Archive(tmp_path / "archive.db") as archive:
        found = list(archive.windows("f1", 0, 99_999))
        assert [w.day for w in found] == [20_000, 20_010] == archive.days("f1")
        assert same(found[1], first)
        assert list(next(archive.windows("f1", 20_010, 20_010, ["nir", "lidar"])).bands) == ["nir"]
        status = archive.status()
        assert (status.fields, status.windows, status.bytes) == (1, 2, archive.size_bytes())
        assert 0 < status.bytes < status.file_bytes


def test_a_later_processing_replaces_the_earlier_and_never_the_other_way(tmp_path: Path) -> None:
    old = window_of(scene="S2A_29SNR_20240101_0_L2A", ndvi=0.3)
    new = window_of(scene="S2A_29SNR_20240101_1_L2A", ndvi=0.6)
    other = window_of(scene="S2A_29SPR_20240101_0_L2A")
    with Archive(tmp_path / "archive.db") as archive:
        assert archive.put(old)
        assert archive.put(new)
        assert archive.put(other)
        assert not archive.put(old)
        assert archive.has("f1", old.scene)
        scenes = [w.scene for w in archive.windows("f1", 0, 99_999)]
        assert scenes == [new.scene, other.scene]
        total = archive.size_bytes()
    con = sqlite3.connect(tmp_path / "archive.db")
    assert con.execute("SELECT sum(length(data)) FROM windows").fetchone()[0] == total
    con.close()


def test_names_of_both_catalogues_tell_reprocessings() -> None:
    early = picture_and_rank("S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531")
    late = picture_and_rank("S2B_MSIL2A_20190629T212529_N0500_R043_T06VVN_20230612T080531")
    assert early[0] == late[0]
    assert early[1] < late[1]
    assert (
        picture_and_rank("S2A_28QCH_20200714_9_L2A")[1]
        < (picture_and_rank("S2A_28QCH_20200714_10_L2A")[1])
    )
    assert picture_and_rank("anything") == ("anything", "")


def test_a_corrected_boundary_clears_the_field_and_no_other(tmp_path: Path) -> None:
    moved = replace(GRID, left=GRID.left + 20)
    with Archive(tmp_path / "archive.db") as archive:
        archive.put(window_of("f1", 20_000))
        archive.put_figures("f1", "outline", [(20_000, b"figures")])
        archive.put(window_of("f2", 20_000))
        archive.put(window_of("f1", 20_010, grid=moved))
        assert archive.days("f1") == [20_010]
        assert archive.figures("f1", "outline") == []
        assert archive.days("f2") == [20_000]
        assert archive.grid("f1") == moved


def test_a_full_archive_gives_up_old_and_cloudy_windows_but_no_figures(tmp_path: Path) -> None:
    year = 365
    days = {20_000: 0.9, 20_005: 0.0, 20_000 + year: 0.9, 20_005 + year: 0.0}
    windows = [window_of(day=day, cloudy=cloudy) for day, cloudy in days.items()]
    size = max(len(codec.encode(w.bands, w.scl)) for w in windows)
    with Archive(tmp_path / "archive.db", quota_bytes=size * 3) as archive:
        for window in windows[:3]:
            archive.put(window)
            archive.put_figures("f1", "outline", [(window.day, b"figures")])
        archive.put(windows[3])
        assert 20_000 not in archive.days("f1")
        assert 20_005 + year in archive.days("f1")
        assert archive.size_bytes() <= size * 3
        assert len(archive.figures("f1", "outline")) == 3
        assert archive.has("f1", windows[0].scene)


def test_a_window_without_figures_is_never_given_up(tmp_path: Path) -> None:
    window = window_of(day=20_000)
    size = len(codec.encode(window.bands, window.scl))
    with Archive(tmp_path / "archive.db", quota_bytes=size + size // 2) as archive:
        archive.put(window)
        with pytest.raises(KeeperError) as error:
            archive.put(window_of(day=20_001))
        assert error.value.code == "archive_full"
        assert archive.days("f1") == [20_000]
        assert archive.size_bytes() == size


def test_figures_are_due_until_drawn_and_again_for_another_outline(tmp_path: Path) -> None:
    with Archive(tmp_path / "archive.db") as archive:
        archive.put(window_of(day=20_000))
        assert archive.undrawn("f1", "a") == [20_000]
        archive.put_figures("f1", "a", [(20_000, b"one")])
        assert archive.undrawn("f1", "a") == []
        assert archive.undrawn("f1", "b") == [20_000]
        archive.put(window_of(day=20_000, scene="second"))
        assert archive.undrawn("f1", "a") == [20_000]


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "archive.db"
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from sat_ingest.archive import Archive; from tests.sat_fields import window_of;"
        f"a = Archive(Path({str(path)!r}));"
        "[a.put(window_of(day=20_000 + i)) for i in range(3)];"
        "t = a.transaction(); t.__enter__(); a.put(window_of(day=20_099));"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    with Archive(path) as archive:
        assert archive.days("f1") == [20_000, 20_001, 20_002]


def test_threads_and_processes_share_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "archive.db"

    def keep(n: int) -> int:
        with Archive(path) as own:
            return sum(own.put(window_of(f"f{n % 2}", 20_000 + i)) for i in range(10))

    with Archive(path) as shared, ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(keep, range(4)))
        again = list(pool.map(lambda i: shared.put(window_of("f0", 20_000 + i)), range(10)))
        assert sum(kept) == 20
        assert not any(again)
        assert shared.status().windows == 20
        sizes = [len(row[0]) for row in shared._all("SELECT data FROM windows")]
        assert shared.size_bytes() == sum(sizes)


def test_a_damaged_file_and_a_newer_one_are_named(tmp_path: Path) -> None:
    (tmp_path / "archive.db").write_bytes(b"not a database, " * 100)
    with pytest.raises(KeeperError) as error:
        Archive(tmp_path / "archive.db")
    assert error.value.code == "store_damaged"
    con = sqlite3.connect(tmp_path / "newer.db")
    con.execute("PRAGMA user_version=99")
    con.close()
    with pytest.raises(KeeperError) as error:
        Archive(tmp_path / "newer.db")
    assert error.value.code == "archive_newer"


def test_seasons_begin_in_september() -> None:
    assert season_of(0) == 1970
    assert season_of(19_601) == 2024  # 2023-09-01 is day 19601
    assert season_of(19_600) == season_of(19_300) == 2023


def test_windows_of_one_day_are_kept_together_or_not_at_all(tmp_path: Path) -> None:
    window = window_of(day=20_000)
    size = len(codec.encode(window.bands, window.scl))
    with Archive(tmp_path / "archive.db", quota_bytes=size * 2 + size // 2) as archive:
        assert archive.put_all([]) == 0
        assert archive.put_all([window, window]) == 1
        with pytest.raises(KeeperError):
            archive.put_all([window_of(day=20_001 + more) for more in range(3)])
        assert archive.days(window.field) == [20_000]
        assert archive.size_bytes() == size
