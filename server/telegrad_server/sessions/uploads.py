"""Uploads on their way to a worker: gathered into pieces, a few of which may be under way."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any, Final

from telegrad_protocol.errors import Conflict, TooLarge
from telegrad_server.channel.interface import Worker
from telegrad_server.channel.requests import FinishUpload

PIECE: Final = 1 << 20
"""Bytes that are gathered into a piece: many chunks of a body, and few enough to be in a cache still."""

AHEAD: Final = 3
"""Pieces of one upload that may be under way to the worker."""

IDLE: Final = 60.0
"""Seconds without a byte after which an upload has failed."""


class Upload:
    """Bytes of one tensor on their way to the worker's memory. `done` is set once it was handed over or given up."""

    def __init__(self, session_id: str, upload_id: int, nbytes: int, worker: Worker) -> None:
        self.session_id = session_id
        self.id = upload_id
        self.nbytes = nbytes
        self.worker = worker
        self.filled = 0
        self.handing_over = False
        self.done = asyncio.Event()
        self._gathered: list[memoryview] = []
        self._size = 0
        self._pieces: deque[asyncio.Task[None]] = deque()
        self._waits = False
        self._touched = time.monotonic()

    async def write(self, chunk: bytes) -> None:
        """Append bytes. Raises `TooLarge` for more than were announced, `Conflict` if it has been given up."""
        self._check_wanted()
        if self.filled + len(chunk) > self.nbytes:
            raise TooLarge(f"the upload was announced with {self.nbytes} bytes and has more")
        self._touched = time.monotonic()
        view = memoryview(chunk)
        for start in range(0, len(view), PIECE):
            part = view[start : start + PIECE]
            self._gathered.append(part)
            self._size += len(part)
            self.filled += len(part)
            if self._size >= PIECE:
                await self._pass_on()

    async def finish(self) -> None:
        """Hand the last bytes over; when this returns, the worker has them all."""
        self._check_wanted()
        self.handing_over = True
        if self._size:
            await self._pass_on()
        while self._pieces:
            await self._first_piece()
        await self.worker.ask(FinishUpload(self.session_id, self.id))

    def idle(self, now: float) -> bool:
        """Whether its sender has stopped. The worker, which may be in a long kernel, has all bytes that came."""
        waits = self._waits or self.handing_over or not all(piece.done() for piece in self._pieces)
        return not waits and now - self._touched > IDLE

    def _check_wanted(self) -> None:
        if self.done.is_set():
            raise Conflict(f"upload {self.id} was given up: it paused too long, or came anew on another connection")

    async def _pass_on(self) -> None:
        """Send what was gathered, once the channel has room for it."""
        self._waits = True
        try:
            while len(self._pieces) >= AHEAD:
                await self._first_piece()
            piece = await self.worker.take_piece(self._gathered)
        finally:
            self._waits = False
        offset = self.filled - self._size
        self._gathered, self._size = [], 0
        sending = asyncio.get_running_loop().create_task(self._send(offset, piece))
        sending.add_done_callback(lambda sending: self._sent(sending, piece))
        self._pieces.append(sending)

    async def _first_piece(self) -> None:
        # Not cancelled with the caller: the piece's room is free only when the worker has read it.
        await asyncio.shield(self._pieces.popleft())

    async def _send(self, offset: int, piece: Any) -> None:
        self._check_wanted()  # or it would write into the memory of the attempt that took its place
        await self.worker.write_piece(self.session_id, self.id, offset, piece)

    def _sent(self, sending: asyncio.Task[None], piece: Any) -> None:
        self.worker.give_back(piece)
        self._touched = time.monotonic()
        if not sending.cancelled():
            sending.exception()  # marks it retrieved: `write` or `finish` raises it again
