"""HTTP/1.1 as a client speaks it, on one TCP connection: bytes, framing, nothing that names a library.

Raises TimeoutError and other OSErrors as the socket does, and BadResponse where the server hangs up too early
or sends what is not HTTP.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

HEAD_LIMIT = 64 << 10
"""Largest size of a response's status line and headers, in bytes."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: ([^\r\n\0]*))?")
_HEADER_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?")
_UNTIL_CLOSED = sys.maxsize


class BadResponse(Exception):
    """The server sent something other than HTTP/1.1, a head that is too long, or part of a response."""


class NotHTTP(BadResponse):
    """The server speaks another protocol."""


class NothingSent(Exception):
    """No byte of the request was sent."""


if sys.platform == "win32":

    def _ready(sock: socket.socket, timeout: float | None, *, write: bool = False) -> tuple[bool, bool]:
        """Whether `sock` can be read, and written where asked for, waiting at most `timeout` seconds."""
        readable, writable, _ = select.select([sock], [sock] if write else [], [], timeout)
        return bool(readable), bool(writable)

else:  # select.select() there fails for descriptors above 1023

    def _ready(sock: socket.socket, timeout: float | None, *, write: bool = False) -> tuple[bool, bool]:
        """Whether `sock` can be read, and written where asked for, waiting at most `timeout` seconds."""
        poll = select.poll()
        poll.register(sock, select.POLLIN | select.POLLOUT if write else select.POLLIN)
        events = poll.poll(None if timeout is None else timeout * 1000)
        happened = events[0][1] if events else 0
        return bool(happened & ~select.POLLOUT), bool(happened & select.POLLOUT)


class Head(NamedTuple):
    """A response's status line and headers; `fields` has them by lower-case name, those of one name joined."""

    minor_version: int
    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    fields: dict[bytes, bytes]

    def length(self, method: str) -> int | None:
        """The body's length in bytes; `_UNTIL_CLOSED` if it ends with the connection, None if it is chunked."""
        if method == "HEAD" or self.status in (204, 304):
            return 0
        coding = self.fields.get(b"transfer-encoding")
        if coding is not None:
            if coding.lower() != b"chunked":
                raise BadResponse(f"transfer-encoding {coding!r} is not supported")
            return None
        text = self.fields.get(b"content-length")
        if text is None:
            return _UNTIL_CLOSED
        if not text.isdigit() or len(text) > 18:
            raise BadResponse(f"the content-length is {text[:80]!r}")
        return int(text)

    def keeps_alive(self) -> bool:
        """Whether the connection can serve another request."""
        tokens = {token.strip().lower() for token in self.fields.get(b"connection", b"").split(b",")}
        return b"close" not in tokens and (self.minor_version == 1 or b"keep-alive" in tokens)


def parse_head(text: bytes) -> Head:
    """Parse a status line and headers. `text` ends before the blank line."""
    status_line, *lines = text.split(b"\r\n")
    status = _STATUS_LINE.fullmatch(status_line)
    if not status:
        raise NotHTTP(f"the server does not speak HTTP/1.1: {status_line[:80]!r}")
    headers = []
    fields: dict[bytes, bytes] = {}
    for line in lines:
        match = _HEADER_LINE.fullmatch(line)
        if not match:
            raise BadResponse(f"malformed response header {line[:80]!r}")
        key, value = match.groups()
        headers.append((key, value))
        key = key.lower()
        fields[key] = fields[key] + b", " + value if key in fields else value
    return Head(int(status[1]), int(status[2]), status[3] or b"", headers, fields)


