"""Answers and errors as ASGI messages, for the fast routes and the REST routes alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from telegrad_protocol import wire
from telegrad_protocol.errors import InternalError, TelegradError, WrongContentType
from telegrad_server.logs import log
from telegrad_server.sessions import reads

MSGPACK = wire.CONTENT_TYPE.encode()
JSON = b"application/json"
EMPTY: Final = b"{}\n"
"""The body of an answer without content."""


def header(scope: Any, name: bytes) -> bytes | None:
    """A request header's value, or None."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def need_content_type(scope: Any, expected: bytes) -> None:
    """Raise `WrongContentType` unless the request declares that type."""
    got = (header(scope, b"content-type") or b"").partition(b";")[0].strip().lower()
    if got != expected:
        raise WrongContentType(
            f"the body must be {expected.decode()}",
            expected=expected.decode(),
            got=got.decode("latin-1") or "nothing",
        )


def error_body(error: TelegradError, request_id: str, *, msgpack: bool) -> bytes:
    """The body of an error, in msgpack or JSON."""
    record = {**error.to_dict(), "request": request_id}
    return wire.pack(record, default=repr) if msgpack else json_line(record, default=repr)


def json_line(value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    """Plain data as a line of JSON. `default` converts other values."""
    return json.dumps(value, default=default, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def wants_msgpack(scope: Any) -> bool:
    accept = header(scope, b"accept")
    if accept is not None and accept != b"*/*":
        return MSGPACK in accept
    return (header(scope, b"content-type") or b"").startswith(MSGPACK)


async def send_read(holder: reads.Holder, read_id: int, start: int, size: int, send: Any) -> None:
    """Send a value's bytes from `start` to `size` as the rest of a response's body."""
    async with reads.download(holder, read_id, start, size) as pieces:
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        # Ends within the download: once this is taken, no slot of the channel is left in the transport.
        await send({"type": "http.response.body", "body": b""})


async def send_error(scope: Any, send: Any, error: TelegradError) -> None:
    """Answer with an error."""
    msgpack = wants_msgpack(scope)
    body = error_body(error, scope.get("request_id", ""), msgpack=msgpack)
    await send_body(send, error.status, body, MSGPACK if msgpack else JSON, error_headers(error))


def error_headers(error: TelegradError) -> list[tuple[bytes, bytes]]:
    """The headers that HTTP requires with some statuses."""
    if error.status == 401:
        return [(b"www-authenticate", b"Bearer")]
    if error.status == 405:
        return [(b"allow", str(error.details["expected"]).encode())]
    return [(b"retry-after", b"1")] if error.status == 503 else []


async def send_body(
    send: Any, status: int, body: bytes, content_type: bytes, extra: list[tuple[bytes, bytes]] | None = None
) -> None:
    """Answer with a whole body."""
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *(extra or ())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def internal(scope: Any, error: Exception) -> InternalError:
    """The error for a defect of the server: logged with its traceback, answered with the id of its log entry."""
    request = scope.get("request_id", "")
    scope["failure"] = error
    log.exception("request failed", request=request, path=scope.get("path"))
    return InternalError(
        f"the server failed at this request ({type(error).__name__})", hint=f"see its log for {request}"
    )
