"""Stands in for a worker process in tests of the front: it keeps what it is told, in this event loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from telegrad_protocol.errors import OutOfMemory, SessionGone, TelegradError, UnknownTensor, WorkerDied, from_dict
from telegrad_server.channel.arena import SLOT_BYTES, SLOTS
from telegrad_server.channel.slots import SlotTransfers


class FakeWorker(SlotTransfers):
    """Replies to a submission with its own bytes; `gate` cleared holds every submission back."""

    def __init__(self, memory: int = 1 << 30) -> None:
        self.memory = memory
        super().__init__(memoryview(bytearray(SLOTS * SLOT_BYTES)))
        self.gate = asyncio.Event()
        self.gate.set()
        self.admitting = asyncio.Event()
        self.admitting.set()
        self.sessions: set[str] = set()
        self.ran: list[tuple[int, int, bytes]] = []
        self.stopped: list[tuple[int, int]] = []
        self.uploads: dict[int, bytes | TelegradError | None] = {}
        self.landings: dict[int, bytearray] = {}
        self.reads: dict[int, bytes] = {}
        self.asked: dict[str, int] = defaultdict(int)
        self.dead: TelegradError | None = None
        self.running = ""
        self.closing: asyncio.Event | None = None

    async def ask(self, request: Any) -> Any:
        self.asked[request.kind] += 1
        if self.dead is not None:
            raise self.dead
        return await getattr(self, f"on_{request.kind}")(*request)

    async def on_open_session(self, session: str) -> None:
        self.sessions.add(session)

    async def on_close_session(self, session: str) -> None:
        if self.closing is not None:
            await self.closing.wait()
        self.sessions.discard(session)

    async def on_open_stream(self, session: str, stream: int) -> None:
        pass

    async def on_stop_stream(self, session: str, stream: int, epoch: int) -> None:
        self.stopped.append((stream, epoch))

    async def on_submit(
        self,
        session: str,
        stream: int,
        epoch: int,
        body: bytes,
        failed: dict[str, Any] | None = None,
        timed: bool = False,
    ) -> tuple[bytes, list[tuple[int, str, int]], float]:
        self.ran.append((stream, epoch, body))
        await self.gate.wait()
        return body, [], 0.0

    async def on_tensors(self, session: str, after: int, limit: int) -> list[tuple[int, str, tuple[int, ...], bool]]:
        return []

    @property
    def alive(self) -> bool:
        return self.dead is None

    def kill(self, cause: WorkerDied) -> None:
        self.dead = cause

    async def on_admit_upload(self, session: str, upload: int, nbytes: int) -> None:
        await self.admitting.wait()
        if nbytes > self.memory:
            raise OutOfMemory(f"{nbytes} bytes do not fit")
        self.uploads[upload] = None
        self.landings[upload] = bytearray(nbytes)

    async def on_write_piece(self, session: str, upload: int, offset: int, size: int, slot: int) -> None:
        await self.gate.wait()
        self.landings[upload][offset : offset + size] = self.slots.view(slot, size)

    async def on_finish_upload(self, session: str, upload: int) -> None:
        await self.gate.wait()
        self.uploads[upload] = bytes(self.landings.pop(upload))

    async def on_fail_upload(self, session: str, upload: int, error: dict[str, Any]) -> None:
        self.uploads[upload] = from_dict(error)

    async def on_drop_upload(self, session: str, upload: int) -> None:
        self.uploads.pop(upload, None)
        self.landings.pop(upload, None)

    async def on_read_size(self, session: str, read: int) -> int:
        return len(self._read(session, read))

    async def on_read_piece(self, session: str, read: int, offset: int, size: int, slot: int) -> None:
        await asyncio.sleep(0)
        self.slots.view(slot, size)[:] = self._read(session, read)[offset : offset + size]

    async def on_drop_read(self, session: str, read: int) -> None:
        self.reads.pop(read, None)

    def _read(self, session: str, read: int) -> bytes:
        if session not in self.sessions:
            raise SessionGone("the session has ended")
        if read not in self.reads:
            raise UnknownTensor(f"there is no read {read}")
        return self.reads[read]

    async def on_health(self) -> dict[str, Any]:
        return {"bytes_used": 0, "bytes_peak": 0, "bytes_limit": self.memory}