class Connection:
    """One TCP connection and the bytes already read from it."""

    def __init__(self, address: tuple[str, int], timeout: float | None) -> None:
        self.address = address
        self.timeouts: Mapping[str, float | None] = {}
        self.idle_since = 0.0  # 0: not yet
        self._timeout = timeout
        self._socket = socket.create_connection(address, timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(HEAD_LIMIT)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    def close(self) -> None:
        """Shut the connection down, even if a forked child holds a copy of the socket."""
        with contextlib.suppress(OSError):  # the server was first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def forget(self) -> None:
        """Close this process's descriptor; the connection stays open in the process that owns it."""
        self._socket.close()

    def is_spent(self) -> bool:
        """Whether unread bytes are left, or the server has sent more or closed the connection."""
        return self._end > self._start or _ready(self._socket, 0)[0]

    def _within(self, kind: str) -> None:
        timeout = self.timeouts.get(kind)
        if timeout != self._timeout:
            self._socket.settimeout(timeout)
            self._timeout = timeout

    def send_first(self, data: bytes) -> int:
        """Send the first bytes of a request; the number sent. Raises `NothingSent` if the kernel took none."""
        self._within("write")
        try:
            return self._socket.send(data)
        except OSError as error:
            raise NothingSent(str(error)) from error

    def send_body(self, pieces: Iterable[bytes | memoryview]) -> Head | None:
        """Send `pieces` without joining them. Returns the response's head if it arrives before all are sent."""
        timeout = self.timeouts.get("write")
        for piece in pieces:
            view = memoryview(piece).cast("B")
            while view:
                readable, writable = _ready(self._socket, timeout, write=True)
                if readable and (head := self._next_head()).status >= 200:
                    return head
                if not readable and not writable:
                    raise TimeoutError("timed out")
                if writable:
                    try:
                        view = view[self._socket.send(view) :]
                    except OSError as error:
                        return self._last_words(error)
        return None

    def _last_words(self, error: OSError) -> Head:
        """The response of a server that closed the connection during a body: it explains more than the reset."""
        try:
            return self.read_head()
        except (OSError, BadResponse):
            raise error from None

    def read_head(self) -> Head:
        """The response's head, after any interim (1xx) responses."""
        while (head := self._next_head()).status < 200:
            pass
        return head

    def _next_head(self) -> Head:
        head = parse_head(self._read_until(b"\r\n\r\n"))
        if head.status == 101:
            raise BadResponse("the server switched protocols unasked")
        return head

    def read_line(self) -> bytes:
        """The next line, without its end."""
        return self._read_until(b"\r\n")

    def _read_until(self, mark: bytes) -> bytes:
        while (found := self._buffer.find(mark, self._start, self._end)) < 0:
            if not self._fill():
                raise BadResponse("the server closed the connection without a full response")
        text = bytes(self._view[self._start : found])
        self._start = found + len(mark)
        return text

    def _fill(self) -> int:
        """Append received bytes to the buffer; the number received, 0 at the end of the stream."""
        if self._start:
            left = self._end - self._start
            self._buffer[:left] = self._buffer[self._start : self._end]
            self._start, self._end = 0, left
        if self._end == HEAD_LIMIT:
            raise BadResponse(f"the response's headers exceed {HEAD_LIMIT} bytes")
        count = self._receive(self._view[self._end :])
        self._end += count
        return count

    def _receive(self, view: memoryview) -> int:
        self._within("read")
        return self._socket.recv_into(view)

    def read(self, limit: int) -> bytes:
        """Up to `limit` received bytes, after waiting for the first; empty at the end of the stream."""
        if self._start == self._end:
            self._fill()
        stop = min(self._start + limit, self._end)
        data = bytes(self._view[self._start : stop])
        self._start = stop
        return data

    def read_into(self, view: memoryview) -> int:
        """As `read`, into the front of `view`: directly from the socket if the buffer is empty."""
        if self._start == self._end:
            return self._receive(view)
        count = min(len(view), self._end - self._start)
        view[:count] = self._view[self._start : self._start + count]
        self._start += count
        return count


class Body:
    """A response's body, read as it arrives. Returns its connection when it is read to the end or closed."""

    def __init__(self, connection: Connection, length: int | None, done: Callable[[bool], None]) -> None:
        self._connection = connection
        self._done = done
        self._chunked = length is None
        self._within_chunks = False
        self._left = length or 0  # of the body, or of the present chunk
        self._ended = self._closed = False
        if length == 0:
            self._end()

    def __iter__(self) -> Iterator[bytes]:
        while left := self._stretch():
            data = self._connection.read(left)
            self._took(len(data))
            yield data

    def readinto(self, view: memoryview) -> int:
        """Read at least one byte into `view`, a flat one of bytes, without a copy; 0 at the end of the body."""
        left = min(self._stretch(), len(view))
        if not left:
            return 0
        count = self._connection.read_into(view[:left])
        self._took(count)
        return count

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._done(False)

    def _end(self) -> None:
        self._ended = self._closed = True
        self._done(self._left != _UNTIL_CLOSED)

    def _stretch(self) -> int:
        """The number of bytes that can be read at once; 0 at the end of the body."""
        if self._closed and not self._ended:
            raise ValueError("the response was closed before its body was read")
        if self._chunked and not self._left and not self._ended:
            self._left = self._next_chunk()
            if not self._left:
                self._end()
        return 0 if self._ended else self._left

    def _next_chunk(self) -> int:
        """Read the next chunk's header; the chunk's length, or 0 after the last chunk and its trailers."""
        if self._within_chunks and self._connection.read_line():
            raise BadResponse("a chunk is longer than it said")
        self._within_chunks = True
        line = self._connection.read_line()
        match = _CHUNK_SIZE.fullmatch(line)
        if not match:
            raise BadResponse(f"malformed chunk size {line[:80]!r}")
        size = int(match[1], 16)
        while not size and self._connection.read_line():
            pass  # a trailer
        return size

    def _took(self, count: int) -> None:
        if self._left == _UNTIL_CLOSED:
            if not count:
                self._end()
            return
        if not count:
            raise BadResponse("the response was cut off")
        self._left -= count
        if not self._left and not self._chunked:
            self._end()
