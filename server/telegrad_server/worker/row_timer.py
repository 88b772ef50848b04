"""The time of each row, for clients that ask for it: a runner of rows that is swapped in for theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class RowTimer:
    """Takes the time of one submission's rows, on the clock of their device.

    On a GPU a row has ended when its kernels have, not when they were launched. Nothing waits for that between rows:
    events mark the ends in the device's own queue, and are read when the submission is answered.
    """

    def __init__(self, xp: Any, execute: Callable[[Any, Any], Any]) -> None:
        self._xp = xp
        self._execute = execute
        self._spans: list[tuple[Any, Any]] = []

    def execute(self, session: Any, row: Any) -> Any:
        """Execute a row. One that fails, or has to wait, has no time."""
        begin = self._xp.mark()
        result = self._execute(session, row)
        self._spans.append((begin, self._xp.mark()))
        return result

    def nanoseconds(self) -> tuple[int, ...]:
        """The time of each row that was executed, in order. Waits for the device."""
        with self._xp.active():
            return tuple([round(self._xp.elapsed(begin, end) * 1e9) for begin, end in self._spans])
