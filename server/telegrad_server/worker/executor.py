"""The worker's loop: takes requests from the front, runs the rows of all sessions in turns, answers."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from heapq import nsmallest
from time import perf_counter
from typing import Any, Protocol

from telegrad_protocol import wire
from telegrad_protocol.errors import (
    InternalError,
    NotFound,
    OutOfMemory,
    SessionGone,
    StaleEpoch,
    TelegradError,
    UnknownTensor,
    from_dict,
)
from telegrad_protocol.messages import Reply, TimedReply
from telegrad_server.channel.requests import REQUESTS, UNREADABLE, Request
from telegrad_server.logs import log

from .dispatch import execute, skip
from .memory import SLACK, Budget
from .row_timer import RowTimer
from .rows.registry import Blocked
from .scheduler import Scheduler
from .session import Session
from .submissions import Stream, Submission
from .tensor import Tensor
from .transfers import Copies, Read, Sent, Upload

POLL_EVERY = 0.001
"""Seconds of work after which the executor takes in requests again."""

IDLE = 1.0
"""Seconds without a request after which memory goes back to the system."""

KEPT_BACK = 64 << 20
"""Bytes that the process may keep for its next kernels."""

DEVICE_LOST = 70
"""Exit status of a worker whose device failed for good: EX_SOFTWARE of sysexits.h."""


class Link(Protocol):
    """The worker's end of the channel to the front."""

    def poll(self, timeout: float | None) -> list[Request]: ...
    def slot(self, number: int, size: int) -> memoryview: ...
    def reply(self, request: Any, payload: Any) -> None: ...
    def fail(self, request: Any, error: TelegradError) -> None: ...
    def runs(self, session: str) -> None: ...


