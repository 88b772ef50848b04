"""The client's session on a server: where it is, how it is opened, what it is asked over HTTP."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final, TypeVar

from telegrad_protocol import spec, wire
from telegrad_protocol.devices import device_at
from telegrad_protocol.errors import SessionGone, TelegradError, Unavailable, WorkerDied, from_record
from telegrad_protocol.messages import PROTOCOL_VERSION, OpenSession, SessionOpened

from . import _embedded
from ._transport import Interrupted, Transport, Unreachable

_MSGPACK: Final = {"content-type": wire.CONTENT_TYPE, "accept": wire.CONTENT_TYPE}


PATIENCE: Final = 30.0
"""Seconds that a server which cannot be reached, or takes no sessions yet, is waited for."""


class Session:
    """Opened at first use, at `url` or where TELEGRAD_URL says; with neither, at a local server of our own."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        if url is None:
            url, token = os.environ.get("TELEGRAD_URL"), os.environ.get("TELEGRAD_TOKEN")
        self.url, self.token = url, token
        self.opened: SessionOpened | None = None
        self.heartbeat_every: float | None = None
        self._transport: Transport | None = None
        self._embedded: _embedded.Server | None = None
        self._opening = threading.Lock()

    def open(self) -> SessionOpened:
        """Open the session unless it is open. Raises ConnectionError, or the server's refusal."""
        with self._opening:
            if self.opened is None:
                if self.url is None:
                    self._embedded = _embedded.start()
                    self._transport = Transport(self._embedded.url, self._embedded.token)
                else:
                    self._transport = Transport(self.url, self.token)
                self.opened = self._open()
                self.heartbeat_every = self.opened.lease / 3
            return self.opened

    def _open(self) -> SessionOpened:
        hello = OpenSession(PROTOCOL_VERSION, version("telegrad"), spec.digest())
        not_yet = (WorkerDied, Unavailable)  # one that is being started again takes sessions in a moment
        try:
            body = _again(lambda: self._request("POST", "/v1/sessions", content=wire.pack(hello)), *not_yet)
        except (Unreachable, Interrupted) as error:
            raise ConnectionError(f"{error}. {self.how_to_start()}") from error
        return wire.decode_record(SessionOpened, body)

    def how_to_start(self) -> str:
        """What to do when no server answers."""
        return "Start one there with `telegrad serve`, or name another with tg.connect(url) or TELEGRAD_URL."

    def submit(
        self, number: int, epoch: int, place: int, acknowledged: int, body: bytes, sent: Callable[[], None]
    ) -> bytes | None:
        """Send a submission for the device at a place; its reply, or None while it is still running.

        `sent` is called as soon as its bytes have left.
        """
        path = f"{self._base}/streams/{self._id.stream}/submissions/{number}?epoch={epoch}&ack={acknowledged}"
        path += f"&device={device_at(place)}" if place else ""
        status, _, answer = self.transport.request("PUT", path, headers=_MSGPACK, content=body, sent=sent)
        return None if status == 202 else _checked(status, answer)

    def upload(self, upload: int, data: memoryview, device: str) -> None:
        """Send the bytes of an upload that a row names, to its device."""
        reply = _again(lambda: self.transport.upload(f"{self._base}/uploads/{upload}?device={device}", data))
        _checked(reply.status, reply.body)

    def download(self, read: int, device: str, into: memoryview) -> None:
        """Fetch the bytes of a device's read into memory of the right size, and let the server forget it."""
        path = f"{self._base}/reads/{read}?device={device}"
        reply = _again(lambda: self.transport.download(path, into))
        _checked(reply.status, reply.body)
        _again(lambda: self._request("DELETE", path))

    def renew_in_background(self) -> None:
        """Keep the lease; an idle notebook must not lose its tensors."""
        threading.Thread(target=self._renew, name="telegrad-lease", daemon=True).start()

    def _renew(self) -> None:
        try:
            self._request("POST", f"{self._base}/lease")
        except (TelegradError, ConnectionError):
            return  # the next submission meets the same condition, and reports it where somebody waits

    def close(self) -> None:
        """End the session; its tensors are gone."""
        opened, self.opened = self.opened, None
        if opened is not None:
            with suppress(TelegradError, ConnectionError):  # a server that is gone has nothing left to close
                self._request("DELETE", f"/v1/sessions/{opened.session}")
        self.forget()

    def inherited(self) -> Session:
        """In a forked child: another session on the same server, opened when it is needed."""
        server = self._embedded
        self.forget()
        return Session(self.url, self.token) if server is None else Session(server.url, server.token)

    def forget(self) -> None:
        """Drop the connection without a word to the server."""
        self.opened = None
        self._opening = threading.Lock()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        if self._embedded is not None:
            self._embedded.close()
            self._embedded = None

    @property
    def transport(self) -> Transport:
        if self._transport is None:
            raise _closed()
        return self._transport

    @property
    def _id(self) -> SessionOpened:
        if self.opened is None:
            raise _closed()
        return self.opened

    @property
    def _base(self) -> str:
        return f"/v1/sessions/{self._id.session}"

    def _request(self, method: str, path: str, content: bytes | None = None) -> bytes:
        status, _, body = self.transport.request(method, path, headers=_MSGPACK, content=content)
        return _checked(status, body)


Answer = TypeVar("Answer")


class Patience:
    """Waits between retries, doubling up to a second, until the time is up."""

    def __init__(self) -> None:
        self.deadline = time.monotonic() + PATIENCE
        self.pause = 0.02

    def wait(self) -> bool:
        """Sleep before the next try; False if the time is up."""
        if time.monotonic() + self.pause > self.deadline:
            return False
        time.sleep(self.pause)
        self.pause = min(self.pause * 2, 1.0)
        return True


def _again(request: Callable[[], Answer], *not_yet: type[TelegradError]) -> Answer:
    """Make a request that may be repeated, until it is answered otherwise than with `not_yet`, or the time is up."""
    retried: tuple[type[Exception], ...] = (Unreachable, Interrupted, *not_yet)
    patience = Patience()
    while True:
        try:
            return request()
        except retried:
            if not patience.wait():
                raise


def _closed() -> SessionGone:
    return SessionGone("the session was closed; its tensors are gone")


def _checked(status: int, body: bytes) -> bytes:
    """The body of a good answer; raises what the server said otherwise."""
    if status < 400:
        return body
    raise _error_of(status, body)


def _error_of(status: int, body: bytes) -> TelegradError:
    record: Any = None
    with suppress(TelegradError):  # not from a telegrad server: a proxy in between, say
        record = wire.unpack(body)
    if isinstance(record, dict):
        return from_record(record)
    return TelegradError(f"the server answered {status}: {body[:200]!r}")
