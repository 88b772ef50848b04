"""Options of the C library for freed memory.

Its defaults hand blocks of a body's size back to the system at once, and each new block faults its pages in anew,
which costs an upload a third of its time.
"""

from __future__ import annotations

import ctypes
from typing import Final

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""glibc's numbers for the two options, in malloc.h."""

KEPT: Final = 64 << 20
"""Bytes of freed memory that stay with the process."""

LARGE: Final = 8 << 20
"""Blocks of this size are the system's at once all the same: several times a chunk of a body."""


def keep_freed_memory() -> None:
    """Reuse freed memory up to `KEPT` bytes, where the C library is glibc; others have no such option."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(TRIM_THRESHOLD, KEPT)
        mallopt(MMAP_THRESHOLD, LARGE)
