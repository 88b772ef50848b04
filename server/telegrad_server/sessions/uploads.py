"""Uploads on their way in: gathered into pieces, which the worker takes from slots of shared memory."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

from telegrad_protocol.errors import Conflict, TooLarge
from telegrad_server.channel.process import Worker

PIECE: Final = 1 << 20
"""Bytes that are gathered before they take a slot: many chunks of a body, and few enough to be in a cache still."""

AHEAD: Final = 3
"""Pieces of one upload that the worker may have yet to take."""

IDLE: Final = 60.0
"""Seconds without a byte after which an upload has failed."""


class Upload:
    """Bytes of one tensor on their way to the worker's memory.

    `done` is set once nobody waits for more of it: it was handed over, or given up.
    """

    def __init__(self, session: str, name: int, nbytes: int, worker: Worker) -> None:
        self.session = session
        self.name = name
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
        await self.worker.finish_upload(self.session, self.name)

    def idle(self, now: float) -> bool:
        """Whether its sender has stopped: the worker, which may be in a long kernel, has had all that came."""
        waits = self._waits or self.handing_over or not all(piece.done() for piece in self._pieces)
        return not waits and now - self._touched > IDLE

    def _check_wanted(self) -> None:
        if self.done.is_set():
            raise Conflict(f"upload {self.name} was given up: it paused too long, or came anew on another connection")

    async def _pass_on(self) -> None:
        """Put what was gathered into a slot, and let the worker fetch it."""
        slots = self.worker.slots
        self._waits = True
        try:
            while len(self._pieces) >= AHEAD:
                await self._first_piece()
            slot = await slots.take_upload()
        finally:
            self._waits = False
        size, offset = self._size, self.filled - self._size
        target, position = slots.view(slot, size), 0
        for part in self._gathered:
            target[position : position + len(part)] = part
            position += len(part)
        self._gathered, self._size = [], 0
        piece = asyncio.get_running_loop().create_task(self._fetch(offset, size, slot))
        piece.add_done_callback(lambda piece: self._fetched(piece, slot))
        self._pieces.append(piece)

    async def _first_piece(self) -> None:
        # Not cancelled with who waits: its slot is free when the worker has read it.
        await asyncio.shield(self._pieces.popleft())

    async def _fetch(self, offset: int, size: int, slot: int) -> None:
        self._check_wanted()  # or it would write into the memory of the attempt that took its place
        await self.worker.write_piece(self.session, self.name, offset, size, slot)

    def _fetched(self, piece: asyncio.Task[None], slot: int) -> None:
        self.worker.slots.give_upload(slot)
        self._touched = time.monotonic()
        if not piece.cancelled():
            piece.exception()  # told to whoever writes or finishes, if anybody does any more
