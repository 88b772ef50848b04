"""The routes as callers meet them: hot and plain ones, errors of every kind, who may come in."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest
from support.fake_worker import FakeWorker

from telegrad_protocol import spec, wire
from telegrad_protocol.errors import WorkerDied
from telegrad_protocol.limits import LIMITS
from telegrad_protocol.messages import PROTOCOL_VERSION, OpenSession, SessionOpened, StreamOpened
from telegrad_server.app import create_app
from telegrad_server.front import hot
from telegrad_server.front.sessions import Sessions
from telegrad_server.settings import Settings
from telegrad_server.worker.link import SLOT_BYTES

MSGPACK = {"content-type": "application/msgpack"}
OCTETS = {"content-type": "application/octet-stream"}
TOKEN, OTHER = "first-token-0123456789", "other-token-0123456789"


class Server:
    """An app on a fake worker, and a client of it with a session."""

    def __init__(self, settings: Settings) -> None:
        self.worker = FakeWorker(memory=100 << 20)
        self.sessions = Sessions(self.worker, lease=settings.lease, limit=settings.sessions)
        self.app = create_app(settings, self.worker, self.sessions)
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


# Sessions -------------------------------------------------------------------------------------------------------


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


# Submissions ----------------------------------------------------------------------------------------------------


def test_a_submission_is_answered_and_its_retry_from_what_was_kept() -> None:
    async def scenario(server: Server) -> None:
        session = await server.open()
        for _ in range(3):
            response = await server.submit(session, 0, b"rows")
            assert (response.status_code, response.content) == (200, b"rows")
            assert response.headers["content-type"] == "application/msgpack"
        assert server.worker.ran == [(0, 0, b"rows")]
        error_of(await server.submit(session, 0, b"other"), 409, "conflict")
        error_of(await server.submit(session, 99), 409, "submission_gap")
        await server.submit(session, 1, query="?epoch=4&ack=1")
        error_of(await server.submit(session, 2, query="?epoch=3"), 409, "stale_epoch")
        error_of(await server.submit(session, 0, b"rows"), 409, "conflict")

    play(scenario)


def test_a_long_submission_is_answered_202_and_then_its_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot, "ANSWER_WITHIN", 0.01)

    async def scenario(server: Server) -> None:
        session = await server.open()
        server.worker.gate.clear()
        for _ in range(2):
            response = await server.submit(session, 0)
            assert (response.status_code, response.content) == (202, b"")
        server.worker.gate.set()
        await asyncio.sleep(0)
        assert (await server.submit(session, 0)).status_code == 200
        assert len(server.worker.ran) == 1

    play(scenario)


def test_a_caller_that_goes_away_does_not_stop_its_submission() -> None:
    async def scenario(server: Server) -> None:
        session = await server.open()
        server.worker.gate.clear()
        gone = asyncio.create_task(server.submit(session, 0))
        while not server.worker.ran:
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        server.worker.gate.set()
        assert (await server.submit(session, 0)).content == b"x"
        assert len(server.worker.ran) == 1

    play(scenario)


def test_a_body_that_was_cut_off_changes_nothing() -> None:
    async def scenario(server: Server) -> None:
        path = f"{await server.open()}/streams/0/submissions/0"
        pieces = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
        sent = await call(server, "PUT", path, MSGPACK, pieces)
        assert sent == []
        assert server.worker.ran == []

    play(scenario)


async def call(
    server: Server, method: str, path: str, headers: dict[str, str], messages: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """One request by hand; what the app sent."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [(b"host", b"127.0.0.1"), *((name.encode(), value.encode()) for name, value in headers.items())]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": raw}
    await server.app(scope, receive, send)
    return sent


@pytest.mark.parametrize("query", ["?epoch=x", "?epoch=-1", "?ack=1e3", "?epoch=%C2%B2", "?ack=" + "9" * 16, "?epoch="])
def test_numbers_of_the_query_are_numbers(query: str) -> None:
    async def scenario(server: Server) -> None:
        session = await server.open()
        response = await server.submit(session, 0, query=query)
        if query == "?epoch=":
            assert response.status_code == 200  # left empty is left out
        else:
            error_of(response, 400, "malformed")

    play(scenario)


