"""Small file systems in files: made, mounted, recorded, and always taken down again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from field_data.files import free_bytes
from tests.powercut.recorder import DISK, MARK

MIB = 1024 * 1024
# Images in memory where there is some: the disk of this machine is not what is tested.
_MEMORY = Path("/dev/shm")
_ENOUGH = 1024 * MIB


def run(*command: object) -> str:
    """What the command prints; `RuntimeError` with its complaint if it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@contextmanager
def workshop() -> Iterator[Path]:
    """A folder for images, gone afterwards."""
    roomy = _MEMORY.is_dir() and free_bytes(_MEMORY) >= _ENOUGH
    with TemporaryDirectory(prefix="powercut-", dir=_MEMORY if roomy else None) as folder:
        yield Path(folder)


def make_image(path: Path, size: int) -> None:
    """A fresh ext4 of ``size`` bytes in the file ``path``."""
    with path.open("wb") as file:
        file.truncate(size)
    options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    run("mkfs.ext4", "-q", "-b", 4096, "-m", 0, "-N", 4096, "-E", options, path)


@contextmanager
def mounted(image: Path, point: Path, *options: str) -> Iterator[Path]:
    """``image`` mounted at ``point``; the kernel drops the loop device with the mount."""
    point.mkdir(exist_ok=True)
    run("mount", "-t", "ext4", "-o", ",".join(("loop", "noatime", *options)), image, point)
    try:
        yield point
    finally:
        run("umount", point)


@contextmanager
def recorded(image: Path, log: Path, folder: Path) -> Iterator[tuple[Path, Path]]:
    """``image`` mounted, everything written to it goes into ``log``: (folder, file for marks)."""
    door, point = folder / "door", folder / "recorded"
    door.mkdir()
    command = [sys.executable, "-m", "tests.powercut.recorder", *map(str, (image, log, door))]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as recorder:
        try:
            _wait_for(Path(f"{door}{DISK}"), recorder)
            with mounted(Path(f"{door}{DISK}"), point):
                yield point, Path(f"{door}{MARK}")
            _unmount_when_free(door)
        finally:
            _end(recorder)
    door.rmdir()


def _wait_for(path: Path, recorder: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        if path.exists():
            return
        if recorder.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError("the recorder did not start")


def _unmount_when_free(door: Path) -> None:
    # The kernel lets go of the loop device a moment after the mount.
    for _ in range(200):
        try:
            run("umount", door)
        except RuntimeError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{door} is still in use")


def _end(recorder: subprocess.Popen[bytes]) -> None:
    try:
        recorder.wait(timeout=10)
    except subprocess.TimeoutExpired:
        recorder.kill()


def child(module: str, arguments: Sequence[object]) -> None:
    """Run a module of ours in a process of its own; `RuntimeError` if it fails."""
    run(sys.executable, "-m", module, *arguments)
