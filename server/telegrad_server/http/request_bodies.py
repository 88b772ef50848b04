"""What the fast routes read of a request: its body, as a whole or as it comes, and its device."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from telegrad_protocol.devices import canonical
from telegrad_protocol.errors import TooLarge

from .responses import header


class Disconnected(Exception):
    """The client went away in the middle of its body."""


def device_of(scope: Any) -> str:
    """The query's `device`: where a submission runs, or where bytes come from or go to."""
    query: bytes = scope["query_string"]
    found = re.search(rb"(?:^|&)device=([^&]*)", query)
    return "cpu" if found is None else canonical(unquote(found[1].decode("latin-1")))


async def read_body(scope: Any, receive: Any, limit: int) -> bytes:
    """The whole body. Raises `TooLarge` over the limit, `Unavailable` without room, `Disconnected` if it was cut off."""
    length = header(scope, b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise TooLarge(f"the body has {int(length)} bytes, more than the {limit} allowed")
    chunks: list[bytes] = []
    total = 0
    async for chunk in body_chunks(receive):
        total += len(chunk)
        if total > limit:
            raise TooLarge(f"the body has more than the {limit} bytes allowed")
        scope["body"].grow(len(chunk))
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def body_chunks(receive: Callable[[], Awaitable[Any]]) -> AsyncIterator[bytes]:
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