def test_a_body_needs_its_content_type_and_its_bounds() -> None:
    async def scenario(server: Server) -> None:
        session = await server.open()
        path = f"{session}/streams/0/submissions/0"
        for headers in ({"content-type": "application/json"}, {"content-type": "text/plain"}, {}):
            response = await server.client.put(path, content=b"x", headers=headers)
            error_of(response, 415, "wrong_content_type")
        announced = {**MSGPACK, "content-length": str(LIMITS.body_bytes + 1)}
        assert (await call(server, "PUT", path, announced, []))[0]["status"] == 413
        piece = {"type": "http.request", "body": bytes(LIMITS.body_bytes), "more_body": True}
        assert (await call(server, "PUT", path, MSGPACK, [piece, dict(piece)]))[0]["status"] == 413
        error_of(await server.client.put(f"{session}/streams/9/submissions/0", headers=MSGPACK), 404, "not_found")

    play(scenario)


# Uploads and reads ----------------------------------------------------------------------------------------------


def test_an_upload_is_admitted_taken_once_and_repeated_after_a_break() -> None:
    async def scenario(server: Server) -> None:
        path = f"{await server.open()}/uploads/5"
        broken = [{"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.disconnect"}]
        assert await call(server, "PUT", path, {**OCTETS, "content-length": "6"}, broken) == []
        assert server.worker.asked["drop_upload"] == 1
        short = [{"type": "http.request", "body": b"abc", "more_body": False}]
        assert (await call(server, "PUT", path, {**OCTETS, "content-length": "6"}, short))[0]["status"] == 400
        for _ in range(2):
            assert (await server.client.put(path, content=b"abcdef", headers=OCTETS)).status_code == 200
        assert server.worker.uploads[5] == b"abcdef"
        assert server.worker.asked["finish_upload"] == 1
        error_of(await server.client.put(path, content=b"other", headers=OCTETS), 409, "conflict")

    play(scenario)


def test_an_upload_that_does_not_fit_is_refused_before_its_body_is_read() -> None:
    async def scenario(server: Server) -> None:
        path = f"{await server.open()}/uploads/5"
        sent = await call(server, "PUT", path, {**OCTETS, "content-length": str(200 << 20)}, [])
        assert sent[0]["status"] == 507

        async def unmeasured() -> AsyncIterator[bytes]:
            yield b"x"

        error_of(await server.client.put(path, content=unmeasured(), headers=OCTETS), 400, "malformed")
        error_of(await server.client.put(path, content=b"x", headers=MSGPACK), 415, "wrong_content_type")

    play(scenario)


def test_a_read_is_sent_whole_or_from_where_it_broke_off_until_it_is_dropped() -> None:
    async def scenario(server: Server) -> None:
        path = f"{await server.open()}/reads/3"
        data = bytes(range(256)) * ((SLOT_BYTES >> 8) + 3000)
        server.worker.reads[3] = data
        whole = await server.client.get(path)
        assert (whole.status_code, whole.content) == (200, data)
        assert whole.headers["content-length"] == str(len(data))
        rest = await server.client.get(path, headers={"range": "bytes=1000-"})
        assert (rest.status_code, rest.content) == (206, data[1000:])
        assert rest.headers["content-range"] == f"bytes 1000-{len(data) - 1}/{len(data)}"
        for unusable in ("bytes=-5", "bytes=5-6", "items=0-", f"bytes={len(data)}-"):
            assert (await server.client.get(path, headers={"range": unusable})).status_code == 200
        assert (await server.client.delete(path)).status_code == 200
        error_of(await server.client.get(path), 404, "unknown_tensor")

    play(scenario)


def test_a_read_that_fails_on_its_way_ends_early_and_answers_once(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario(server: Server) -> None:
        path = f"{await server.open()}/reads/3"
        server.worker.reads[3] = bytes(3 * SLOT_BYTES)
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            if len(sent) == 2:
                server.worker.dead = WorkerDied("gone")

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"[::1]")]}
        await server.app(scope, lambda: asyncio.sleep(0), send)
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        assert sent[-1]["more_body"]

    play(scenario)
    assert "answer cut off" in capsys.readouterr().err


