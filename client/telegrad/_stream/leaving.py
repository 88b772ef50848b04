"""Leaving: an interrupt ends the work that was recorded and has not run, since nobody will read it.

The server skips it from the next row on, as after a failure, and what its calls changed on this side is undone: the
state is as if the interrupt had come at an earlier line, and work goes on in the next epoch. A kernel that runs is not
stopped in its middle.
"""

from __future__ import annotations

import _weakrefset
import math
import signal
import sys
import threading
import time
import weakref
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from telegrad._tracing.frames import is_telegrads
from telegrad_protocol.errors import TelegradError

from .changes import Change
from .queue import Barrier, Item, RecordedRow
from .waiting import WAIT_STEP, Flag

if TYPE_CHECKING:
    from .sender import Sender

WITHIN: Final = 0.8
"""Seconds that an interrupt waits for the server, which may be amid a kernel. The next call waits for the rest."""

AT_EXIT: Final = 0.25
"""Seconds that the end of an interrupted program waits for the server to end the session."""

FINALIZERS: Final = ("__del__", "_let_go")
"""Functions that Python calls when an object goes: `_let_go` is our own callback of weak references."""

_WEAK_CALLBACKS: Final = (weakref.__file__, _weakrefset.__file__)

SAID_AFTER: Final = 2.0
"""Seconds after which the end of a program says that it waits."""


class Leaving:
    """One end of a sender's work. `done` is set once it is known where the server stopped, or that it did not.

    `has_dropped`: what was recorded until then was skipped.
    """

    def __init__(self, sender: Sender) -> None:
        self.done = Flag()
        self.has_dropped = False
        self._sender = sender

    def begin(self, frame: FrameType | None) -> None:
        """Begin amid an interrupt of the main thread, which was in `frame`."""
        sender = self._sender
        sender.leaving = self
        sender.queue.check_at_id = 0
        _abandon_calls(frame)
        try:
            start_new_thread(self._run, ())
        except RuntimeError:  # Python is ending, and the session with it
            self._end()

    def wait(self, seconds: float) -> None:
        """Wait for the end, for so long at most."""
        deadline = time.monotonic() + seconds
        while not self.done.wait(max(0.0, min(WAIT_STEP, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return

    def _run(self) -> None:
        sender = self._sender
        try:
            with sender.lock:
                epoch = sender.last_epoch()
                sender.failures.leave(epoch)
                answered = self._barrier()
            sender.session.stop(epoch)
            while not answered.wait(WAIT_STEP):
                pass
            with sender.lock:
                if sender.error is None:  # else the next call raises it, and undoes more than this would
                    self._drop()
        except (TelegradError, ConnectionError):
            pass  # the session is gone, or the work goes on: the stream's own requests will tell
        finally:
            self._end()

    def _barrier(self) -> Flag:
        """Set once everything in flight has been answered, or something failed."""
        barrier = Barrier()
        barrier.number = self._sender.batcher.number
        self._sender.add_barrier(barrier)
        return barrier.passed

    def _drop(self) -> None:
        """Undo what was skipped, and what was not sent, which is skipped too."""
        queue = self._sender.queue
        unused = self._sender.failures.drop(list(queue.items))
        _lighten(queue.items)
        queue.begin_epoch()
        queue.items.extend(unused)  # as freed tensors
        self.has_dropped = True

    def _end(self) -> None:
        """Let the sender go on."""
        self._sender.leaving = None
        self._sender.queue.check_at_id = 0
        self._sender.ring()
        self.done.set()


def _abandon_calls(frame: FrameType | None) -> None:
    """Undo what interrupted calls are about to change, before what was changed earlier is undone."""
    while frame is not None:
        if frame.f_code is Change.enqueue.__code__:
            frame.f_locals["self"].abandon()
        frame = frame.f_back


def _is_lost(frame: FrameType | None) -> bool:
    """Whether nobody gets what is raised in `frame`, and the program goes on: Python only prints errors of finalizers."""
    while frame is not None:
        code = frame.f_code
        if code.co_name in FINALIZERS or code.co_filename in _WEAK_CALLBACKS:
            return True
        frame = frame.f_back
    return False


def _lighten(items: deque[Item]) -> None:
    """Take the values out of rows that will be skipped, so that they do not travel."""
    for _ in range(len(items)):
        item: Any = items.popleft()
        if isinstance(item, tuple) and item[3] and type(item[3][0]) is bytes:
            item = RecordedRow(item[0], item[1], item[2], (), item[4], item[5])
        elif isinstance(item, RecordedRow) and item.payload is not None:
            item.payload.abandon()
        items.append(item)


_NEEDS_NO_ANSWER: Final = (*FINALIZERS, "__exit__")
"""Functions that Python calls while an exception goes up."""

_BETWEEN_CELLS: Final = "telegrad._runtime.notebook"


def wait_briefly(leaving: Leaving) -> None:
    """Wait `WITHIN` for an interrupt to take effect; if it has not, this thread's next call of telegrad waits for it.

    It does so before it looks at any tensor: what it would see is about to be undone. A profiler has the hook that this
    takes: beside one, `Stream.check` refuses the call.
    """
    leaving.wait(WITHIN)
    if leaving.done.is_set() or sys.getprofile() is not None:
        return

    def wait(frame: FrameType, event: str, _: Any) -> None:
        if leaving.done.is_set():
            sys.setprofile(None)
        elif event == "call" and _is_users_call(frame):
            leaving.wait(math.inf)
            sys.setprofile(None)

    sys.setprofile(wait)


def _is_users_call(frame: FrameType) -> bool:
    """Whether a function of telegrad's begins that the program has called."""
    code, caller = frame.f_code, frame.f_back
    if caller is None or not is_telegrads(code.co_filename) or is_telegrads(caller.f_code.co_filename):
        return False
    return code.co_name not in _NEEDS_NO_ANSWER and frame.f_globals.get("__name__") != _BETWEEN_CELLS


def watch_interrupts(begin: Callable[[FrameType | None], Leaving | None]) -> None:
    """From now on, when Ctrl-C comes, `begin` to leave and wait a moment for it before KeyboardInterrupt is raised.

    A program with a handler of its own decides itself what Ctrl-C means.
    """
    if threading.current_thread() is not threading.main_thread():
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # another one must not break the beginning
        try:
            leaving = None if _is_lost(frame) else begin(frame)
        finally:
            signal.signal(number, interrupt)
        if leaving is not None:
            wait_briefly(leaving)
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        with suppress(ValueError):  # of an interpreter that takes no signals
            signal.signal(signal.SIGINT, interrupt)
