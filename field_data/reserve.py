"""Room kept on the disk for erasing: to remove something, a store must first write."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from field_data.files import free_bytes


class Reserve:
    """The file ``path`` of ``size`` bytes, which holds nothing; a size of 0 means none.

    A courtesy: where it cannot be made, erasing on a full disk fails and nothing else.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def fill(self) -> None:
        """Make the file, if it is not there and as much would stay free beside it."""
        if not self._size or self._path.exists():
            return
        with suppress(OSError):
            if free_bytes(self._path.parent) >= 2 * self._size:
                with self._path.open("xb") as file:
                    os.posix_fallocate(file.fileno(), 0, self._size)

    def spend_if_full(self) -> None:
        """Give the room free, if there is not as much elsewhere."""
        with suppress(OSError):
            if free_bytes(self._path.parent) < self._size:
                self._path.unlink(missing_ok=True)
