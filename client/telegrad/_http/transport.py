"""HTTP between the client and its server, and the only module that names httpx.

`SocketTransport` is an httpx transport at a third of the usual cost: HTTP/1.1 over plain TCP sockets, with
bodies that go straight between the socket and the caller's memory. `Transport` is what the rest of the client
uses: requests, bulk uploads and downloads, and two errors that tell whether a request may have been processed.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from types import TracebackType
from typing import Any, NamedTuple, cast

import httpx

from telegrad._http.http1 import BadResponse, Body, Connection, NothingSent, NotHTTP
from telegrad_protocol.errors import Malformed

PIECE = 1 << 20
"""Bytes of an array that one send call takes."""
KEEPALIVE_EXPIRY = 290.0
"""Seconds after which an idle connection is not used again: the server closes it after 300."""

_JOINED = 16 << 10  # a body up to this size is sent in one call with its head


class _As:
    """Turns a socket's errors and protocol errors into httpx's exceptions."""

    __slots__ = ("_failure", "_timeout")

    def __init__(self, timeout: type[httpx.TransportError], failure: type[httpx.TransportError]) -> None:
        self._timeout = timeout
        self._failure = failure

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        if isinstance(error, TimeoutError):
            raise self._timeout(str(error)) from error
        if isinstance(error, OSError):
            raise self._failure(str(error)) from error
        if isinstance(error, BadResponse):
            raise httpx.RemoteProtocolError(str(error)) from error


_CONNECTING = _As(httpx.ConnectTimeout, httpx.ConnectError)
_WRITING = _As(httpx.WriteTimeout, httpx.WriteError)
_READING = _As(httpx.ReadTimeout, httpx.ReadError)


class _Stream(httpx.SyncByteStream):
    """A response's body as an httpx stream."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        with _READING:
            yield from self._body

    def readinto(self, view: memoryview) -> int:
        """Read at least one byte into `view`, a flat one of bytes; 0 at the end of the body."""
        with _READING:
            return self._body.readinto(view)

    def close(self) -> None:
        self._body.close()


