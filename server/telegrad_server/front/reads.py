"""Reads on their way out: from the worker through slots of shared memory to the caller, without a copy where possible."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from telegrad_server.worker.link import SLOT_BYTES, SLOTS

if TYPE_CHECKING:
    from .sessions import Part, Session

TAIL: Final = 256 << 10
"""Bytes at the end of a read that are copied; several times what a transport holds back (64 KiB)."""

Ring = tuple[int, int, int]


class Slots:
    """The arena's slots: rings of three, lent to one download each, and one slot that the other downloads share.

    A caller who takes its bytes slowly, or not at all, holds its ring for as long; the shared slot is held only until
    a piece has been copied out of it, so nobody waits for another's network.
    """

    def __init__(self) -> None:
        self._rings: list[Ring] = [(first, first + 1, first + 2) for first in range(0, SLOTS - 3, 3)]
        self._shared = asyncio.Lock()

    def take(self) -> Ring | None:
        """A ring, to be given back; None if all are lent."""
        return self._rings.pop() if self._rings else None

    def give(self, ring: Ring | None) -> None:
        if ring is not None:
            self._rings.append(ring)

    async def copy(self, session: Session | Part, read: int, offset: int, size: int) -> bytes:
        """A piece of a read, of a slot's size at most."""
        async with self._shared:
            return bytes(await _filled(session, read, offset, size, SLOTS - 1))


async def _filled(session: Session | Part, read: int, offset: int, size: int, slot: int) -> memoryview:
    await session.worker.read_piece(session.name, read, offset, size, slot)
    start = slot * SLOT_BYTES
    return session.worker.arena[start : start + size]


async def send_read(session: Session | Part, slots: Slots, read: int, start: int, size: int, send: Any) -> None:
    """Send a read's bytes from `start` to `size` as the rest of a response's body.

    `send` hands a piece to the transport as soon as the piece before has gone, but for 64 KiB. So when it returns, the
    piece before may still be leaving, and only the one before that has left its slot: three slots in turn let one fill
    while another leaves. What is in the transport after the last `send` must not lie in a slot: the tail is copied.
    """
    ring = slots.take()
    pieces = _pieces(start, size)
    try:
        for turn, (offset, count) in enumerate(pieces):
            body: bytes | memoryview
            if ring is None or turn + 1 == len(pieces):
                body = await slots.copy(session, read, offset, count)
            else:
                body = await _filled(session, read, offset, count, ring[turn % 3])
            await send({"type": "http.response.body", "body": body, "more_body": True})
            session.renew()
        await send({"type": "http.response.body", "body": b""})
    finally:
        slots.give(ring)


def _pieces(start: int, size: int) -> list[tuple[int, int]]:
    """Offsets and sizes that a read is sent in: slots, and a tail."""
    tail = max(start, size - TAIL)
    pieces = [(offset, min(SLOT_BYTES, tail - offset)) for offset in range(start, tail, SLOT_BYTES)]
    return [*pieces, (tail, size - tail)] if size > start else pieces
