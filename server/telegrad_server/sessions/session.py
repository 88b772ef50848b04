"""Sessions: who owns them, how long they live, their streams, uploads and reads."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from telegrad_protocol import wire
from telegrad_protocol.errors import (
    Conflict,
    DeviceError,
    NotFound,
    SessionGone,
    TelegradError,
    TooMany,
    Unavailable,
    WorkerDied,
)
from telegrad_protocol.messages import StreamOpened
from telegrad_server.channel.frames import SLOT_BYTES
from telegrad_server.channel.process import Worker
from telegrad_server.http.body_memory import Bodies
from telegrad_server.http.rest.op_stream import Caller
from telegrad_server.logs import log

from .exactly_once import Stream
from .reads import read_copy
from .uploads import Upload

STREAMS: Final = 64
UPLOADS: Final = 16
"""Uploads of one session that may be open at once."""

CLOSE_WITHIN: Final = 1.0
"""Seconds that closing a session waits for the worker, which may be in a kernel of somebody else's."""

STOP_ALONE: Final = 2.0
"""Seconds after which a kernel that nobody waits for any more is ended with its worker, if nobody else is there."""

STOP_SHARED: Final = 8.0
"""The same where other sessions have tensors there, which they lose."""

STOPPED: Final = (
    "the worker process was ended, its sessions and tensors with it: it was in a call that did not end, of a session "
    "that had ended"
)

TELL_WITHIN: Final = 1.0
"""Seconds in which a worker tells of its memory, unless it is in a kernel."""

RESTART_PATIENCE: Final = 10.0
"""Seconds that a session waits for the worker of a further device, which may be on its way back."""

Carry = Callable[["Session", int, int, str, str], Awaitable[None]]
"""Brings a value from a device to another: its name, its bytes, from where, to where."""


class Part:
    """A session on one of its devices: where its tensors there are, and their reads."""

    def __init__(self, session: Session, worker: Worker) -> None:
        self.name = session.name
        self.renew = session.renew
        self.worker = worker


