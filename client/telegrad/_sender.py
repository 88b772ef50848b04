"""The stream's other half: takes recorded rows, sends them as submissions of one session, takes the replies.

At most `IN_FLIGHT` small submissions are on their way; meanwhile rows gather, so that a slow link makes larger
submissions, not more waiting. Whoever waits for a value sends the rows before it on its own thread if nobody else is
doing so.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from telegrad_protocol import wire
from telegrad_protocol.devices import PLACE_SHIFT
from telegrad_protocol.dtypes import DType
from telegrad_protocol.errors import TelegradError, from_record
from telegrad_protocol.messages import Reply
from telegrad_protocol.spec import OPS

from ._session import PATIENCE, Patience, Session
from ._sites import describe_site
from ._transport import Interrupted, Unreachable

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

LOOK_EVERY: Final = 0.005
"""Seconds between looks at how many rows wait, while nothing less may be sent."""

MAX_ROWS: Final = 1 << 10
"""Rows of one submission: packing more at once would leave the server waiting. Of many that wait a quarter may go."""

MAX_BYTES: Final = 16 << 20
BACKLOG: Final = 1 << 14
"""Rows that may wait unsent before recording waits for the sender."""

SMALL_FREES: Final = 64
"""Small tensors that were freed and of which the server is told together."""

UPLOAD_BYTES: Final = 256 << 20
"""Bytes of uploads that may be on their way before recording waits."""

_FREE: Final = OPS["free"].index


class Mark:
    """Stands among the rows where the next epoch begins."""


EPOCH: Final = Mark()


class Fence:
    """Stands among the rows at the place up to which somebody waits. `before`: the number of a later submission."""

    before: int | None = None


class Submission(NamedTuple):
    """Rows on their way: `items[k]` is the recorded row that became row k on the wire."""

    number: int
    epoch: int
    place: int
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

    def row(self, place: int) -> tuple[Any, ...]:
        """The row that tells of them."""
        row = (_FREE, place << PLACE_SHIFT, None, (tuple(self.names),))
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
        self.place: int | None = None
        self.budget = MAX_BYTES

    @property
    def has_room(self) -> bool:
        return len(self.rows) < self.room and self.budget > 0

    def add(self, item: Any) -> bool:
        """Take a recorded row; False for one of another device."""
        place = item[1] >> PLACE_SHIFT
        if place != self.place:
            if self.place is not None:
                return False
            self.place = place
            self.freed.setdefault(place, Freed())
        if self.freed[place].due:
            self._free(place)
        self.rows.append(item[:4])
        self.items.append(item)
        if item[3] and type(item[3][0]) is bytes:
            self.budget -= len(item[3][0])
        return True

    def end(self, place: int) -> int:
        """Add the last frees; the device, which is at `place` if there were no rows that say."""
        place = place if self.place is None else self.place
        if self.freed[place].names:
            self._free(place)
        return place

    def _free(self, place: int) -> None:
        self.rows.append(self.freed[place].row(place))
        self.items.append(None)


class Sender:
    """Submissions in flight, reads that wait, and the failure, if there was one: all that belongs to one session.

    A later session has another sender, so whatever a thread of this one still does, in the middle of a request say,
    reaches no other session. `failure` is a row's, and recording goes on after it; after `broken` nothing is sent.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.rows = stream.rows
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)  # for whoever waits for what the threads do
        self.work = threading.Condition(self.lock)  # for the threads
        self.handed = threading.Event()
        self.epoch = 0
        self.number = 0
        self.place = 0
        self.freed: dict[int, Freed] = {0: Freed()}
        self.acknowledged = 0
        self.answered: set[int] = set()
        self.in_flight: dict[int, Submission] = {}
        self.unsent: deque[Submission] = deque()
        self.sending = 0
        self.looking = False
        self.reads: dict[int, Future] = {}
        self.failure: TelegradError | None = None
        self.latest: TelegradError | None = None
        self.failed_items: list[tuple[int, list[Any]]] = []
        self.untold: list[tuple[Submission, dict[str, Any], list[Any]]] = []
        self.broken: BaseException | None = None
        self.threads: list[threading.Thread] = []
        self.uploaders = ThreadPoolExecutor(2, "telegrad-upload")
        self.uploading = 0

    # What the stream calls --------------------------------------------------------------------------------

    @property
    def error(self) -> BaseException | None:
        """What the next call raises."""
        return self.broken or self.failure

    def start(self, session: Session) -> None:
        """Open the session and start the threads."""
        session.open()
        with self.lock:
            if self.threads:
                return
            self.session = session
            self.threads = [
                threading.Thread(target=self._send_forever, name=f"telegrad-sender-{i}", daemon=True)
                for i in range(MOST_IN_FLIGHT)
            ]
        for thread in self.threads:
            thread.start()

    def wake(self) -> None:
        """Let a thread look for rows, and wait while too many are unsent."""
        rows = len(self.rows)
        with self.lock:
            self.stream.look_at = 0 if self.error is not None else self.stream.next_id() + HAND_OVER
            self.work.notify()
            if rows > BACKLOG:
                self.changed.wait_for(lambda: len(self.rows) < BACKLOG // 2 or self.error is not None, PATIENCE)
                return
            if rows < HAND_OVER or not self._ready():
                return
            self.handed.clear()
        # Recording keeps the interpreter to itself, 5 ms at a time: the threads would be late, and the server idle.
        self.handed.wait(HAND_OVER_WITHIN)

    def finish(self) -> None:
        """Wait until everything recorded so far has been executed, or something failed.

        Not for what other threads record meanwhile: they may never stop.
        """
        fence = Fence()
        self.rows.append(fence)
        while True:
            with self.lock:
                if self.error is not None or self._is_past(fence):
                    return
            if not self.send_one(blocking=False):
                with self.lock:
                    self.changed.wait_for(self._idle_or_failed, 0.1)

    def _is_past(self, fence: Fence) -> bool:
        return fence.before is not None and not any(number < fence.before for number in self.in_flight)

    def _idle_or_failed(self) -> bool:
        return not self.in_flight or bool(self.rows) or self.error is not None

    def roll_back(self, error: BaseException) -> None:
        """If this is the failure that nobody has been told of: undo what later calls changed locally, and go on."""
        with self.lock:
            if error is not self.failure:
                return
            self.failure = None
            self.stream.look_at = 0
            self.rows.append(EPOCH)
            pending = [*self.failed_items, *((s.number, s.items) for s in self.in_flight.values())]
            later = [item for _, items in sorted(pending, key=lambda pair: pair[0]) for item in items]
            later += [item for submission in self.unsent for item in submission.items]
            later += list(self.rows)
            self.failed_items.clear()
            for item in reversed(later):
                if type(item) is tuple and len(item) == 7:
                    item[6]()

    def close(self, error: BaseException) -> None:
        """Send no more; reads that still wait raise `error`."""
        self._break(error)
        self.uploaders.shutdown(wait=False, cancel_futures=True)

    def join(self, patience: float) -> None:
        """Wait a moment for the threads to end."""
        for thread in self.threads:
            thread.join(patience)

    # Uploads ----------------------------------------------------------------------------------------------

    def upload(self, name: int, array: Any, device: str) -> None:
        """Send the bytes of an upload in the background; waits while too many bytes are on their way."""
        with self.lock:
            self.changed.wait_for(lambda: self.uploading < UPLOAD_BYTES or self.error is not None)
            if self.broken is not None:
                return  # the next call raises it
            self.uploading += array.nbytes
            self.uploaders.submit(self._upload, name, array, device)

    def _upload(self, name: int, array: Any, device: str) -> None:
        try:
            self.session.upload(name, memoryview(array).cast("B"), device)
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
        while self.broken is None:
            try:
                self.send_one(blocking=True)
            except BaseException as error:
                self._break(error)

    def send_one(self, *, blocking: bool) -> bool:
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
                self.work.notify()
            raise
        self._receive(submission, wire.decode_reply(body))
        if not blocking:  # this thread may not come back
            with self.lock:
                self.work.notify()
        return True

    def _give_up(self, error: BaseException) -> bool:
        with self.lock:
            self.sending -= 1
        self._break(error)
        return False

    def _take(self, blocking: bool) -> Submission | None:
        """What to send next, waiting for it where `blocking`; None if there is nothing, or nothing may be sent."""
        with self.lock:
            while self.broken is None:
                if self._ready():
                    submission = self.unsent.popleft() if self.unsent else self._cut()
                    if submission is not None:
                        self.sending += 1
                        return submission
                if not blocking:
                    return None
                self._wait()
            return None

    def _wait(self) -> None:
        """Wait for rows, or where small submissions are on their way for many rows. Called with the lock held."""
        if self.sending < IN_FLIGHT:
            self.stream.look_at = 0  # the next recorded call wakes us
            if not self._ready() and not self.work.wait(self.session.heartbeat_every):
                self.session.renew_in_background()
        elif self.looking:
            self.work.wait(self.session.heartbeat_every)
        else:
            self.looking = True
            self.work.wait(LOOK_EVERY)
            self.looking = False

    def _ready(self) -> bool:
        """Whether there is something to send that may be sent now. Called with the lock held."""
        if self.sending < IN_FLIGHT:
            return bool(self.unsent or self.rows)
        return self.sending < MOST_IN_FLIGHT and len(self.rows) >= FULL

    def _cut(self) -> Submission | None:
        """Take rows from the deque: of one device, up to a limit, or to the next epoch's mark. Called with the lock held."""
        batch = Batch(self.freed, max(MAX_ROWS, len(self.rows) // 4))
        for _ in range(len(self.rows)):  # not what is recorded meanwhile: a busy recorder must not hold this up
            if not batch.has_room:
                break
            item = self.rows.popleft()
            if type(item) is int:
                for freed in self.freed.values():
                    freed.add(item)
            elif item is EPOCH:
                if batch.rows:
                    self.rows.appendleft(item)
                    break
                self.epoch += 1
            elif type(item) is Fence:
                item.before = self.number + 1
            elif not batch.add(item):
                self.rows.appendleft(item)
                break
        self.place = batch.end(self.place)
        if not batch.rows:
            return None
        submission = Submission(self.number, self.epoch, self.place, batch.items, pack_rows(batch.rows))
        self.number += 1
        self.in_flight[submission.number] = submission
        if self.rows:
            self.work.notify()  # another thread may take the rest
        return submission

    def _deliver(self, submission: Submission) -> bytes:
        """PUT until it is answered: the same number with the same bytes is executed once, however often it arrives."""
        patience = Patience()
        while True:
            try:
                body = self.session.submit(*submission[:3], self.acknowledged, submission.body, self.handed.set)
            except (Unreachable, Interrupted):
                if self.broken is not None or not patience.wait():
                    raise
                continue
            if body is not None:
                return body
            patience = Patience()  # still running: it was reached

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
            if self.untold:
                self._tell()
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
            self.stream.look_at = 0
        self.untold.append((submission, record, items))

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
            cause = self.failure or self.latest or from_record(record)
            for item in items:
                if item is not None and type(item[2]) is int and (future := self.reads.pop(item[2], None)) is not None:
                    future._settle(None, cause)

    def _break(self, error: BaseException) -> None:
        """The session cannot go on: every read and every later call raises this."""
        with self.lock:
            self.broken = self.broken or error
            self.stream.look_at = 0
            waiting, self.reads = list(self.reads.values()), {}
            self.changed.notify_all()
            self.work.notify_all()
        for future in waiting:
            future._settle(None, self.broken)


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
