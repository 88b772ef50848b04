"""Waiting, and work in several steps, that an interrupt cannot break.

An interrupt at the keyboard is raised between any two instructions of the main thread, also of `threading`, whose
conditions then lose or keep their lock. A caller's thread therefore does only what is a single step: it appends,
puts, waits for a `Flag`. Work in several steps runs on threads of our own, which interrupts do not reach.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")

WAIT_STEP: Final = 0.05
"""Seconds of one wait: on Windows, where a wait cannot be interrupted, an interrupt takes at most so long."""

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
        with suppress(IndexError):  # another thread sets it too
            while self._gates:
                self._gates.popleft().release()

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, for so long at most. Returns whether it is."""
        if not self._set:
            gate = allocate_lock()
            gate.acquire()
            self._gates.append(gate)
            if not (self._set or gate.acquire(True, seconds)):  # `set` looks for gates after it has set
                with suppress(ValueError):
                    self._gates.remove(gate)
        return self._set


def on_own_thread(work: Callable[[], T]) -> T:
    """Do work on a thread of its own; return or raise what it does. An interrupt ends the waiting, never the work."""
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
        while not ended.wait(WAIT_STEP):
            pass
    except BaseException:
        ended.wait(GRACE)
        raise
    value, error = outcome[0]
    if error is not None:
        raise error
    result: T = value
    return result