class Executor:
    """Serves the requests for one device, and runs the rows of its sessions, in one thread."""

    def __init__(self, xp: Any, memory: int, link: Link) -> None:
        self.xp = xp
        self.link = link
        self.copies = Copies()
        self.budget = Budget(memory)
        self.sessions: dict[str, Session] = {}
        self.scheduler = Scheduler(self.sessions)
        self.rows_done = 0
        self.next_poll = 0.0
        self.advancing: Stream | None = None  # its rows run at this moment

    def run(self) -> None:
        """Serve until the front closes its end."""
        with suppress(EOFError, BrokenPipeError, ConnectionResetError):
            while True:
                patience = 0 if self.scheduler.runnable() else self._patience()
                if not self._take_in(patience) and patience == IDLE:
                    self.xp.give_back()
                self._turn()

    # Taking requests in -----------------------------------------------------------------------------------

    def _take_in(self, timeout: float | None) -> bool:
        """Handle the requests that have come. Returns whether there were any."""
        requests = self.link.poll(timeout)
        for request in requests:
            self._handle(request)
        self._answer_copies()
        self.next_poll = perf_counter() + POLL_EVERY
        return bool(requests)

    def _count_objects(self, session: Session) -> None:
        """Count the Python objects that a session has made: its next rows, and their kernels, have less room."""
        session.count_objects()
        self.xp.hold_to(self.budget.room + SLACK)

    def _answer_copies(self) -> None:
        for request, error in self.copies.ended():
            if error is None:
                self.link.reply(request, None)
            else:
                self._end_if_lost(error)
                self.link.fail(request, InternalError(f"{request.kind}: {error!r}"))

    def _handle(self, request: Request) -> None:
        try:
            HANDLERS[request.kind](self, request, *request.fields)
        except TelegradError as error:
            self.link.fail(request, error)
        except Exception as error:  # the loop serves every session: a defect in one must not end it
            self._end_if_lost(error)
            log.exception("request failed", kind=request.kind)
            self.link.fail(request, InternalError(f"{request.kind}: {error!r}"))

    def _end_if_lost(self, error: Exception) -> None:
        """End this process if the device has failed for good: all that was on it is lost, and the front starts a new one."""
        cause = self.xp.lost()
        if cause is not None:
            log.error("device lost", device=self.xp.name, cause=cause, first=repr(error))
            raise SystemExit(DEVICE_LOST)

    def on_unreadable(self, request: Request, error: TelegradError) -> None:
        raise error

    def session(self, session_id: str) -> Session:
        found = self.sessions.get(session_id)
        if found is None:
            raise SessionGone("the session has ended")
        return found

    def on_open_session(self, request: Request, session: str) -> None:
        self.sessions[session] = Session(self.xp, self.budget)
        self.scheduler.add(session)
        self.link.reply(request, None)

    def on_close_session(self, request: Request, session: str) -> None:
        closed = self.sessions.pop(session, None)
        self.scheduler.remove(session)
        if closed is not None:
            for stream in closed.streams.values():
                for submission in stream.submissions:
                    self.link.fail(submission.request, SessionGone("the session was closed"))
            held = closed.budget.used + closed.budget.objects
            closed.close()
            if held > KEPT_BACK or self.xp.kept_back() > KEPT_BACK:
                self.xp.give_back()
        self.link.reply(request, None)

    def on_open_stream(self, request: Request, session: str, stream: int) -> None:
        self.session(session).streams[stream] = Stream()
        self.link.reply(request, None)

    def on_stop_stream(self, request: Request, session: str, stream: int, epoch: int) -> None:
        owner = self.session(session)
        found = self._stream(owner, stream)
        found.stop(epoch)
        if found is not self.advancing:  # else its submission ends at the next row
            self._drop_stopped(session, owner, found)
        self.link.reply(request, None)

    def _stream(self, session: Session, stream: int) -> Stream:
        found = session.streams.get(stream)
        if found is None:
            raise NotFound(f"the session has no stream {stream}")
        return found

    def on_submit(
        self,
        request: Request,
        session: str,
        stream: int,
        epoch: int,
        body: bytes,
        failed: dict[str, Any] | None = None,
        timed: bool = False,
    ) -> None:
        rows = wire.decode_submission(body).rows
        owner = self.session(session)
        timer = RowTimer(owner.xp, execute) if timed else None
        error = None if failed is None else from_dict(failed)
        self._stream(owner, stream).submissions.append(Submission(request, epoch, rows, error, timer))
        self.scheduler.wake(session)

    def on_tensors(self, request: Request, session: str, after: int, limit: int) -> None:
        """A page of the listing: the tensors with the lowest ids beyond `after`."""
        tensors, refresh = self.session(session).tensors, self.session(session).engine.tape.refresh_view
        there = (i for i, tensor in tensors.items() if i > after and type(tensor) is Tensor)
        found = [(i, tensors[i]) for i in nsmallest(limit, there)]
        self.link.reply(request, [(i, t.dtype.name, t.shape, refresh(t).requires_grad) for i, t in found])

    def on_admit_upload(self, request: Request, session: str, upload: int, nbytes: int) -> None:
        owner = self.session(session)
        owner.check_wanted(upload)
        owner.uploads[upload] = Upload(owner.xp, nbytes, owner.budget)
        self.link.reply(request, None)

    def on_write_piece(self, request: Request, session: str, upload: int, offset: int, size: int, slot: int) -> None:
        found, xp = self._upload(session, upload), self.session(session).xp
        with xp.active():
            self.copies.begun(request, found.fetch(xp, offset, self.link.slot(slot, size)), found)
        self._answer_copies()

    def on_finish_upload(self, request: Request, session: str, upload: int) -> None:
        self._upload(session, upload).done = True
        self.link.reply(request, None)

    def on_fail_upload(self, request: Request, session: str, upload: int, error: dict[str, Any]) -> None:
        owner = self.session(session)
        owner.drop_upload(upload)
        owner.uploads[upload] = Upload.failed(owner.xp, owner.budget, from_dict(error))
        self.link.reply(request, None)

    def on_drop_upload(self, request: Request, session: str, upload: int) -> None:
        self.session(session).drop_upload(upload)
        self.link.reply(request, None)

    def _upload(self, session: str, upload: int) -> Upload:
        found = self.session(session).uploads.get(upload)
        if found is None:
            raise NotFound(f"there is no upload {upload}")
        return found

    def on_read_size(self, request: Request, session: str, read: int) -> None:
        self.link.reply(request, self._read(session, read).meta.nbytes)

    def on_read_piece(self, request: Request, session: str, read: int, offset: int, size: int, slot: int) -> None:
        found, xp = self._read(session, read), self.session(session).xp
        with xp.active():
            self.copies.begun(request, found.put(xp, offset, self.link.slot(slot, size)), found)
        self._answer_copies()

    def on_drop_read(self, request: Request, session: str, read: int) -> None:
        self.session(session).drop_read(read)
        self.link.reply(request, None)

    def _read(self, session: str, read: int) -> Read:
        found = self.session(session).reads.get(read)
        if found is None:
            raise UnknownTensor(f"there is no read {read} in this session")
        return found

    def on_health(self, request: Request) -> None:
        self.link.reply(
            request,
            {
                "sessions": len(self.sessions),
                "tensors": sum(len(session.tensors) for session in self.sessions.values()),
                "bytes_used": self.budget.used,
                "bytes_peak": self.budget.peak,
                "bytes_limit": self.budget.limit,
                "rows": self.rows_done,
            },
        )

    # Running rows -----------------------------------------------------------------------------------------

    def _patience(self) -> float | None:
        """Seconds to wait for a request while no row can run; None if only a request can bring work."""
        if self.copies:
            return POLL_EVERY
        return IDLE if self.scheduler.waiting() or self.xp.kept_back() > KEPT_BACK else None

    def _turn(self) -> None:
        for session_id, session in self.scheduler.turns():
            self.link.runs(session_id)
            self._spend(session_id, session)
            self.link.runs("")

    def _spend(self, session_id: str, session: Session) -> None:
        """Run rows of a session, its streams in rotation, until its credit is spent or no row can run."""
        streams = list(session.streams.values())
        while self.scheduler.has_credit(session_id):
            ready = self.scheduler.ready(session, streams)
            if not ready:
                return
            for stream, submission in ready:
                self._advance(session_id, session, stream, submission)
                if session_id not in self.sessions:
                    return
                if submission.epoch <= stream.stopped:
                    self._drop_stopped(session_id, session, stream)

    def _drop_stopped(self, session_id: str, session: Session, stream: Stream) -> None:
        """Answer the submissions of a stream that was told to stop, whatever its session's credit: none has rows to run."""
        while stream.submissions and stream.submissions[0].epoch <= stream.stopped:
            self._advance(session_id, session, stream, stream.submissions[0])

    def _advance(self, session_id: str, session: Session, stream: Stream, submission: Submission) -> None:
        """Run rows of one submission until it is done, waits, or the session's credit is spent."""
        begun = perf_counter()
        submission.waiting_since = 0.0  # its upload has come, and its next row may be of any kind
        outer, self.advancing = self.advancing, stream
        try:
            self._enter(stream, submission)
            if stream.failed is None:
                with session.xp.active():
                    self._run_rows(session_id, session, submission, begun + self.scheduler.credit[session_id])
        except Blocked:
            submission.waiting_since = begun
        except TelegradError as error:
            self._fail(stream, submission, error)
        except (EOFError, OSError):  # the front is gone
            raise
        except Exception as error:  # a defect in a kernel ends this stream's epoch, never the worker
            self._end_if_lost(error)
            log.exception("row failed", op=submission.rows[submission.next].op)
            self._fail(stream, submission, InternalError(f"row {submission.next}: {error!r}"))
        finally:
            self.advancing = outer
        if stream.failed is not None:
            self._skip_rest(session, stream, submission)
        seconds = perf_counter() - begun
        submission.ran += seconds
        self.scheduler.charge(session_id, seconds)
        self._end_if_done(stream, submission)

    def _enter(self, stream: Stream, submission: Submission) -> None:
        try:
            stream.enter(submission.epoch)
        except StaleEpoch as error:
            submission.error = error.to_dict()
            submission.next = len(submission.rows)
            return
        stream.failed = stream.failed or submission.failed
        stream.check_not_stopped(submission.epoch)

    def _run_rows(self, session_id: str, session: Session, submission: Submission, deadline: float) -> None:
        rows, results = submission.rows, submission.results
        run = execute if submission.timer is None else submission.timer.execute
        first, session.room = submission.next, submission.room
        self._count_objects(session)
        try:
            for index in range(first, len(rows)):
                submission.next = index
                result = run(session, rows[index])
                if isinstance(result, Sent):
                    submission.sent.append(result)
                elif result is not None:
                    results.append(result)
                now = perf_counter()
                if now >= self.next_poll:
                    submission.next = index + 1
                    self._count_objects(session)
                    self._take_in(0)
                    if now >= deadline or self._is_over(session_id, submission):
                        return
            submission.next = len(rows)
        finally:
            self.rows_done += submission.next - first
            submission.room = session.room

    def _is_over(self, session_id: str, submission: Submission) -> bool:
        """Whether the session was closed, or its stream told to stop, while a row of this submission ran."""
        stream = self.advancing
        return session_id not in self.sessions or (stream is not None and submission.epoch <= stream.stopped)

    def _fail(self, stream: Stream, submission: Submission, error: TelegradError) -> None:
        # The error outlives the row; the objects that its traceback refers to, arrays too, must not.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        if isinstance(error, OutOfMemory):
            gc.collect()
        stream.failed = error
        submission.error = {**error.to_dict(), "row": submission.next}

    def _skip_rest(self, session: Session, stream: Stream, submission: Submission) -> None:
        """Skip the rows from the failing one on."""
        assert stream.failed is not None
        if submission.error is None and submission.next < len(submission.rows):
            submission.error = stream.failed.to_dict()
        for row in submission.rows[submission.next :]:
            skip(session, row, stream.failed)
        submission.next = len(submission.rows)

    def _end_if_done(self, stream: Stream, submission: Submission) -> None:
        """Answer a submission whose rows are all done."""
        if submission.next < len(submission.rows) or not stream.submissions or stream.submissions[0] is not submission:
            return
        stream.submissions.popleft()
        try:
            reply = wire.pack(self._reply(submission))
        except Exception as error:  # the loop goes on for every other session
            self._end_if_lost(error)
            log.exception("reply not packed")
            self.link.fail(submission.request, InternalError(f"the reply could not be written: {error!r}"))
            return
        self.link.reply(submission.request, (reply, submission.sent, submission.ran))

    def _reply(self, submission: Submission) -> Reply | TimedReply:
        """The reply, with the time of each row where the client wants it: on a GPU that waits for the last of them."""
        results, error = tuple(submission.results), submission.error
        if submission.timer is None:
            return Reply(results, error)
        begun = perf_counter()
        times = submission.timer.nanoseconds()
        submission.ran += perf_counter() - begun
        return TimedReply(results, error, times)


HANDLERS: dict[str, Callable[..., None]] = {kind: getattr(Executor, f"on_{kind}") for kind in (*REQUESTS, UNREADABLE)}
"""The handler of each request on the closed list, and of a frame that cannot be read."""
