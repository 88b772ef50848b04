"""The stream's other half: takes recorded rows, sends them as submissions of one session, takes the replies.

At most `IN_FLIGHT` small submissions are on their way; meanwhile rows gather, so that a slow link makes larger
submissions, not more waiting.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from telegrad_protocol import wire
from telegrad_protocol.devices import DEVICE_SHIFT
from telegrad_protocol.errors import TelegradError, UnknownTensor, from_dict
from telegrad_protocol.kinds import Role
from telegrad_protocol.messages import Reply
from telegrad_protocol.spec import BY_INDEX, OPS

from ._bulk import Bulk
from ._session import PATIENCE, Patience, Session
from ._sites import describe_site
from ._transport import Interrupted, Unreachable
from ._waiting import LOOK_EVERY, Change, Flag

if TYPE_CHECKING:
    from ._stream import Future, Stream

IN_FLIGHT: Final = 2
"""Submissions on their way, however small: one is executed while the next travels."""

MOST_IN_FLIGHT: Final = 8
FULL: Final = 512
"""With so many rows waiting, more submissions may be on their way: on a slow link, enough to keep the server busy."""

HAND_OVER: Final = 256
"""With so many rows waiting, recording stands back until a thread has sent some; as often it looks whether they are."""

HAND_OVER_WITHIN: Final = 0.002
"""Seconds that recording stands back at most."""

LOOK_AGAIN: Final = 0.005
"""Seconds between looks at how many rows wait, while nothing less may be sent."""

MAX_ROWS: Final = 1 << 10
"""Rows of one submission: packing more at once would leave the server waiting. Of many that wait a quarter may go."""

MAX_BYTES: Final = 16 << 20
BACKLOG: Final = 1 << 14
"""Rows that may wait unsent before recording waits for the sender."""

SMALL_FREES: Final = 64
"""Small tensors that were freed and of which the server is told together."""

WITH_PAYLOAD: Final = 8
"""The length of a recorded row whose values travel apart; after the row on the wire and its site stands its change."""

_FREE: Final = OPS["free"].index


class Mark:
    """Stands among the rows where the next epoch begins."""


EPOCH: Final = Mark()


class Barrier:
    """Stands among the rows where somebody waits: what came before it is in submissions below `number`, once cut."""

    __slots__ = ("number", "passed")

    def __init__(self) -> None:
        self.number: int | None = None
        self.passed = Flag()

    def is_before(self, first: float) -> bool:
        """Whether all that came before it has been answered, where `first` is the first in flight."""
        return self.number is not None and self.number <= first


class Submission(NamedTuple):
    """Rows on their way: `items[k]` is the recorded row that became row k on the wire."""

    number: int
    epoch: int
    device_index: int
    items: list[Any]
    body: bytes


class Freed:
    """Ids that were freed and that a device has not been told of; `due` if it should be before its next row.

    What holds much is told at once, so that nothing comes to memory that Python gave back. Small tensors can wait for
    each other: a row for each would cost as much as the op that made it.
    """

    __slots__ = ("due", "names")

    def __init__(self) -> None:
        self.names: list[int] = []
        self.due = False

    def add(self, name: int) -> None:
        """Take a recorded free: an id, or minus the id of what should be told at once."""
        names = self.names
        names.append(abs(name))
        self.due = self.due or name < 0 or len(names) >= SMALL_FREES

    def row(self, device_index: int) -> tuple[Any, ...]:
        """The row that tells of them."""
        row = (_FREE, device_index << DEVICE_SHIFT, None, (tuple(self.names),))
        self.names, self.due = [], False
        return row


class Batch:
    """Rows of one device that will travel together, `items` as they were recorded.

    `freed` has what was freed for every device in use: a recorded free does not say where.
    """

    def __init__(self, freed: dict[int, Freed], room: int) -> None:
        self.freed = freed
        self.room = room
        self.items: list[Any] = []
        self.rows: list[Any] = []
        self.device_index: int | None = None
        self.budget = MAX_BYTES

    @property
    def has_room(self) -> bool:
        return len(self.rows) < self.room and self.budget > 0

    def add(self, item: Any) -> bool:
        """Take a recorded row; False for one of another device."""
        device_index = item[1] >> DEVICE_SHIFT
        if device_index != self.device_index:
            if self.device_index is not None:
                return False
            self.device_index = device_index
            self.freed.setdefault(device_index, Freed())
        if self.freed[device_index].due:
            self._free(device_index)
        change = change_of(item)
        if change is not None and not change.counts():
            return True  # its call was interrupted
        self.rows.append(item[:4])
        self.items.append(item)
        if item[3] and type(item[3][0]) is bytes:
            self.budget -= len(item[3][0])
        return True

    def end(self, device_index: int) -> int:
        """Add the last frees; the device, which is at `device_index` if there were no rows that say."""
        device_index = device_index if self.device_index is None else self.device_index
        if self.freed[device_index].names:
            self._free(device_index)
        return device_index

    def _free(self, device_index: int) -> None:
        self.rows.append(self.freed[device_index].row(device_index))
        self.items.append(None)


class Sender:
    """Submissions in flight, reads that wait, and the failure, if there was one: all that belongs to one session.

    A later session has another sender, so whatever a thread of this one still does, in the middle of a request say,
    reaches no other session. `failure` is a row's, and recording goes on after it; after `broken` nothing is sent.

    Only threads of its own take its lock: a caller, whom an interrupt may stop between any two instructions, appends to
    `rows`, rings the bell, and waits for flags.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.rows = stream.rows
        self.lock = threading.Lock()
        self.bell: SimpleQueue[None] = SimpleQueue()
        self.ring = partial(self.bell.put, None)
        self.left = Flag()
        self.epoch = 0
        self.number = 0
        self.device_index = 0
        self.freed: dict[int, Freed] = {0: Freed()}
        self.acknowledged = 0
        self.answered: set[int] = set()
        self.in_flight: dict[int, Submission] = {}
        self.sending = 0
        self.looking = False
        self.reads: dict[int, weakref.ref[Future]] = {}
        self.barriers: list[Barrier] = []
        self.failure: TelegradError | None = None
        self.latest: TelegradError | None = None
        self.failed_items: list[tuple[int, list[Any]]] = []
        self.failed: dict[int, TelegradError] = {}  # why a tensor has no value, by its id
        self.first_id = stream.next_id()  # lower ones are of earlier sessions
        self.untold: list[tuple[Submission, dict[str, Any], list[Any]]] = []
        self.broken: BaseException | None = None
        self.threads: list[threading.Thread] = []
        self.bulk = Bulk(self)

    # What the stream calls --------------------------------------------------------------------------------

    @property
    def error(self) -> BaseException | None:
        """What the next call raises."""
        return self.broken or self.failure

    def start(self, session: Session, first_rows: Callable[[], list[tuple[Any, ...]]]) -> None:
        """Open the session and start the threads; apart."""
        session.open()
        with self.lock:
            if self.threads:
                return
            self.session = session
            self.rows.extendleft(first_rows())
            senders = [
                threading.Thread(target=self._send_forever, name=f"telegrad-sender-{i}", daemon=True)
                for i in range(MOST_IN_FLIGHT)
            ]
            for thread in (*senders, *self.bulk.start()):
                thread.start()
                self.threads.append(thread)

    def wake(self) -> None:
        """Let a thread look for rows, and wait while too many are unsent."""
        self.stream.look_at = self.stream.next_id() + HAND_OVER
        if self.error is not None:
            self.stream.look_at = 0
        self.ring()
        if len(self.rows) > BACKLOG:
            self._stand_back()
        elif len(self.rows) >= HAND_OVER and self._ready():
            # Recording keeps the interpreter to itself, 5 ms at a time: the threads would be late, and the server idle.
            left = self.left = Flag()
            left.wait(HAND_OVER_WITHIN)

    def _stand_back(self) -> None:
        """Wait until half of the backlog has gone, or something failed."""
        deadline = time.monotonic() + PATIENCE
        while len(self.rows) >= BACKLOG // 2 and self.error is None and time.monotonic() < deadline:
            time.sleep(HAND_OVER_WITHIN)

    def has_left(self) -> None:
        """A submission's bytes have left."""
        self.left.set()

    def finish(self, seconds: float | None = None) -> bool:
        """Wait until everything recorded so far has been executed, or something failed; whether it came to that in time.

        What other threads record meanwhile is not waited for.
        """
        barrier = Barrier()
        self.rows.append(barrier)
        self.ring()
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        while not barrier.passed.wait(max(0.0, min(LOOK_EVERY, deadline - time.monotonic()))):
            if self.error is not None:
                return True
            if time.monotonic() >= deadline:
                return False
        return True

    @property
    def is_busy(self) -> bool:
        """Whether anything that was recorded has not been answered."""
        return bool(self.rows or self.in_flight)

    def roll_back(self, error: BaseException) -> None:
        """If this is the failure that nobody has been told of: undo what later calls changed, and go on; apart."""
        with self.lock:
            if error is not self.failure:
                return
            pending = [*self.failed_items, *((s.number, s.items) for s in self.in_flight.values())]
            later = [item for _, items in sorted(pending, key=lambda pair: pair[0]) for item in items]
            later += list(self.rows)
            for item in reversed(later):
                change = change_of(item)
                if change is not None:
                    change.roll_back()
            self.failed_items.clear()
            self.failure = None
            self.stream.look_at = 0
            self.rows.append(EPOCH)

    def end(self, error: BaseException) -> None:
        """The session cannot go on, or is over: reads that wait and every later call raise this; apart."""
        with self.lock:
            self.broken = self.broken or error
            self.stream.look_at = 0
            waiting, self.reads = list(self.reads.values()), {}
            self._let_pass()
        for _ in range(MOST_IN_FLIGHT):
            self.ring()
        self.bulk.close()
        for reference in waiting:
            future = reference()
            if future is not None:
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
            self._receive(submission, wire.decode_reply(body))

    def _take(self) -> Submission | None:
        """What to send next, waiting for it; None after the end."""
        while self.broken is None:
            with self.lock:
                submission = self._cut() if self._ready() else None
                if submission is not None:
                    self.sending += 1
                    return submission
                idle, looks = self.sending < IN_FLIGHT, not self.looking
                if idle:
                    self.stream.look_at = 0  # the next recorded call wakes us
                    if self._ready():
                        continue
                elif looks:
                    self.looking = True
            self._wait(idle, looks)
        return None

    def _wait(self, idle: bool, looks: bool) -> None:
        """Wait for the bell; one thread `looks` at how many rows wait while small submissions are on their way."""
        try:
            self.bell.get(timeout=LOOK_AGAIN if looks and not idle else self.session.heartbeat_every)
        except Empty:
            if idle:
                self.session.renew_in_background()
        if looks and not idle:
            self.looking = False

    def _ready(self) -> bool:
        """Whether there is something to send that may be sent now. Called with the lock held."""
        if self.sending < IN_FLIGHT:
            return bool(self.rows)
        return self.sending < MOST_IN_FLIGHT and len(self.rows) >= FULL

    def _cut(self) -> Submission | None:
        """Take rows from the deque: of one device, up to a limit, or to the next epoch's mark. Called with the lock held."""
        batch = Batch(self.freed, max(MAX_ROWS, len(self.rows) // 4))
        barriers: list[Barrier] = []
        for _ in range(len(self.rows)):  # not what is recorded meanwhile: a busy recorder must not hold this up
            if not batch.has_room:
                break
            item = self.rows.popleft()
            if type(item) is tuple:
                if not batch.add(item):
                    self.rows.appendleft(item)
                    break
            elif type(item) is int:
                for freed in self.freed.values():
                    freed.add(item)
                if self.failed:
                    self.failed.pop(abs(item), None)
            elif item is not EPOCH:
                barriers.append(item)
            elif batch.rows:
                self.rows.appendleft(item)
                break
            else:
                self.epoch += 1
        self.device_index = batch.end(self.device_index)
        for barrier in barriers:
            barrier.number = self.number + bool(batch.rows)
        self.barriers += barriers
        if not batch.rows:
            self._let_pass()
            return None
        submission = Submission(self.number, self.epoch, self.device_index, batch.items, wire.encode_rows(batch.rows))
        self.number += 1
        self.in_flight[submission.number] = submission
        if self.rows:
            self.ring()  # another thread may take the rest
        for item in batch.items:
            if item is not None and len(item) == WITH_PAYLOAD:
                self.bulk.upload(item[-1])  # the caller may have been interrupted before it could
        return submission

    def _deliver(self, submission: Submission) -> bytes:
        """PUT until it is answered: the same number with the same bytes is executed once, however often it arrives."""
        patience = Patience()
        while True:
            try:
                body = self.session.submit(*submission[:3], self.acknowledged, submission.body, self.has_left)
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
            future = self._future(result.id)
            if result.data is None:
                self.bulk.download(result, submission.device_index, future)
            elif future is not None:
                future.set_result(result)
        with self.lock:
            self.in_flight.pop(submission.number, None)
            self.answered.add(submission.number)
            while self.acknowledged in self.answered:
                self.answered.discard(self.acknowledged)
                self.acknowledged += 1
            if reply.error is not None:
                self._fail(submission, reply.error)
            if self.untold:
                self._tell()
            self.sending -= 1
            submission.items.clear()  # what their calls would undo is held no longer
            self._let_pass()
            news = self.failure if reply.error is not None else None
        if news is not None and self.stream.on_failure is not None:
            self.stream.on_failure(news)

    def _fail(self, submission: Submission, record: dict[str, Any]) -> None:
        """Note a failure; the next call, or the read that waits, raises it. Called with the lock held."""
        device_index = record.get("row")
        items = submission.items[device_index or 0 :]
        self.failed_items.append((submission.number, items))
        if device_index is not None and submission.epoch == self.epoch:
            self.failure = self.latest = self._cause(submission.items[device_index], record)
            self.stream.look_at = 0
        self.untold.append((submission, record, items))

    def _cause(self, item: Any, record: dict[str, Any]) -> TelegradError:
        """What made a row fail: if it was given a tensor that had failed, that tensor's own failure, with its line."""
        given = [] if item is None else tensor_ids(item)
        for name in given:
            if name in self.failed:
                return self.failed[name]
        error = from_dict({k: v for k, v in record.items() if k != "row"})
        foreign = [name for name in given if name < self.first_id]
        if isinstance(error, UnknownTensor) and foreign:
            error = self.stream.of_another_session(foreign[0])
        if item is not None and item[4] is not None:
            describe_site(error, item[4], item[5])
        return error

    def _tell(self) -> None:
        """Settle the reads that failures left without a value. Called with the lock held.

        One that does not name its row follows from another in a submission before it, whose reply may come later, and
        has the error that everybody should hear of, once.
        """
        told, self.untold = self.untold, []
        for submission, record, items in told:
            if "row" not in record and any(
                number < submission.number and other.epoch == submission.epoch
                for number, other in self.in_flight.items()
            ):
                self.untold.append((submission, record, items))
                continue
            cause = self.failure or self.latest or from_dict(record)
            for item in items:
                names = () if item is None or item[2] is None else (item[2],) if type(item[2]) is int else item[2]
                for name in names:
                    if name not in self.reads:
                        self.failed[name] = cause
                    elif (future := self._future(name)) is not None:
                        future.set_result(None, cause)

    def _future(self, name: int) -> Future | None:
        """Who waits for a read, which has an answer now; None if nobody does any more."""
        reference = self.reads.pop(name, None)
        return None if reference is None else reference()

    def _let_pass(self) -> None:
        """Let those go on who wait for what has been answered, or failed. Called with the lock held."""
        first = min(self.in_flight, default=math.inf)
        for barrier in self.barriers:
            if self.error is not None or barrier.is_before(first):
                barrier.passed.set()
        self.barriers = [barrier for barrier in self.barriers if not barrier.passed.is_set()]


def change_of(item: Any) -> Change | None:
    """What a recorded row's call changed on this side."""
    return item[6] if type(item) is tuple and len(item) > 6 else None


def tensor_ids(item: Any) -> list[int]:
    """The ids of the tensors, and of the generator, that a recorded row was given."""
    spec, args = BY_INDEX[item[0]], item[3]
    slots = spec.tensor_slots if spec.generator_slot is None else (*spec.tensor_slots, spec.generator_slot)
    found: list[int] = []
    for slot in slots:
        value = args[slot]
        if type(value) is int:
            found.append(value)
        elif type(value) is tuple and (len(value) > 1 or spec.params[slot].kind.role is Role.TENSORS):
            found += [name for name in value if type(name) is int]  # a number beside tensors travels as (number,)
    return found
