"""The arena: memory that the front and a worker both map.

Slots, through which the pieces of downloads and uploads pass, and after them the session whose rows run.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Final

from .interface import PIECE_BYTES

READ_SLOTS: Final = 7
"""For downloads: two rings of three, and one that the others share."""

UPLOAD_SLOTS: Final = 4
"""For the pieces of uploads, after those of downloads."""

SLOTS: Final = READ_SLOTS + UPLOAD_SLOTS
SLOT_BYTES: Final = PIECE_BYTES
ARENA_BYTES: Final = SLOTS * SLOT_BYTES + mmap.PAGESIZE
_RUNNING: Final = slice(SLOTS * SLOT_BYTES, SLOTS * SLOT_BYTES + 64)


def shared_memory(nbytes: int) -> int:
    """A file descriptor of anonymous memory that can be passed to another process."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("telegrad")
    else:  # a file that has lost its name is the portable equivalent
        fd, path = tempfile.mkstemp()
        os.unlink(path)
    os.ftruncate(fd, nbytes)
    return fd


def slot_of(arena: memoryview, number: int, size: int) -> memoryview:
    """The first bytes of a slot, on either side."""
    start = number * SLOT_BYTES
    return arena[start : start + size]


def running(arena: memoryview) -> str:
    """The session whose rows the worker runs at this moment; empty if it runs none."""
    return bytes(arena[_RUNNING]).decode("ascii", "replace").rstrip()


def show_running(arena: memoryview, session: str) -> None:
    """Say whose rows run; an empty string for none."""
    arena[_RUNNING] = session.encode().ljust(64)[:64]
