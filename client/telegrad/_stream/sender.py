"""The threads that take recorded rows, send them as submissions of one session, and take the replies.

At most `IN_FLIGHT` small submissions are on their way; meanwhile rows gather, so that a slow link makes larger
submissions, not more waiting.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

from telegrad._http.session import PATIENCE, Patience, Session
from telegrad._http.transport import Interrupted, Unreachable
from telegrad_protocol.errors import TelegradError
from telegrad_protocol.messages import Reply

from .back_pressure import HAND_OVER, BackPressure
from .batching import Batcher, Submission
from .bulk import Bulk
from .failures import Failures
from .in_flight import InFlight
from .leaving import Leaving
from .queue import EPOCH, Barrier, Queue, RecordedRow, payload_of
from .reads import Reads
from .uploads import Uploads
from .waiting import WAIT_STEP
from .watching import begin_wait, end_wait, unpack

IN_FLIGHT: Final = 2
"""Submissions on their way, however small: one is executed while the next travels."""

MOST_IN_FLIGHT: Final = 8
FULL: Final = 512
"""With so many rows waiting, more submissions may be on their way, so that a slow link keeps the server busy."""

POLL_EVERY: Final = 0.005
"""Seconds between looks at how many rows wait, while nothing less may be sent."""


class Sender:
    """The threads that send one session's rows and take the replies.

    A later session has another sender, so that a thread of this one that is still in the middle of a request reaches no
    other session. After a failure of a row (`failures`) recording goes on; after `broken` nothing is sent, nor
    while `leaving`.

    Only threads of its own take its lock: a caller, whom an interrupt may stop between any two instructions, appends to
    the queue, rings the bell, and waits for flags.
    """

    def __init__(
        self,
        queue: Queue,
        of_another_session: Callable[[int], TelegradError],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.queue = queue
        self.lock = threading.Lock()
        self.bell: SimpleQueue[None] = SimpleQueue()
        self.ring = partial(self.bell.put, None)
        self.back_pressure = BackPressure(queue)
        self.in_flight = InFlight()
        self.sending = 0
        self.polling = False
        self.barriers: list[Barrier] = []
        self.reads = Reads()
        self.failures = Failures(queue.next_id(), of_another_session)
        self.batcher = Batcher(queue.items, self.failures.forget)
        self.broken: BaseException | None = None
        self.threads: list[threading.Thread] = []
        self.bulk = Bulk(self.end)
        self.uploads = Uploads(self.bulk)
        self.leaving: Leaving | None = None
        self._on_failure = on_failure

    # What the stream calls --------------------------------------------------------------------------------

    @property
    def error(self) -> BaseException | None:
        """What the next call raises."""
        return self.broken or self.failures.unraised

    def start(self, session: Session, first_rows: Callable[[], list[RecordedRow]]) -> None:
        """Open the session and start the threads. Never on a caller's thread."""
        session.open()
        with self.lock:
            if self.threads:
                return
            self.session = session
            self.queue.items.extendleft(first_rows())
            senders = [
                threading.Thread(target=self._send_forever, name=f"telegrad-sender-{i}", daemon=True)
                for i in range(MOST_IN_FLIGHT)
            ]
            for thread in (*senders, *self.bulk.start(session)):
                thread.start()
                self.threads.append(thread)

    def wake(self) -> None:
        """Wake a thread, and wait while too many rows are unsent."""
        self.queue.check_at_id = self.queue.next_id() + HAND_OVER
        if self.error is not None or self.leaving is not None:
            self.queue.check_at_id = 0
        self.ring()
        self.back_pressure.hold(lambda: self.error is not None, self._ready)

    def has_left(self) -> None:
        """A submission's bytes have left."""
        self.back_pressure.rows_left()

    def finish(self, seconds: float | None = None) -> bool:
        """Wait until everything recorded so far has been executed, or something failed. Returns False if time ran out.

        Rows that other threads record meanwhile are not waited for.
        """
        barrier = Barrier()
        self.queue.items.append(barrier)
        self.ring()
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        try:
            begin_wait()
            while not barrier.passed.wait(max(0.0, min(WAIT_STEP, deadline - time.monotonic()))):
                if self.error is not None:
                    return True
                if time.monotonic() >= deadline:
                    return False
            return True
        finally:
            end_wait("work")

    @property
    def is_busy(self) -> bool:
        """Whether anything that was recorded has not been answered."""
        return bool(self.queue.items or self.in_flight)

    @property
    def has_work(self) -> bool:
        """Whether a row has not been answered. Freed tensors alone are no work."""
        return bool(self.in_flight) or any(isinstance(item, tuple) for item in list(self.queue.items))

    def count_rows(self) -> int:
        """How many rows have not been answered."""
        with self.lock:
            sent = sum(len(submission.items) for submission in self.in_flight.submissions())
            return sent + sum(isinstance(item, tuple) for item in list(self.queue.items))

    def last_epoch(self) -> int:
        """The epoch of the row that was recorded last. Called with the lock held."""
        return self.batcher.epoch + sum(item is EPOCH for item in list(self.queue.items))

    def add_barrier(self, barrier: Barrier) -> None:
        """Let a barrier pass once the submissions below its number are answered. Called with the lock held."""
        self.barriers.append(barrier)
        self._let_pass()

    def roll_back(self, error: BaseException) -> None:
        """Undo what later calls changed, and go on, unless this failure was raised before. Never on a caller's thread."""
        with self.lock:
            if error is self.failures.unraised:
                self.failures.roll_back(self.in_flight.submissions(), list(self.queue.items))
                self.queue.check_at_id = 0
                self.queue.begin_epoch()

    def end(self, error: BaseException) -> None:
        """End the session: waiting reads and every later call raise this error. Never on a caller's thread."""
        with self.lock:
            self.broken = self.broken or error
            self.queue.check_at_id = 0
            waiting = self.reads.take_all()
            self._let_pass()
        for _ in range(MOST_IN_FLIGHT):
            self.ring()
        self.bulk.close()
        for future in waiting:
            future.set_result(None, self.broken)

    def join(self, patience: float) -> None:
        """Wait a moment for the threads to end."""
        deadline = time.monotonic() + patience
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    # Sending ----------------------------------------------------------------------------------------------

    def _send_forever(self) -> None:
        while self.broken is None:
            try:
                self._send_one()
            except BaseException as error:
                self.end(error)

    def _send_one(self) -> None:
        submission = self._take()
        if submission is None:
            return
        try:
            body = self._deliver(submission)
        except (Unreachable, Interrupted) as error:
            waited = "" if self.session.ended else f"; waited {PATIENCE:.0f} s"
            self.end(ConnectionError(f"{error}{waited}. {self.session.how_to_start()}"))
        else:
            self._receive(submission, unpack(submission.trip, submission.items, body))

    def _take(self) -> Submission | None:
        """The next submission, once there is one; None after the end."""
        while self.broken is None:
            with self.lock:
                submission = self._cut() if self._ready() else None
                if submission is not None:
                    self.sending += 1
                    return submission
                idle, polls = self.sending < IN_FLIGHT, not self.polling
                if idle:
                    self.queue.check_at_id = 0  # the next recorded call wakes us
                    if self._ready():
                        continue
                elif polls:
                    self.polling = True
            self._wait(idle, polls)
        return None

    def _wait(self, idle: bool, polls: bool) -> None:
        """Wait for the bell; one thread `polls` how many rows wait while small submissions are on their way."""
        polls = polls and not idle
        try:
            self.bell.get(timeout=POLL_EVERY if polls else self.session.heartbeat_every)
        except Empty:
            if idle:
                self.session.renew_in_background()
        if polls:
            self.polling = False

    def _ready(self) -> bool:
        """Whether there is something to send that may be sent now. Called with the lock held."""
        if self.leaving is not None:
            return False
        if self.sending < IN_FLIGHT:
            return bool(self.queue.items)
        return self.sending < MOST_IN_FLIGHT and len(self.queue.items) >= FULL

    def _cut(self) -> Submission | None:
        """Cut a submission, if there are rows for one. Called with the lock held."""
        submission, barriers = self.batcher.cut()
        self.barriers += barriers
        if submission is None:
            self._let_pass()
            return None
        self.in_flight.add(submission)
        if self.queue.items:
            self.ring()  # another thread may take the rest
        for item in submission.items:
            payload = payload_of(item)
            if payload is not None:
                self.uploads.send(payload)  # the caller may have been interrupted before it could
        return submission

    def _deliver(self, submission: Submission) -> bytes:
        """PUT until it is answered: the same number with the same bytes is executed once, however often it arrives."""
        patience = Patience()
        submit = self.session.submit if submission.trip is None else partial(self.session.submit, trip=submission.trip)
        while True:
            try:
                body = submit(*submission[:3], self.in_flight.acknowledged, submission.body, self.has_left)
            except (Unreachable, Interrupted):
                if self.broken is not None or self.session.ended or not patience.wait():
                    raise
                if patience.is_long:
                    self.session.say_waiting()
                continue
            if body is not None:
                return body
            patience = Patience()  # still running: it was reached

    def _receive(self, submission: Submission, reply: Reply) -> None:
        for result in reply.results:
            future = self.reads.take(result.id)
            if result.data is None:
                self.bulk.download(result, submission.device_index, future)
            elif future is not None:
                future.set_result(result)
        with self.lock:
            self.in_flight.answer(submission)
            if reply.error is not None and self.failures.add(submission, reply.error, self.batcher.epoch):
                self.queue.check_at_id = 0
            self.failures.explain(self.in_flight.submissions(), self.reads)
            self.sending -= 1
            submission.items.clear()  # frees what their changes hold
            self._let_pass()
            news = self.failures.unraised if reply.error is not None else None
        if news is not None:
            self._on_failure(news)

    def _let_pass(self) -> None:
        """Set the barriers behind which all has been answered, or failed. Called with the lock held."""
        first = self.in_flight.first
        for barrier in self.barriers:
            if self.error is not None or barrier.is_before(first):
                barrier.passed.set()
        self.barriers = [barrier for barrier in self.barriers if not barrier.passed.is_set()]
