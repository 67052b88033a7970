"""The parts of remote scenes that are here: one folder, one user at a time, under a disk quota."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from field_data.errors import KeeperError
from field_data.files import HomeLock, disk_full_named, make_folder, remove_leftovers
from sat_ingest.ranges import Ranges, RemoteChangedError
from sat_ingest.sparse_cog import SparseCog, forget, names

QUOTA_BYTES = 500 * 1024**2


@dataclass(frozen=True, slots=True)
class Cached:
    """What one remote file takes here: ``bytes`` on the disk; ``used`` orders files by last use."""

    stem: Path
    bytes: int
    used: int


class BlockStore:
    """Sparse copies of remote files in ``folder``; the least recently used ones go first.

    ``with BlockStore(folder, ranges) as store: …`` holds the folder alone.
    """

    def __init__(self, folder: Path, ranges: Ranges, quota_bytes: int = QUOTA_BYTES) -> None:
        self.folder, self.ranges, self.quota_bytes = folder, ranges, quota_bytes
        self._lock = HomeLock(folder)
        self._tick = 0

    def __enter__(self) -> Self:
        """Take the folder.

        Raises:
            KeeperError: ``home_in_use`` while another process pulls; ``disk_full``.
        """
        make_folder(self.folder)
        self._lock.acquire()
        remove_leftovers(self.folder)
        for path in self.folder.glob("*.tif"):  # the power failed before its header was noted
            if not names(path)[1].exists():
                forget(path)
        self._tick = max((each.used for each in self.cached()), default=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def cached(self) -> list[Cached]:
        """What is here, least recently used first."""
        found = []
        for head in self.folder.glob("*.head"):
            files = [path.stat() for path in names(head) if path.exists()]
            size = sum(each.st_blocks * 512 for each in files)
            found.append(Cached(head.with_suffix(""), size, int(head.stat().st_mtime)))
        return sorted(found, key=lambda each: each.used)

    @contextmanager
    def cog(self, url: str) -> Iterator[SparseCog]:
        """The local part of the file at ``url``; thrown away first where its remote changed.

        Raises:
            As `SparseCog`, as soon as the header is needed.
        """
        stem = self._stem(url)
        try:
            with SparseCog(stem, url, self.ranges, lambda more: self._make_room(more, stem)) as cog:
                self._touch(stem)
                yield cog
        except RemoteChangedError:
            forget(stem)
            raise

    def doubt(self, url: str) -> bool:
        """Throw a damaged copy away, but once: a second one is damaged where it comes from."""
        stem = self._stem(url)
        mark = stem.with_suffix(".doubt")
        if mark.exists():
            return False
        forget(stem)
        with disk_full_named(mark):
            mark.touch()
        return True

    def _stem(self, url: str) -> Path:
        return self.folder / hashlib.sha256(url.encode()).hexdigest()[:32]

    def _touch(self, stem: Path) -> None:
        """Note the order of use: a number in the file's time, since a clock may stand at 1970."""
        self._tick += 1
        os.utime(names(stem)[1], (self._tick, self._tick))

    def _make_room(self, more: int, keep: Path) -> None:
        cached = self.cached()
        total = sum(each.bytes for each in cached) + more
        for each in cached:
            if total <= self.quota_bytes:
                return
            if each.stem != keep:
                forget(each.stem)
                total -= each.bytes
        if total > self.quota_bytes:
            text = f"one scene needs more than the {self.quota_bytes >> 20} MiB allowed for scenes"
            raise KeeperError("sat_quota_full", text, folder=str(self.folder))
