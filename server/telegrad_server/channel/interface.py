"""The interface of a worker, wherever it runs: requests of the closed list, bulk bytes in, bulk bytes out, health."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

from telegrad_protocol.errors import WorkerDied

PIECE_BYTES: Final = 4 << 20
"""The most bytes of one piece."""


class Worker(Protocol):
    """The executor of one device. Every coroutine raises `WorkerDied` while the worker is down."""

    @property
    def alive(self) -> bool:
        """Whether the worker takes requests."""

    @property
    def running(self) -> str:
        """The session whose rows run at this moment, or an empty string."""

    def kill(self, cause: WorkerDied) -> None:
        """End the worker in the middle of its work. Everything that waits for an answer gets the cause."""

    async def ask(self, request: Any) -> Any:
        """Send a request of `channel.requests`; its answer. Raises the error that the worker answers with."""

    async def take_piece(self, parts: Sequence[memoryview]) -> Any:
        """Copy a piece of an upload to where `write_piece` sends it from, once there is room.

        `give_back` must follow, also after a failure.
        """

    async def write_piece(self, session: str, upload: int, offset: int, piece: Any) -> None:
        """Send a piece. When this returns, the worker has it."""

    def give_back(self, piece: Any) -> None:
        """Free the room of a piece."""

    async def read(self, session: str, read: int, offset: int, size: int) -> bytes:
        """Bytes of a value that waits to be read, of one piece at most (`PIECE_BYTES`)."""

    def download(
        self, session: str, read: int, start: int, size: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes | memoryview]]:
        """The bytes of a value from `start` to `size`, in pieces.

        A piece may be memory of the channel: it holds its bytes until the third piece after it is asked for, and at
        the longest until the context ends. The bytes of the last piece are the caller's own.
        """
