"""The worker's end of the channel."""

from __future__ import annotations

import mmap
import select
import socket
from typing import Any, Final

from telegrad_protocol.errors import InternalError, TelegradError

from .arena import ARENA_BYTES, show_running, slot_of
from .frames import Frames, frame
from .requests import UNREADABLE, Request

_CHUNK: Final = 1 << 18


class WorkerEnd:
    """Takes requests and sends answers. Blocking, for one thread."""

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
            return Request(UNREADABLE, number, (message,))
        kind, *fields = message
        return Request(kind, number, tuple(fields))

    def runs(self, session: str) -> None:
        """Show the front whose rows run from now on."""
        show_running(self.arena, session)

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
