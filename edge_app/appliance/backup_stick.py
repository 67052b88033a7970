"""A stick as a place for backups; what lies on it may be anything.

::

    ghalla-backup/SET/000007.gbk           one backup: a list of files, closed
    ghalla-backup/SET/objects/ab/ab34…     pieces of files, each once, closed

No link is followed, nothing but regular files is read, a file gets its name when it is whole.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from field_data.errors import KeeperError
from field_data.ids import new_id

FOLDER = "ghalla-backup"
OBJECTS = "objects"
_WORDS = {
    errno.ENOSPC: ("stick_full", "the stick is full"),
    errno.EDQUOT: ("stick_full", "the stick is full"),
    errno.EFBIG: ("stick_full", "the stick takes no larger file"),
    errno.EROFS: ("stick_read_only", "the stick can only be read"),
    errno.EACCES: ("stick_read_only", "the stick may not be written"),
    errno.EPERM: ("stick_read_only", "the stick may not be written"),
    errno.ELOOP: ("stick_hostile", "there is a link where a folder is expected"),
    errno.ENOTDIR: ("stick_hostile", "there is something else where a folder is expected"),
}


@contextmanager
def stick_errors() -> Iterator[None]:
    """What the system says of a stick, in our words: full, read-only, hostile, or gone."""
    try:
        yield
    except OSError as error:
        code, words = _WORDS.get(error.errno or 0, ("stick_gone", "the stick cannot be used"))
        raise KeeperError(code, f"{words}: {error}") from error


class Stick:
    """The backups of one set on the stick mounted at ``mount``."""

    def __init__(self, mount: Path, set_name: str) -> None:
        self.mount, self.set_name = mount, set_name
        self._shards: dict[str, set[str]] = {}

    # --- lists --------------------------------------------------------------------------------

    def numbers(self) -> list[int]:
        """The backups that are there, oldest first."""
        names = (name.removesuffix(".gbk") for name in self._names() if name.endswith(".gbk"))
        return sorted(int(n) for n in names if len(n) == 6 and n.isascii() and n.isdigit())

    def write_list(self, number: int, data: bytes) -> None:
        """Keep a list, durably."""
        self._write((), f"{number:06d}.gbk", data)

    def read_list(self, number: int, most: int) -> bytes:
        """A list, of at most ``most`` bytes."""
        return self._read((), f"{number:06d}.gbk", most)

    def remove_list(self, number: int) -> None:
        """Remove a list; its pieces stay until :meth:`sweep`."""
        self._remove((), f"{number:06d}.gbk")

    # --- pieces -------------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        """Whether a piece is there."""
        shard = name[:2]
        if shard not in self._shards:
            self._shards[shard] = set(self._names(OBJECTS, shard))
        return name in self._shards[shard]

    def write(self, name: str, data: bytes) -> None:
        """Keep a piece, durably."""
        self._write((OBJECTS, name[:2]), name, data)
        self._shards.setdefault(name[:2], set()).add(name)

    def read(self, name: str, most: int) -> bytes:
        """A piece, of at most ``most`` bytes."""
        return self._read((OBJECTS, name[:2]), name, most)

    def remove(self, name: str) -> None:
        """Remove a piece, so that the next backup writes it anew."""
        self._remove((OBJECTS, name[:2]), name)
        self._shards.pop(name[:2], None)

    def sweep(self, wanted: set[str]) -> int:
        """Remove pieces that are in no list any more, and what was cut; how many."""
        removed = 0
        for shard in self._names(OBJECTS):
            for name in self._names(OBJECTS, shard):
                if name not in wanted:
                    self._remove((OBJECTS, shard), name)
                    removed += 1
        for name in self._names():
            if name.endswith(".tmp"):
                self._remove((), name)
        self._shards.clear()
        return removed

    # --- files --------------------------------------------------------------------------------

    def _names(self, *parts: str) -> list[str]:
        try:
            with self._folder(*parts) as folder, stick_errors():
                return sorted(os.listdir(folder))  # noqa: PTH208 - a handle
        except FileNotFoundError:
            return []

    @contextmanager
    def _folder(self, *parts: str, make: bool = False) -> Iterator[int]:
        """A folder of the set, opened without following a link.

        Raises:
            FileNotFoundError: it is not there.
            KeeperError: see :func:`stick_errors`.
        """
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        missing: FileNotFoundError | None = None
        with stick_errors():
            here = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in (FOLDER, self.set_name, *parts):
                with stick_errors():
                    if make:
                        with suppress(FileExistsError):
                            os.mkdir(part, 0o700, dir_fd=here)
                    try:
                        there = os.open(part, flags, dir_fd=here)
                    except FileNotFoundError as error:
                        missing = error
                        break
                os.close(here)
                here = there
            if missing is not None:
                raise missing
            yield here
        finally:
            os.close(here)

    def _write(self, parts: tuple[str, ...], name: str, data: bytes) -> None:
        with self._folder(*parts, make=True) as folder, stick_errors():
            temporary = f"{new_id()}.tmp"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                handle = os.open(temporary, flags, 0o600, dir_fd=folder)
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
            with suppress(OSError):  # FAT cannot
                os.fsync(folder)

    def _read(self, parts: tuple[str, ...], name: str, most: int) -> bytes:
        try:
            with self._folder(*parts) as folder, stick_errors(), _opened(folder, name) as file:
                if os.fstat(file.fileno()).st_size > most:
                    raise KeeperError("backup_damaged", f"{name} is larger than any")
                return file.read(most)
        except FileNotFoundError as error:
            raise KeeperError("backup_damaged", f"{name} is missing") from error

    def _remove(self, parts: tuple[str, ...], name: str) -> None:
        with (
            suppress(FileNotFoundError),
            self._folder(*parts) as folder,
            stick_errors(),
            suppress(FileNotFoundError, IsADirectoryError),
        ):
            os.unlink(name, dir_fd=folder)


def _opened(folder: int, name: str) -> IO[bytes]:
    """A file that may be anything: no link is followed, no pipe waited for."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            raise
        raise KeeperError("backup_damaged", f"{name} is no file of a backup") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise KeeperError("backup_damaged", f"{name} is no file of a backup")
    return os.fdopen(handle, "rb")


def sets_on(mount: Path) -> list[str]:
    """The sets of backups on a stick."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    with stick_errors():
        try:
            handle = os.open(mount / FOLDER, flags)
        except FileNotFoundError:
            return []
        try:
            names = os.listdir(handle)  # noqa: PTH208 - a handle
        finally:
            os.close(handle)
    return sorted(n for n in names if len(n) == 16 and set(n) <= set("0123456789abcdef"))