class Session:
    """One client's session: on the worker of its first device, and on others as rows ask for them."""

    def __init__(
        self,
        name: str,
        owner: str | None,
        worker: Worker,
        lease: float,
        *,
        address: str | None = None,
        device: str = "cpu",
        others: Mapping[str, Worker] | None = None,
        carry: Carry | None = None,
    ) -> None:
        self.name = name
        self.owner = owner
        self.address = address
        self.device = device
        self.worker = worker
        self._others = others or {}
        self._carry = carry
        self._parts: dict[str, Part] = {}
        self._opening = asyncio.Lock()
        self.lease = lease
        self.expires = 0.0
        self.ended: TelegradError | None = None
        self.requests = 0
        self.opened = False
        self.renew()
        self.streams: dict[int, Stream] = {}
        self.uploads: dict[int, Upload] = {}
        self.uploaded: dict[int, int] = {}
        self._beginning = asyncio.Lock()
        self._caller: Caller | None = None
        self.add_stream()

    def renew(self) -> None:
        """Any request keeps the session for another lease."""
        self.expires = time.monotonic() + self.lease

    def add_stream(self) -> StreamOpened:
        """Open a stream with an id range of its own."""
        number = len(self.streams)
        if number >= STREAMS:
            raise TooMany(f"a session has at most {STREAMS} streams")

        async def run(epoch: int, body: bytes, device: str, failed: dict[str, Any] | None) -> bytes:
            part = await self.on(device)
            reply, sent = await part.worker.submit(self.name, number, epoch, body, failed)
            for name, target, nbytes in sent:
                assert self._carry is not None, "a value was sent where there is one device"
                await self._carry(self, name, nbytes, device, target)
            return reply

        self.streams[number] = Stream(run)
        return StreamOpened(number, (number << wire.ID_BITS) + 1)

    @property
    def devices(self) -> list[str]:
        """The devices that hold something of this session."""
        return [self.device, *self._parts]

    async def on(self, device: str) -> Session | Part:
        """The session on a device, opened there at first use. Raises `DeviceError` for one that there is not."""
        if device == self.device:
            return self
        if device in self._parts:
            return self._parts[device]
        async with self._opening:
            if device not in self._parts:
                worker = self._others.get(device)
                if worker is None:
                    have = ", ".join([self.device, *self._others])
                    raise DeviceError(f"the server has no device {device}", expected=have, got=device)
                await self._open_on(worker)
                for number in list(self.streams)[1:]:
                    await worker.open_stream(self.name, number)
                self._parts[device] = Part(self, worker)
        return self._parts[device]

    async def _open_on(self, worker: Worker) -> None:
        """Open the session on a further device, waiting for a worker that is being started again."""
        deadline = time.monotonic() + RESTART_PATIENCE
        while self.ended is None:
            try:
                await worker.open_session(self.name)
                break
            except WorkerDied:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
        if self.ended is not None:  # meanwhile: nobody else knows that it is open there
            await worker.close_session(self.name)
            raise self.ended

    async def open_stream(self) -> StreamOpened:
        """Open a further stream, wherever the session is."""
        opened = self.add_stream()
        for device in self.devices:
            await (await self.on(device)).worker.open_stream(self.name, opened.stream)
        return opened

    def reserve_first_stream(self) -> None:
        """Give stream 0 to single calls: their tensors are then named t1, t2, ..."""
        self._caller = Caller(self.stream(0), 1, self.device)

    async def caller(self) -> Caller:
        """What carries out single calls; it gets a stream at the first."""
        if self._caller is None:
            opened = await self.open_stream()
            self._caller = Caller(self.stream(opened.stream), opened.first_id, self.device)
        return self._caller

    def stream(self, number: int) -> Stream:
        found = self.streams.get(number)
        if found is None:
            raise NotFound(f"the session has no stream {number}", hint="POST /v1/sessions/{s}/streams opens one")
        return found

    @property
    def busy(self) -> bool:
        """Whether something that was accepted is being done."""
        return bool(self.uploads) or any(stream.running for stream in self.streams.values())

    @contextmanager
    def attended(self) -> Iterator[None]:
        """While a request is under way its sender is there, and the session lives."""
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self.renew()

    async def begin_upload(self, name: int, nbytes: int, device: str | None = None) -> Upload | None:
        """Admit an upload before its bytes are read; None if the same one is complete already.

        One that comes again takes the place of its first attempt, whose connection may be dead without our knowing.
        """
        async with self._beginning:
            earlier = self.uploads.get(name)
            if earlier is not None and earlier.handing_over:
                await earlier.done.wait()
            elif earlier is not None:
                await self.abandon_upload(earlier)
            if name in self.uploaded:
                if self.uploaded[name] != nbytes:
                    raise Conflict(f"upload {name} came before with {self.uploaded[name]} bytes", got=nbytes)
                return None
            if len(self.uploads) >= UPLOADS:
                raise TooMany(f"a session has at most {UPLOADS} uploads at once")
            worker = (await self.on(device or self.device)).worker
            try:
                await worker.admit_upload(self.name, name, nbytes)
            except TelegradError as error:
                await worker.fail_upload(self.name, name, error)
                raise
            upload = self.uploads[name] = Upload(self.name, name, nbytes, worker)
            return upload

    async def finish_upload(self, upload: Upload) -> None:
        """Hand the bytes to the worker. Raises `Conflict` if the upload has been given up.

        Where that fails, the row that takes them in does, too.
        """
        try:
            await upload.finish()
        except TelegradError as error:
            await self.fail_upload(upload, error)
            raise
        except BaseException:
            await self.abandon_upload(upload)
            raise
        self.uploaded[upload.name] = upload.nbytes
        self._forget(upload)

    async def fail_upload(self, upload: Upload, error: TelegradError) -> None:
        """Let the row that takes it in fail, unless another attempt has taken its place."""
        if self._forget(upload):
            await upload.worker.fail_upload(self.name, upload.name, error)

    async def abandon_upload(self, upload: Upload) -> None:
        """Forget the bytes that came; the client may send the upload again."""
        if self._forget(upload):
            await upload.worker.drop_upload(self.name, upload.name)

    def _forget(self, upload: Upload) -> bool:
        """Whether it was still there: another attempt may have taken its place."""
        found = self.uploads.get(upload.name) is upload
        if found:
            del self.uploads[upload.name]
        upload.done.set()
        return found

    def end(self, error: TelegradError) -> None:
        """Answer whatever waits and let go of what came in; called when the session is closed or lost."""
        self.ended = error
        for stream in self.streams.values():
            stream.close(error)
        for upload in list(self.uploads.values()):
            self._forget(upload)


