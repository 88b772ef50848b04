"""A session: its lease, its streams, its uploads, and the devices that it is on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from telegrad_protocol import wire
from telegrad_protocol.errors import DeviceError, NotFound, TelegradError, TooMany, WorkerDied
from telegrad_protocol.messages import StreamOpened
from telegrad_server.channel import requests
from telegrad_server.channel.interface import Worker

from .exactly_once import Stream
from .uploads import Uploads

STREAMS: Final = 64
RESTART_PATIENCE: Final = 10.0
"""Seconds that a session waits for the worker of a further device, which may be on its way back."""

Carry = Callable[["Session", int, int, str, str], Awaitable[None]]
"""Brings a value from a device to another: its id, its bytes, from where, to where."""


class DeviceSession:
    """A session on one of its further devices: the worker that has its tensors there."""

    def __init__(self, session: Session, worker: Worker) -> None:
        self.id = session.id
        self.worker = worker
        self._session = session

    def renew(self) -> None:
        """Begin the session's lease anew."""
        self._session.renew()


class Session:
    """One client's session: on the worker of its first device, and on others as rows ask for them.

    `op_stream`: kept here for the callers that share one stream (the REST routes); None until they need it.
    """

    def __init__(
        self,
        session_id: str,
        owner: str | None,
        worker: Worker,
        lease: float,
        *,
        address: str | None = None,
        device: str = "cpu",
        others: Mapping[str, Worker] | None = None,
        carry: Carry | None = None,
    ) -> None:
        self.id = session_id
        self.owner = owner
        self.address = address
        self.device = device
        self.worker = worker
        self._others = others or {}
        self._carry = carry
        self._device_sessions: dict[str, DeviceSession] = {}
        self._opening = asyncio.Lock()
        self.lease = lease
        self.expires = 0.0
        self.ended: TelegradError | None = None
        self.requests = 0
        self.opened = False
        self.renew()
        self.streams: dict[int, Stream] = {}
        self.uploads = Uploads(session_id, self._worker_on)
        self.op_stream: Any = None
        self.add_stream()

    def renew(self) -> None:
        """Begin the lease anew. Any request does so."""
        self.expires = time.monotonic() + self.lease

    def add_stream(self) -> StreamOpened:
        """Open a stream with an id range of its own."""
        number = len(self.streams)
        if number >= STREAMS:
            raise TooMany(f"a session has at most {STREAMS} streams")

        async def run(
            epoch: int, body: bytes, device: str, failed: dict[str, Any] | None, timed: bool
        ) -> tuple[bytes, float]:
            worker = await self._worker_on(device)
            reply: bytes
            reply, sent, ran = await worker.ask(requests.Submit(self.id, number, epoch, body, failed, timed))
            for value_id, target, nbytes in sent:
                assert self._carry is not None, "a value was sent where there is one device"
                await self._carry(self, value_id, nbytes, device, target)
            return reply, ran

        self.streams[number] = Stream(run)
        return StreamOpened(number, (number << wire.ID_BITS) + 1)

    @property
    def devices(self) -> list[str]:
        """The devices that the session is open on."""
        return [self.device, *self._device_sessions]

    async def on(self, device: str) -> Session | DeviceSession:
        """The session on a device, opened there at first use. Raises `DeviceError` for an unknown device."""
        if device == self.device:
            return self
        if device in self._device_sessions:
            return self._device_sessions[device]
        async with self._opening:
            if device not in self._device_sessions:
                worker = self._others.get(device)
                if worker is None:
                    have = ", ".join([self.device, *self._others])
                    raise DeviceError(f"the server has no device {device}", expected=have, got=device)
                await self._open_on(worker)
                for number in list(self.streams)[1:]:
                    await worker.ask(requests.OpenStream(self.id, number))
                self._device_sessions[device] = DeviceSession(self, worker)
        return self._device_sessions[device]

    async def _worker_on(self, device: str | None) -> Worker:
        """The worker of a device, or of the first one, with the session open there."""
        return (await self.on(device or self.device)).worker

    async def _open_on(self, worker: Worker) -> None:
        """Open the session on a further device, waiting for a worker that is being started again."""
        deadline = time.monotonic() + RESTART_PATIENCE
        while self.ended is None:
            try:
                await worker.ask(requests.OpenSession(self.id))
                break
            except WorkerDied:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
        if self.ended is not None:  # meanwhile: nothing else knows that it is open there
            await worker.ask(requests.CloseSession(self.id))
            raise self.ended

    async def open_stream(self) -> StreamOpened:
        """Open a further stream, on every device that the session is on."""
        opened = self.add_stream()
        for device in self.devices:
            await (await self._worker_on(device)).ask(requests.OpenStream(self.id, opened.stream))
        return opened

    async def stop_stream(self, number: int, epoch: int) -> None:
        """Skip the rows of a stream up to an epoch, on every device, from the next one on.

        Raises `NotFound` for that of the HTTP calls too: each has an epoch of its own, and a caller who waits.
        """
        found = self.stream(number)
        if self.op_stream is not None and self.op_stream.stream is found:
            raise NotFound(f"stream {number} has the session's HTTP calls, which are not stopped")
        found.stop(epoch)
        workers = [await self._worker_on(device) for device in self.devices]
        await asyncio.gather(*(worker.ask(requests.StopStream(self.id, number, epoch)) for worker in workers))

    def stream(self, number: int) -> Stream:
        found = self.streams.get(number)
        if found is None:
            raise NotFound(f"the session has no stream {number}")
        return found

    async def tensors(self, after: int, limit: int) -> list[tuple[str, requests.Listed]]:
        """The tensors with the lowest ids beyond `after`, `limit` of each device: each with its device."""
        return [
            (device, listed)
            for device in self.devices
            for listed in await (await self._worker_on(device)).ask(requests.Tensors(self.id, after, limit))
        ]

    @property
    def busy(self) -> bool:
        """Whether an upload is coming in or a submission runs."""
        return bool(self.uploads.open) or any(stream.running for stream in self.streams.values())

    @contextmanager
    def attended(self) -> Iterator[None]:
        """The session lives while a request of it is under way."""
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self.renew()

    def end(self, error: TelegradError) -> None:
        """Fail the submissions that wait and forget the uploads. Called when the session is closed or lost."""
        self.ended = error
        for stream in self.streams.values():
            stream.close(error)
        self.uploads.close()
