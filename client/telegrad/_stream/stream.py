"""This process's stream: what recording writes rows to, and what waits for values.

Recording appends to a deque, which is safe from any thread and loses nothing; a `Sender` takes the rows from it and
sends them to one session. Nothing waits but a read.
"""

from __future__ import annotations

import atexit
import itertools
import math
import os
import secrets
import sys
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from telegrad._http.session import Session
from telegrad._runtime import notebook
from telegrad._tracing.call_sites import caller
from telegrad._tracing.frames import hide_frames
from telegrad_protocol.devices import DEVICE_SHIFT, device_index
from telegrad_protocol.errors import SessionGone
from telegrad_protocol.spec import OPS

from .bulk import Payload
from .sender import Sender
from .waiting import LOOK_EVERY, Flag, apart


class Future:
    """A value that is on its way. `result()` waits for it; an error that it met is raised there."""

    def __init__(self, stream: Stream, finish: Callable[[Any], Any]) -> None:
        self._stream = stream
        self._finish = finish
        self._arrived = Flag()
        self._value: Any = None
        self._error: BaseException | None = None
        self._finished: list[Any] = []

    def done(self) -> bool:
        """Whether `result()` would return, or raise, at once."""
        return self._arrived.is_set()

    def result(self, timeout: float | None = None) -> Any:
        """The value. Raises TimeoutError after `timeout` seconds, and the stream's error if the value never came."""
        if not self._arrived.is_set():
            self._stream.wait_for(self._arrived, timeout)
        if self._error is not None:
            self._stream.surface(self._error)
        if not self._finished:
            self._finished.append(self._finish(self._value))
            self._value = None
        return self._finished[0]

    def set_result(self, value: Any, error: BaseException | None = None) -> None:
        """Let those go on who wait."""
        self._value, self._error = value, error
        self._arrived.set()


def _closed() -> SessionGone:
    return SessionGone("the session was closed; its tensors are gone")


def _died() -> bool:
    """Whether an exception that nobody caught ends the program: then nothing is waited for."""
    return getattr(sys, "last_value", None) is not None and not hasattr(sys, "ps1")


