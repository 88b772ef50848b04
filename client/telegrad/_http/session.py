"""The client's session on a server: its URL, how it is opened, its requests."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Any, Final, TypeVar, cast

from telegrad_protocol import spec, wire
from telegrad_protocol.devices import device_at
from telegrad_protocol.errors import SessionGone, TelegradError, Unavailable, WorkerDied, from_dict
from telegrad_protocol.messages import PROTOCOL_VERSION, OpenSession, SessionOpened

from . import embedded
from .transport import Interrupted, Transport, Unreachable, check_token, checked_url

_ACCEPT: Final = {"accept": wire.CONTENT_TYPE}
_MSGPACK: Final = {"content-type": wire.CONTENT_TYPE, **_ACCEPT}

PATIENCE: Final = 30.0
"""Seconds to wait for a server that cannot be reached, or takes no sessions yet."""

SAID_AFTER: Final = 2.0
"""Seconds after which a message says that the client waits."""


class Session:
    """Opened at first use, at `url` or where TELEGRAD_URL says; with neither, at a local server of our own."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        if url is None:
            url, token = os.environ.get("TELEGRAD_URL"), os.environ.get("TELEGRAD_TOKEN")
        self.url = None if url is None else url.strip()
        self.token = None if token is None else token.strip()  # as a file or `$(cat token)` hands it over
        self.opened: SessionOpened | None = None
        self.heartbeat_every: float | None = None
        self._transport: Transport | None = None
        self._embedded: embedded.Server | None = None
        self._opening = threading.Lock()
        self._given_up = False
        self._said = 0.0

    def check(self) -> None:
        """Raise ValueError for a URL or token that cannot be used."""
        if self.url is not None:
            checked_url(self.url)
        if self.token is not None:
            check_token(self.token)

    def open(self) -> SessionOpened:
        """Open the session unless it is open. Raises ConnectionError, or the server's refusal.

        Failures that waiting cannot mend are raised at once: an unknown host name, TLS on one side only, another server.
        """
        with self._opening:
            if self.opened is None:
                if self.url is None:
                    self._embedded = embedded.start()
                    self._transport = Transport(self._embedded.url, self._embedded.token)
                else:
                    self._transport = Transport(self.url, self.token)
                opened = self.opened = self._open()
                self.heartbeat_every = opened.lease / 3
                if self._given_up:  # by `close`, which does not wait for it
                    self.close()
                    raise _closed()
            return self.opened

    def _open(self) -> SessionOpened:
        hello = wire.pack(OpenSession(PROTOCOL_VERSION, version("telegrad"), spec.digest()))
        patience = Patience()
        with self._telling():
            while True:
                try:
                    return self._greet(hello)
                except (WorkerDied, Unavailable):  # one that is being started again takes sessions in a moment
                    if self._given_up or not patience.wait():
                        raise
                except (Unreachable, Interrupted) as error:
                    advice = error.advice or self._advice(error)
                    if advice:
                        raise ConnectionError(f"{error}. {advice}") from None
                    if self._given_up or not patience.wait():
                        raise ConnectionError(f"{error}; waited {PATIENCE:.0f} s. {self.how_to_start()}") from None

    def _greet(self, hello: bytes) -> SessionOpened:
        """Ask for a session once. Raises ConnectionError if another server answers."""
        reply = self.transport.request("POST", "/v1/sessions", headers=_MSGPACK, content=hello)
        speaks_msgpack = reply.headers.get("content-type", "").startswith(wire.CONTENT_TYPE)
        if speaks_msgpack and reply.status < 400:
            return wire.decode_struct(SessionOpened, reply.body)
        if speaks_msgpack and reply.status not in (404, 405):
            raise from_dict(cast("Any", wire.unpack(reply.body)))
        said = f"{self.transport.url} answered {reply.status} as no telegrad server does: {_excerpt(reply.body)!r}"
        if reply.status in (502, 503, 504):  # a proxy, whose server may be about to start
            raise Unreachable(said)
        raise ConnectionError(f"{said}. {self._whereabouts()}")

    def _whereabouts(self) -> str:
        """Advice on a URL at which another server answers."""
        url = urllib.parse.urlsplit(self.transport.url)
        if url.path.strip("/"):
            return f"A telegrad server is named without a path: {url.scheme}://{url.netloc}"
        if self.transport.speaks_tls():
            return f"It speaks TLS: its URL is https://{url.netloc}"
        return "Check the port in the URL; `telegrad serve` prints its own."

    def _advice(self, error: Exception) -> str:
        """Advice on a server that hangs up, or that has ended, where waiting cannot help."""
        if self.ended:
            return self.how_to_start()
        if isinstance(error, Interrupted) and self.transport.speaks_tls():
            return f"It speaks TLS: its URL is {self.transport.url.replace('http://', 'https://')}"
        return ""

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say that the client waits for the server if the block takes long, also while a connection is being opened."""
        timer = threading.Timer(SAID_AFTER, self.say_waiting)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def say_waiting(self) -> None:
        """Say on stderr that the client waits for the server, once per wait."""
        now = time.monotonic()
        if now - self._said > PATIENCE and self.url is not None:
            self._said = now
            print(f"waiting for {self.url} (up to {PATIENCE:.0f} s)", file=sys.stderr, flush=True)

    def how_to_start(self) -> str:
        """Advice for when no server answers."""
        if self.url is None:
            return "The local server has ended; tg.connect() starts another, with a new session."
        return "Start one there with `telegrad serve`, or name another with tg.connect(url) or TELEGRAD_URL."

    def how_to_begin_anew(self) -> str:
        """Advice for when the session is lost."""
        named = "" if self.url is None or self.url == os.environ.get("TELEGRAD_URL") else f'"{self.url}"'
        token = ", token" if named and self.token else ""
        return f"tg.connect({named}{token}) begins a new session; the tensors of this one are gone"

    @property
    def ended(self) -> bool:
        """Whether the server cannot come back: a local one that has ended."""
        return self._embedded is not None and self._embedded.ended

    def submit(
        self,
        number: int,
        epoch: int,
        device_index: int,
        acknowledged: int,
        body: bytes,
        sent: Callable[[], None],
        trip: Any = None,
    ) -> bytes | None:
        """Send a submission for a device; its reply, or None while it is still running.

        `sent` is called as soon as its bytes have left. `trip` notes its times, and wants those of its rows.
        """
        path = f"{self._base}/streams/{self._id.stream}/submissions/{number}?epoch={epoch}&ack={acknowledged}"
        path += f"&device={device_at(device_index)}" if device_index else ""
        if trip is not None:
            path += "&timing=rows"
            trip.sent = trip.sent or time.perf_counter()
        status, headers, answer = self.transport.request("PUT", path, headers=_MSGPACK, content=body, sent=sent)
        if trip is not None:
            trip.answered, trip.server = time.perf_counter(), headers.get("server-timing")
        return None if status == 202 else self._checked(status, answer)

    def upload(self, upload: int, data: memoryview, device: str) -> None:
        """Send the bytes of an upload that a row names, to its device."""
        path = f"{self._base}/uploads/{upload}?device={device}"
        reply = _again(lambda: self.transport.upload(path, data, headers=_ACCEPT))
        self._checked(reply.status, reply.body)

    def download(self, read: int, device: str, into: memoryview) -> None:
        """Fetch the bytes of a device's read into memory of the right size."""
        path = f"{self._base}/reads/{read}?device={device}"
        reply = _again(lambda: self.transport.download(path, into, headers=_ACCEPT))
        self._checked(reply.status, reply.body)

    def drop_read(self, read: int, device: str) -> None:
        """Let the server forget a device's read."""
        _again(lambda: self._request("DELETE", f"{self._base}/reads/{read}?device={device}"))

    def stop(self, epoch: int) -> None:
        """Let the server skip the rows up to an epoch that have not run; returns once the row that runs has ended."""
        path = f"{self._base}/streams/{self._id.stream}/stop?epoch={epoch}"
        _again(lambda: self._request("POST", path))

    def renew_in_background(self) -> None:
        """Keep the lease; an idle notebook must not lose its tensors."""
        threading.Thread(target=self._renew, name="telegrad-lease", daemon=True).start()

    def _renew(self) -> None:
        try:
            self._request("POST", f"{self._base}/lease")
        except (TelegradError, ConnectionError):
            return  # the next submission meets the same failure, and raises it

    def close(self, within: float | None = None) -> None:
        """End the session; its tensors are gone. One that is being opened ends once it is.

        `within`: wait no longer for the server than so many seconds, nor for a local one to end.
        """
        self._given_up = True
        opened, self.opened = self.opened, None
        if opened is not None:
            with suppress(TelegradError, ConnectionError):  # a server that is gone has nothing left to close
                self.transport.request("DELETE", f"/v1/sessions/{opened.session}", headers=_MSGPACK, timeout=within)
        self.forget(wait=within is None)

    def inherited(self) -> Session:
        """In a forked child: another session on the same server, opened when it is needed."""
        server = self._embedded
        self.forget()
        return Session(self.url, self.token) if server is None else Session(server.url, server.token)

    def forget(self, *, wait: bool = True) -> None:
        """Drop the connection without telling the server. `wait` for a local one to end."""
        self.opened = None
        self._opening = threading.Lock()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        if self._embedded is not None:
            self._embedded.close(wait=wait)
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
        return self._checked(status, body)

    def _checked(self, status: int, body: bytes) -> bytes:
        """The body of a good answer; raises what the server said otherwise."""
        if status < 400:
            return body
        raise self._error_of(status, body)

    def _error_of(self, status: int, body: bytes) -> TelegradError:
        record: Any = None
        with suppress(TelegradError):  # not from a telegrad server: a proxy in between, say
            record = wire.unpack(body)
        if not isinstance(record, dict):
            return TelegradError(f"the server answered {status}: {_excerpt(body)!r}")
        error = from_dict(record)
        if isinstance(error, SessionGone | WorkerDied):
            error.details["hint"] = self.how_to_begin_anew()
        return error


Answer = TypeVar("Answer")


class Patience:
    """Waits between retries, doubling up to a second, until the time is up."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.deadline = self.begun + PATIENCE
        self.pause = 0.02

    @property
    def is_long(self) -> bool:
        """Whether a message should say that the client waits."""
        return time.monotonic() - self.begun > SAID_AFTER

    def wait(self) -> bool:
        """Sleep before the next try; False if the time is up."""
        if time.monotonic() + self.pause > self.deadline:
            return False
        time.sleep(self.pause)
        self.pause = min(self.pause * 2, 1.0)
        return True


def _again(request: Callable[[], Answer]) -> Answer:
    """Make a request that may be repeated, until it is answered or the time is up."""
    patience = Patience()
    while True:
        try:
            return request()
        except (Unreachable, Interrupted):
            if not patience.wait():
                raise


def _closed() -> SessionGone:
    return SessionGone("the session was closed; its tensors are gone")


def _excerpt(body: bytes) -> str:
    """The first words of an answer, of a page without its tags."""
    text = re.sub(
        r"<(style|script|head)\b.*?</\1>|<[^>]*>", " ", body[:4000].decode("utf-8", "replace"), flags=re.S | re.I
    )
    return " ".join(text.split())[:100]
