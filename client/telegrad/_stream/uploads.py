"""Large values on their way to the server: a row names them, and they travel apart from it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from telegrad_protocol.errors import TelegradError

from .bulk import Bulk
from .watching import transfer

MOST_BYTES: Final = 256 << 20
"""Bytes of uploads that may be on their way before recording waits."""

ROOM_EVERY: Final = 0.002
"""Seconds between looks at whether there is room."""


class Payload:
    """The bytes of an upload that a row names."""

    def __init__(self, upload_id: int, array: Any, device: str) -> None:
        self.upload_id = upload_id
        self.array = array
        self.nbytes: int = array.nbytes
        self.device = device
        self.done = False
        self.begun = threading.Lock()  # held from the moment that a thread sends them

    def abandon(self) -> None:
        """Let it not be sent, unless it is on its way: its row will be skipped."""
        if self.begun.acquire(blocking=False):
            self.done, self.array = True, None


class Uploads:
    """The uploads of one session, on the threads of its `Bulk`."""

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk
        self._under_way: deque[Payload] = deque()

    def make_room(self, stopped: Callable[[], bool]) -> None:
        """Wait while too many bytes are on their way and nothing is `stopped`."""
        under_way = self._under_way
        while not stopped() and sum(p.nbytes for p in list(under_way) if not p.done) >= MOST_BYTES:
            time.sleep(ROOM_EVERY)
        while under_way and under_way[0].done:
            under_way.popleft()

    def begin(self, payload: Payload) -> None:
        """Send the bytes of a row that has just been recorded."""
        self._under_way.append(payload)
        self.send(payload)

    def send(self, payload: Payload) -> None:
        """Send the bytes, unless they are on their way already."""
        self._bulk.do(lambda: self._send(payload))

    def _send(self, payload: Payload) -> None:
        if not payload.begun.acquire(blocking=False):
            return
        try:
            with transfer("upload", payload.nbytes):
                self._bulk.session.upload(payload.upload_id, memoryview(payload.array).cast("B"), payload.device)
        except TelegradError:
            pass  # refused: the tensor that the row makes fails with the server's words
        finally:
            payload.done, payload.array = True, None
