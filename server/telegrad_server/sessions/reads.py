"""Reads on their way out: from the worker through slots of shared memory to the caller, without a copy where possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from telegrad_server.channel.frames import SLOT_BYTES

if TYPE_CHECKING:
    from .session import Part, Session

TAIL: Final = 256 << 10
"""Bytes at the end of a read that are copied; several times what a transport holds back (64 KiB)."""


async def read_copy(session: Session | Part, read: int, offset: int, size: int) -> bytes:
    """A piece of a read, of a slot's size at most."""
    async with session.worker.slots.shared() as slot:
        return bytes(await _filled(session, read, offset, size, slot))


async def _filled(session: Session | Part, read: int, offset: int, size: int, slot: int) -> memoryview:
    await session.worker.read_piece(session.name, read, offset, size, slot)
    return session.worker.slots.view(slot, size)


async def send_read(session: Session | Part, read: int, start: int, size: int, send: Any) -> None:
    """Send a read's bytes from `start` to `size` as the rest of a response's body.

    `send` hands a piece to the transport as soon as the piece before has gone, but for 64 KiB. So when it returns, the
    piece before may still be leaving, and only the one before that has left its slot: three slots in turn let one fill
    while another leaves. What is in the transport after the last `send` must not lie in a slot: the tail is copied.
    """
    slots = session.worker.slots
    ring = slots.take_ring()
    pieces = _pieces(start, size)
    try:
        for turn, (offset, count) in enumerate(pieces):
            body: bytes | memoryview
            if ring is None or turn + 1 == len(pieces):
                body = await read_copy(session, read, offset, count)
            else:
                body = await _filled(session, read, offset, count, ring[turn % 3])
            await send({"type": "http.response.body", "body": body, "more_body": True})
            session.renew()
        await send({"type": "http.response.body", "body": b""})
    finally:
        slots.give_ring(ring)


def _pieces(start: int, size: int) -> list[tuple[int, int]]:
    """Offsets and sizes that a read is sent in: slots, and a tail."""
    tail = max(start, size - TAIL)
    pieces = [(offset, min(SLOT_BYTES, tail - offset)) for offset in range(start, tail, SLOT_BYTES)]
    return [*pieces, (tail, size - tail)] if size > start else pieces
