"""The fast routes: submissions, uploads, reads and health, answered without FastAPI's cost per request."""

from __future__ import annotations

import re
from typing import Any, Final

from telegrad_protocol.errors import MethodNotAllowed, TelegradError
from telegrad_server.logs import log
from telegrad_server.sessions import reads
from telegrad_server.sessions.registry import Sessions

from . import transfers
from .body_memory import Bodies, Held
from .request_bodies import Disconnected, device_of
from .responses import (
    EMPTY,
    JSON,
    internal,
    json_line,
    send_body,
    send_error,
)
from .server_timing import new_timing
from .submissions import submit

_ROUTE: Final = re.compile(
    r"/v1/sessions/([0-9a-f]+)/(?:streams/(\d{1,4})/submissions/(\d{1,15})|uploads/(\d{1,15})|reads/(\d{1,15}))"
)
_SESSION: Final = re.compile(r"/v1/sessions/([0-9a-f]+)(?:/|$)")
_HEALTHY: Final = b'{"status":"ok"}\n'


class _Answer:
    """A response on its way; knows whether it has begun, and says where the request's time went."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._begun = False
        self._timing = new_timing()

    async def send(self, message: Any) -> None:
        if not self._begun and message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *self._timing.headers()]
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
            await submit(self.sessions, session, int(stream), int(submission), scope, receive, send)
        elif upload is not None and method == "PUT":
            await transfers.upload(session, int(upload), scope, receive, send)
        elif read is not None and method == "GET":
            await transfers.read(session, int(read), scope, send)
        elif read is not None and method == "DELETE":
            await reads.drop(await session.on(device_of(scope)), int(read))
            await send_body(send, 200, EMPTY, JSON)
        else:
            allowed = "GET, DELETE" if read is not None else "PUT"
            raise MethodNotAllowed(f"{method} is not for this path", expected=allowed, got=method)
