"""Stands in for a worker process in tests of the front: it keeps what it is told, in this event loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from telegrad_protocol.errors import OutOfMemory, SessionGone, TelegradError, UnknownTensor, WorkerDied
from telegrad_server.channel.frames import SLOT_BYTES, SLOTS
from telegrad_server.channel.slots import Slots


class FakeWorker:
    """Replies to a submission with its own bytes; `gate` cleared holds every submission back."""

    def __init__(self, memory: int = 1 << 30) -> None:
        self.memory = memory
        self.slots = Slots(memoryview(bytearray(SLOTS * SLOT_BYTES)))
        self.gate = asyncio.Event()
        self.gate.set()
        self.admitting = asyncio.Event()
        self.admitting.set()
        self.sessions: set[str] = set()
        self.ran: list[tuple[int, int, bytes]] = []
        self.uploads: dict[int, bytes | TelegradError | None] = {}
        self.landings: dict[int, bytearray] = {}
        self.reads: dict[int, bytes] = {}
        self.asked: dict[str, int] = defaultdict(int)
        self.dead: TelegradError | None = None
        self.running = ""
        self.closing: asyncio.Event | None = None

    def _note(self, kind: str) -> None:
        self.asked[kind] += 1
        if self.dead is not None:
            raise self.dead

    async def open_session(self, session: str) -> None:
        self._note("open_session")
        self.sessions.add(session)

    async def close_session(self, session: str) -> None:
        self._note("close_session")
        if self.closing is not None:
            await self.closing.wait()
        self.sessions.discard(session)

    async def open_stream(self, session: str, stream: int) -> None:
        self._note("open_stream")

    async def submit(
        self, session: str, stream: int, epoch: int, body: bytes, failed: dict[str, Any] | None = None
    ) -> tuple[bytes, list[tuple[int, str, int]]]:
        self._note("submit")
        self.ran.append((stream, epoch, body))
        await self.gate.wait()
        return body, []

    async def tensors(self, session: str, after: int, limit: int) -> list[tuple[int, str, tuple[int, ...], bool]]:
        return []

    @property
    def alive(self) -> bool:
        return self.dead is None

    def kill(self, cause: WorkerDied) -> None:
        self.dead = cause

    async def admit_upload(self, session: str, upload: int, nbytes: int) -> None:
        self._note("admit_upload")
        await self.admitting.wait()
        if nbytes > self.memory:
            raise OutOfMemory(f"{nbytes} bytes do not fit")
        self.uploads[upload] = None
        self.landings[upload] = bytearray(nbytes)

    async def write_piece(self, session: str, upload: int, offset: int, size: int, slot: int) -> None:
        self._note("write_piece")
        await self.gate.wait()
        self.landings[upload][offset : offset + size] = self.slots.view(slot, size)

    async def finish_upload(self, session: str, upload: int) -> None:
        self._note("finish_upload")
        await self.gate.wait()
        self.uploads[upload] = bytes(self.landings.pop(upload))

    async def fail_upload(self, session: str, upload: int, error: TelegradError) -> None:
        self._note("fail_upload")
        self.uploads[upload] = error

    async def drop_upload(self, session: str, upload: int) -> None:
        self._note("drop_upload")
        self.uploads.pop(upload, None)
        self.landings.pop(upload, None)

    async def read_size(self, session: str, read: int) -> int:
        self._note("read_size")
        return len(self._read(session, read))

    async def read_piece(self, session: str, read: int, offset: int, size: int, slot: int) -> None:
        self._note("read_piece")
        await asyncio.sleep(0)
        self.slots.view(slot, size)[:] = self._read(session, read)[offset : offset + size]

    async def drop_read(self, session: str, read: int) -> None:
        self._note("drop_read")
        self.reads.pop(read, None)

    def _read(self, session: str, read: int) -> bytes:
        if session not in self.sessions:
            raise SessionGone("the session has ended")
        if read not in self.reads:
            raise UnknownTensor(f"there is no read {read}")
        return self.reads[read]

    async def health(self) -> dict[str, Any]:
        self._note("health")
        return {"bytes_used": 0, "bytes_peak": 0, "bytes_limit": self.memory}
