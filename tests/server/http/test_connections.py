"""Connections of a live server, of strangers who have not said who they are: headers, numbers, slowness."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import uvicorn

from telegrad_server.http import connections as module
from telegrad_server.http.connections import Bounds, connections_of
from telegrad_server.settings import Settings

GET = b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body of a PUT; answers others at once; of /large with much."""
    if scope["method"] == "PUT":
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
    body = bytes(50 << 20) if scope["path"] == "/large" else b"ok"
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[int]:
    config = uvicorn.Config(
        app, http=connections_of(settings), ws="none", log_config=None, lifespan="off", port=0, timeout_keep_alive=1
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await task


class Stranger:
    """One connection, by hand."""

    async def open(self, port: int) -> Stranger:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        return self

    async def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def status(self) -> int:
        """Of the next answer, whose body is `ok`; 0 if the connection ended instead."""
        with contextlib.suppress(ConnectionError):
            head = await self.reader.readuntil(b"\r\n\r\n")
            if b"\r\n\r\nok" not in head and b" 200 " in head:
                await self.reader.readexactly(2)
            return int(head.split()[1])
        return 0

    async def ended(self, within: float = 5.0) -> bool:
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(within):
                while await self.reader.read(1000):
                    pass
        return True


Scenario = Callable[[Callable[[], Coroutine[Any, Any, Stranger]]], Coroutine[Any, Any, None]]


def play(scenario: Scenario, **settings: Any) -> None:
    async def run() -> None:
        async with listening(Settings(**settings)) as port:
            opened: list[Stranger] = []

            async def stranger() -> Stranger:
                opened.append(await Stranger().open(port))
                return opened[-1]

            await scenario(stranger)
            for one in opened:
                one.writer.close()

    asyncio.run(run())


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEADERS_WITHIN", "LINGER", "SILENCE"):
        monkeypatch.setattr(module, name, 0.3)


def test_ordinary_requests_follow_each_other_on_one_connection() -> None:
    async def scenario(open: Any) -> None:
        stranger = await open()
        for _ in range(3):
            await stranger.send(GET + b"x: " + b"y" * 8000 + b"\r\n\r\n")
            assert await stranger.status() == 200
        await stranger.send(GET + b"\r\n" + GET)
        assert await stranger.status() == 200
        await stranger.send(b"\r\n")
        assert await stranger.status() == 200

    play(scenario)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
        GET + b"x: " + b"y" * 40_000 + b"\r\n\r\n",
        GET + b"x: y\r\n" * 200 + b"\r\n",
        GET + b"x" * 40_000 + b": y\r\n\r\n",
        GET + b"".join(b"x%d: %s\r\n" % (n, b"y" * 1000) for n in range(90)) + b"\r\n",
    ],
    ids=["line", "value", "many", "name", "all"],
)
def test_large_headers_are_refused(head: bytes) -> None:
    async def scenario(open: Any) -> None:
        stranger = await open()
        await stranger.send(head)
        assert await stranger.status() == 431
        assert await stranger.ended()

    play(scenario)


@pytest.mark.parametrize("start", [GET + b"x: ", b"PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: "])
def test_a_header_without_an_end_is_not_kept(start: bytes) -> None:
    async def scenario(open: Any) -> None:
        stranger = await open()
        await stranger.send(start)
        sent, begun = 0, time.monotonic()
        while not stranger.reader.at_eof() and time.monotonic() - begun < 5 and sent < 64 << 20:
            await stranger.send(b"y" * 65536)
            sent += 65536
            await asyncio.sleep(0)
            if stranger.writer.is_closing():
                break
        assert await stranger.status() in (0, 431)
        assert sent < 64 << 20

    play(scenario)


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"\r\n",
        b"GET / HT",
        GET,
        GET + b"\r\n" + GET,
        GET + b"\r\n\r\n",
        b"PUT / HTTP/1.1\r\ncontent-length: 9\r\n\r\nab",
    ],
    ids=["nothing", "empty line", "line", "headers", "second", "after", "body"],
)
def test_who_stops_in_the_middle_is_not_waited_for(words: bytes) -> None:
    async def scenario(open: Any) -> None:
        stranger = await open()
        await stranger.send(words)
        if words.startswith(GET + b"\r\n"):
            assert await stranger.status() == 200
        assert await stranger.ended()

    play(scenario)


def test_who_sends_a_byte_now_and_then_is_not_waited_for_either() -> None:
    async def scenario(open: Any) -> None:
        stranger, begun = await open(), time.monotonic()
        ended = asyncio.create_task(stranger.ended())
        for byte in GET:
            if ended.done():
                break
            await stranger.send(bytes([byte]))
            await asyncio.sleep(0.05)
        assert await ended
        assert time.monotonic() - begun < 1.5

    play(scenario)


def test_a_slow_body_that_goes_on_is_waited_for() -> None:
    async def scenario(open: Any) -> None:
        stranger = await open()
        await stranger.send(b"PUT / HTTP/1.1\r\ncontent-length: 6\r\n\r\n")
        for _ in range(6):
            await asyncio.sleep(0.15)
            await stranger.send(b"x")
        assert await stranger.status() == 200

    play(scenario)


def test_a_body_that_nobody_reads_is_not_taken_for_ever() -> None:
    async def scenario(open: Any) -> None:
        stranger = await open()
        await stranger.send(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
        assert await stranger.status() == 200
        begun, ended = time.monotonic(), asyncio.create_task(stranger.ended())
        while not ended.done() and time.monotonic() - begun < 5:
            await stranger.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.02)
        assert await ended
        assert time.monotonic() - begun < 1.5

    play(scenario)


def test_who_takes_nothing_of_an_answer_is_left() -> None:
    async def scenario(open: Any) -> None:
        stranger = await open()
        stranger.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await stranger.send(b"GET /large HTTP/1.1\r\n\r\n")
        await asyncio.sleep(1.0)
        stranger.reader._transport.resume_reading()  # type: ignore[attr-defined]
        taken = 0
        with contextlib.suppress(ConnectionError):
            while data := await asyncio.wait_for(stranger.reader.read(1 << 20), 5):
                taken += len(data)
        assert taken < 50 << 20

    play(scenario)


def test_connections_are_bounded_in_all() -> None:
    async def scenario(open: Any) -> None:
        held = [await open() for _ in range(3)]
        for one in held:
            await one.send(GET + b"\r\n")
            assert await one.status() == 200
        assert await (await open()).ended(), "a fourth is not taken"
        held[0].writer.close()
        await asyncio.sleep(0.05)
        another = await open()
        await another.send(GET + b"\r\n")
        assert await another.status() == 200

    play(scenario, connections=3)


def test_connections_are_bounded_by_address_but_this_machine_s() -> None:
    bounds = Bounds(10, 2)
    assert [bounds.admit("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert [bounds.admit(None) for _ in range(5)] == [True] * 5
    bounds.leave("192.0.2.1")
    assert [bounds.admit("192.0.2.1"), bounds.admit("192.0.2.2")] == [True, True]
    assert [bounds.admit("192.0.2.3"), bounds.admit("192.0.2.4")] == [True, True]
    assert not bounds.admit("192.0.2.5"), "ten in all"
