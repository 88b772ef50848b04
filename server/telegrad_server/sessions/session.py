"""A session: its lease, its streams, its uploads, and the devices that it is on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from telegrad_protocol import wire
from telegrad_protocol.errors import Conflict, DeviceError, NotFound, TelegradError, TooMany, WorkerDied
from telegrad_protocol.messages import StreamOpened
from telegrad_server.channel import requests
from telegrad_server.channel.interface import Worker

from .exactly_once import Stream
from .uploads import Upload

STREAMS: Final = 64
UPLOADS: Final = 16
"""Uploads of one session that may be open at once."""

RESTART_PATIENCE: Final = 10.0
"""Seconds that a session waits for the worker of a further device, which may be on its way back."""

Carry = Callable[["Session", int, int, str, str], Awaitable[None]]
"""Brings a value from a device to another: its id, its bytes, from where, to where."""


class DeviceSession:
    """A session on one of its further devices: the worker that has its tensors there."""

    def __init__(self, session: Session, worker: Worker) -> None:
        self.id = session.id
        self.renew = session.renew
        self.worker = worker


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
        self.uploads: dict[int, Upload] = {}
        self.uploaded: dict[int, int] = {}
        self._beginning = asyncio.Lock()
        self.op_stream: Any = None
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
            worker = (await self.on(device)).worker
            reply, sent = await worker.ask(requests.Submit(self.id, number, epoch, body, failed))
            for value_id, target, nbytes in sent:
                assert self._carry is not None, "a value was sent where there is one device"
                await self._carry(self, value_id, nbytes, device, target)
            return reply

        self.streams[number] = Stream(run)
        return StreamOpened(number, (number << wire.ID_BITS) + 1)

    @property
    def devices(self) -> list[str]:
        """The devices that hold something of this session."""
        return [self.device, *self._device_sessions]

    async def on(self, device: str) -> Session | DeviceSession:
        """The session on a device, opened there at first use. Raises `DeviceError` for one that there is not."""
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
            await (await self.on(device)).worker.ask(requests.OpenStream(self.id, opened.stream))
        return opened

    def stream(self, number: int) -> Stream:
        found = self.streams.get(number)
        if found is None:
            raise NotFound(f"the session has no stream {number}", hint="POST /v1/sessions/{s}/streams opens one")
        return found

    async def tensors(self, after: int, limit: int) -> list[tuple[str, requests.Listed]]:
        """The tensors with the lowest ids beyond `after`, `limit` of each device: each with its device."""
        return [
            (device, listed)
            for device in self.devices
            for listed in await (await self.on(device)).worker.ask(requests.Tensors(self.id, after, limit))
        ]

    @property
    def busy(self) -> bool:
        """Whether an upload is coming in or a submission runs."""
        return bool(self.uploads) or any(stream.running for stream in self.streams.values())

    @contextmanager
    def attended(self) -> Iterator[None]:
        """The session lives while a request of it is under way."""
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self.renew()

    async def begin_upload(self, upload_id: int, nbytes: int, device: str | None = None) -> Upload | None:
        """Admit an upload before its bytes are read; None if the same one is complete already.

        An upload that comes again replaces its first attempt, whose connection may be dead without our knowing.
        """
        async with self._beginning:
            await self._end_attempt(upload_id)
            if upload_id in self.uploaded:
                if self.uploaded[upload_id] != nbytes:
                    raise Conflict(f"upload {upload_id} came before with {self.uploaded[upload_id]} bytes", got=nbytes)
                return None
            if len(self.uploads) >= UPLOADS:
                raise TooMany(f"a session has at most {UPLOADS} uploads at once")
            worker = (await self.on(device or self.device)).worker
            try:
                await worker.ask(requests.AdmitUpload(self.id, upload_id, nbytes))
            except TelegradError as error:
                await worker.ask(requests.FailUpload(self.id, upload_id, error.to_record()))
                raise
            upload = self.uploads[upload_id] = Upload(self.id, upload_id, nbytes, worker)
            return upload

    async def _end_attempt(self, upload_id: int) -> None:
        """Wait for an earlier attempt that is being handed over; give up one that still receives bytes."""
        earlier = self.uploads.get(upload_id)
        if earlier is not None and earlier.handing_over:
            await earlier.done.wait()
        elif earlier is not None:
            await self.abandon_upload(earlier)

    async def finish_upload(self, upload: Upload) -> None:
        """Hand the bytes to the worker. Raises `Conflict` if the upload has been given up.

        Where that fails, the row that waits for the upload fails too.
        """
        try:
            await upload.finish()
        except TelegradError as error:
            await self.fail_upload(upload, error)
            raise
        except BaseException:
            await self.abandon_upload(upload)
            raise
        self.uploaded[upload.id] = upload.nbytes
        self._forget(upload)

    async def fail_upload(self, upload: Upload, error: TelegradError) -> None:
        """Let the row that waits for the upload fail, unless another attempt has taken its place."""
        if self._forget(upload):
            await upload.worker.ask(requests.FailUpload(self.id, upload.id, error.to_record()))

    async def abandon_upload(self, upload: Upload) -> None:
        """Forget the bytes that came; the client may send the upload again."""
        if self._forget(upload):
            await upload.worker.ask(requests.DropUpload(self.id, upload.id))

    async def drop_upload(self, upload_id: int) -> None:
        """Free an upload on the session's first device, whether it came or failed: no row will wait for it."""
        await self.worker.ask(requests.DropUpload(self.id, upload_id))

    def _forget(self, upload: Upload) -> bool:
        """Whether it was still there: another attempt may have taken its place."""
        found = self.uploads.get(upload.id) is upload
        if found:
            del self.uploads[upload.id]
        upload.done.set()
        return found

    def end(self, error: TelegradError) -> None:
        """Fail the submissions that wait and forget the uploads. Called when the session is closed or lost."""
        self.ended = error
        for stream in self.streams.values():
            stream.close(error)
        for upload in list(self.uploads.values()):
            self._forget(upload)