class Stream:
    """Rows, and the sender that takes them to the present session; another session gets a sender of its own.

    `look_at` is the id at which recording looks in (`check`), 0 if the next call should: nobody is sending, or something
    failed. It is the one thing that the recorder tests per call. `seed`: what a session's generators start from.
    `inherited`: in a forked child, the last id of the parent's tensors, which are not this process's; `host_only`: it
    is a worker that opens no session.
    """

    def __init__(self) -> None:
        self.session = Session()
        self.rows: deque[Any] = deque()
        self.next_id = itertools.count(1).__next__
        self.look_at = 0
        self.synchronous = os.environ.get("TELEGRAD_SYNC") == "1"
        self.host_only = False
        self.inherited = 0
        self.seed = secrets.randbits(63)
        self.ended = False
        self.on_failure: Callable[[BaseException], None] | None = None
        self.sender = Sender(self)
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_forked_child)

    # What recording calls ---------------------------------------------------------------------------------

    def check(self) -> None:
        """Wake the senders, wait while too much is unsent, raise what failed."""
        self.start()
        if self.sender.error is not None:
            self.surface(self.sender.error)
        elif self.synchronous:
            self.synchronize()
        else:
            self.sender.wake()

    def start(self) -> None:
        """Open the session and start to send, once."""
        if self.host_only:
            raise RuntimeError(
                "this worker was forked from a process that uses telegrad: only tensors that stay on the host (made "
                "from data and not computed with) can be used here"
            )
        if not self.sender.threads:
            notebook.attach(self)
            sender, session, site = self.sender, self.session, caller()
            apart(lambda: sender.start(session, lambda: self._first_rows(session, site)))

    def _first_rows(self, session: Session, site: tuple[Any, int]) -> list[tuple[Any, ...]]:
        """What a session begins with: its generators start from this process's seed."""
        devices = [device_index(device) << DEVICE_SHIFT for device in session.open().devices]
        return [(OPS["manual_seed"].index, device_bits, None, (self.seed, None), *site) for device_bits in devices]

    def devices(self) -> tuple[str, ...]:
        """The devices of the server; opens the session."""
        self.start()
        opened = self.session.opened
        return () if opened is None else opened.devices

    def ask(
        self, name: str, args: tuple[Any, ...], device_bits: int, site: tuple[Any, int], finish: Callable[[Any], Any]
    ) -> Future:
        """Record a row that is answered with a value; `finish` turns its `ReadResult` into what the caller gets."""
        future = Future(self, finish)
        answer = self.next_id()
        self.sender.reads[answer] = weakref.ref(future)
        self.rows.append((OPS[name].index, device_bits, answer, args, *site))
        if answer >= self.look_at:
            self.check()
        return future

    def payload(self, name: int, array: Any, device: str) -> Payload:
        """The bytes of an upload, which a row is to carry; waits while too many bytes are on their way."""
        self.start()
        self.sender.bulk.make_room()
        return Payload(name, array, device)

    def upload(self, payload: Payload) -> None:
        """Let the bytes of a recorded upload leave before its row does."""
        bulk = self.sender.bulk
        bulk.uploading.append(payload)
        bulk.upload(payload)

    def synchronize(self) -> None:
        """Wait until everything recorded so far has been executed; raise what failed."""
        self.start()
        self.sender.finish()
        self.surface(self.sender.error)

    def finish_within(self, seconds: float) -> None:
        """Wait a moment for what was recorded, if anything is still on its way."""
        if self.sender.threads and self.sender.is_busy:
            self.sender.finish(seconds)

    def wait_for(self, arrived: Flag, timeout: float | None) -> None:
        """Wait for an answer."""
        self.start()
        self.sender.ring()
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while not arrived.wait(max(0.0, min(LOOK_EVERY, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                raise TimeoutError("the value has not come yet")

    def surface(self, error: BaseException | None) -> None:
        """Raise a failure in the caller, roll local metadata back to the failing row, and open the next epoch."""
        if error is None:
            return
        if self.ended and threading.current_thread().daemon:
            threading.Event().wait()  # the program has ended: nobody is left to be told, and Python ends us soon
        sender, failure = self.sender, error
        try:
            if failure is sender.failure:
                apart(lambda: sender.roll_back(failure))
        except BaseException as interrupt:
            interrupt.__context__ = failure  # nobody else will tell of it
            raise
        raise failure.with_traceback(None)  # one that was raised before has that traceback still

    # Ending -----------------------------------------------------------------------------------------------

    def restart(self, session: Session | None = None) -> None:
        """Begin anew with another session; tensors of the old one are gone, and reads that wait for them fail."""
        following = session or Session()
        apart(lambda: self._follow(following))

    def _follow(self, session: Session) -> None:
        sender, ended = self.sender, self.session
        sender.end(_closed())
        self.rows.clear()
        self.session, self.sender, self.look_at = session, Sender(self), 0
        ended.close()
        sender.join(1.0)

    def close(self) -> None:
        """Send no more and close the session."""
        apart(self._close)

    def _close(self) -> None:
        self.sender.end(_closed())
        self.session.close()
        self.sender.join(1.0)

    def _at_exit(self) -> None:
        if not self.sender.threads:
            return
        status = 0
        try:
            if self.sender.broken is None and not _died():
                self.synchronize()
        except Exception as error:
            status = 1
            hide_frames(error)
            traceback.print_exception(error, file=sys.stderr)
        except KeyboardInterrupt:
            status = 130
        self.ended = True
        self.close()
        if status:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)  # a failure that nobody was told of must not look like success

    def _in_forked_child(self) -> None:
        self.sender = Sender(self)
        self.rows.clear()
        self.inherited, self.look_at = self.next_id(), 0
        self.session = self.session.inherited()

    def check_own(self, name: int) -> None:
        """Raise for a tensor of the process that this one was forked from."""
        if name <= self.inherited:
            raise self.of_another_session(name)

    def of_another_session(self, name: int) -> SessionGone:
        """What to raise for a tensor that this session never had."""
        if name > self.inherited:
            return SessionGone("this tensor belongs to an earlier session, which has ended: make it anew")
        return SessionGone(
            "this tensor belongs to the process that this one was forked from",
            hint="make it here, or read its values (t.numpy()) before the fork",
        )
