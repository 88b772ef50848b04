"""The app on a fake worker, in this event loop: requests without a server process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
from support.fake_worker import FakeWorker

from telegrad_protocol import wire
from telegrad_server.app import create_app, sessions_for
from telegrad_server.settings import Settings

MSGPACK = {"content-type": "application/msgpack"}
OCTETS = {"content-type": "application/octet-stream"}


class Server:
    """An app on a fake worker, and a client of it with a session."""

    def __init__(self, settings: Settings) -> None:
        self.worker = FakeWorker(memory=100 << 20)
        self.sessions = sessions_for(settings, {"cpu": self.worker})
        self.app = create_app(settings, self.sessions)
        self.bodies = self.app.app.bodies
        transport = httpx.ASGITransport(self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7465")

    async def open(self) -> str:
        return f"/v1/sessions/{(await self.client.post('/v1/sessions', json={})).json()['session']}"

    async def submit(self, session: str, number: int, body: bytes = b"x", query: str = "") -> httpx.Response:
        path = f"{session}/streams/0/submissions/{number}{query}"
        return await self.client.put(path, content=body, headers=MSGPACK)


def play(scenario: Callable[[Server], Coroutine[Any, Any, None]], settings: Settings | None = None) -> None:
    async def run() -> None:
        server = Server(settings or Settings())
        async with server.client:
            await scenario(server)

    asyncio.run(run())


def error_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The record of an error, which has the same form everywhere."""
    assert response.status_code == status, response.text
    packed = response.headers["content-type"] == "application/msgpack"
    record = wire.unpack(response.content) if packed else response.json()
    assert record["code"] == code, record
    assert record["message"]
    assert len(record["request"]) == 12
    return dict(record)
