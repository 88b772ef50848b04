"""Values in answers: streamed as bytes, or whole as JSON and msgpack."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from telegrad_protocol import dtypes
from telegrad_protocol.messages import ReadResult
from telegrad_server.http.responses import send_read
from telegrad_server.sessions import reads
from telegrad_server.sessions.session import Session

from . import codec


class Streamed(Response):
    """A read's bytes after a head, sent as they come from the worker and never held whole."""

    def __init__(
        self,
        session: Session,
        read_id: int,
        nbytes: int,
        head: bytes,
        headers: dict[str, str],
        media_type: str,
    ) -> None:
        self.session = session
        self.read_id, self.nbytes, self.head = read_id, nbytes, head
        length = {"content-length": str(len(head) + nbytes)}
        super().__init__(status_code=200, headers={**headers, **length}, media_type=media_type)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self.head, "more_body": True})
            await send_read(self.session, self.read_id, 0, self.nbytes, send)
        finally:
            await reads.drop(self.session, self.read_id)


async def whole(session: Session, found: ReadResult, kind: str) -> dict[str, Any]:
    """A value as an answer in JSON or msgpack has it. For JSON its elements are a `Value`, which `render` writes."""
    dtype, data = dtypes.by_name(found.dtype), found.data
    if data is None:
        data = await reads.gather(session, found.id, codec.size_of(found))
    elements = data if kind == codec.MSGPACK else codec.Value(dtype, found.shape, data)
    return {"dtype": found.dtype, "shape": list(found.shape), "data": elements}
