"""Sessions over HTTP: opened in either format, by clients of the same version."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.fake_server import MSGPACK, Server, error_of, play

from telegrad_protocol import spec, wire
from telegrad_protocol.messages import PROTOCOL_VERSION, OpenSession, SessionOpened, StreamOpened


def test_a_session_is_opened_in_either_format() -> None:
    async def scenario(server: Server) -> None:
        plain = (await server.client.post("/v1/sessions", json={})).json()
        assert plain["stream"] == 0
        assert plain["first_id"] == 1
        hello = wire.pack(OpenSession(PROTOCOL_VERSION, "0.1.0", spec.digest()))
        packed = await server.client.post("/v1/sessions", content=hello, headers=MSGPACK)
        opened = wire.decode_struct(SessionOpened, packed.content)
        assert opened.server == plain["server"] == server.sessions.run_id
        path = f"/v1/sessions/{opened.session}"
        more = await server.client.post(f"{path}/streams", headers=MSGPACK)
        assert wire.decode_struct(StreamOpened, more.content) == (1, (1 << 40) + 1)
        assert (await server.client.post(f"{path}/lease")).json() == {"lease": 60.0}
        assert (await server.client.delete(path)).status_code == 200
        error_of(await server.client.post(f"{path}/lease"), 410, "session_gone")

    play(scenario)


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ({"protocol": PROTOCOL_VERSION + 1}, "upgrade the server"),
        ({"protocol": PROTOCOL_VERSION - 1}, "upgrade the client"),
        ({"digest": "0" * 32, "package": "9.9"}, r"client \(telegrad 9.9\).*different op tables"),
    ],
)
def test_versions_that_differ_are_refused_with_what_to_do(hello: dict[str, Any], words: str) -> None:
    async def scenario(server: Server) -> None:
        record = error_of(await server.client.post("/v1/sessions", json=hello), 426, "version_mismatch")
        assert re.search(words, record["message"])

    play(scenario)


def test_the_stream_of_http_calls_cannot_be_stopped() -> None:
    async def scenario(server: Server) -> None:
        opened = (await server.client.post("/v1/sessions", json={})).json()
        path = f"/v1/sessions/{opened['session']}"
        record = error_of(await server.client.post(f"{path}/streams/0/stop?epoch=9"), 404, "not_found")
        assert "HTTP calls" in record["message"]
        more = (await server.client.post(f"{path}/streams")).json()["stream"]
        assert (await server.client.post(f"{path}/streams/{more}/stop")).status_code == 200
        assert server.worker.stopped == [(more, 0)]

    play(scenario)
