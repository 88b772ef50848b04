"""The parts of a request and its answer that all REST routes share: session, stream, body, type of the answer."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request, Response

from telegrad_protocol.errors import TooLarge
from telegrad_protocol.limits import JSON_BYTES, LIMITS
from telegrad_server.sessions.registry import Sessions
from telegrad_server.sessions.session import Session

from . import codec, offload
from .codec import JSON, MSGPACK, PLAIN
from .op_stream import OpStream, op_stream_in

_LIMITS: Final = {JSON: JSON_BYTES, MSGPACK: LIMITS.body_bytes}


def sessions_of(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


def session_of(request: Request, session_id: str) -> Session:
    """The session in the path, if the caller owns it. Raises `SessionGone`."""
    return sessions_of(request).get(session_id, request.scope["owner"])


async def op_stream_of(request: Request, session_id: str) -> OpStream:
    """The stream for the calls of the session in the path. Raises `Unavailable` while the server is shutting down."""
    session = session_of(request, session_id)
    sessions_of(request).check_open()
    return await op_stream_in(session)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises `TooLarge` over the limit, before more of it is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"the body has more than the {limit} bytes allowed", hint="send large tensors as .npy")
        request.scope["body"].grow(len(chunk))
    return bytes(body)


async def plain_body(request: Request) -> Any:
    """The body as plain data: JSON or msgpack, within the limits. Elements of a large one are `Elements`."""
    kind = codec.content_type(request.scope, PLAIN)
    body = await read_body(request, _LIMITS[kind])
    request.state.large = len(body) > offload.LARGE
    return await offload.parse(body, kind)


def answer(request: Request, value: Any) -> Response:
    """Plain data in the type that the caller accepts."""
    kind = codec.choose(request.scope, PLAIN)
    return Response(codec.render(value, kind), media_type=kind)


async def answer_values(value: Any, kind: str, nbytes: int) -> Response:
    """The answer with elements of so many bytes in it."""
    body = await offload.work(nbytes > offload.LARGE, codec.render, value, kind)
    return Response(body, media_type=kind)
