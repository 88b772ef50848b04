"""Threads for large values: each travels over a connection of its own, and goes on if the caller is interrupted."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final

import numpy as np

from telegrad._http.session import Session
from telegrad_protocol import dtypes
from telegrad_protocol.devices import device_at
from telegrad_protocol.errors import TelegradError
from telegrad_protocol.messages import ReadResult

from .reads import Future
from .watching import transfer

THREADS: Final = 2


class Bulk:
    """The threads of one session, and its downloads. An exception that a thread did not expect goes to `give_up`."""

    session: Session

    def __init__(self, give_up: Callable[[BaseException], None]) -> None:
        self._give_up = give_up
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._closed = False

    def start(self, session: Session) -> list[threading.Thread]:
        """The threads, which are yet to be started."""
        self.session = session
        return [threading.Thread(target=self._work, name=f"telegrad-bulk-{i}", daemon=True) for i in range(THREADS)]

    def close(self) -> None:
        """Begin no more jobs."""
        self._closed = True
        for _ in range(THREADS):
            self._jobs.put(None)

    def do(self, job: Callable[[], None]) -> None:
        """Let a thread do a job."""
        self._jobs.put(job)

    def _work(self) -> None:
        while not self._closed:
            job = self._jobs.get()
            try:
                if job is not None:
                    job()
            except BaseException as error:
                self._give_up(error)

    def download(self, result: ReadResult, device_index: int, future: Future | None) -> None:
        """Fetch the bytes of a read, or, if no future waits for them any more, let the server forget them."""
        self.do(lambda: self._download(result, device_at(device_index), future))

    def _download(self, result: ReadResult, device: str, future: Future | None) -> None:
        if future is not None:
            try:
                size = math.prod(result.shape) * dtypes.by_name(result.dtype).itemsize
                values: Any = np.empty(size, np.uint8)
                with transfer("download", size):
                    self.session.download(result.id, device, values.data)
                future.set_result(result._replace(data=values))
            except BaseException as error:
                future.set_result(None, error)
        with suppress(TelegradError, ConnectionError):  # a session that is gone has nothing to forget
            self.session.drop_read(result.id, device)