class SocketTransport(httpx.BaseTransport):
    """An httpx transport for `http://` URLs: HTTP/1.1 over kept-alive TCP connections, without a proxy.

    A request's body needs a content-length; it is sent as its stream yields it, `bytes` or `memoryview`. A
    response brings `response.extensions["readinto"]`, which reads the body straight into the caller's memory:
    `readinto(view) -> count`, 0 at the end. Errors are httpx's. No request is sent twice: a kept connection
    is replaced only if it took no byte. Any number of threads may use it; a forked child opens connections
    of its own.

        client = httpx.Client(transport=SocketTransport(), base_url="http://127.0.0.1:7077")
    """

    def __init__(self, *, max_connections: int = 64, keepalive_expiry: float = KEEPALIVE_EXPIRY) -> None:
        self._max_connections = max_connections
        self._keepalive_expiry = keepalive_expiry
        self._closed = False
        self._start_empty()
        _FORKING.add(self)

    def _start_empty(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._free = self._max_connections
        self._busy: set[Connection] = set()
        self._idle: dict[tuple[str, int], list[Connection]] = {}

    def _take_idle(self) -> list[Connection]:
        idle, self._idle = self._idle, {}
        return [connection for connections in idle.values() for connection in connections]

    def after_fork(self) -> None:
        """In a forked child: drop the parent's connections, and its lock, which another thread may hold."""
        for connection in [*self._busy, *self._take_idle()]:
            connection.forget()
        self._start_empty()

    def close(self) -> None:
        """Close idle connections now, busy ones when their responses end."""
        with self._changed:
            self._closed = True
            idle = self._take_idle()
        for connection in idle:
            connection.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        first, pieces = _prepare(request)
        connection, unsent = self._begin(request, first)
        try:
            with _WRITING:
                early = connection.send_body(itertools.chain((unsent,), pieces))
            if sent := request.extensions.get("sent"):
                sent()
            with _READING:
                head = early or connection.read_head()
                length = head.length(request.method)
            keep = early is None and head.keeps_alive()
        except BaseException:
            self._release(connection, keep=False)
            raise
        stream = _Stream(Body(connection, length, lambda ended: self._release(connection, keep=keep and ended)))
        extensions = {
            "http_version": b"HTTP/1.%d" % head.minor_version,
            "reason_phrase": head.reason,
            "readinto": stream.readinto,
        }
        return httpx.Response(head.status, headers=head.headers, stream=stream, extensions=extensions)

    def _begin(self, request: httpx.Request, first: bytes) -> tuple[Connection, bytes]:
        """A connection that sent the beginning of `first`, and the part of `first` that is not sent."""
        address = request.url.raw_host.decode("ascii"), request.url.port or 80
        timeouts = request.extensions.get("timeout", {})
        while True:
            connection = self._acquire(address, timeouts)
            try:
                return connection, first[connection.send_first(first) :]
            except NothingSent as error:
                self._release(connection, keep=False)
                if not connection.idle_since:
                    raise httpx.ConnectError(f"the connection was lost at once: {error}") from error
            except BaseException:
                self._release(connection, keep=False)
                raise

    def _acquire(self, address: tuple[str, int], timeouts: Mapping[str, float | None]) -> Connection:
        with self._changed:
            if self._closed:
                raise RuntimeError("the transport has been closed")
            if not self._free and not self._changed.wait_for(lambda: self._free, timeouts.get("pool")):
                raise httpx.PoolTimeout(f"all {self._max_connections} connections are busy")
            self._free -= 1
        connection = None
        try:
            with _CONNECTING:
                connection = self._pop_idle(address) or Connection(address, timeouts.get("connect"))
        finally:
            with self._changed:
                if connection:
                    self._busy.add(connection)
                else:
                    self._free += 1
                    self._changed.notify()
        connection.timeouts = timeouts
        return connection

    def _pop_idle(self, address: tuple[str, int]) -> Connection | None:
        """The most recently used connection that can serve another request."""
        idle = self._idle.get(address, [])
        oldest = time.monotonic() - self._keepalive_expiry
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread was faster
                return None
            if connection.idle_since > oldest and not connection.is_spent():
                return connection
            connection.close()
        return None

    def _release(self, connection: Connection, *, keep: bool) -> None:
        with self._changed:
            if connection not in self._busy:
                return  # the parent's, in a forked child
            self._busy.remove(connection)
            self._free += 1
            self._changed.notify()
            keep = keep and not self._closed
            if keep:
                connection.idle_since = time.monotonic()
                self._idle.setdefault(connection.address, []).append(connection)
        if not keep:
            connection.close()


def _prepare(request: httpx.Request) -> tuple[bytes, Iterable[bytes | memoryview]]:
    """The first bytes to send, the head at least, and the rest of the body."""
    if request.url.scheme != "http":
        raise httpx.UnsupportedProtocol(f"SocketTransport speaks http, not {request.url.scheme!r}")
    target = request.extensions.get("target") or request.url.raw_path
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), target)]
    lines += [b"%s: %s" % header for header in request.headers.raw]
    head = b"\r\n".join([*lines, b"", b""])
    breaks = len(lines) + 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or lines[0].count(b" ") != 2 or b"\0" in head:
        raise httpx.LocalProtocolError("a request's method, target or header holds a space or control character")
    if "transfer-encoding" in request.headers:
        raise httpx.LocalProtocolError("a request's body needs a content-length")
    length = int(request.headers.get("content-length", 0))
    pieces = _measured(cast("httpx.SyncByteStream", request.stream), length)
    return (head + b"".join(pieces), ()) if length <= _JOINED else (head, pieces)


def _measured(pieces: Iterable[bytes | memoryview], length: int) -> Iterator[bytes | memoryview]:
    """Check that `pieces` have `length` bytes in all: the server would parse extra bytes as the next request."""
    left = length
    for piece in pieces:
        left -= memoryview(piece).nbytes
        if left < 0:
            break
        yield piece
    if left:
        raise httpx.LocalProtocolError(f"a request's body differs from its content-length of {length} bytes")


_FORKING: weakref.WeakSet[SocketTransport | Transport] = weakref.WeakSet()


def _after_fork() -> None:
    for transport in list(_FORKING):
        transport.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Unreachable(ConnectionError):
    """The server was not reached: nothing of the request can have been processed.

    `advice` is what to do where waiting cannot help, as for a name that does not resolve; else it is empty.
    """

    advice = ""


class Interrupted(ConnectionError):
    """The connection failed during a request; the server may have processed it."""

    advice = ""


