"""Bulk bytes through the arena's slots, which are lent to the downloads and uploads that pass through them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, NamedTuple

from .arena import READ_SLOTS, SLOT_BYTES, SLOTS, slot_of
from .requests import ReadPiece, WritePiece

Ring = tuple[int, int, int]

SHARED: Final = READ_SLOTS - 1
"""The slot of downloads that found no ring free."""

TAIL: Final = 256 << 10
"""Bytes at the end of a download that are copied; several times the 64 KiB that a transport holds back."""


class Slots:
    """Rings of three, lent to one download each; one slot that the other downloads share; the slots of uploads.

    A caller that takes its bytes slowly, or not at all, holds its ring for as long. The shared slot is held only until a
    piece has been copied out of it, and a slot of uploads until the worker has its piece, which had come in whole. So
    no caller waits for another's network.
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
        """Free a ring."""
        if ring is not None:
            self._rings.append(ring)

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[int]:
        """The shared slot of downloads, for one piece."""
        async with self._shared:
            yield SHARED

    async def take_upload(self) -> int:
        """A slot for a piece of an upload, to be given back. Waits until one is free."""
        await self._uploads.acquire()
        return self._free.pop()

    def give_upload(self, slot: int) -> None:
        """Free a slot of uploads."""
        self._free.append(slot)
        self._uploads.release()


class Piece(NamedTuple):
    """A piece of an upload in its slot."""

    slot: int
    size: int


class SlotTransfers:
    """The bulk half of `Worker`, for a worker that shares an arena with the front."""

    def __init__(self, arena: memoryview) -> None:
        self.slots = Slots(arena)

    async def ask(self, request: Any) -> Any:
        """Send a request; its answer."""
        raise NotImplementedError

    async def take_piece(self, parts: Sequence[memoryview]) -> Piece:
        slot = await self.slots.take_upload()
        size = sum(map(len, parts))
        target, position = self.slots.view(slot, size), 0
        for part in parts:
            target[position : position + len(part)] = part
            position += len(part)
        return Piece(slot, size)

    async def write_piece(self, session: str, upload: int, offset: int, piece: Piece) -> None:
        await self.ask(WritePiece(session, upload, offset, piece.size, piece.slot))

    def give_back(self, piece: Piece) -> None:
        self.slots.give_upload(piece.slot)

    async def read(self, session: str, read: int, offset: int, size: int) -> bytes:
        async with self.slots.shared() as slot:
            return bytes(await self._filled(session, read, offset, size, slot))

    async def _filled(self, session: str, read: int, offset: int, size: int, slot: int) -> memoryview:
        await self.ask(ReadPiece(session, read, offset, size, slot))
        return self.slots.view(slot, size)

    @asynccontextmanager
    async def download(
        self, session: str, read: int, start: int, size: int
    ) -> AsyncIterator[AsyncIterator[bytes | memoryview]]:
        """As in `Worker`.

        An ASGI server's `send` hands a piece to the transport as soon as the piece before has gone, but for 64 KiB. So
        when it returns, the piece before may still be leaving, and only the one before that has left its slot: three
        slots in turn let one fill while another leaves. The tail is copied, since it may be in the transport when the
        ring is lent again.
        """
        ring = self.slots.take_ring()
        try:
            async with aclosing(self._pieces(session, read, start, size, ring)) as pieces:
                yield pieces
        finally:
            self.slots.give_ring(ring)

    async def _pieces(
        self, session: str, read: int, start: int, size: int, ring: Ring | None
    ) -> AsyncGenerator[bytes | memoryview, None]:
        spans = _spans(start, size)
        for turn, (offset, count) in enumerate(spans):
            if ring is None or turn + 1 == len(spans):
                yield await self.read(session, read, offset, count)
            else:
                yield await self._filled(session, read, offset, count, ring[turn % 3])


def _spans(start: int, size: int) -> list[tuple[int, int]]:
    """Offsets and sizes of the pieces of a download: slots, and a tail."""
    tail = max(start, size - TAIL)
    spans = [(offset, min(SLOT_BYTES, tail - offset)) for offset in range(start, tail, SLOT_BYTES)]
    return [*spans, (tail, size - tail)] if size > start else spans
