"""What the node takes of the machine's memory, and gives back: glibc's heap kept in check."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_OTHER_LIBRARY = (OSError, AttributeError)


def tame() -> None:
    """Make glibc give memory back: one heap instead of one a thread, large blocks by themselves.

    Without it forty threads that each once held a photo keep some 150 MiB between them.  An
    ordinary photo and its pixels stay below "large": mapping them anew for every diagnosis costs
    two thousand page faults, 3 ms.
    """
    with suppress(*_OTHER_LIBRARY):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, 6 * 1024 * 1024)
        libc.mallopt(_M_TRIM_THRESHOLD, 8 * 1024 * 1024)


def give_back() -> None:
    """Give the system the pages that lie free between things that stay; half a millisecond.

    glibc alone gives back what is free at the heap's end only.  Not after each diagnosis: the next
    one would take its pages anew, which makes it an eighth slower.
    """
    with suppress(*_OTHER_LIBRARY):
        ctypes.CDLL(None).malloc_trim(0)
