"""The arena's slots: memory that the front and a worker share, lent to the reads and uploads that pass through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from telegrad_server.channel.frames import READ_SLOTS, SLOTS, slot_of

Ring = tuple[int, int, int]

SHARED: Final = READ_SLOTS - 1
"""The slot of downloads that found no ring free."""


class Slots:
    """Rings of three, lent to one download each; one slot that the other downloads share; the slots of uploads.

    A caller who takes its bytes slowly, or not at all, holds its ring for as long. The shared slot is held only until a
    piece has been copied out of it, and those of uploads until the worker has a piece that came in whole before: so
    nobody waits for another's network.
    """

    def __init__(self, arena: memoryview) -> None:
        self.arena = arena
        self._rings: list[Ring] = [(first, first + 1, first + 2) for first in range(0, SHARED, 3)]
        self._shared = asyncio.Lock()
        self._free = list(range(READ_SLOTS, SLOTS))
        self._uploads = asyncio.Semaphore(len(self._free))

    def view(self, slot: int, size: int) -> memoryview:
        """The first bytes of a slot."""
        return slot_of(self.arena, slot, size)

    def take_ring(self) -> Ring | None:
        """A ring, to be given back; None if all are lent."""
        return self._rings.pop() if self._rings else None

    def give_ring(self, ring: Ring | None) -> None:
        """Let another download have it."""
        if ring is not None:
            self._rings.append(ring)

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[int]:
        """The shared slot of downloads, for one piece."""
        async with self._shared:
            yield SHARED

    async def take_upload(self) -> int:
        """A slot for a piece of an upload, to be given back; waits until one is free."""
        await self._uploads.acquire()
        return self._free.pop()

    def give_upload(self, slot: int) -> None:
        """Let another piece have it."""
        self._free.append(slot)
        self._uploads.release()
