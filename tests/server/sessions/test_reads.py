"""Downloads: a slot of shared memory is filled again only when its bytes have left, however slow the caller is."""

from __future__ import annotations

import asyncio
import io
import socket
import time
from collections import deque
from typing import Any

import numpy as np
import pytest
from support.fake_worker import FakeWorker
from support.live import http_session, live_server

from telegrad_protocol.errors import UnknownTensor
from telegrad_server.channel.arena import SLOT_BYTES
from telegrad_server.channel.slots import TAIL
from telegrad_server.http.responses import send_read
from telegrad_server.sessions.session import Session

HIGH_WATER = 64 << 10


class SlowTransport:
    """Sends at the last moment that an ASGI server allows: before a piece is taken, all but 64 KiB must have gone."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.held: deque[Any] = deque()
        self.may_send = asyncio.Event()
        self.may_send.set()

    async def send(self, message: dict[str, Any]) -> None:
        await self.may_send.wait()
        await asyncio.sleep(0)
        while (over := sum(map(len, self.held)) - HIGH_WATER) > 0:
            piece = memoryview(self.held.popleft())
            self.sent += piece[:over]
            if len(piece) > over:
                self.held.appendleft(piece[over:])
        if message["body"]:
            self.held.append(message["body"])

    def flush(self) -> bytes:
        for piece in self.held:
            self.sent += piece
        return bytes(self.sent)


def value(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


async def session_with(*values: bytes) -> Session:
    worker = FakeWorker()
    worker.reads = dict(enumerate(values))
    worker.sessions.add("s")
    return Session("s", None, worker, 60.0)


SIZES = [0, 1, TAIL, TAIL + 1, SLOT_BYTES, SLOT_BYTES + TAIL, SLOT_BYTES + TAIL + 10, 5 * SLOT_BYTES + 12345]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("start", [0, 1000])
def test_a_slow_caller_gets_every_byte_as_it_was(size: int, start: int) -> None:
    async def scenario() -> None:
        data, other = value(size), value(3 * SLOT_BYTES, seed=1)
        session, transport = await session_with(data, other), SlowTransport()
        await send_read(session, 0, min(start, size), size, transport.send)
        # The slots are lent to others while the last bytes are still in the transport.
        await asyncio.gather(*[send_read(session, 1, 0, len(other), SlowTransport().send) for _ in range(3)])
        assert transport.flush() == data[min(start, size) :]

    asyncio.run(scenario())


def test_many_callers_at_once_get_their_own_bytes() -> None:
    async def scenario() -> None:
        values = [value(2 * SLOT_BYTES + 777 * seed, seed) for seed in range(6)]
        session = await session_with(*values)
        transports = [SlowTransport() for _ in values]
        reads = [send_read(session, n, 0, len(v), transports[n].send) for n, v in enumerate(values)]
        await asyncio.gather(*reads)
        assert [transport.flush() for transport in transports] == values

    asyncio.run(scenario())


def test_callers_who_take_nothing_hold_nobody_up() -> None:
    async def scenario() -> None:
        data = value(3 * SLOT_BYTES)
        session = await session_with(data)
        stalled = [SlowTransport() for _ in range(8)]
        for transport in stalled:
            transport.may_send.clear()
        waiting = [asyncio.create_task(send_read(session, 0, 0, len(data), t.send)) for t in stalled]
        await asyncio.sleep(0.01)
        transport = SlowTransport()
        await send_read(session, 0, 0, len(data), transport.send)
        assert transport.flush() == data
        for transport in stalled:
            transport.may_send.set()
        await asyncio.gather(*waiting)
        assert all(transport.flush() == data for transport in stalled)

    asyncio.run(scenario())


def test_a_ring_comes_back_from_a_download_that_failed() -> None:
    async def scenario() -> None:
        session = await session_with(value(3 * SLOT_BYTES))
        for _ in range(3):
            with pytest.raises(UnknownTensor):
                await send_read(session, 9, 0, 3 * SLOT_BYTES, SlowTransport().send)
        assert session.worker.slots.take_ring() is not None
        assert session.worker.slots.take_ring() is not None
        assert session.worker.slots.take_ring() is None

    asyncio.run(scenario())


def test_a_slow_network_changes_no_byte() -> None:
    array = np.arange(5_000_000, dtype=np.float32)
    file = io.BytesIO()
    np.save(file, array)
    with live_server() as url, http_session(url) as client:
        headers = {"content-type": "application/x-npy"}
        made = client.post("/tensors", content=file.getvalue(), headers=headers).json()["id"]
        host, port = url.removeprefix("http://").split(":")
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            slow.connect((host, int(port)))
            path = f"{client.base_url.path.rstrip('/')}/tensors/{made}/value"
            head = f"GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: application/x-npy\r\nconnection: close\r\n\r\n"
            slow.sendall(head.encode())
            got = bytearray()
            while piece := slow.recv(1 << 16):
                got += piece
                time.sleep(0.002)  # the server is always ahead of us
    body = bytes(got).partition(b"\r\n\r\n")[2]
    np.testing.assert_array_equal(np.load(io.BytesIO(body)), array)