# Errors ---------------------------------------------------------------------------------------------------------


def test_every_error_has_the_same_body() -> None:
    async def scenario(server: Server) -> None:
        session = await server.open()
        error_of(await server.client.get("/nowhere"), 404, "not_found")
        for method, path in (("DELETE", "/v1/info"), ("POST", f"{session}/reads/1"), ("GET", f"{session}/uploads/1")):
            response = await server.client.request(method, path)
            error_of(response, 405, "method_not_allowed")
            assert response.headers["allow"]
        response = await server.client.post("/v1/sessions", content=b"{", headers={"content-type": "application/json"})
        error_of(response, 400, "malformed")
        packed = await server.client.get("/nowhere", headers={"accept": "application/msgpack"})
        assert packed.headers["content-type"] == "application/msgpack"
        error_of(packed, 404, "not_found")
        error_of(await server.submit("/v1/sessions/" + "0" * 48, 0), 410, "session_gone")

    play(scenario)


def test_a_defect_is_logged_and_answered_once_with_the_request_to_look_for(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []

    async def scenario(server: Server) -> None:
        session = await server.open()
        server.worker.dead = ZeroDivisionError("a defect")  # type: ignore[assignment]
        responses = [await server.client.get(path) for path in ("/v1/info", f"{session}/reads/1")]
        told.extend(error_of(response, 500, "internal")["request"] for response in responses)

    play(scenario)
    lines = capsys.readouterr().err
    for request in told:
        assert lines.count(f"request={request}") == 1
    assert "a defect" in lines


def test_a_dead_worker_is_no_defect() -> None:
    async def scenario(server: Server) -> None:
        server.worker.dead = WorkerDied("gone")
        response = await server.client.post("/v1/sessions", json={})
        error_of(response, 503, "worker_died")
        assert response.headers["retry-after"] == "1"
        health = await server.client.get("/v1/health")
        assert (health.status_code, health.json()) == (503, {"status": "degraded", "down": ["cpu"]})
        info = (await server.client.get("/v1/info")).json()
        assert info["memory"] == {"cpu": None}

    play(scenario)


def test_while_shutting_down_retries_are_answered_and_new_work_is_not() -> None:
    async def scenario(server: Server) -> None:
        session = await server.open()
        await server.submit(session, 0)
        server.sessions.draining = True
        assert (await server.submit(session, 0)).status_code == 200
        error_of(await server.submit(session, 1), 503, "unavailable")
        error_of(await server.client.post("/v1/sessions", json={}), 503, "unavailable")

    play(scenario)


# Who may come in ------------------------------------------------------------------------------------------------


def test_a_server_with_tokens_asks_for_one() -> None:
    async def scenario(server: Server) -> None:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
            response = await server.client.post("/v1/sessions", json={}, headers=headers)
            error_of(response, 401, "unauthorized")
            assert response.headers["www-authenticate"] == "Bearer"
        for open_path in ("/", "/v1/health", "/v1/ops", "/v1/rows", "/docs"):
            assert (await server.client.get(open_path)).status_code == 200, open_path
        first, other = ({"authorization": f"Bearer {token}"} for token in (TOKEN, OTHER))
        opened = (await server.client.post("/v1/sessions", json={}, headers=first)).json()
        path = f"/v1/sessions/{opened['session']}"
        error_of(await server.client.get(f"{path}/reads/1", headers=first), 404, "unknown_tensor")
        error_of(await server.client.get(f"{path}/reads/1", headers=other), 410, "session_gone")
        error_of(await server.client.get(f"{path}/reads/1"), 401, "unauthorized")

    play(scenario, Settings(tokens=frozenset({TOKEN, OTHER})))


@pytest.mark.parametrize("host", ["127.0.0.1:7465", "localhost", "LOCALHOST:1", "[::1]:7465", "127.9.9.9"])
def test_names_of_this_machine_are_good_hosts(host: str) -> None:
    async def scenario(server: Server) -> None:
        assert (await server.client.get("/v1/info", headers={"host": host})).status_code == 200

    play(scenario)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:7465", "", "10.0.0.1"])
def test_other_hosts_are_refused_on_loopback(host: str) -> None:
    async def scenario(server: Server) -> None:
        error_of(await server.client.get("/v1/health", headers={"host": host}), 403, "forbidden")

    play(scenario)


def test_listed_hosts_are_the_only_ones_where_there_is_a_list() -> None:
    async def hosts(server: Server, *names: str) -> list[int]:
        return [(await server.client.get("/v1/health", headers={"host": name})).status_code for name in names]

    async def listed(server: Server) -> None:
        assert await hosts(server, "gpu.example", "127.0.0.1", "evil.example") == [200, 200, 403]

    async def unlisted(server: Server) -> None:
        assert await hosts(server, "gpu.example", "10.0.0.1") == [200, 200]

    away = Settings(host="0.0.0.0", tokens=frozenset({TOKEN}))
    play(unlisted, away)
    play(listed, Settings(host="0.0.0.0", tokens=frozenset({TOKEN}), allow_hosts=frozenset({"gpu.example"})))
    play(listed, Settings(allow_hosts=frozenset({"gpu.example"})))


def test_pages_of_unlisted_origins_are_refused_and_listed_ones_may_read_errors_too() -> None:
    async def scenario(server: Server) -> None:
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
            response = await server.client.get("/v1/health", headers={"origin": origin})
            error_of(response, 403, "forbidden")
            assert "access-control-allow-origin" not in response.headers
        mine = {"origin": "http://notebook.example"}
        asked = {**mine, "access-control-request-method": "PUT"}
        preflight = await server.client.options("/v1/sessions", headers=asked)
        assert preflight.status_code == 204
        assert preflight.headers.get_list("access-control-allow-origin") == [mine["origin"]]
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        refused = await server.client.get("/v1/info", headers=mine)
        error_of(refused, 401, "unauthorized")
        assert refused.headers["access-control-allow-origin"] == mine["origin"]
        own = await server.client.get("/v1/health", headers={"origin": "http://127.0.0.1:7465"})
        assert own.status_code == 200

    play(scenario, Settings(allow_origins=frozenset({"http://notebook.example"}), tokens=frozenset({TOKEN})))


def test_the_documentation_comes_from_the_server_itself() -> None:
    async def scenario(server: Server) -> None:
        page = (await server.client.get("/docs")).text
        assert "https://" not in page
        assert "http://" not in page
        for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
            assert f"/docs/assets/{asset}" in page
            assert (await server.client.get(f"/docs/assets/{asset}")).status_code == 200
        described = json.loads((await server.client.get("/openapi.json")).content)
        assert "/v1/sessions" in described["paths"]

    play(scenario)


def test_bodies_have_a_budget_and_one_beyond_it_may_come_again() -> None:
    """Twelve bodies of 64 MiB that were never ended took 890 MB."""

    async def scenario(server: Server) -> None:
        session = await server.open()
        server.sessions.bodies.limit = 1 << 20
        ending = asyncio.Event()

        async def never_ending() -> AsyncIterator[bytes]:
            yield b"x" * (900 << 10)
            await ending.wait()

        path = f"{session}/streams/0/submissions/5"
        first = asyncio.create_task(server.client.put(path, content=never_ending(), headers=MSGPACK))
        while not server.sessions.bodies.used:
            await asyncio.sleep(0.01)
        refused = await server.submit(session, 0, b"x" * (200 << 10))
        error_of(refused, 503, "unavailable")
        refused = await server.client.post(
            f"{session}/ops/add", content=b" " * (200 << 10), headers={"content-type": "application/json"}
        )
        error_of(refused, 503, "unavailable")
        ending.set()
        first.cancel()
        while server.sessions.bodies.used:
            await asyncio.sleep(0.01)
        assert (await server.submit(session, 0, b"x" * (200 << 10))).status_code == 200
        assert server.sessions.bodies.used == 0

    play(scenario)


def test_a_submission_counts_until_it_is_answered() -> None:
    async def scenario(server: Server) -> None:
        session = await server.open()
        parked = asyncio.create_task(server.submit(session, 1, b"x" * 5000))
        while server.sessions.bodies.used < 5000:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert server.sessions.bodies.used == 5000
        await server.submit(session, 0, b"x" * 100)
        await parked
        assert server.sessions.bodies.used == 0

    play(scenario)
