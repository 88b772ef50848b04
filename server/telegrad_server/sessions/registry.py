"""The sessions of a server: opened within bounds, found by their owner, closed, lost with a worker."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final

from telegrad_protocol.errors import (
    Conflict,
    DeviceError,
    SessionGone,
    TelegradError,
    TooMany,
    Unavailable,
    WorkerDied,
)
from telegrad_server.channel import requests
from telegrad_server.channel.interface import PIECE_BYTES, Worker
from telegrad_server.logs import log

from . import reads
from .session import Session

CLOSE_WITHIN: Final = 1.0
"""Seconds that closing a session waits for the worker, which may be in a kernel of another session."""

STOP_ALONE: Final = 2.0
"""Seconds after which a kernel of a closed session is ended with its worker, if no other session is there."""

STOP_SHARED: Final = 8.0
"""The same where other sessions have tensors there, which they lose."""

STOPPED: Final = (
    "the worker process was ended, its sessions and tensors with it: it was in a call that did not end, of a session "
    "that had ended"
)

TELL_WITHIN: Final = 1.0
"""Seconds in which a worker answers how much memory it uses, unless it is in a kernel."""


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
        self.run_id = _run_id()
        self.draining = False
        self.hurried = False
        self._memory: dict[str, dict[str, int]] = {}
        self._sessions: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    async def open(self, owner: str | None, device: str = "cpu", address: str | None = None) -> Session:
        """Open a session that belongs to a token, on a device at first.

        `address`: the caller's, where it tells callers apart. Raises `TooMany` when the server, the token or the address
        has its full number, `DeviceError` for a device that the server has not.
        """
        self.check_open()
        self._check_number(owner, address)
        session_id = f"{self.run_id}{secrets.token_hex(16)}"
        others = {other: worker for other, worker in self.workers.items() if other != device}
        worker = self.workers.get(device)
        if worker is None:
            raise DeviceError(f"the server has no device {device}", expected=", ".join(self.workers), got=device)
        session = self._sessions[session_id] = Session(
            session_id, owner, worker, self.lease, address=address, device=device, others=others, carry=self._carry
        )
        try:
            await worker.ask(requests.OpenSession(session_id))
        except BaseException:
            self._sessions.pop(session_id, None)
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

    def get(self, session_id: str, owner: str | None) -> Session:
        """The session of that id, renewed. Another token's session does not exist."""
        session = self.find(session_id, owner)
        if session is None:
            restarted = len(session_id) == 48 and not session_id.startswith(self.run_id)
            why = (
                "the server, or the worker that held its tensors, was restarted"
                if restarted
                else "it was closed, its lease ended, or it never was"
            )
            raise SessionGone(f"there is no such session: {why}", hint="open a session and make the tensors anew")
        session.renew()
        return session

    def find(self, session_id: str, owner: str | None) -> Session | None:
        """The session of that id, if there is one that belongs to the token."""
        session = self._sessions.get(session_id)
        return session if session is not None and _same(session.owner, owner) else None

    async def close(self, session: Session, error: TelegradError | None = None) -> None:
        """End a session and free its tensors, at the latest once the kernel that runs now has ended."""
        if self._sessions.pop(session.id, None) is None:
            return
        session.end(error or SessionGone("the session was closed"))
        ends = [self._later(self._close_on(device, session.id)) for device in session.devices]
        await asyncio.wait(ends, timeout=CLOSE_WITHIN)

    async def _close_on(self, device: str, session_id: str) -> None:
        """Free a session's tensors on a device.

        A kernel cannot be interrupted. A kernel of this very session that runs for too long is ended with its process.
        Other sessions lose their tensors there, and get the cause: they waited for it all the while, and its result is of
        no use.
        """
        worker = self.workers[device]
        asked = asyncio.ensure_future(worker.ask(requests.CloseSession(session_id)))
        begun = time.monotonic()
        while not (await asyncio.wait({asked}, timeout=0.25))[0]:
            shared = any(session.opened and device in session.devices for session in self._sessions.values())
            if worker.running == session_id and time.monotonic() - begun > (STOP_SHARED if shared else STOP_ALONE):
                log.warning("kernel ended with its worker", device=device, session=session_id[16:24])
                worker.kill(WorkerDied(STOPPED))
        with suppress(TelegradError):  # a worker that died has freed the session
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
            del self._sessions[session.id]
            session.end(error)
            for other in session.devices:
                if other != device:
                    self._later(self._close_on(other, session.id))

    def _later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _carry(self, session: Session, value_id: int, nbytes: int, device: str, target: str) -> None:
        """Bring the bytes of a read on one device to another, as an upload of the same id there."""
        source = await session.on(device)
        try:
            upload = await session.uploads.begin(value_id, nbytes, target)
            if upload is None:
                raise Conflict(f"a value of the id {value_id} was sent before", got=value_id)
            try:
                for offset in range(0, nbytes, PIECE_BYTES):
                    count = min(PIECE_BYTES, nbytes - offset)
                    await upload.write(await source.worker.read(source.id, value_id, offset, count))
                    session.renew()
                await session.uploads.finish(upload)
            except TelegradError as error:
                await session.uploads.fail(upload, error)
                raise
        except TelegradError as error:  # the row that waits for the upload fails with this message
            log.info("value not carried", cause=error.message)
        finally:
            await reads.drop(source, value_id)

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
            await session.uploads.abandon_idle(now)
            if session.expires < now and not session.requests:
                log.info("lease ended", session=session.id[16:24])
                self._later(self.close(session, SessionGone("the session's lease ended")))

    async def drain(self, patience: float) -> None:
        """Accept nothing more. Wait until what was accepted is answered, the time is up, or `hurried` is set."""
        self.draining = True
        deadline = time.monotonic() + patience
        while any(s.busy for s in self._sessions.values()) and time.monotonic() < deadline and not self.hurried:
            await asyncio.sleep(0.01)

    def down(self) -> list[str]:
        """The devices whose worker takes no requests."""
        return [device for device, worker in self.workers.items() if not worker.alive]

    async def memory(self) -> dict[str, dict[str, int] | None]:
        """The memory of each device, in bytes: as last told where the worker is busy, None where it is down."""
        return dict(zip(self.workers, await asyncio.gather(*map(self._memory_of, self.workers)), strict=True))

    async def _memory_of(self, device: str) -> dict[str, int] | None:
        try:
            found = await asyncio.wait_for(self.workers[device].ask(requests.Health()), TELL_WITHIN)
            self._memory[device] = {key: found[key] for key in ("bytes_used", "bytes_peak", "bytes_limit")}
        except WorkerDied:
            self._memory.pop(device, None)
        except TimeoutError:
            pass  # in the middle of a kernel
        return self._memory.get(device)


def _run_id() -> str:
    """A beginning for the ids of sessions, new whenever every session is lost."""
    return secrets.token_hex(8)


def _same(a: str | None, b: str | None) -> bool:
    return hmac.compare_digest((a or "").encode(), (b or "").encode()) and (a is None) == (b is None)
