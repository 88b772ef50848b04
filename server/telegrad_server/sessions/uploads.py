"""Uploads on their way to a worker: gathered into pieces, a few of which may be under way."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from telegrad_protocol.errors import Conflict, TelegradError, TooLarge, TooMany
from telegrad_server.channel.interface import Worker
from telegrad_server.channel.requests import AdmitUpload, DropUpload, FailUpload, FinishUpload

OPEN_UPLOADS: Final = 16
"""Uploads of one session that may be open at once."""

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
        """Send the gathered bytes, once the channel has room for them."""
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


class Uploads:
    """The uploads of one session: those that are open, and the sizes of those that are complete."""

    def __init__(self, session_id: str, worker_on: Callable[[str | None], Awaitable[Worker]]) -> None:
        self._session_id = session_id
        self._worker_on = worker_on
        self._beginning = asyncio.Lock()
        self.open: dict[int, Upload] = {}
        self.complete: dict[int, int] = {}

    async def begin(self, upload_id: int, nbytes: int, device: str | None = None) -> Upload | None:
        """Admit an upload before its bytes are read; None if the same one is complete already.

        An upload that comes again replaces its first attempt, whose connection may be dead without our knowing.
        """
        async with self._beginning:
            await self._end_attempt(upload_id)
            if upload_id in self.complete:
                if self.complete[upload_id] != nbytes:
                    raise Conflict(f"upload {upload_id} came before with {self.complete[upload_id]} bytes", got=nbytes)
                return None
            if len(self.open) >= OPEN_UPLOADS:
                raise TooMany(f"a session has at most {OPEN_UPLOADS} uploads at once")
            worker = await self._worker_on(device)
            try:
                await worker.ask(AdmitUpload(self._session_id, upload_id, nbytes))
            except TelegradError as error:
                await worker.ask(FailUpload(self._session_id, upload_id, error.to_dict()))
                raise
            upload = self.open[upload_id] = Upload(self._session_id, upload_id, nbytes, worker)
            return upload

    async def _end_attempt(self, upload_id: int) -> None:
        """Wait for an earlier attempt that is being handed over; give up one that still receives bytes."""
        earlier = self.open.get(upload_id)
        if earlier is not None and earlier.handing_over:
            await earlier.done.wait()
        elif earlier is not None:
            await self.abandon(earlier)

    async def finish(self, upload: Upload) -> None:
        """Hand the bytes to the worker. Raises `Conflict` if the upload has been given up.

        Where that fails, the row that waits for the upload fails too.
        """
        try:
            await upload.finish()
        except TelegradError as error:
            await self.fail(upload, error)
            raise
        except BaseException:
            await self.abandon(upload)
            raise
        self.complete[upload.id] = upload.nbytes
        self._forget(upload)

    async def fail(self, upload: Upload, error: TelegradError) -> None:
        """Let the row that waits for the upload fail, unless another attempt has taken its place."""
        if self._forget(upload):
            await upload.worker.ask(FailUpload(self._session_id, upload.id, error.to_dict()))

    async def abandon(self, upload: Upload) -> None:
        """Forget the bytes that came; the client may send the upload again."""
        if self._forget(upload):
            await upload.worker.ask(DropUpload(self._session_id, upload.id))

    async def drop(self, upload_id: int) -> None:
        """Free an upload on the session's first device, whether it came or failed: no row will wait for it."""
        worker = await self._worker_on(None)
        await worker.ask(DropUpload(self._session_id, upload_id))

    def _forget(self, upload: Upload) -> bool:
        """Remove an upload. False if another attempt has taken its place."""
        found = self.open.get(upload.id) is upload
        if found:
            del self.open[upload.id]
        upload.done.set()
        return found

    async def abandon_idle(self, now: float) -> None:
        """Give up the uploads whose senders have stopped."""
        for upload in list(self.open.values()):
            if upload.idle(now):
                await self.abandon(upload)

    def close(self) -> None:
        """Forget every upload that is open: the session has ended."""
        for upload in list(self.open.values()):
            self._forget(upload)
