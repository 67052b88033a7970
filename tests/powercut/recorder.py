"""A disk that remembers: one file whose writes and flushes go into a log, with marks between.

Run as ``python -m tests.powercut.recorder <image> <log> <mount point>``; ends with its input.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mfusepy

DISK, MARK = "/disk", "/mark"
_HEAD = struct.Struct("<cQI")
_WRITE, _FLUSH, _SAID = b"W", b"F", b"M"


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that the file system gave to the disk."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Flush:
    """The disk was told to make everything before durable."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the workload said at that moment."""

    text: str


Entry = Write | Flush | Mark


def read_log(path: Path) -> Iterator[Entry]:
    """The entries of a log in their order."""
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            kind, offset, length = _HEAD.unpack(head)
            data = file.read(length)
            yield _entry(kind, offset, data)


def _entry(kind: bytes, offset: int, data: bytes) -> Entry:
    if kind == _WRITE:
        return Write(offset, data)
    return Mark(data.decode()) if kind == _SAID else Flush()


class Recorder(mfusepy.Operations):  # type: ignore[misc]
    """The file system with the two files; one thread, so that the log has one order."""

    use_ns = True

    def __init__(self, image: Path, log: Path) -> None:
        self._size = image.stat().st_size
        self._disk = os.open(image, os.O_RDWR)
        self._log = log.open("ab", buffering=1 << 20)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        """The root and two files."""
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path not in (DISK, MARK):
            raise mfusepy.FuseOSError(errno.ENOENT)
        size = self._size if path == DISK else 0
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": size}

    def readdir(self, path: str, fh: int) -> list[str]:
        """Their names."""
        return [".", "..", DISK[1:], MARK[1:]]

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Bytes of the disk."""
        return os.pread(self._disk, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        """Onto the disk, or a mark; into the log."""
        if path == DISK:
            os.pwrite(self._disk, data, offset)
        self._note(_WRITE if path == DISK else _SAID, offset, data)
        return len(data)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        """A flush of the disk."""
        if path == DISK:
            self._note(_FLUSH, 0, b"")
        return 0

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        """Asked when a mark is opened for writing."""
        return 0

    def destroy(self, path: str) -> None:
        """The last word goes into the log too."""
        self._log.close()

    def _note(self, kind: bytes, offset: int, data: bytes) -> None:
        self._log.write(_HEAD.pack(kind, offset, len(data)) + data)


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(1)  # whoever started this is gone, and so is the need for the mount


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    mfusepy.FUSE(
        Recorder(Path(sys.argv[1]), Path(sys.argv[2])), sys.argv[3], foreground=True, nothreads=True
    )
