"""Submissions that wait in a session's streams, and how far each has come."""

from __future__ import annotations

from collections import deque
from typing import Any

from telegrad_protocol.errors import StaleEpoch, StreamStopped, TelegradError
from telegrad_protocol.messages import ReadResult, Row
from telegrad_server.channel.requests import STOPPED, Request

from .row_timer import RowTimer
from .transfers import Sent

REPLY_BYTES = 8 << 20
"""Values that a reply carries; those of later reads are fetched, as large ones are."""


class Submission:
    """A submission on its way: the next row, the results so far, the bytes that the reply may still hold.

    `failed` is the error that ended its epoch on another device. `sent` are values that leave for another device.
    `waiting_since` is set while it waits for an upload. `ran` are the seconds that its rows have run; `timer` takes the
    time of each, where the client wants it.
    """

    __slots__ = (
        "epoch", "error", "failed", "next", "ran", "request", "results", "room", "rows", "sent", "timer", "waiting_since"
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        epoch: int,
        rows: tuple[Row, ...],
        failed: TelegradError | None,
        timer: RowTimer | None = None,
    ) -> None:
        self.request = request
        self.epoch = epoch
        self.rows = rows
        self.next = 0
        self.failed = failed
        self.results: list[ReadResult] = []
        self.room = REPLY_BYTES
        self.sent: list[Sent] = []
        self.error: dict[str, Any] | None = None
        self.waiting_since = 0.0
        self.ran = 0.0
        self.timer = timer


class Stream:
    """Submissions in order. `failed` is the error that ended the present epoch; epochs up to `stopped` were told to stop."""

    def __init__(self) -> None:
        self.epoch = 0
        self.stopped = -1
        self.failed: TelegradError | None = None
        self.submissions: deque[Submission] = deque()

    def enter(self, epoch: int) -> None:
        """Move to an epoch. Raises `StaleEpoch` for one that is over."""
        if epoch < self.epoch:
            raise StaleEpoch(f"epoch {epoch} is over", expected=self.epoch, got=epoch)
        if epoch > self.epoch:
            self.epoch, self.failed = epoch, None

    def stop(self, epoch: int) -> None:
        """Let no more rows run up to this epoch: not even those that wait for an upload go on waiting."""
        self.stopped = max(self.stopped, epoch)
        for submission in self.submissions:
            submission.waiting_since = 0.0

    def check_not_stopped(self, epoch: int) -> None:
        """Raise `StreamStopped` if this epoch, in which nothing has failed yet, was told to stop."""
        if epoch <= self.stopped and self.failed is None:
            raise StreamStopped(STOPPED)
