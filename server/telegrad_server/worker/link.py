"""The channel between the front and a worker: frames over a socket pair, bulk bytes through shared memory.

A frame is a length and a request's number (8 bytes each, little-endian) and a msgpack array: `[kind, *fields]`, or the
answer's `[payload, error]`. A frame that cannot be read is an error of that request alone. The arena is memory that
both sides map, in slots through which downloads and uploads pass; after them stands the session whose rows run.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
import tempfile
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from telegrad_protocol import wire
from telegrad_protocol.errors import InternalError, TelegradError, TooLarge
from telegrad_protocol.limits import LIMITS

READ_SLOTS: Final = 7
"""For downloads: two rings of three, and one that is shared."""

UPLOAD_SLOTS: Final = 4
"""For the pieces of uploads, after those of downloads."""

SLOTS: Final = READ_SLOTS + UPLOAD_SLOTS
SLOT_BYTES: Final = 4 << 20
ARENA_BYTES: Final = SLOTS * SLOT_BYTES + mmap.PAGESIZE
HEAD: Final = struct.Struct("<QQ")
MAX_FRAME: Final = LIMITS.body_bytes + (16 << 20)
_LIMITS: Final = LIMITS._replace(body_bytes=MAX_FRAME, array_items=MAX_FRAME, string_bytes=MAX_FRAME)
"""Both sides are ours: what one may write, the other can read."""

_APART: Final = 1 << 16
"""Bytes from which a field is sent from where it lies."""

_RUNNING: Final = slice(SLOTS * SLOT_BYTES, SLOTS * SLOT_BYTES + 64)
_CHUNK: Final = 1 << 18


class Request(NamedTuple):
    """One message from the front: what is asked, its number, the arguments."""

    kind: str
    id: int
    fields: tuple[Any, ...]


def shared_memory(nbytes: int) -> int:
    """A file descriptor of anonymous memory that can be passed to another process."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("telegrad")
    else:  # a file that has lost its name is the portable equivalent
        fd, path = tempfile.mkstemp()
        os.unlink(path)
    os.ftruncate(fd, nbytes)
    return fd


def slot_of(arena: memoryview, number: int, size: int) -> memoryview:
    """The first bytes of a slot, on either side."""
    start = number * SLOT_BYTES
    return arena[start : start + size]


def running(arena: memoryview) -> str:
    """The session whose rows the worker runs at this moment; empty if it runs none."""
    return bytes(arena[_RUNNING]).decode("ascii", "replace").rstrip()


def clear_running(arena: memoryview) -> None:
    """Say that nothing runs: a worker that died has left what it ran."""
    arena[_RUNNING] = b" " * 64


def frame(number: int, fields: Sequence[Any]) -> list[bytes]:
    """A message on the channel, in the pieces that it is sent in. Raises `TooLarge` beyond the limit."""
    pieces, small = [], bytearray([0x90 | len(fields)])  # msgpack's array of up to 15
    for field in fields:
        if type(field) is bytes and _APART <= len(field) < MAX_FRAME:
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
        """The messages that these bytes complete, each with its number; an error stands for one that cannot be read."""
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
                return error.with_traceback(None)  # whose frames hold the buffer


class WorkerEnd:
    """The worker's side: blocking, for one thread."""

    def __init__(self, channel: socket.socket, arena_fd: int) -> None:
        self._channel = channel
        self._frames = Frames()
        self._poller = select.poll()
        self._poller.register(channel, select.POLLIN)
        self._memory = mmap.mmap(arena_fd, ARENA_BYTES)
        self.arena = memoryview(self._memory)

    def slot(self, number: int, size: int) -> memoryview:
        """The first bytes of a slot."""
        return slot_of(self.arena, number, size)

    def poll(self, timeout: float | None) -> list[Request]:
        """Requests that have come; waits up to `timeout` seconds for the first (None: for ever, 0: not at all).

        Raises EOFError when the front is gone.
        """
        found: list[Request] = []
        while not found:
            if not self._poller.poll(None if timeout is None else timeout * 1000):
                return found
            found = [self._request(number, message) for number, message in self._receive()]
        return found

    def _receive(self) -> list[tuple[int, Any]]:
        data = self._channel.recv(_CHUNK)
        if not data:
            raise EOFError("the front has closed the channel")
        return self._frames.feed(data)

    def _request(self, number: int, message: Any) -> Request:
        if isinstance(message, TelegradError):
            return Request("unreadable", number, (message,))
        kind, *fields = message
        return Request(kind, number, tuple(fields))

    def runs(self, session: str) -> None:
        """Show the front whose rows are run from now on."""
        self.arena[_RUNNING] = session.encode().ljust(64)[:64]

    def reply(self, request: Any, payload: Any) -> None:
        """Answer a request; one whose answer cannot be written gets an error, such as `TooLarge`."""
        try:
            answer = frame(request.id, (payload, None))
        except TelegradError as error:
            self.fail(request, error)
        except Exception as error:
            self.fail(request, InternalError(f"the answer to {request.kind} could not be written: {error!r}"))
        else:
            self._send(answer)

    def fail(self, request: Any, error: TelegradError) -> None:
        """Answer a request with an error."""
        self._send(frame(request.id, (None, error.to_dict())))

    def _send(self, pieces: list[bytes]) -> None:
        for piece in pieces if len(pieces) > 2 else [b"".join(pieces)]:
            self._channel.sendall(piece)
