"""The channel between the front and a worker: frames over a socket pair, bulk bytes through shared memory.

A frame is a length (4 bytes, little-endian) and a msgpack array `[kind, request id, *fields]`; an answer is
`[request id, payload, error]`. The arena is memory that both sides map, in slots through which downloads and uploads
pass.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
import tempfile
from typing import Any, Final, NamedTuple

from telegrad_protocol import wire
from telegrad_protocol.errors import TelegradError, TooLarge

READ_SLOTS: Final = 7
"""For downloads: two rings of three, and one that is shared."""

UPLOAD_SLOTS: Final = 4
"""For the pieces of uploads, after those of downloads."""

SLOTS: Final = READ_SLOTS + UPLOAD_SLOTS
SLOT_BYTES: Final = 4 << 20
LENGTH: Final = struct.Struct("<I")
MAX_FRAME: Final = wire.LIMITS.body_bytes + (1 << 16)
_LIMITS: Final = wire.LIMITS._replace(body_bytes=MAX_FRAME)
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


def frame(message: Any) -> bytes:
    """The bytes of a message on the channel."""
    body = wire.pack(message)
    return LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """The messages that these bytes complete."""
        self._buffer += data
        found = []
        start = 0
        while len(self._buffer) - start >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._buffer, start)
            end = start + LENGTH.size + size
            if len(self._buffer) < end:
                break
            found.append(wire.unpack(bytes(self._buffer[start + LENGTH.size : end]), _LIMITS))
            start = end
        del self._buffer[:start]
        return found


class WorkerEnd:
    """The worker's side: blocking, for one thread."""

    def __init__(self, channel: socket.socket, arena_fd: int) -> None:
        self._channel = channel
        self._frames = Frames()
        self._poller = select.poll()
        self._poller.register(channel, select.POLLIN)
        self._memory = mmap.mmap(arena_fd, SLOTS * SLOT_BYTES)
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
            found = [self._request(message) for message in self._receive()]
        return found

    def _receive(self) -> list[Any]:
        data = self._channel.recv(_CHUNK)
        if not data:
            raise EOFError("the front has closed the channel")
        return self._frames.feed(data)

    def _request(self, message: tuple[Any, ...]) -> Request:
        kind, number, *fields = message
        return Request(kind, number, tuple(fields))

    def reply(self, request: Any, payload: Any) -> None:
        """Answer a request; one that asked for more than a frame holds gets `TooLarge`."""
        answer = frame((request.id, payload, None))
        if len(answer) > MAX_FRAME:
            self.fail(request, TooLarge(f"the reply has {len(answer)} bytes", hint="read less at a time"))
        else:
            self._channel.sendall(answer)

    def fail(self, request: Any, error: TelegradError) -> None:
        """Answer a request with an error."""
        self._channel.sendall(frame((request.id, None, error.to_record())))
