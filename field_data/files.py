"""Files that survive a power cut, the lock of a home, and what a full disk means."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from field_data.errors import KeeperError
from field_data.ids import new_id

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_BROKEN = frozenset({errno.EROFS, errno.EIO})
_TEMPORARY = ".tmp"


@contextmanager
def disk_full_named(path: Path) -> Iterator[None]:
    """Turn the system's "no space left" and "quota exceeded" into ``KeeperError("disk_full")``.

    "Read-only" and "input/output error" become ``KeeperError("card_failed")``.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _BROKEN:
            message = f"{path} cannot be written: {error.strerror}"
            raise KeeperError("card_failed", message, path=str(path)) from error
        if error.errno not in _FULL:
            raise
        raise KeeperError("disk_full", f"no space left for {path}", path=str(path)) from error


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` holds either the old or the new bytes, whatever happens.

    Durable when it returns.  The folder must exist.  Raises ``KeeperError("disk_full")``, or the
    system's `OSError`; the old file is then untouched.
    """
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into that becomes ``path`` when the block ends well; else nothing changes.

    Durable when it returns; raises as `write_atomic`.
    """
    temporary = path.with_name(f".{new_id()}{_TEMPORARY}")
    with disk_full_named(path):
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable: without it a power cut may undo a rename."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents, durably; nothing to do if it is there."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with disk_full_named(folder):
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what `write_atomic` left in ``folder`` when the power failed.

    No one may be writing there.
    """
    for temporary in folder.glob(f".*{_TEMPORARY}"):
        temporary.unlink(missing_ok=True)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait until no other process (or thread) is inside with the same ``path``, then go in.

    For moments only, such as reading and rewriting a small file; the kernel lets go when the
    holder dies.  The folder must exist.
    """
    with disk_full_named(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def free_bytes(path: Path) -> int:
    """Bytes that this process may still write to the file system of ``path``."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


class HomeLock:
    """One node per home folder: ``with HomeLock(home): …``.

    The kernel drops the lock when its holder dies, even by ``kill -9``.  A second holder gets
    ``KeeperError("home_in_use")`` with the ``pid`` of the first (None if not known).
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "lock"
        self._handle: int | None = None

    def acquire(self) -> Self:
        """Take the lock now or raise; makes the home folder if need be."""
        make_folder(self.path.parent)
        with disk_full_named(self.path):
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _read_pid(handle)
            os.close(handle)
            message = f"{self.path.parent} is used by another process (pid {pid or 'unknown'})"
            raise KeeperError("home_in_use", message, home=str(self.path.parent), pid=pid) from None
        # Fixed width and in place: no truncation, so the number is never half there.  It is a
        # courtesy: a full disk must not keep the node from starting.
        with suppress(OSError):
            os.pwrite(handle, f"{os.getpid():<20}\n".encode(), 0)
        self._handle = handle
        return self

    def release(self) -> None:
        """Let go; harmless if not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _read_pid(handle: int) -> int | None:
    text = os.pread(handle, 32, 0).strip()
    return int(text) if text.isdigit() else None
