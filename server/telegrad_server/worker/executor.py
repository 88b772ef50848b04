"""The worker's loop: takes requests from the front, runs rows of all sessions in fair turns, answers."""

from __future__ import annotations

import gc
from collections import deque
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
from telegrad_protocol.messages import ReadResult, Reply, Row
from telegrad_server.logs import log

from .controls import Blocked, Sent
from .link import Request
from .memory import SLACK, Budget
from .session import Session, Stream
from .tensor import Tensor
from .transfers import Copies, Read, Upload

QUANTUM = 0.010
"""Seconds of kernel time that a session gets before the next one's turn."""

POLL_EVERY = 0.001
"""Seconds of work between looks at what the front has sent."""

REPLY_BYTES = 8 << 20
"""Values that ride in one reply; those of later reads are fetched, as large ones are."""
IDLE = 1.0
"""Seconds without a request after which memory goes back to the system."""

KEPT_BACK = 64 << 20
"""Bytes that the process may have free for its next kernels."""

DEVICE_LOST = 70
"""Exit status of a worker whose device failed for good: EX_SOFTWARE of sysexits.h."""

UPLOAD_PATIENCE = 60.0
"""Seconds that a row waits for an upload that nobody has begun."""


class Link(Protocol):
    """The worker's end of the channel to the front."""

    def poll(self, timeout: float | None) -> list[Request]: ...
    def slot(self, number: int, size: int) -> memoryview: ...
    def reply(self, request: Any, payload: Any) -> None: ...
    def fail(self, request: Any, error: TelegradError) -> None: ...
    def runs(self, session: str) -> None: ...


class Job:
    """One submission on its way through: which row is next, what the reads gave so far, how much more the reply may hold.

    `failed`: what ended its epoch on another device. `sent`: values that leave for another device.
    """

    __slots__ = ("epoch", "error", "failed", "next", "request", "results", "room", "rows", "sent", "waiting_since")

    def __init__(self, request: Request, epoch: int, rows: tuple[Row, ...], failed: TelegradError | None) -> None:
        self.request = request
        self.epoch = epoch
        self.rows = rows
        self.next = 0
        self.failed = failed
        self.results: list[ReadResult] = []
        self.room = REPLY_BYTES
        self.sent: list[Sent] = []
        self.error: dict[str, Any] | None = None
        self.waiting_since = 0.0


