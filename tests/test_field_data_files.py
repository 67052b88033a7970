"""Atomic files, the home lock, and a full disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from field_data.errors import KeeperError
from field_data.files import (
    HomeLock,
    exclusive,
    free_bytes,
    make_folder,
    remove_leftovers,
    write_atomic,
)

HOLD = """
import sys, time
from pathlib import Path
from field_data.files import HomeLock
with HomeLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def other_holder(home: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_file_then_name_are_made_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Path, bool]] = []
    path = tmp_path / "file"
    fsync = os.fsync

    def watch(handle: int) -> None:
        seen.append((Path(f"/proc/self/fd/{handle}").readlink(), path.exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watch)
    write_atomic(path, b"data")
    (first, named_before), (second, named_after) = seen
    assert first.parent == tmp_path
    assert not named_before
    assert (second, named_after) == (tmp_path, True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def full(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeeperError) as caught:
        write_atomic(path, b"new")
    assert caught.value.code == "disk_full"
    assert caught.value.details == {"path": str(path)}
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_other_failures_keep_their_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "nowhere" / "file", b"data")


def test_half_written_files_are_removed_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / ".abc.tmp").write_bytes(b"half")
    (tmp_path / "kept.tmp").write_bytes(b"whole")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.tmp"]


def test_folders_are_made_with_their_parents(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_free_bytes_is_what_the_file_system_says(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    assert 0 < free_bytes(tmp_path) <= status.f_blocks * status.f_frsize


def test_the_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    with other_holder(home) as holder:
        with pytest.raises(KeeperError) as caught:
            HomeLock(home).acquire()
        assert caught.value.code == "home_in_use"
        assert caught.value.details == {"home": str(home), "pid": holder.pid}


def test_kill_9_frees_the_home(tmp_path: Path) -> None:
    with other_holder(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with HomeLock(tmp_path), pytest.raises(KeeperError, match=f"pid {os.getpid()}"):
            HomeLock(tmp_path).acquire()


def test_a_released_home_can_be_taken_again(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    lock.release()
    for _ in range(2):
        with lock:
            assert (tmp_path / "lock").read_text().strip() == str(os.getpid())


def test_one_at_a_time_and_the_next_waits(tmp_path: Path) -> None:
    path, order, inside = tmp_path / "x.lock", [], threading.Event()

    def second() -> None:
        inside.wait(10)
        with exclusive(path):
            order.append("second")

    waiting = threading.Thread(target=second)
    waiting.start()
    with exclusive(path):
        inside.set()
        waiting.join(0.2)
        assert waiting.is_alive()
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
