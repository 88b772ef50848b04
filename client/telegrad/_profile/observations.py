"""What a profile has seen: waits, submissions, rows, large values."""

from __future__ import annotations

import threading
from collections import defaultdict
from itertools import zip_longest
from types import CodeType
from typing import Final

from telegrad._stream.watching import Transfer, Trip, Wait

ROWS_KEPT: Final = 200_000
"""Rows that the trace can show one by one; those of later submissions count in the table alone."""

LEAST_WAIT: Final = 20e-6
"""Seconds; what is shorter was no wait: the value, or the room, was there."""

FREE: Final = -1
"""Stands for the op of the sender's own rows, which free tensors."""

Call = tuple[int, CodeType | None, int]
"""An op and the call site of its row."""


class Observations:
    """A `Watcher` that keeps what it is told. Any thread may tell it."""

    def __init__(self) -> None:
        self.waits: list[Wait] = []
        self.trips: list[Trip] = []
        self.transfers: list[Transfer] = []
        self.calls: dict[Call, list[int]] = defaultdict(lambda: [0, 0])
        self.rows = 0
        self.untimed = 0
        self.names: dict[int, str] = {}
        self._counting = threading.Lock()  # only the sender's threads take it: an interrupt reaches none of them

    @property
    def did_anything(self) -> bool:
        """Whether the server has run rows of the block, beside those that free tensors of before."""
        return any(op != FREE for op, _, _ in list(self.calls))

    def waited(self, wait: Wait) -> None:
        if wait.ended - wait.begun >= LEAST_WAIT:
            self.names[wait.thread] = threading.current_thread().name
            self.waits.append(wait)

    def transferred(self, transfer: Transfer) -> None:
        self.transfers.append(transfer)

    def travelled(self, trip: Trip) -> None:
        """Count the rows of a submission by op and line."""
        with self._counting:
            for row, time in zip_longest(trip.rows, trip.row_times):
                found = self.calls[row or (FREE, None, 0)]
                found[0] += 1
                found[1] += time or 0
            self.rows += len(trip.rows)
            self.untimed += bool(trip.rows) and not trip.row_times
            if self.rows > ROWS_KEPT:
                trip.rows, trip.row_times = [], (sum(trip.row_times),)
            self.trips.append(trip)