class Sessions:
    """Every session of this server."""

    def __init__(
        self,
        worker: Worker,
        *,
        lease: float,
        limit: int,
        per_token: int | None = None,
        per_address: int | None = None,
        others: Mapping[str, Worker] | None = None,
    ) -> None:
        self.workers: dict[str, Worker] = {**(others or {}), "cpu": worker}
        self.lease = lease
        self.limit = limit
        self.per_token = limit if per_token is None else per_token
        self.per_address = limit if per_address is None else per_address
        self.bodies = Bodies()
        self.run_id = _run_id()
        self.draining = False
        self.hurried = False
        self._memory: dict[str, dict[str, int]] = {}
        self._sessions: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    async def open(self, owner: str | None, device: str = "cpu", address: str | None = None) -> Session:
        """Open a session that belongs to a token, on a device at first; `address` is the caller's, if it tells callers apart.

        Raises `TooMany` when the server, the token or the address has its full number, `DeviceError` for a device that
        the server has not.
        """
        self.check_open()
        self._check_number(owner, address)
        name = f"{self.run_id}{secrets.token_hex(16)}"
        others = {other: worker for other, worker in self.workers.items() if other != device}
        worker = self.workers.get(device)
        if worker is None:
            raise DeviceError(f"the server has no device {device}", expected=", ".join(self.workers), got=device)
        session = self._sessions[name] = Session(
            name, owner, worker, self.lease, address=address, device=device, others=others, carry=self._carry
        )
        try:
            await worker.open_session(name)
        except BaseException:
            self._sessions.pop(name, None)
            raise
        session.opened = True
        return session

    def _check_number(self, owner: str | None, address: str | None) -> None:
        of_token = sum(session.owner == owner for session in self._sessions.values())
        of_address = sum(session.address == address for session in self._sessions.values()) if address else 0
        for whose, count, limit in (
            ("the server has its", len(self._sessions), self.limit),
            ("the token has its", of_token, self.per_token),
            ("the address has its", of_address, self.per_address),
        ):
            if count >= limit:
                raise TooMany(f"{whose} {limit} sessions", hint="close one, or wait for a lease to end")

    def check_open(self) -> None:
        """Raise `Unavailable` while the server is shutting down."""
        if self.draining:
            raise Unavailable("the server is shutting down")

    def get(self, name: str, owner: str | None) -> Session:
        """The session of that id, renewed. Another token's session does not exist."""
        session = self.find(name, owner)
        if session is None:
            restarted = len(name) == 48 and not name.startswith(self.run_id)
            why = (
                "the server, or the worker that held its tensors, was restarted"
                if restarted
                else "it was closed, its lease ended, or it never was"
            )
            raise SessionGone(f"there is no such session: {why}", hint="open a session and make the tensors anew")
        session.renew()
        return session

    def find(self, name: str, owner: str | None) -> Session | None:
        """The session of that id, if there is one that belongs to the token."""
        session = self._sessions.get(name)
        return session if session is not None and _same(session.owner, owner) else None

    async def close(self, session: Session, error: TelegradError | None = None) -> None:
        """End a session and free what it holds, at the latest once the call that runs now has ended."""
        if self._sessions.pop(session.name, None) is None:
            return
        session.end(error or SessionGone("the session was closed"))
        ends = [self._later(self._close_on(device, session.name)) for device in session.devices]
        await asyncio.wait(ends, timeout=CLOSE_WITHIN)

    async def _close_on(self, device: str, name: str) -> None:
        """Free what a session holds on a device.

        A kernel cannot be interrupted. One of this very session that goes on for too long ends with its process, which
        other sessions lose too, and are told: they have waited for it all the while, and nobody wants its result.
        """
        worker = self.workers[device]
        asked = asyncio.ensure_future(worker.close_session(name))
        begun = time.monotonic()
        while not (await asyncio.wait({asked}, timeout=0.25))[0]:
            shared = any(session.opened and device in session.devices for session in self._sessions.values())
            if worker.running == name and time.monotonic() - begun > (STOP_SHARED if shared else STOP_ALONE):
                log.warning("kernel ended with its worker", device=device, session=name[16:24])
                worker.kill(WorkerDied(STOPPED))
        with suppress(TelegradError):  # a worker that died has nothing left of it
            asked.result()

    def lose_all(self, error: TelegradError) -> None:
        """Every session is gone, and their ids are of an earlier run."""
        self.run_id = _run_id()
        lost, self._sessions = list(self._sessions.values()), {}
        for session in lost:
            session.end(error)

    def lose(self, device: str, error: TelegradError) -> None:
        """A device's worker died: the sessions that were there are gone, and are closed on the other devices."""
        if all(device in session.devices for session in self._sessions.values()):
            self.run_id = _run_id()
        for session in [s for s in self._sessions.values() if device in s.devices]:
            del self._sessions[session.name]
            session.end(error)
            for other in session.devices:
                if other != device:
                    self._later(self._close_on(other, session.name))

    def _later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _carry(self, session: Session, name: int, nbytes: int, device: str, target: str) -> None:
        """Bring the bytes of a read on one device to another, as an upload of the same name there."""
        source = await session.on(device)
        try:
            upload = await session.begin_upload(name, nbytes, target)
            if upload is None:
                raise Conflict(f"a value of the id {name} was sent before", got=name)
            try:
                for offset in range(0, nbytes, SLOT_BYTES):
                    count = min(SLOT_BYTES, nbytes - offset)
                    await upload.write(await read_copy(source, name, offset, count))
                    session.renew()
                await session.finish_upload(upload)
            except TelegradError as error:
                await session.fail_upload(upload, error)
                raise
        except TelegradError as error:  # the row that takes it in fails with these words
            log.info("value not carried", cause=error.message)
        finally:
            await source.worker.drop_read(source.name, name)

    async def sweep(self) -> None:
        """Close sessions whose lease has ended and fail uploads that have stopped, for ever."""
        while True:
            await asyncio.sleep(min(1.0, self.lease / 4))
            try:
                await self._sweep_once(time.monotonic())
            except TelegradError as error:  # the worker may die meanwhile, and its sessions with it
                log.warning("sweeping stopped early", code=error.code, cause=error.message)

    async def _sweep_once(self, now: float) -> None:
        for session in list(self._sessions.values()):
            for upload in list(session.uploads.values()):
                if upload.idle(now):
                    await session.abandon_upload(upload)
            if session.expires < now and not session.requests:
                log.info("lease ended", session=session.name[16:24])
                self._later(self.close(session, SessionGone("the session's lease ended")))

    async def drain(self, patience: float) -> None:
        """Accept nothing more, and wait until what was accepted is answered, the time is up, or `hurried` is set."""
        self.draining = True
        deadline = time.monotonic() + patience
        while any(s.busy for s in self._sessions.values()) and time.monotonic() < deadline and not self.hurried:
            await asyncio.sleep(0.01)

    def down(self) -> list[str]:
        """The devices whose worker takes no requests."""
        return [device for device, worker in self.workers.items() if not worker.alive]

    async def memory(self) -> dict[str, dict[str, int] | None]:
        """What each device has of memory, in bytes: as it was last told where the worker is busy, None where it is down."""
        return dict(zip(self.workers, await asyncio.gather(*map(self._memory_of, self.workers)), strict=True))

    async def _memory_of(self, device: str) -> dict[str, int] | None:
        try:
            found = await asyncio.wait_for(self.workers[device].health(), TELL_WITHIN)
            self._memory[device] = {key: found[key] for key in ("bytes_used", "bytes_peak", "bytes_limit")}
        except WorkerDied:
            self._memory.pop(device, None)
        except TimeoutError:
            pass  # in the middle of a kernel
        return self._memory.get(device)

    def summary(self) -> dict[str, Any]:
        return {"sessions": len(self._sessions), "limit": self.limit}


def _run_id() -> str:
    """What the ids of sessions begin with that live and die with one worker."""
    return secrets.token_hex(8)


def _same(a: str | None, b: str | None) -> bool:
    return hmac.compare_digest((a or "").encode(), (b or "").encode()) and (a is None) == (b is None)
