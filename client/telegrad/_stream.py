"""The recorder's other half: rows go in at one end, submissions leave at the other, nothing waits but a read.

Recording appends to a deque, which is safe from any thread and loses nothing. At most `IN_FLIGHT` submissions are on
their way; meanwhile rows gather, so that a slow link makes larger submissions, not more waiting. Whoever waits for a
value sends the rows before it on its own thread if nobody else is doing so.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from telegrad_protocol import wire
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import TelegradError, from_record
from telegrad_protocol.messages import Reply
from telegrad_protocol.spec import OPS

from ._session import Session
from ._sites import describe_site
from ._transport import Interrupted, Unreachable

IN_FLIGHT: Final = 2
MAX_ROWS: Final = 1 << 14
MAX_BYTES: Final = 16 << 20
BACKLOG: Final = 1 << 14
"""Rows that may wait unsent before recording waits for the sender."""

UPLOAD_BYTES: Final = 256 << 20
"""Bytes of uploads that may be on their way before recording waits."""

PATIENCE: Final = 30.0
"""Seconds that a server which cannot be reached is waited for."""

_FREE: Final = OPS["free"].index
_READ: Final = OPS["read"].index


class Mark:
    """Stands among the rows where the next epoch begins."""


EPOCH: Final = Mark()


class Future:
    """A value that is on its way. `result()` waits for it; an error that it met is raised there."""

    def __init__(self, stream: Stream, finish: Callable[[Any], Any]) -> None:
        self._stream = stream
        self._finish = finish
        self._arrived = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None

    def done(self) -> bool:
        """Whether `result()` would return, or raise, at once."""
        return self._arrived.is_set()

    def result(self, timeout: float | None = None) -> Any:
        """The value. Raises TimeoutError after `timeout` seconds, and the stream's error if the value never came."""
        if not self._arrived.is_set():
            self._stream.wait_for(self._arrived, timeout)
        if self._error is not None:
            self._stream.surface(self._error)
        if self._finish is not None:
            self._value, self._finish = self._finish(self._value), None  # type: ignore[assignment]
        return self._value

    def _settle(self, value: Any, error: BaseException | None = None) -> None:
        self._value, self._error = value, error
        self._arrived.set()


class Submission:
    """Rows on their way: `items[k]` is the recorded row that became row k on the wire."""

    __slots__ = ("body", "epoch", "items", "number")

    def __init__(self, number: int, epoch: int, items: list[Any], body: bytes) -> None:
        self.number = number
        self.epoch = epoch
        self.items = items
        self.body = body


