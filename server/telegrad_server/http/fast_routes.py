"""The fast routes: submissions, uploads, reads and health, answered without FastAPI's cost per request."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from telegrad_protocol.devices import canonical
from telegrad_protocol.errors import Malformed, MethodNotAllowed, NotFound, TelegradError, TooLarge
from telegrad_protocol.limits import LIMITS
from telegrad_server.logs import log
from telegrad_server.sessions import reads
from telegrad_server.sessions.exactly_once import Stream
from telegrad_server.sessions.registry import Sessions
from telegrad_server.sessions.session import Session
from telegrad_server.sessions.uploads import Upload

from .body_memory import Bodies, Held
from .responses import (
    EMPTY,
    JSON,
    MSGPACK,
    header,
    internal,
    json_line,
    need_content_type,
    send_body,
    send_error,
    send_read,
)

ANSWER_WITHIN: Final = 20.0
"""Seconds after which a submission that still runs is answered with 202; the client then asks again."""

_ROUTE: Final = re.compile(
    r"/v1/sessions/([0-9a-f]+)/(?:streams/(\d{1,4})/submissions/(\d{1,15})|uploads/(\d{1,15})|reads/(\d{1,15}))"
)
_SESSION: Final = re.compile(r"/v1/sessions/([0-9a-f]+)(?:/|$)")
_HEALTHY: Final = b'{"status":"ok"}\n'
OCTETS: Final = b"application/octet-stream"


class Disconnected(Exception):
    """The client went away in the middle of its body."""


class _Answer:
    """A response on its way; knows whether it has begun."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._begun = False

    async def send(self, message: Any) -> None:
        self._begun = True
        await self._send(message)

    async def fail(self, scope: Any, error: Exception) -> None:
        known = error if isinstance(error, TelegradError) else internal(scope, error)
        if not self._begun:
            await send_error(scope, self._send, known)
            return
        # The server closes the connection of an answer that ends early: the client sees that it is not whole.
        log.warning("answer cut off", request=scope.get("request_id"), code=known.code, cause=known.message)


