"""Room kept on the disk: to open, and to remove something, a store must first write."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from field_data.files import free_bytes

# Left to everybody else: the next ordinary record should not fail because of this file.
_MARGIN = 256 * 1024


class Reserve:
    """The file ``path`` of up to ``size`` bytes, which holds nothing; a size of 0 means none.

    A courtesy: where it cannot be made, a full disk keeps the store from opening and erasing.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def fill(self) -> None:
        """Make the file as large as there is room for."""
        if not self._size:
            return
        with suppress(OSError), self._path.open("ab") as file:
            have = os.fstat(file.fileno()).st_size
            more = min(self._size - have, free_bytes(self._path.parent) - _MARGIN)
            if more > 0:
                os.posix_fallocate(file.fileno(), have, more)

    def spend_if_full(self) -> None:
        """Give the room free, if there is not as much elsewhere."""
        with suppress(OSError):
            if free_bytes(self._path.parent) < self._size:
                self._path.unlink(missing_ok=True)
