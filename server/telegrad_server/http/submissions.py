"""The route of submissions: 200 with the reply, or 202 while the rows still run."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final
from urllib.parse import parse_qs

from telegrad_protocol.errors import Malformed, NotFound
from telegrad_protocol.limits import LIMITS
from telegrad_server.sessions.exactly_once import Stream
from telegrad_server.sessions.registry import Sessions
from telegrad_server.sessions.session import Session

from .request_bodies import device_of, read_body
from .responses import MSGPACK, need_content_type, send_body
from .server_timing import timing

ANSWER_WITHIN: Final = 20.0
"""Seconds after which a submission that still runs is answered with 202; the client then asks again."""


async def submit(
    sessions: Sessions, session: Session, stream: int, number: int, scope: Any, receive: Any, send: Any
) -> None:
    """Answer a submission with its reply, or with 202 while it still runs."""
    need_content_type(scope, MSGPACK)
    epoch, acknowledged = _numbers(scope)
    submissions = _stream_of(session, stream)
    body = await read_body(scope, receive, LIMITS.body_bytes)
    if not submissions.knows(number):
        sessions.check_open()
    timing().begin()
    reply = await submissions.put(number, epoch, acknowledged, body, device_of(scope), timed=_wants_row_times(scope))
    scope["body"].keep(reply)
    if not reply.done():
        await asyncio.wait([reply], timeout=ANSWER_WITHIN)
    session.renew()
    timing().add_ran(submissions.ran(number))
    if reply.done():
        await send_body(send, 200, reply.result(), MSGPACK)
    else:
        await send_body(send, 202, b"", MSGPACK)


def _stream_of(session: Session, number: int) -> Stream:
    try:
        return session.stream(number)
    except NotFound as error:
        error.details["hint"] = "POST /v1/sessions/{s}/streams opens one"
        raise


def _wants_row_times(scope: Any) -> bool:
    """Whether the query asks for the time of each row."""
    query: bytes = scope["query_string"]
    found = re.search(rb"(?:^|&)timing=([^&]*)", query)
    if found is not None and found[1] != b"rows":
        got = found[1].decode("latin-1")[:50]
        raise Malformed("timing is `rows`, or is left out", argument="timing", expected="rows", got=got)
    return found is not None


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
