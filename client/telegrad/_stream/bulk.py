"""Large values on their way: each goes over a connection of its own, on threads that go on if the caller is interrupted."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from telegrad_protocol import dtypes
from telegrad_protocol.devices import device_at
from telegrad_protocol.errors import TelegradError
from telegrad_protocol.messages import ReadResult

if TYPE_CHECKING:
    from .sender import Sender
    from .stream import Future

MOST_BYTES: Final = 256 << 20
"""Bytes of uploads that may be on their way before recording waits."""

THREADS: Final = 2
ROOM_EVERY: Final = 0.002
"""Seconds between looks at whether there is room."""


class Payload:
    """The bytes of an upload that a row names."""

    def __init__(self, name: int, array: Any, device: str) -> None:
        self.name = name
        self.array = array
        self.nbytes: int = array.nbytes
        self.device = device
        self.done = False
        self.begun = threading.Lock()  # held from the moment that somebody sends them


class Bulk:
    """Uploads and downloads of one session."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.uploading: deque[Payload] = deque()

    def start(self) -> list[threading.Thread]:
        """The threads, which are yet to be started."""
        return [threading.Thread(target=self._work, name=f"telegrad-bulk-{i}", daemon=True) for i in range(THREADS)]

    def close(self) -> None:
        """Begin nothing more."""
        for _ in range(THREADS):
            self.jobs.put(None)

    def _work(self) -> None:
        while self.sender.broken is None:
            job = self.jobs.get()
            try:
                if job is not None:
                    job()
            except BaseException as error:
                self.sender.end(error)

    # Uploads ----------------------------------------------------------------------------------------------

    def make_room(self) -> None:
        """Wait while too many bytes are on their way."""
        while self.sender.error is None and sum(p.nbytes for p in list(self.uploading) if not p.done) >= MOST_BYTES:
            time.sleep(ROOM_EVERY)
        while self.uploading and self.uploading[0].done:
            self.uploading.popleft()

    def upload(self, payload: Payload) -> None:
        """Send the bytes, unless they are on their way already."""
        self.jobs.put(lambda: self._upload(payload))

    def _upload(self, payload: Payload) -> None:
        if not payload.begun.acquire(blocking=False):
            return
        try:
            self.sender.session.upload(payload.name, memoryview(payload.array).cast("B"), payload.device)
        except TelegradError:
            pass  # refused: the tensor that the row makes fails with the server's words
        finally:
            payload.done, payload.array = True, None

    # Downloads --------------------------------------------------------------------------------------------

    def download(self, result: ReadResult, device_index: int, future: Future | None) -> None:
        """Fetch the bytes of a read; where nobody waits for them any more, let the server forget them."""
        self.jobs.put(lambda: self._download(result, device_at(device_index), future))

    def _download(self, result: ReadResult, device: str, future: Future | None) -> None:
        session = self.sender.session
        if future is not None:
            try:
                size = math.prod(result.shape) * dtypes.by_name(result.dtype).itemsize
                values: Any = np.empty(size, np.uint8)
                session.download(result.id, device, values.data)
                future.set_result(result._replace(data=values))
            except BaseException as error:
                future.set_result(None, error)
        with suppress(TelegradError, ConnectionError):  # a session that is gone has nothing to forget
            session.drop_read(result.id, device)
