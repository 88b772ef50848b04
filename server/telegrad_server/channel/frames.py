"""Frames: how messages between the front and a worker travel over a socket pair.

A frame is a length and a request's number (8 bytes each, little-endian) and a msgpack array: `[kind, *fields]`, or the
answer's `[payload, error]`. A frame that cannot be read is an error of that request alone.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from telegrad_protocol import wire
from telegrad_protocol.errors import TelegradError, TooLarge
from telegrad_protocol.limits import LIMITS

HEAD: Final = struct.Struct("<QQ")
MAX_FRAME: Final = LIMITS.body_bytes + (16 << 20)
_LIMITS: Final = LIMITS._replace(body_bytes=MAX_FRAME, array_items=MAX_FRAME, string_bytes=MAX_FRAME)
"""Both sides are ours: each can read what the other may write."""

LARGE_FIELD: Final = 1 << 16
"""Bytes from which a field is sent from where it lies, without a copy."""


def frame(number: int, fields: Sequence[Any]) -> list[bytes]:
    """The frame of a message, in the pieces to send. Raises `TooLarge` beyond the limit."""
    pieces, small = [], bytearray([0x90 | len(fields)])  # msgpack's array of up to 15
    for field in fields:
        if type(field) is bytes and LARGE_FIELD <= len(field) < MAX_FRAME:
            small += b"\xc6" + len(field).to_bytes(4, "big")  # and its bytes
            pieces += [bytes(small), field]
            small = bytearray()
        else:
            small += wire.pack(field)
    pieces.append(bytes(small))
    size = sum(map(len, pieces))
    if size > MAX_FRAME:
        raise TooLarge(f"the message has {size} bytes", expected=MAX_FRAME, hint="ask for less at a time")
    return [HEAD.pack(size, number), *pieces]


class Frames:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, Any]]:
        """The messages that these bytes complete, each with its number; an error in place of one that cannot be read."""
        self._buffer += data
        found = []
        start = 0
        while len(self._buffer) - start >= HEAD.size:
            size, number = HEAD.unpack_from(self._buffer, start)
            end = start + HEAD.size + size
            if len(self._buffer) < end:
                break
            found.append((number, self._message(start + HEAD.size, end)))
            start = end
        del self._buffer[:start]
        return found

    def _message(self, start: int, end: int) -> Any:
        with memoryview(self._buffer) as view, view[start:end] as body:
            try:
                return wire.unpack(body, _LIMITS)
            except TelegradError as error:
                return error.with_traceback(None)  # a traceback's frames hold the buffer