_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Reply(NamedTuple):
    """A response: status, case-insensitive headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """HTTP with one server, at `url` with the bearer `token`, from any number of threads.

    `http://` goes over `SocketTransport`; `https://`, or any scheme where the environment names a proxy for
    that host (never for loopback), over httpx's own. `timeout` bounds each wait for the network in seconds,
    `connect_timeout` the opening of a connection. Raises ValueError for a URL or token that cannot be used;
    its methods raise Unreachable or Interrupted, and never retry.

        with Transport("http://127.0.0.1:7077", token) as transport:
            status, headers, body = transport.request("GET", "/health")
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        connect_timeout: float = 10.0,
        max_connections: int = 64,
    ) -> None:
        self.url = url.rstrip("/")
        self._base = checked_url(self.url)
        self._limits = httpx.Limits(max_connections=max_connections, keepalive_expiry=KEEPALIVE_EXPIRY)
        self._timeouts = httpx.Timeout(timeout, connect=connect_timeout).as_dict()
        self._headers = [
            (b"Host", self._base.netloc),
            (b"User-Agent", f"telegrad/{version('telegrad')}".encode()),
            (b"Accept-Encoding", b"identity"),  # what arrives is read as it is
        ]
        if token is not None:
            check_token(token)
            self._headers.append((b"Authorization", b"Bearer " + token.encode()))
        self._http = self._open()

    def _open(self) -> httpx.BaseTransport:
        proxy = _proxy_for(self._base)
        if self._base.scheme == "http" and proxy is None:
            return SocketTransport(max_connections=self._limits.max_connections or 1)
        _FORKING.add(self)
        return httpx.HTTPTransport(proxy=proxy, limits=self._limits)

    def after_fork(self) -> None:
        """In a forked child: drop the parent's connections."""
        self._http = self._open()

    def close(self) -> None:
        """Close every connection; later requests raise."""
        self._http.close()

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        sent: Callable[[], None] | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Send `content` and read the whole answer. `path` is percent-encoded, below the server's URL.

        `sent` is called as soon as the bytes have left, before the answer comes. `timeout` bounds this request's waits.
        """
        stream = httpx.ByteStream(content or b"")
        length = None if content is None else len(content)
        request = self._request(method, path, params, headers, stream, length)
        request.extensions["sent"] = sent
        if timeout is not None:
            request.extensions["timeout"] = httpx.Timeout(timeout).as_dict()
        if sent and not isinstance(self._http, SocketTransport):
            sent()  # httpx's own transports do not tell: nobody should wait to hear it
        return self._exchange(request, _read_all)

    def upload(
        self,
        path: str,
        data: memoryview,
        *,
        method: str = "PUT",
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        piece: int = PIECE,
    ) -> Reply:
        """Send the C-contiguous memory `data` as an octet stream, `piece` bytes at a time, without a copy.

        A server that refuses answers before all is sent: look at the status.
        """
        view = _flat(data)
        headers = {"Content-Type": "application/octet-stream", **(headers or {})}
        request = self._request(method, path, params, headers, _Pieces(view, piece), len(view))
        return self._exchange(request, _read_all)

    def download(
        self,
        path: str,
        into: memoryview,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Fill the writable, C-contiguous memory `into` from a 200 answer, whose `body` is then empty.

        Any other status leaves `into` as it is and comes with its body. Malformed if the server sends more or
        fewer bytes than `into` holds; after that, as after Interrupted, `into` may be filled in part.
        """
        view = _flat(into)

        def read(response: httpx.Response) -> bytes:
            return _fill(response, view) if response.status_code == 200 else _read_all(response)

        return self._exchange(self._request("GET", path, params, headers, httpx.ByteStream(b""), None), read)

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str] | None,
        stream: httpx.SyncByteStream,
        length: int | None,
    ) -> httpx.Request:
        query = f"?{urllib.parse.urlencode(params)}" if params else ""
        target = self._base.raw_path.rstrip(b"/") + f"{path}{query}".encode("ascii")
        pairs = [*self._headers, *((name.encode(), value.encode()) for name, value in (headers or {}).items())]
        if length is not None:
            pairs.append((b"Content-Length", b"%d" % length))
        extensions: dict[str, Any] = {"timeout": self._timeouts}
        url = self._base
        if isinstance(self._http, SocketTransport):
            extensions["target"] = target  # spares parsing a URL for every request
        else:
            url = url.copy_with(raw_path=target)
        return httpx.Request(method, url, headers=pairs, stream=stream, extensions=extensions)

    def _exchange(self, request: httpx.Request, read: Callable[[httpx.Response], bytes]) -> Reply:
        try:
            response = self._http.handle_request(request)
            try:
                return Reply(response.status_code, response.headers, read(response))
            finally:
                cast(httpx.SyncByteStream, response.stream).close()
        except httpx.LocalProtocolError as error:
            raise ValueError(str(error)) from error
        except _NEVER_SENT as error:
            raise self._advised(Unreachable(f"cannot reach {self.url}: {error}"), error) from error
        except httpx.TransportError as error:
            late = Interrupted(f"{request.method} to {self.url} was interrupted: {error}")
            raise self._advised(late, error) from error

    def _advised(self, failure: Any, cause: BaseException | None) -> Any:
        """The failure, with advice where its cause is one that retrying cannot mend."""
        while cause is not None and not failure.advice:
            if isinstance(cause, socket.gaierror):
                failure.advice = "Check the host's name in tg.connect(url) or TELEGRAD_URL."
            elif isinstance(cause, ssl.SSLCertVerificationError):
                failure.advice = "Its certificate is not trusted here; SSL_CERT_FILE can name one that is."
            elif isinstance(cause, ssl.SSLError):
                failure.advice = f"If it speaks plain HTTP there, its URL is {self.url.replace('https://', 'http://')}"
            elif isinstance(cause, NotHTTP):
                failure.advice = "What listens there is no telegrad server; check the port in the URL."
            cause = cause.__cause__ or cause.__context__
        return failure

    def speaks_tls(self) -> bool:
        """Whether the server at an `http://` URL completes a TLS handshake; certificates are not checked."""
        if self._base.scheme != "http":
            return False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection((self._base.host, self._base.port or 80), 2.0) as plain:
                context.wrap_socket(plain, server_hostname=self._base.host).close()
        except OSError:
            return False
        return True