class Executor:
    """Runs everything of one device in one thread.

    Sessions take turns by deficit round robin on measured time: each turn adds a quantum to the session's credit, and
    rows run until it is spent; a session that overdraws, by one long impl, sits out accordingly.
    """

    def __init__(self, xp: Any, memory: int, link: Link) -> None:
        self.xp = xp
        self.link = link
        self.copies = Copies()
        self.budget = Budget(memory)
        self.sessions: dict[str, Session] = {}
        self.active: deque[str] = deque()
        self.credit: dict[str, float] = {}
        self.rows_done = 0
        self.next_poll = 0.0

    def run(self) -> None:
        """Serve until the front closes its end."""
        with suppress(EOFError, BrokenPipeError, ConnectionResetError):
            while True:
                patience = 0 if self._runnable() else self._patience()
                if not self._take_in(patience) and patience == IDLE:
                    self.xp.give_back()
                self._turn()

    # Taking requests in -----------------------------------------------------------------------------------

    def _take_in(self, timeout: float | None) -> bool:
        """Handle the requests that have come; whether there were any."""
        requests = self.link.poll(timeout)
        for request in requests:
            self._handle(request)
        self._answer_copies()
        self.next_poll = perf_counter() + POLL_EVERY
        return bool(requests)

    def _count_objects(self, session: Session) -> None:
        """Take what small things a session has made off the room for its next rows, and for what their kernels take."""
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
            handler: Callable[..., Any] = getattr(self, f"on_{request.kind}")
            handler(request, *request.fields)
        except TelegradError as error:
            self.link.fail(request, error)
        except Exception as error:  # the loop serves every session: a defect met by one must not end it
            self._end_if_lost(error)
            log.exception("request failed", kind=request.kind)
            self.link.fail(request, InternalError(f"{request.kind}: {error!r}"))

    def _end_if_lost(self, error: Exception) -> None:
        """End this process if the device is of no use any more: all that was on it is lost, and a new one can begin."""
        cause = self.xp.lost()
        if cause is not None:
            log.error("device lost", device=self.xp.name, cause=cause, first=repr(error))
            raise SystemExit(DEVICE_LOST)

    def on_unreadable(self, request: Request, error: TelegradError) -> None:
        raise error

    def session(self, name: str) -> Session:
        found = self.sessions.get(name)
        if found is None:
            raise SessionGone("the session has ended")
        return found

    def on_open_session(self, request: Request, session: str) -> None:
        self.sessions[session] = Session(self.xp, self.budget)
        self.credit[session] = 0.0
        self.link.reply(request, None)

    def on_close_session(self, request: Request, session: str) -> None:
        closed = self.sessions.pop(session, None)
        self.credit.pop(session, None)
        if closed is not None:
            for stream in closed.streams.values():
                for job in stream.jobs:
                    self.link.fail(job.request, SessionGone("the session was closed"))
            held = closed.budget.used + closed.budget.objects
            closed.close()
            if held > KEPT_BACK or self.xp.kept_back() > KEPT_BACK:
                self.xp.give_back()
        self.link.reply(request, None)

    def on_open_stream(self, request: Request, session: str, stream: int) -> None:
        self.session(session).streams[stream] = Stream()
        self.link.reply(request, None)

    def on_submit(
        self, request: Request, session: str, stream: int, epoch: int, body: bytes, failed: dict[str, Any] | None = None
    ) -> None:
        rows = wire.decode_submission(body).rows
        found = self.session(session).streams.get(stream)
        if found is None:
            raise NotFound(f"the session has no stream {stream}")
        found.jobs.append(Job(request, epoch, rows, None if failed is None else from_dict(failed)))
        if session not in self.active:
            self.active.append(session)

    def on_tensors(self, request: Request, session: str, after: int, limit: int) -> None:
        """A page of the listing: the tensors with the lowest ids beyond `after`."""
        tensors, settle = self.session(session).tensors, self.session(session).engine.settle
        there = (name for name, tensor in tensors.items() if name > after and type(tensor) is Tensor)
        found = [(name, tensors[name]) for name in nsmallest(limit, there)]
        self.link.reply(request, [(name, t.dtype.name, t.shape, settle(t).requires_grad) for name, t in found])

    def on_admit_upload(self, request: Request, session: str, upload: int, nbytes: int) -> None:
        owner = self.session(session)
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

    def _runnable(self) -> bool:
        return any(self._ready(name) for name in self.active)

    def _ready(self, name: str) -> bool:
        session = self.sessions.get(name)
        return session is not None and any(self._job(session, stream) for stream in session.streams.values())

    def _job(self, session: Session, stream: Stream) -> Job | None:
        """The stream's next submission, unless it waits for an upload."""
        if not stream.jobs:
            return None
        job: Job = stream.jobs[0]
        return None if job.waiting_since and not self._upload_settled(session, job) else job

    def _upload_settled(self, session: Session, job: Job) -> bool:
        upload = job.rows[job.next].args[0]
        found = session.uploads.get(upload)
        if found is not None:
            return bool(found.done)
        if perf_counter() - job.waiting_since < UPLOAD_PATIENCE:
            return False
        late = NotFound(f"upload {upload} did not come within {UPLOAD_PATIENCE:.0f} s")
        session.uploads[upload] = Upload.failed(session.xp, session.budget, late)
        return True

    def _patience(self) -> float | None:
        """How long there is nothing to do but what a request brings."""
        if self.copies:
            return POLL_EVERY
        waiting = any(
            stream.jobs for name in self.active if (s := self.sessions.get(name)) for stream in s.streams.values()
        )
        return IDLE if waiting or self.xp.kept_back() > KEPT_BACK else None

    def _turn(self) -> None:
        for _ in range(len(self.active)):
            name = self.active.popleft()
            session = self.sessions.get(name)
            if session is None:
                continue
            if self._ready(name):
                self.credit[name] = min(self.credit[name] + QUANTUM, QUANTUM)
                if self.credit[name] > 0:
                    self._spend(name, session)
            if name in self.sessions and any(stream.jobs for stream in session.streams.values()):
                self.active.append(name)

    def _spend(self, name: str, session: Session) -> None:
        """Run rows of a session, its streams in rotation, until its credit is spent or nothing is ready."""
        streams = list(session.streams.values())
        self.link.runs(name)
        while name in self.sessions and self.credit[name] > 0:
            jobs = [(stream, job) for stream in streams if (job := self._job(session, stream)) is not None]
            if not jobs:
                break
            for stream, job in jobs:
                self._advance(name, session, stream, job)
                if name not in self.sessions:
                    break
        self.link.runs("")

    def _advance(self, name: str, session: Session, stream: Stream, job: Job) -> None:
        """Run rows of one submission until it is done, waits, or the session's credit is spent."""
        begun = perf_counter()
        job.waiting_since = 0.0  # what it waited for has come: its next row may be of any kind
        try:
            self._enter(stream, job)
            if stream.failed is None:
                with session.xp.active():
                    self._run_rows(name, session, job, begun + self.credit[name])
        except Blocked:
            job.waiting_since = begun
        except TelegradError as error:
            self._fail(stream, job, error)
        except (EOFError, OSError):  # the front is gone
            raise
        except Exception as error:  # a defect in a kernel ends this stream's epoch, never the worker
            self._end_if_lost(error)
            log.exception("row failed", op=job.rows[job.next].op)
            self._fail(stream, job, InternalError(f"row {job.next}: {error!r}"))
        if stream.failed is not None:
            self._skip_rest(session, stream, job)
        if name in self.sessions:
            self.credit[name] -= perf_counter() - begun
        if job.next == len(job.rows) and stream.jobs and stream.jobs[0] is job:
            stream.jobs.popleft()
            self._answer(job)

    def _answer(self, job: Job) -> None:
        try:
            reply = wire.pack(Reply(tuple(job.results), job.error))
        except Exception as error:  # the loop goes on for every other session
            log.exception("reply not packed")
            self.link.fail(job.request, InternalError(f"the reply could not be written: {error!r}"))
            return
        self.link.reply(job.request, (reply, job.sent))

    def _enter(self, stream: Stream, job: Job) -> None:
        try:
            stream.enter(job.epoch)
            stream.failed = stream.failed or job.failed
        except StaleEpoch as error:
            job.error = error.to_dict()
            job.next = len(job.rows)

    def _run_rows(self, name: str, session: Session, job: Job, deadline: float) -> None:
        rows, execute, results = job.rows, session.execute, job.results
        first, session.room = job.next, job.room
        self._count_objects(session)
        try:
            for index in range(first, len(rows)):
                job.next = index
                result = execute(rows[index])
                if result is not None:
                    (job.sent if type(result) is Sent else results).append(result)
                now = perf_counter()
                if now >= self.next_poll:
                    job.next = index + 1
                    self._count_objects(session)
                    self._take_in(0)
                    if now >= deadline or name not in self.sessions:
                        return
            job.next = len(rows)
        finally:
            self.rows_done += job.next - first
            job.room = session.room

    def _fail(self, stream: Stream, job: Job, error: TelegradError) -> None:
        # The error outlives the row; what its traceback holds, arrays among it, must not.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        if isinstance(error, OutOfMemory):
            gc.collect()
        stream.failed = error
        job.error = {**error.to_dict(), "row": job.next}

    def _skip_rest(self, session: Session, stream: Stream, job: Job) -> None:
        """Pass over the rows from the failing one on."""
        assert stream.failed is not None
        if job.error is None and job.next < len(job.rows):
            job.error = stream.failed.to_dict()
        for row in job.rows[job.next :]:
            session.skip(row, stream.failed)
        job.next = len(job.rows)