class FastRoutes:
    """ASGI wrapper: answers the fast routes, hands every other request to the app."""

    def __init__(self, app: Any, sessions: Sessions) -> None:
        self.app = app
        self.sessions = sessions
        self.bodies = Bodies()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        held = scope["body"] = Held(self.bodies)
        answer = _Answer(send)
        send = answer.send
        try:
            if path == "/v1/health" and scope["method"] == "GET":
                await self._health(send)
                return
            match = _ROUTE.fullmatch(path)
            named = match or _SESSION.match(path)
            session = None if named is None else self.sessions.find(named[1], scope["owner"])
            if session is None:
                await self._answer(match, scope, receive, send)
            else:
                with session.attended():
                    await self._answer(match, scope, receive, send)
        except Disconnected:
            return
        except Exception as error:
            if scope.get("failure") is not error:  # FastAPI answers an error, then raises it again for servers that log
                await answer.fail(scope, error)
        finally:
            held.end_request()

    async def _health(self, send: Any) -> None:
        down = self.sessions.down()
        body = json_line({"status": "degraded", "down": down}) if down else _HEALTHY
        await send_body(send, 503 if down else 200, body, JSON)

    async def _answer(self, match: re.Match[str] | None, scope: Any, receive: Any, send: Any) -> None:
        if match is None:
            await self.app(scope, receive, send)
        else:
            await self._route(match, scope, receive, send)

    async def _route(self, match: re.Match[str], scope: Any, receive: Any, send: Any) -> None:
        session_id, stream, submission, upload, read = match.groups()
        session = self.sessions.get(session_id, scope["owner"])
        method = scope["method"]
        if submission is not None and method == "PUT":
            await self._submit(session, int(stream), int(submission), scope, receive, send)
        elif upload is not None and method == "PUT":
            await self._upload(session, int(upload), scope, receive, send)
        elif read is not None and method == "GET":
            await self._read(session, int(read), scope, send)
        elif read is not None and method == "DELETE":
            await reads.drop(await session.on(_device(scope)), int(read))
            await send_body(send, 200, EMPTY, JSON)
        else:
            allowed = "GET, DELETE" if read is not None else "PUT"
            raise MethodNotAllowed(f"{method} is not for this path", expected=allowed, got=method)

    async def _submit(self, session: Session, stream: int, number: int, scope: Any, receive: Any, send: Any) -> None:
        need_content_type(scope, MSGPACK)
        epoch, acknowledged = _numbers(scope)
        submissions = _stream_of(session, stream)
        body = await read_body(scope, receive, LIMITS.body_bytes)
        if not submissions.knows(number):
            self.sessions.check_open()
        reply = await submissions.put(number, epoch, acknowledged, body, _device(scope))
        scope["body"].keep(reply)
        if not reply.done():
            await asyncio.wait([reply], timeout=ANSWER_WITHIN)
        session.renew()
        if reply.done():
            await send_body(send, 200, reply.result(), MSGPACK)
        else:
            await send_body(send, 202, b"", MSGPACK)

    async def _upload(self, session: Session, upload_id: int, scope: Any, receive: Any, send: Any) -> None:
        need_content_type(scope, OCTETS)
        length = header(scope, b"content-length")
        if length is None or not length.isdigit():
            raise Malformed("an upload needs a content-length", argument="content-length")
        upload = await session.uploads.begin(upload_id, int(length), _device(scope))
        if upload is not None:
            await self._fill(session, upload, receive)
        await send_body(send, 200, EMPTY, JSON)

    async def _fill(self, session: Session, upload: Upload, receive: Any) -> None:
        try:
            async for chunk in _chunks(receive):
                await upload.write(chunk)
            if upload.filled != upload.nbytes:
                raise Malformed(f"the upload ended after {upload.filled} of {upload.nbytes} bytes")
        except BaseException:
            await session.uploads.abandon(upload)
            raise
        session.renew()
        await session.uploads.finish(upload)

    async def _read(self, session: Session, read_id: int, scope: Any, send: Any) -> None:
        holder = await session.on(_device(scope))
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


def _stream_of(session: Session, number: int) -> Stream:
    try:
        return session.stream(number)
    except NotFound as error:
        error.details["hint"] = "POST /v1/sessions/{s}/streams opens one"
        raise


def _device(scope: Any) -> str:
    """The query's `device`: where a submission runs, or where bytes come from or go to."""
    query: bytes = scope["query_string"]
    found = re.search(rb"(?:^|&)device=([^&]*)", query)
    return "cpu" if found is None else canonical(unquote(found[1].decode("latin-1")))


def _numbers(scope: Any) -> tuple[int, int]:
    """`epoch` and `ack` of a submission."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    found = []
    for name in ("epoch", "ack"):
        text = query.get(name, ["0"])[0]
        if re.fullmatch(r"[0-9]{1,15}", text) is None:
            raise Malformed(f"{name} is a number", argument=name, got=text[:50])
        found.append(int(text))
    return found[0], found[1]


def _range_start(value: bytes | None, size: int) -> int:
    match = re.fullmatch(rb"bytes=(\d{1,15})-", value or b"")
    start = int(match[1]) if match else 0
    return start if start < size else 0


async def read_body(scope: Any, receive: Any, limit: int) -> bytes:
    """The whole body. Raises `TooLarge` over the limit, `Unavailable` without room, `Disconnected` if it was cut off."""
    length = header(scope, b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise TooLarge(f"the body has {int(length)} bytes, more than the {limit} allowed")
    chunks: list[bytes] = []
    total = 0
    async for chunk in _chunks(receive):
        total += len(chunk)
        if total > limit:
            raise TooLarge(f"the body has more than the {limit} bytes allowed")
        scope["body"].grow(len(chunk))
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _chunks(receive: Callable[[], Awaitable[Any]]) -> AsyncIterator[bytes]:
    """The body as it comes in. Raises `Disconnected` if it is cut off."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        if chunk:
            yield chunk
        more = message.get("more_body", False)
