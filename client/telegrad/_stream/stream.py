"""The stream that recording writes rows to, and where threads wait for values.

A `Sender` takes the rows and sends them to one session. Only a read waits.
"""

from __future__ import annotations

import atexit
import math
import os
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import CodeType, FrameType
from typing import Any

from telegrad._http.session import Session
from telegrad._tracing.call_sites import call_site
from telegrad._tracing.frames import hide_frames
from telegrad_protocol.devices import DEVICE_SHIFT, device_index
from telegrad_protocol.errors import SessionGone, StreamStopped
from telegrad_protocol.spec import OPS

from .leaving import AT_EXIT, SAID_AFTER, Leaving, watch_interrupts
from .queue import Queue, RecordedRow
from .reads import Future
from .sender import Sender
from .uploads import Payload
from .waiting import WAIT_STEP, Flag, on_own_thread
from .watching import begin_wait, end_wait, watched


def _closed() -> SessionGone:
    return SessionGone("the session was closed; its tensors are gone")


def _died() -> bool:
    """Whether an uncaught exception ends the program, which then waits for nothing."""
    return getattr(sys, "last_value", None) is not None and not hasattr(sys, "ps1")


class Stream:
    """The queue of rows, and the sender that takes them to the present session; another session gets another sender.

    `seed`: where a session's generators start. `inherited`: in a forked child, the last id of the parent's tensors,
    which are not this process's; `host_only`: it is a worker that opens no session. `on_start` is called before a
    session is opened, `on_failure` with a failure that has become known.
    """

    def __init__(self) -> None:
        self.session = Session()
        self.queue = Queue()
        self.next_id = self.queue.next_id
        self.synchronous = os.environ.get("TELEGRAD_SYNC") == "1"
        self.host_only = False
        self.inherited = 0
        self.seed = secrets.randbits(63)
        self.ending = self.ended = False
        self.on_start: Callable[[], None] | None = None
        self.on_failure: Callable[[BaseException], None] | None = None
        self.sender = self._new_sender()
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_forked_child)

    def _new_sender(self) -> Sender:
        return Sender(self.queue, self.of_another_session, self._tell_failure)

    def _tell_failure(self, error: BaseException) -> None:
        if self.on_failure is not None:
            self.on_failure(error)

    # What recording calls ---------------------------------------------------------------------------------

    def check(self) -> None:
        """Wake the senders, wait while too much is unsent, raise what failed."""
        self.start()
        if self.sender.leaving is not None:
            self._check_left(self.sender.leaving)
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
            if self.on_start is not None:
                self.on_start()
            watch_interrupts(self.leave)
            sender, session, site = self.sender, self.session, call_site()
            with watched("session"):
                on_own_thread(lambda: sender.start(session, lambda: self._first_rows(session, site)))

    def _first_rows(self, session: Session, site: tuple[CodeType, int]) -> list[RecordedRow]:
        """The first rows of a session: its generators start from this process's seed."""
        devices = [device_index(device) << DEVICE_SHIFT for device in session.open().devices]
        return [
            RecordedRow(OPS["manual_seed"].index, device_bits, None, (self.seed, None), *site)
            for device_bits in devices
        ]

    def devices(self) -> tuple[str, ...]:
        """The devices of the server; opens the session."""
        self.start()
        opened = self.session.opened
        return () if opened is None else opened.devices

    def ask(
        self, op: str, args: tuple[Any, ...], device_bits: int, site: tuple[CodeType, int], finish: Callable[[Any], Any]
    ) -> Future:
        """Record a row that is answered with a value; `finish` turns its `ReadResult` into what the caller gets."""
        future = Future(self, finish)
        answer = self.next_id()
        self.sender.reads.add(answer, future)
        self.queue.items.append(RecordedRow(OPS[op].index, device_bits, answer, args, *site))
        if answer >= self.queue.check_at_id:
            self.check()
        return future

    def payload(self, upload_id: int, array: Any, device: str) -> Payload:
        """The bytes of an upload, which a row is to carry; waits while too many bytes are on their way."""
        self.start()
        sender = self.sender
        with watched("room"):
            sender.uploads.make_room(lambda: sender.error is not None)
        return Payload(upload_id, array, device)

    def upload(self, payload: Payload) -> None:
        """Send the bytes of a recorded upload, before its row."""
        self.sender.uploads.begin(payload)

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
        try:
            begin_wait()
            while not arrived.wait(max(0.0, min(WAIT_STEP, deadline - time.monotonic()))):
                if time.monotonic() >= deadline:
                    raise TimeoutError("the value has not come yet")
        finally:
            end_wait("value")

    def surface(self, error: BaseException | None) -> None:
        """Raise a failure in the caller, roll local metadata back to the failing row, and open the next epoch."""
        if error is None:
            return
        if self.ended and threading.current_thread().daemon:
            threading.Event().wait()  # the program has ended, and Python ends this thread soon
        sender, failure = self.sender, error
        try:
            if failure is sender.failures.unraised:
                on_own_thread(lambda: sender.roll_back(failure))
        except BaseException as interrupt:
            interrupt.__context__ = failure  # it is raised nowhere else
            raise
        raise failure.with_traceback(None)  # one that was raised before has that traceback still

    # Interrupts -------------------------------------------------------------------------------------------

    def leave(self, frame: FrameType | None = None) -> Leaving | None:
        """Begin to end the work that has not run, if there is any: an interrupt came while the main thread was in `frame`.

        Returns what is under way, of an earlier interrupt too.
        """
        sender = self.sender
        if sender.leaving is not None or not sender.threads or sender.error is not None or self.ending:
            return sender.leaving
        if not sender.has_work:
            return None
        leaving = Leaving(sender)
        leaving.begin(frame)
        return leaving

    def finish_leaving(self) -> None:
        """Wait until an interrupt has taken effect: the server may have been amid a kernel."""
        if (leaving := self.sender.leaving) is not None:
            leaving.wait(math.inf)

    def _check_left(self, leaving: Leaving) -> None:
        """Wait until an interrupt has taken effect; raise for a call that was recorded too early."""
        leaving.wait(math.inf)
        if leaving.has_dropped:
            raise StreamStopped(
                "this call came while the server was still in the kernel that Ctrl-C had interrupted, and was dropped",
                hint="make it again",
            )

    # Ending -----------------------------------------------------------------------------------------------

    def restart(self, session: Session | None = None, *, within: float | None = None) -> None:
        """Begin anew with another session; tensors of the old one are gone, and reads that wait for them fail.

        `within`: wait no longer for the old one's server than so many seconds.
        """
        following = session or Session()
        on_own_thread(lambda: self._follow(following, within))

    def _follow(self, session: Session, within: float | None) -> None:
        sender, ended = self.sender, self.session
        sender.end(_closed())
        self.queue.items.clear()
        self.session, self.sender, self.queue.check_at_id = session, self._new_sender(), 0
        ended.close(within)
        sender.join(1.0 if within is None else 0.0)

    def close(self, within: float | None = None) -> None:
        """Stop sending and close the session; wait no longer for its server than `within` seconds."""
        on_own_thread(lambda: self._close(within))

    def _close(self, within: float | None) -> None:
        self.sender.end(_closed())
        self.session.close(within)
        self.sender.join(1.0 if within is None else 0.0)

    def _finish_at_exit(self) -> None:
        """Wait for what was recorded, and say so if it takes long; raise what failed."""
        if not self.sender.finish(SAID_AFTER):
            count = self.sender.count_rows()
            print(
                f"telegrad: waiting for {count} recorded calls to run; Ctrl-C drops them", file=sys.stderr, flush=True
            )
        self.synchronize()

    def _at_exit(self) -> None:
        if not self.sender.threads:
            return
        self.ending = True  # an interrupt now ends the session, and all work with it
        status, within = 0, AT_EXIT if _died() else None
        try:
            if self.sender.broken is None and within is None:
                self._finish_at_exit()
        except Exception as error:
            status = 1
            hide_frames(error)
            traceback.print_exception(error, file=sys.stderr)
        except (KeyboardInterrupt, SystemExit):  # the latter from a handler of the program's own
            status, within = 130, AT_EXIT
        self.ended = True
        with suppress(KeyboardInterrupt):
            self.close(within)
        if status:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)  # a failure that was never raised must not look like success

    def _in_forked_child(self) -> None:
        self.sender = self._new_sender()
        self.queue.items.clear()
        self.inherited, self.queue.check_at_id = self.next_id(), 0
        self.session = self.session.inherited()

    def check_own(self, tensor_id: int) -> None:
        """Raise for a tensor of the process that this one was forked from."""
        if tensor_id <= self.inherited:
            raise self.of_another_session(tensor_id)

    def of_another_session(self, tensor_id: int) -> SessionGone:
        """The error for a tensor that this session never had."""
        if tensor_id > self.inherited:
            return SessionGone("this tensor belongs to an earlier session, which has ended: make it anew")
        return SessionGone(
            "this tensor belongs to the process that this one was forked from",
            hint="make it here, or read its values (t.numpy()) before the fork",
        )
