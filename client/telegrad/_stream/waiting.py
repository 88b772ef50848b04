"""Waiting, and work in several steps, that an interrupt cannot break.

An interrupt at the keyboard is raised between any two instructions of the main thread, also of `threading`, whose
conditions then lose or keep their lock. A thread that calls therefore does what is one step alone: it appends, puts,
waits for a `Flag`. What takes several steps is done by threads of ours, which interrupts do not reach.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")

LOOK_EVERY: Final = 0.05
"""Seconds of one wait: where a wait cannot be interrupted, on Windows, so long an interrupt waits at most."""

GRACE: Final = 1.0
"""Seconds that work on another thread has to end when the one that waits for it is interrupted."""


class Flag:
    """As `threading.Event`, in single steps."""

    __slots__ = ("_gates", "_set")

    def __init__(self) -> None:
        self._set = False
        self._gates: deque[Any] = deque()

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        with suppress(IndexError):  # somebody else sets it too
            while self._gates:
                self._gates.popleft().release()

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, for so long at most; whether it is."""
        if not self._set:
            gate = allocate_lock()
            gate.acquire()
            self._gates.append(gate)
            if not (self._set or gate.acquire(True, seconds)):  # `set` looks for gates after it has set
                with suppress(ValueError):
                    self._gates.remove(gate)
        return self._set


def apart(work: Callable[[], T]) -> T:
    """Do work on a thread of its own; what it returns, or raises. An interrupt ends the waiting, never the work."""
    ended = Flag()
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:
            outcome.append((None, error))
        ended.set()

    try:
        start_new_thread(run, ())
    except RuntimeError:  # Python is ending, and starts no threads any more
        run()
    try:
        while not ended.wait(LOOK_EVERY):
            pass
    except BaseException:
        ended.wait(GRACE)
        raise
    value, error = outcome[0]
    if error is not None:
        raise error
    result: T = value
    return result


class Change:
    """What a call changes on this side, beside the rows that it records: both, or neither.

    `apply` and `undo` set what they set to fixed values, so that they may be called again. Whether the rows count is
    decided once: by the sender, which takes them, or by the call, which was interrupted. `lasting`: stays when an
    earlier row has failed.
    """

    __slots__ = ("_fate", "apply", "lasting", "undo")

    def __init__(self, apply: Callable[[], None], undo: Callable[[], None], *, lasting: bool = False) -> None:
        self.apply = apply
        self.undo = undo
        self.lasting = lasting
        self._fate: dict[str, bool] = {}

    def counts(self, wanted: bool = True) -> bool:
        """Whether its rows count; the first who asks decides."""
        return self._fate.setdefault("counts", wanted)

    def record(self, queue: deque[Any], rows: list[tuple[Any, ...]]) -> None:
        """Change what is to be changed, and put the rows, which have this at their end, on the stream."""
        try:
            self.apply()
            queue.extend(rows)
        except BaseException:
            (self.apply if self.counts(False) else self.undo)()
            raise

    def roll_back(self) -> None:
        """The rows have not been, and will not be, carried out."""
        self._fate.setdefault("counts", True)
        if not self.lasting:
            self.undo()
