"""Back-pressure: recording waits while more rows are unsent than the sender can take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from telegrad._http.session import PATIENCE

from .queue import Queue
from .waiting import Flag
from .watching import watched

HAND_OVER: Final = 256
"""With so many rows waiting, recording pauses until a thread has sent some. Recording checks once per so many ids."""

HAND_OVER_WITHIN: Final = 0.002
"""Seconds that recording pauses at most."""

BACKLOG: Final = 1 << 14
"""Rows that may wait unsent before recording waits for the sender."""


class BackPressure:
    """Holds recording back, for a moment or until half of the backlog was sent."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._left = Flag()

    def hold(self, failed: Callable[[], bool], ready: Callable[[], bool]) -> None:
        """Wait while rows wait unsent: `failed` tells that nobody will send them, `ready` that a thread may send now."""
        waiting = len(self._queue.items)
        if waiting > BACKLOG:
            with watched("backlog"):
                self._wait_for_backlog(failed)
        elif waiting >= HAND_OVER and ready():
            # Recording keeps the interpreter to itself, 5 ms at a time: the threads would be late, and the server idle.
            left = self._left = Flag()
            with watched("backlog"):
                left.wait(HAND_OVER_WITHIN)

    def _wait_for_backlog(self, failed: Callable[[], bool]) -> None:
        """Wait until half of the backlog has gone, or something failed."""
        deadline = time.monotonic() + PATIENCE
        while len(self._queue.items) >= BACKLOG // 2 and not failed() and time.monotonic() < deadline:
            time.sleep(HAND_OVER_WITHIN)

    def rows_left(self) -> None:
        """A submission's bytes have left."""
        self._left.set()
