"""Large values on their way out, through the arena's slots: streamed, or gathered where they must be whole."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from telegrad_protocol import dtypes
from telegrad_protocol.messages import ReadResult
from telegrad_server.channel.frames import SLOT_BYTES
from telegrad_server.sessions.reads import read_copy, send_read
from telegrad_server.sessions.session import Session

from . import codec


class Streamed(Response):
    """A read's bytes after a head, sent as they come from the worker and never held whole."""

    def __init__(
        self,
        session: Session,
        read: int,
        nbytes: int,
        head: bytes,
        headers: dict[str, str],
        media_type: str,
    ) -> None:
        self.session = session
        self.read, self.nbytes, self.head = read, nbytes, head
        length = {"content-length": str(len(head) + nbytes)}
        super().__init__(status_code=200, headers={**headers, **length}, media_type=media_type)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self.head, "more_body": True})
            await send_read(self.session, self.read, 0, self.nbytes, send)
        finally:
            await self.session.worker.drop_read(self.session.name, self.read)


async def gather(session: Session, read: int, nbytes: int) -> bytes:
    """The whole of a read."""
    data = bytearray()
    try:
        while len(data) < nbytes:
            data += await read_copy(session, read, len(data), min(SLOT_BYTES, nbytes - len(data)))
    finally:
        await session.worker.drop_read(session.name, read)
    return bytes(data)


async def whole(session: Session, found: ReadResult, kind: str) -> dict[str, Any]:
    """What a `read` row found, as JSON or msgpack tells it: for JSON its elements are a `Value`, to be written."""
    dtype, data = dtypes.by_name(found.dtype), found.data
    if data is None:
        data = await gather(session, found.id, codec.size_of(found))
    elements = data if kind == codec.MSGPACK else codec.Value(dtype, found.shape, data)
    return {"dtype": found.dtype, "shape": list(found.shape), "data": elements}
