"""The routes of bulk: uploads come in and reads go out in pieces."""

from __future__ import annotations

import re
from typing import Any, Final

from telegrad_protocol.errors import Malformed
from telegrad_server.sessions import reads
from telegrad_server.sessions.session import Session
from telegrad_server.sessions.uploads import Upload

from .request_bodies import body_chunks, device_of
from .responses import EMPTY, JSON, header, need_content_type, send_body, send_read
from .server_timing import timing

OCTETS: Final = b"application/octet-stream"


async def upload(session: Session, upload_id: int, scope: Any, receive: Any, send: Any) -> None:
    """Take the bytes of an upload."""
    need_content_type(scope, OCTETS)
    length = header(scope, b"content-length")
    if length is None or not length.isdigit():
        raise Malformed("an upload needs a content-length", argument="content-length")
    arriving = await session.uploads.begin(upload_id, int(length), device_of(scope))
    if arriving is not None:
        await _fill(session, arriving, receive)
    await send_body(send, 200, EMPTY, JSON)


async def _fill(session: Session, upload: Upload, receive: Any) -> None:
    try:
        async for chunk in body_chunks(receive):
            await upload.write(chunk)
        if upload.filled != upload.nbytes:
            raise Malformed(f"the upload ended after {upload.filled} of {upload.nbytes} bytes")
    except BaseException:
        await session.uploads.abandon(upload)
        raise
    session.renew()
    await session.uploads.finish(upload)


async def read(session: Session, read_id: int, scope: Any, send: Any) -> None:
    """Send the bytes of a read, from the start of the range that was asked for."""
    timing().begin()
    holder = await session.on(device_of(scope))
    size = await reads.size(holder, read_id)
    start = _range_start(header(scope, b"range"), size)
    headers = [
        (b"content-type", OCTETS),
        (b"content-length", b"%d" % (size - start)),
        (b"accept-ranges", b"bytes"),
    ]
    if start:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, size - 1, size)))
    await send({"type": "http.response.start", "status": 206 if start else 200, "headers": headers})
    await send_read(holder, read_id, start, size, send)


def _range_start(value: bytes | None, size: int) -> int:
    match = re.fullmatch(rb"bytes=(\d{1,15})-", value or b"")
    start = int(match[1]) if match else 0
    return start if start < size else 0
