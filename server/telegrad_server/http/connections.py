"""Bounds on connections before authentication: their number, the size of their headers, how slowly they send.

uvicorn's protocol has no such bounds. The size of a body is checked where it is read.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from telegrad_server.settings import Settings

from .security import address_of

HEADER_BYTES: Final = 32 << 10
"""Bytes of a request's first line and headers: browsers send hundreds, proxies thousands."""

HEADERS: Final = 100

HEADERS_WITHIN: Final = 10.0
"""Seconds from the opening of a connection, or the first byte of a later request, to the end of its headers."""

LINGER: Final = 10.0
"""Seconds that a body may still come in after its request was answered, when no code reads it."""

SILENCE: Final = 60.0
"""Seconds in which a client must send some of a body, or take some of an answer."""

FILES_LEFT: Final = 100
"""File descriptors that are not for connections."""


def connections_of(settings: Settings) -> Any:
    """The protocol factory for uvicorn, with the bounds of the settings."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems name a hard limit that they do not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    files = settings.connections if soft == resource.RLIM_INFINITY else max(soft - FILES_LEFT, 1)
    bounds = Bounds(min(settings.connections, files), settings.connections_per_address)
    return partial(Connection, bounds=bounds)


class Bounds:
    """Counts connections, in all and by address. Those of this machine count as of no address."""

    def __init__(self, most: int, per_address: int) -> None:
        self.most = most
        self.per_address = per_address
        self.open: Counter[str | None] = Counter()

    def admit(self, address: str | None) -> bool:
        """Count a connection, if there is room for it."""
        full = self.open.total() >= self.most or (address is not None and self.open[address] >= self.per_address)
        if not full:
            self.open[address] += 1
        return not full

    def leave(self, address: str | None) -> None:
        """A connection that was admitted has ended."""
        self.open[address] -= 1
        if not self.open[address]:
            del self.open[address]


class Connection(HttpToolsProtocol):
    """One connection.

    `_reading`: the headers of a request are coming. `_taken`: its body has come. `_unread`: bytes that came since the
    parser last handed on headers, a body or a whole request; `_fed`: with those that it has now. `_heard`: when
    something came.
    """

    def __init__(self, *args: Any, bounds: Bounds, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = bounds
        self._address: str | None = None
        self._admitted = self._too_large = self._handed_on = False
        self._reading = self._taken = True
        self._unread = self._fed = 0
        self._heard = 0.0
        self._ending: asyncio.TimerHandle | None = None
        self._body_watch: asyncio.TimerHandle | None = None
        self._answer_watch: asyncio.TimerHandle | None = None

    # The connection ---------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._address = address_of({"client": self.client})
        self._admitted = self._bounds.admit(self._address)
        if self._admitted:
            self._end_within(HEADERS_WITHIN)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._ending, self._body_watch, self._answer_watch):
            if timer is not None:
                timer.cancel()
        if self._admitted:
            self._admitted = False
            self._bounds.leave(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._unread > HEADER_BYTES:  # the parser keeps an unfinished header to itself, or discards an extension
            self._refuse()
            return
        self._handed_on, self._heard, self._fed = False, self.loop.time(), self._unread + len(data)
        super().data_received(data)
        self._unread = 0 if self._handed_on else self._fed
        if not self._taken and not self._reading:
            if self._body_watch is None:
                self._body_watch = self.loop.call_later(SILENCE, self._check_body)
        elif self._ending is None and (self._reading or self.cycle is None or self.cycle.response_complete):
            self._end_within(HEADERS_WITHIN)

    def _end_within(self, seconds: float | None) -> None:
        """Close the connection after so many seconds, or not."""
        if self._ending is not None:
            self._ending.cancel()
        self._ending = None if seconds is None else self.loop.call_later(seconds, self.transport.close)

    # Callbacks of the parser ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading, self._taken = True, False

    def on_headers_complete(self) -> None:
        if self._fed > HEADER_BYTES or len(self.headers) > HEADERS:
            self._check_headers()
        self._reading, self._handed_on = False, True
        if self._ending is not None:
            self._end_within(None)
        super().on_headers_complete()

    def _check_headers(self) -> None:
        """Raise, through the parser, for headers beyond the bounds. The bytes that were fed may include body."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEADER_BYTES or len(self.headers) > HEADERS:
            self._too_large = True
            raise ValueError("the headers are too large")

    def on_body(self, body: bytes) -> None:
        self._handed_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._taken = self._handed_on = True
        if self._ending is not None:
            self._end_within(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._taken and not self.transport.is_closing():
            self._end_within(LINGER)

    def send_400_response(self, msg: str) -> None:
        if self._too_large:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        body = b"the headers are too large\n"
        head = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\nconnection: close\r\n"
        self.transport.write(b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body))
        self.transport.close()

    # Bodies and answers that stop ---------------------------------------------------------------------------

    def _check_body(self) -> None:
        """End a connection whose body has stopped, unless we have paused reading it."""
        self._body_watch = None
        if self._taken or self.transport.is_closing():
            return
        silent = self.loop.time() - self._heard
        if silent >= SILENCE and not self.flow.read_paused:
            self.transport.abort()
            return
        wait = SILENCE if self.flow.read_paused else SILENCE - silent
        self._body_watch = self.loop.call_later(wait, self._check_body)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_answer()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answer_watch is not None:
            self._answer_watch.cancel()
            self._answer_watch = None

    def _watch_answer(self) -> None:
        before = self.transport.get_write_buffer_size()
        self._answer_watch = self.loop.call_later(SILENCE, self._check_answer, before)

    def _check_answer(self, before: int) -> None:
        """End a connection whose client takes no bytes of its answer."""
        if self.transport.get_write_buffer_size() >= before:
            self.transport.abort()
        else:
            self._watch_answer()