class _Pieces(httpx.SyncByteStream):
    """A request body made of memory."""

    def __init__(self, view: memoryview, piece: int) -> None:
        self._view = view
        self._piece = piece

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._view), self._piece):
            yield cast(bytes, self._view[start : start + self._piece])


def _read_all(response: httpx.Response) -> bytes:
    return b"".join(cast(httpx.SyncByteStream, response.stream))


def _fill(response: httpx.Response, view: memoryview) -> bytes:
    """Fill all of `view` from a response. Raises if the response is longer or shorter."""
    announced = int(response.headers.get("content-length", len(view)))
    if announced != len(view):
        raise Malformed("the server's answer is of another size", expected=len(view), got=announced)
    readinto = response.extensions.get("readinto") or _copier(response)
    filled = 0
    while count := readinto(view[filled:]):
        filled += count
    if filled != len(view) or readinto(memoryview(bytearray(1))):
        raise Malformed("the server's answer is of another size", expected=len(view), got=filled)
    return b""


def _copier(response: httpx.Response) -> Callable[[memoryview], int]:
    """`readinto` for a transport without one."""
    pieces = iter(cast(httpx.SyncByteStream, response.stream))
    rest = memoryview(b"")

    def readinto(view: memoryview) -> int:
        nonlocal rest
        while not rest and (piece := next(pieces, None)) is not None:
            rest = memoryview(piece)
        count = min(len(view), len(rest))
        view[:count] = rest[:count]
        rest = rest[count:]
        return count

    return readinto


def _flat(memory: memoryview) -> memoryview:
    """C-contiguous memory of any shape and format as flat bytes."""
    return memory.cast("B") if memory.nbytes else memoryview(bytearray())


def check_token(token: str) -> None:
    """Raise ValueError for a token that cannot be sent."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("a token is of visible ASCII characters only")


def checked_url(text: str) -> httpx.URL:
    """Check a server's URL. Raises ValueError that shows the expected form."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"not a URL: {text!r} ({error})") from error
    if url.scheme not in ("http", "https") or not url.host:
        meant = f"; did you mean 'http://{text.lstrip('/')}'?" if text.strip("/") and "://" not in text else ""
        raise ValueError(f"a server's URL is http://host:port or https://host:port, not {text!r}{meant}")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("a server's URL has no user, query or fragment; a token is given apart from it")
    return url


def _proxy_for(url: httpx.URL) -> str | None:
    """The environment's proxy for `url`; None for loopback, which a proxy would resolve to its own machine."""
    if _is_loopback(url.host) or urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