class Stream:
    """This process's stream: rows, submissions in flight, reads that wait, and the failure, if there was one.

    `stop` asks the next recorded call to look in (`check`): nobody is sending, too much is waiting, or something
    failed. It is the one thing that the recorder tests per call.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.rows: deque[Any] = deque()
        self.next_id = itertools.count(1).__next__
        self.stop = True
        self.synchronous = os.environ.get("TELEGRAD_SYNC") == "1"
        self._reset()
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_forked_child)

    def _reset(self) -> None:
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.epoch = 0
        self.number = 0
        self.acknowledged = 0
        self.answered: set[int] = set()
        self.in_flight: dict[int, Submission] = {}
        self.unsent: deque[Submission] = deque()
        self.sending = 0
        self.reads: dict[int, Future] = {}
        self.failure: TelegradError | None = None
        self.failed_items: list[tuple[int, list[Any]]] = []
        self.broken: BaseException | None = None
        self.threads: list[threading.Thread] = []
        self.uploaders = ThreadPoolExecutor(2, "telegrad-upload")
        self.uploading = 0
        self.forked = False
        self.closing = False

    # What recording calls ---------------------------------------------------------------------------------

    def check(self) -> None:
        """Wake the senders, wait while too much is unsent, raise what failed."""
        if self.forked:
            raise RuntimeError(
                "this process was forked from one that uses telegrad: only tensors that stay on the host (made from "
                "data and not computed with) can be used here"
            )
        self.start()
        if self.failure is not None or self.broken is not None:
            self.surface(self.broken or self.failure)
        if self.synchronous:
            self.synchronize()
            return
        with self.lock:
            self.stop = False
            self.changed.notify_all()
            if len(self.rows) > BACKLOG:
                self.changed.wait_for(lambda: len(self.rows) < BACKLOG // 2 or self._needs_attention(), PATIENCE)

    def start(self) -> None:
        """Open the session and start the senders, once."""
        if self.threads:
            return
        self.session.open()
        with self.lock:
            if not self.threads:
                self.threads = [
                    threading.Thread(target=self._send_forever, name=f"telegrad-sender-{i}", daemon=True)
                    for i in range(IN_FLIGHT)
                ]
                for thread in self.threads:
                    thread.start()

    def read(self, tensor_id: int, site: tuple[Any, int], finish: Callable[[Any], Any]) -> Future:
        """Ask for a value; `finish` turns its `ReadResult` into what the caller gets."""
        return self.ask(_READ, (tensor_id,), site, finish)

    def ask(self, op: int, args: tuple[Any, ...], site: tuple[Any, int], finish: Callable[[Any], Any]) -> Future:
        """Record a row that is answered with a value."""
        future = Future(self, finish)
        name = self.next_id()
        self.reads[name] = future
        self.rows.append((op, 0, name, args, *site))
        if self.stop:
            self.check()
        return future

    def synchronize(self) -> None:
        """Wait until everything recorded so far has been executed; raise what failed."""
        self.start()
        while True:
            with self.lock:
                if self._needs_attention() or not (self.rows or self.unsent or self.in_flight):
                    break
            if not self._send_one(blocking=False):
                with self.lock:
                    self.changed.wait_for(self._idle_or_attention, 0.1)
        if self.failure is not None or self.broken is not None:
            self.surface(self.broken or self.failure)

    def _idle_or_attention(self) -> bool:
        return not self.in_flight or bool(self.rows) or self._needs_attention()

    def wait_for(self, arrived: threading.Event, timeout: float | None) -> None:
        """Wait for an answer, helping to send what comes before it."""
        self.start()
        deadline = None if timeout is None else time.monotonic() + timeout
        while not arrived.is_set():
            if (self.rows or self.unsent) and self._send_one(blocking=False):
                continue
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                raise TimeoutError("the value has not come yet")
            arrived.wait(0.05 if remaining is None else min(remaining, 0.05))

    def surface(self, error: BaseException | None) -> None:
        """Raise a failure in the caller, roll local metadata back to the failing row, and open the next epoch."""
        if error is None:
            return
        raised: BaseException = error
        with self.lock:
            if raised is self.failure:
                self._roll_back()
                self.failure = None
                self.stop = True
        raise raised

    def _roll_back(self) -> None:
        self.rows.append(EPOCH)
        pending = [*self.failed_items, *((s.number, s.items) for s in self.in_flight.values())]
        later = [item for _, items in sorted(pending, key=lambda pair: pair[0]) for item in items]
        later += [item for submission in self.unsent for item in submission.items]
        later += list(self.rows)
        self.failed_items.clear()
        for item in reversed(later):
            if type(item) is tuple and len(item) == 7:
                item[6]()

    def _needs_attention(self) -> bool:
        return self.failure is not None or self.broken is not None or self.forked

    def upload(self, name: int, array: Any) -> None:
        """Send the bytes of an upload in the background; waits while too many bytes are on their way."""
        with self.lock:
            self.changed.wait_for(lambda: self.uploading < UPLOAD_BYTES or self._needs_attention())
            self.uploading += array.nbytes
        self.uploaders.submit(self._upload, name, array)

    def _upload(self, name: int, array: Any) -> None:
        try:
            self.session.upload(name, memoryview(array).cast("B"))
        except TelegradError:
            pass  # refused: the tensor that the row makes fails with the server's words
        except (Unreachable, Interrupted) as error:
            self._break(error)
        finally:
            with self.lock:
                self.uploading -= array.nbytes
                self.changed.notify_all()

    # Sending ----------------------------------------------------------------------------------------------

    def _send_forever(self) -> None:
        while not self.closing:
            try:
                self._send_one(blocking=True)
            except BaseException as error:
                self._break(error)
                return

    def _send_one(self, *, blocking: bool) -> bool:
        """Send one submission and take its reply. False if there was nothing to send or no place in flight."""
        submission = self._take(blocking)
        if submission is None:
            return False
        try:
            body = self._deliver(submission)
        except TelegradError as error:
            return self._give_up(error)
        except (Unreachable, Interrupted) as error:
            late = ConnectionError(f"{error}; waited {PATIENCE:.0f} s. {self.session.how_to_start()}")
            return self._give_up(late)
        except BaseException:  # an interrupt at the keyboard: somebody else must send these rows again
            with self.lock:
                self.unsent.appendleft(submission)
                self.sending -= 1
                self.changed.notify_all()
            raise
        self._receive(submission, wire.decode_reply(body))
        return True

    def _give_up(self, error: BaseException) -> bool:
        with self.lock:
            self.sending -= 1
        self._break(error)
        return False

    def _take(self, blocking: bool) -> Submission | None:
        with self.lock:
            while self.sending >= IN_FLIGHT or not (self.unsent or self.rows):
                if not blocking or self.broken is not None:
                    return None
                if self.closing:
                    return None
                self.stop = True  # the next recorded call wakes us
                if self.sending < IN_FLIGHT and (self.unsent or self.rows):
                    break
                if not self.changed.wait(self.session.heartbeat_every):
                    self.session.renew_in_background()
            self.sending += 1
            if self.unsent:
                return self.unsent.popleft()
            submission = self._cut()
            if submission is None:
                self.sending -= 1
            return submission

    def _cut(self) -> Submission | None:
        """Take rows from the deque: up to a limit, or to the next epoch's mark. Called with the lock held."""
        items: list[Any] = []
        encoded: list[Any] = []
        freed: list[int] = []
        budget = MAX_BYTES
        pop = self.rows.popleft
        while self.rows and len(encoded) < MAX_ROWS and budget > 0:
            item = pop()
            if type(item) is int:
                freed.append(item)
                continue
            if item is EPOCH:
                if encoded or freed:
                    self.rows.appendleft(item)
                    break
                self.epoch += 1
                continue
            if freed:
                encoded.append((_FREE, 0, None, (tuple(freed),)))
                items.append(None)
                freed = []
            encoded.append(item[:4])
            items.append(item)
            if item[3] and type(item[3][0]) is bytes:
                budget -= len(item[3][0])
        if freed:
            encoded.append((_FREE, 0, None, (tuple(freed),)))
            items.append(None)
        if not encoded:
            return None
        submission = Submission(self.number, self.epoch, items, pack_rows(encoded))
        self.number += 1
        self.in_flight[submission.number] = submission
        if self.rows:
            self.changed.notify()  # a second sender may take the rest
        return submission

    def _deliver(self, submission: Submission) -> bytes:
        """PUT until it is answered: the same number with the same bytes is executed once, however often it arrives."""
        patience = Patience(PATIENCE)
        while True:
            try:
                body = self.session.submit(submission.number, submission.epoch, self.acknowledged, submission.body)
            except (Unreachable, Interrupted):
                if not patience.wait():
                    raise
                continue
            if body is not None:
                return body
            patience = Patience(PATIENCE)  # still running: it was reached

    def _receive(self, submission: Submission, reply: Reply) -> None:
        for result in reply.results:
            future = self.reads.pop(result.id, None)
            if future is not None:
                future._settle(result)
        with self.lock:
            self.in_flight.pop(submission.number, None)
            self.answered.add(submission.number)
            while self.acknowledged in self.answered:
                self.answered.discard(self.acknowledged)
                self.acknowledged += 1
            if reply.error is not None:
                self._fail(submission, reply.error)
            self.sending -= 1
            self.changed.notify_all()

    def _fail(self, submission: Submission, record: dict[str, Any]) -> None:
        """Note a failure; the next call, or the read that waits, raises it. Called with the lock held."""
        place = record.get("row")
        items = submission.items if place is None else submission.items[place:]
        self.failed_items.append((submission.number, items))
        if place is not None and submission.epoch == self.epoch:
            error = from_record({k: v for k, v in record.items() if k != "row"})
            item = submission.items[place]
            if item is not None and item[4] is not None:
                describe_site(error, item[4], item[5])
            self.failure = self.latest = error
            self.stop = True
        cause = self.failure or getattr(self, "latest", None) or from_record(record)
        for item in items:
            if item is not None and type(item[2]) is int and (future := self.reads.pop(item[2], None)) is not None:
                future._settle(None, cause)

    def _break(self, error: BaseException) -> None:
        """The session cannot go on: every read and every later call raises this."""
        with self.lock:
            self.broken = self.broken or error
            self.stop = True
            waiting, self.reads = list(self.reads.values()), {}
            self.changed.notify_all()
        for future in waiting:
            future._settle(None, self.broken)

    # Ending -----------------------------------------------------------------------------------------------

    def restart(self) -> None:
        """Begin anew with another session; tensors of the old one are gone."""
        self.close()
        self.rows.clear()
        self._reset()
        self.stop = True

    def close(self) -> None:
        """Let the senders end and close the session."""
        with self.lock:
            self.closing = True
            self.changed.notify_all()
        for thread in self.threads:
            thread.join(1.0)
        self.session.close()

    def _at_exit(self) -> None:
        if self.forked or not self.threads:
            return
        failed = False
        try:
            if self.broken is None:
                self.synchronize()
        except Exception as error:
            failed = True
            traceback.print_exception(error, file=sys.stderr)
        self.close()
        if failed:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)  # a failure that nobody was told of must not look like success

    def _in_forked_child(self) -> None:
        self._reset()
        self.rows.clear()
        self.forked = self.stop = True
        self.session.forget()


class Patience:
    """Waits between retries, doubling up to a second, until the time is up."""

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.pause = 0.02

    def wait(self) -> bool:
        """Sleep before the next try; False if the time is up."""
        if time.monotonic() + self.pause > self.deadline:
            return False
        time.sleep(self.pause)
        self.pause = min(self.pause * 2, 1.0)
        return True


def pack_rows(rows: list[Any]) -> bytes:
    """Encode rows; dtypes travel by name, numbers of NumPy as plain ones."""
    return wire.pack(rows, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, DType):
        return value.name
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "__index__"):
        return value.__index__()
    raise TypeError(f"a {type(value).__name__} cannot travel in a row")
