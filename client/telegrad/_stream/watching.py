"""What a running profile is told: where threads waited, and how each submission and each large value travelled.

With no profile, recording does nothing here, and a submission, a large value or a wait costs one look at `WATCHERS`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple, Protocol

from telegrad._tracing.frames import is_library, is_telegrads
from telegrad_protocol import wire
from telegrad_protocol.messages import Reply

Site = tuple[CodeType, int]
"""A user's call site: a code object and an instruction in it."""


class Wait(NamedTuple):
    """A time in which a thread waited: what for, at which call of the user's, of which function of telegrad.

    `kind`: "value", "work" (all that was recorded), "backlog" (the sender), "room" (for uploads), "session" (it opens).
    """

    thread: int
    begun: float
    ended: float
    kind: str
    site: Site | None
    function: str


class Trip:
    """A submission on its way to the server and back. `server`: what its answer's Server-Timing said, if it had one.

    `rows`: the op and the call site of each row, None for the sender's own; `row_times`: nanoseconds of the first rows.
    """

    __slots__ = (
        "answered", "begun", "device_index", "number", "packed", "row_times", "rows", "sent", "server", "thread", "unpacked"
    )  # fmt: skip

    def __init__(self) -> None:
        self.begun = perf_counter()
        self.packed = self.sent = self.answered = self.unpacked = 0.0
        self.number = self.device_index = 0
        self.thread = threading.current_thread().name
        self.server: str | None = None
        self.rows: list[tuple[int, CodeType | None, int] | None] = []
        self.row_times: tuple[int, ...] = ()


class Transfer(NamedTuple):
    """A large value that travelled apart from rows: "upload" or "download"."""

    kind: str
    begun: float
    ended: float
    nbytes: int


class Watcher(Protocol):
    """A running profile. Called on the threads that wait, and on the sender's."""

    def waited(self, wait: Wait) -> None: ...
    def travelled(self, trip: Trip) -> None: ...
    def transferred(self, transfer: Transfer) -> None: ...


WATCHERS: Final[list[Watcher]] = []
"""The running profiles."""

WAITING: Final[dict[int, float]] = {}
"""Since when threads wait, by their id; only while there are watchers."""


def _forget_all() -> None:
    """In a forked child: the profiles are the parent's."""
    WATCHERS.clear()
    WAITING.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


# Waits ----------------------------------------------------------------------------------------------------------


def begin_wait() -> None:
    """This thread begins to wait. Waits are not nested."""
    if WATCHERS:
        WAITING[threading.get_ident()] = perf_counter()


def end_wait(kind: str) -> None:
    """This thread waits no more."""
    if not WAITING:
        return
    thread = threading.get_ident()
    begun = WAITING.pop(thread, None)
    if begun is not None:
        ended = perf_counter()
        site, function = users_call(sys._getframe(1))
        for watcher in tuple(WATCHERS):
            watcher.waited(Wait(thread, begun, ended, kind, site, function))


@contextmanager
def watched(kind: str) -> Iterator[None]:
    """A block in which this thread waits."""
    try:
        begin_wait()
        yield
    finally:
        end_wait(kind)


def users_call(frame: FrameType | None) -> tuple[Site | None, str]:
    """The user's call that led to a frame, and the name of the function of telegrad that was called."""
    function = ""
    while frame is not None:
        code = frame.f_code
        if is_telegrads(code.co_filename):
            function = _name_of(frame, code)
        elif not is_library(code.co_filename):
            return (code, frame.f_lasti), function
        frame = frame.f_back
    return None, function


def _name_of(frame: FrameType, code: CodeType) -> str:
    """A function's name; where it stands behind a handler of tracebacks, its own."""
    wrapped: Any = frame.f_locals.get("function") if code.co_name == "call" else None
    return getattr(wrapped, "__qualname__", None) or code.co_qualname


# Submissions and large values -----------------------------------------------------------------------------------


def new_trip() -> Trip | None:
    """The trip of a submission that is about to be cut; None if nobody watches."""
    return Trip() if WATCHERS else None


def unpack(trip: Trip | None, items: list[Any], body: bytes) -> Reply:
    """The reply to a submission. Its trip ends here, before any thread can see a value of it."""
    if trip is None:
        return wire.decode_reply(body)
    reply, trip.row_times = wire.decode_timed_reply(body)
    trip.rows = [None if item is None else (item[0], item[4], item[5]) for item in items]
    trip.unpacked = perf_counter()
    for watcher in tuple(WATCHERS):
        watcher.travelled(trip)
    return reply


@contextmanager
def transfer(kind: str, nbytes: int) -> Iterator[None]:
    """A block in which a large value travels."""
    begun = perf_counter()
    try:
        yield
    finally:
        for watcher in tuple(WATCHERS):
            watcher.transferred(Transfer(kind, begun, perf_counter(), nbytes))
