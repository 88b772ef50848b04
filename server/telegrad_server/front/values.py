"""Large values on their way out, through the arena's slots: streamed, or gathered where they must be whole."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from telegrad_server.worker.link import SLOT_BYTES

from .hot import send_pieces
from .sessions import Session, Slots


class Streamed(Response):
    """A read's bytes after a head, sent as they come from the worker and never held whole."""

    def __init__(
        self,
        session: Session,
        slots: Slots,
        read: int,
        nbytes: int,
        head: bytes,
        headers: dict[str, str],
        media_type: str,
    ) -> None:
        self.session, self.slots = session, slots
        self.read, self.nbytes, self.head = read, nbytes, head
        length = {"content-length": str(len(head) + nbytes)}
        super().__init__(status_code=200, headers={**headers, **length}, media_type=media_type)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        pair = await self.slots.take()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self.head, "more_body": True})
            await send_pieces(self.session, self.read, 0, self.nbytes, pair, send)
        finally:
            self.slots.give(pair)
            await self.session.worker.drop_read(self.session.name, self.read)


async def gather(session: Session, slots: Slots, read: int, nbytes: int) -> bytes:
    """The whole of a read."""
    pair = await slots.take()
    data = bytearray()
    try:
        start = pair[0] * SLOT_BYTES
        while len(data) < nbytes:
            size = min(SLOT_BYTES, nbytes - len(data))
            await session.worker.read_piece(session.name, read, len(data), size, pair[0])
            data += session.worker.arena[start : start + size]
    finally:
        slots.give(pair)
        await session.worker.drop_read(session.name, read)
    return bytes(data)
