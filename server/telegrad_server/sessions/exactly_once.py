"""Exactly once: a stream runs each submission once, in the order of their numbers, in whatever order they come.

The key of a submission is its session, stream, epoch and number. The next number in line is handed on; a later one
is parked until the gap before it fills; an earlier one is answered from the kept reply, provided that it is the same
bytes in the same epoch. Pure bookkeeping: the function that runs a submission is given from outside.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from telegrad_protocol import wire
from telegrad_protocol.errors import (
    Conflict,
    InternalError,
    StaleEpoch,
    StreamStopped,
    SubmissionGap,
    TelegradError,
    TooMany,
)
from telegrad_server.channel.requests import STOPPED
from telegrad_server.logs import log

PARKED: Final = 64
"""How far ahead of the next number a submission may be."""

PARKED_BYTES: Final = 128 << 20
LARGE: Final = 1 << 20
"""Bytes whose digest is computed in a thread."""

KEPT: Final = 256
KEPT_BYTES: Final = 64 << 20
"""Replies that a client has not acknowledged; beyond this it must, before it may send more."""

Run = Callable[[int, bytes, str, dict[str, Any] | None, bool], Awaitable[tuple[bytes, float]]]
"""Runs a submission: epoch, body, device, the error that ended the epoch on another device, if one did, and whether the
reply is to have the time of each row. Returns the reply, and the seconds that the rows ran."""


class Submission:
    """One submission that has arrived: its fingerprint, and its reply or the wait for it."""

    __slots__ = ("body", "device", "digest", "epoch", "ran", "reply", "size", "timed")

    def __init__(self, epoch: int, device: str, body: bytes, digest: bytes, timed: bool) -> None:
        self.epoch = epoch
        self.device = device
        self.timed = timed
        self.ran = 0.0
        self.body: bytes | None = body
        self.size = len(body)
        self.digest = digest
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @property
    def nbytes(self) -> int:
        """Bytes that it holds: of its body until it is answered, of its reply from then on."""
        if not self.reply.done():
            return self.size
        return 0 if self.reply.exception() is not None else len(self.reply.result())

    def fail(self, error: TelegradError) -> None:
        """Answer with an error, unless it has been answered."""
        if not self.reply.done():
            self.reply.set_exception(error)
            self.reply.exception()  # marks it retrieved: the client may be gone


class Stream:
    """The submissions of one stream, started in order.

    Submissions to one device are handed on at once, since its worker keeps their order. One to another device waits
    until the earlier ones are answered: the values that it uses have then been made and sent, and a failure is known.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._next = 0
        self._epoch = 0
        self._stopped = -1
        self._acknowledged = 0
        self._submissions: dict[int, Submission] = {}
        self._latest: dict[str, Submission] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> bool:
        """Whether a submission runs. One that is parked may never run: the numbers before it may not come."""
        return any(submission.body is None and not submission.reply.done() for submission in self._submissions.values())

    def knows(self, number: int) -> bool:
        """Whether this number has been taken already."""
        return number < self._next or number in self._submissions

    async def put(
        self, number: int, epoch: int, acknowledged: int, body: bytes, device: str = "cpu", *, timed: bool = False
    ) -> asyncio.Future[bytes]:
        """Take a submission; the future of its reply, with the time of each row if it is `timed`.

        The same call again gives the same reply.

        Raises `Conflict` for other bytes or another epoch under a used number, `SubmissionGap` for one too far ahead,
        `StaleEpoch` for an epoch that is over, `TooMany` while too many replies are unacknowledged.
        """
        digest = await asyncio.to_thread(_digest, body, device) if len(body) > LARGE else _digest(body, device)
        self._acknowledge(acknowledged)
        submission = self._submissions.get(number)
        if submission is not None:
            self._check_same(number, submission, epoch, digest)
            return submission.reply
        if number < self._next:
            raise Conflict(f"submission {number} was answered, and the reply was acknowledged", got=number)
        if epoch < self._epoch:
            raise StaleEpoch(f"epoch {epoch} is over", expected=self._epoch, got=epoch)
        self._check_room(number, body)
        submission = self._submissions[number] = Submission(epoch, device, body, digest, timed)
        self._start_ready()
        return submission.reply

    def stop(self, epoch: int) -> None:
        """Let the submissions that have not been handed on yet, up to this epoch, be skipped."""
        self._stopped = max(self._stopped, epoch)

    def ran(self, number: int) -> float:
        """Seconds that the rows of an answered submission ran; 0 for one that was acknowledged, or still runs."""
        found = self._submissions.get(number)
        return 0.0 if found is None else found.ran

    def close(self, error: TelegradError) -> None:
        """Answer the submissions that still wait with an error."""
        for submission in self._submissions.values():
            submission.fail(error)

    def _acknowledge(self, acknowledged: int) -> None:
        for number in range(self._acknowledged, min(acknowledged, self._next)):
            submission = self._submissions.get(number)
            if submission is not None and not submission.reply.done():
                return
            self._submissions.pop(number, None)
            self._acknowledged = number + 1

    def _check_same(self, number: int, submission: Submission, epoch: int, digest: bytes) -> None:
        if submission.digest != digest or submission.epoch != epoch:
            other = "bytes" if submission.digest != digest else "epoch"
            raise Conflict(
                f"submission {number} came before with other {other}",
                expected=f"epoch {submission.epoch}",
                got=f"epoch {epoch}",
                hint="two clients share one stream; each needs its own",
            )

    def _check_room(self, number: int, body: bytes) -> None:
        if number - self._next >= PARKED:
            raise SubmissionGap(
                f"submission {number} is too far ahead: {self._next} has not come yet",
                expected=self._next,
                got=number,
            )
        held = sum(submission.nbytes for submission in self._submissions.values())
        if number != self._next and held + len(body) > PARKED_BYTES:
            raise SubmissionGap(f"too many bytes wait for submission {self._next}", expected=self._next, got=number)
        if len(self._submissions) >= KEPT + PARKED or held > KEPT_BYTES + PARKED_BYTES:
            raise TooMany("too many replies are unacknowledged", hint="send ack=N with every submission")

    def _start_ready(self) -> None:
        while (submission := self._submissions.get(self._next)) is not None and submission.body is not None:
            self._next += 1
            self._epoch = max(self._epoch, submission.epoch)
            body, submission.body = submission.body, None
            before = [earlier for device, earlier in self._latest.items() if device != submission.device]
            self._latest[submission.device] = submission
            task = asyncio.get_running_loop().create_task(self._execute(submission, body, before))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _execute(self, submission: Submission, body: bytes, before: list[Submission]) -> None:
        try:
            failed = await _failure_elsewhere(before, submission.epoch) if before else None
            if failed is None and submission.epoch <= self._stopped:
                failed = StreamStopped(STOPPED).to_dict()
            reply, ran = await self._run(submission.epoch, body, submission.device, failed, submission.timed)
        except TelegradError as error:
            submission.fail(error)
        except Exception as error:  # a defect must reach the client too
            log.exception("submission failed")
            submission.fail(InternalError(f"the server failed at this submission ({type(error).__name__})"))
        else:
            submission.ran = ran
            if not submission.reply.done():
                submission.reply.set_result(reply)


def _digest(body: bytes, device: str) -> bytes:
    return hashlib.blake2b(body, digest_size=16, key=device.encode()).digest()


async def _failure_elsewhere(before: list[Submission], epoch: int) -> dict[str, Any] | None:
    """Wait for the latest submissions of other devices; the error that has ended this epoch there, if one has."""
    await asyncio.wait([submission.reply for submission in before])
    for submission in before:
        if submission.epoch == epoch and submission.reply.exception() is None:
            _, error = wire.decode_reply(submission.reply.result())
            if error is not None:
                return {name: detail for name, detail in error.items() if name != "row"}
    return None
