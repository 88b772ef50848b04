"""Values on their way from a worker to a client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

from telegrad_server.channel.interface import PIECE_BYTES, Worker
from telegrad_server.channel.requests import DropRead, ReadSize


class Holder(Protocol):
    """A session on one device, which holds values that wait to be read."""

    id: str
    worker: Worker

    def renew(self) -> None:
        """Begin the session's lease anew."""


@asynccontextmanager
async def download(
    holder: Holder, read_id: int, start: int, size: int
) -> AsyncIterator[AsyncIterator[bytes | memoryview]]:
    """A value's bytes from `start` to `size`, in pieces as of `Worker.download`. Each piece renews the session."""
    async with (
        holder.worker.download(holder.id, read_id, start, size) as pieces,
        aclosing(_renewing(holder, pieces)) as renewing,
    ):
        yield renewing


async def _renewing(
    holder: Holder, pieces: AsyncIterator[bytes | memoryview]
) -> AsyncGenerator[bytes | memoryview, None]:
    async for piece in pieces:
        yield piece
        holder.renew()


async def gather(holder: Holder, read_id: int, nbytes: int) -> bytes:
    """The whole of a value, which is then forgotten."""
    data = bytearray()
    try:
        while len(data) < nbytes:
            count = min(PIECE_BYTES, nbytes - len(data))
            data += await holder.worker.read(holder.id, read_id, len(data), count)
    finally:
        await drop(holder, read_id)
    return bytes(data)


async def size(holder: Holder, read_id: int) -> int:
    """The bytes of a value that waits to be read."""
    found: int = await holder.worker.ask(ReadSize(holder.id, read_id))
    return found


async def drop(holder: Holder, read_id: int) -> None:
    """Forget a value that waits to be read."""
    await holder.worker.ask(DropRead(holder.id, read_id))
