"""The fast routes: submissions, uploads and reads, and the memory of bodies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.fake_server import MSGPACK, OCTETS, Server, error_of, play

from telegrad_protocol.errors import WorkerDied
from telegrad_protocol.limits import LIMITS
from telegrad_server.channel.arena import SLOT_BYTES
from telegrad_server.http import submissions


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
    monkeypatch.setattr(submissions, "ANSWER_WITHIN", 0.01)

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


def test_while_shutting_down_retries_are_answered_and_new_work_is_not() -> None:
    async def scenario(server: Server) -> None:
        session = await server.open()
        await server.submit(session, 0)
        server.sessions.draining = True
        assert (await server.submit(session, 0)).status_code == 200
        error_of(await server.submit(session, 1), 503, "unavailable")
        error_of(await server.client.post("/v1/sessions", json={}), 503, "unavailable")

    play(scenario)


def test_bodies_have_a_budget_and_one_beyond_it_may_come_again() -> None:
    """Twelve bodies of 64 MiB that were never ended took 890 MB."""

    async def scenario(server: Server) -> None:
        session = await server.open()
        server.bodies.limit = 1 << 20
        ending = asyncio.Event()

        async def never_ending() -> AsyncIterator[bytes]:
            yield b"x" * (900 << 10)
            await ending.wait()

        path = f"{session}/streams/0/submissions/5"
        first = asyncio.create_task(server.client.put(path, content=never_ending(), headers=MSGPACK))
        while not server.bodies.used:
            await asyncio.sleep(0.01)
        refused = await server.submit(session, 0, b"x" * (200 << 10))
        error_of(refused, 503, "unavailable")
        refused = await server.client.post(
            f"{session}/ops/add", content=b" " * (200 << 10), headers={"content-type": "application/json"}
        )
        error_of(refused, 503, "unavailable")
        ending.set()
        first.cancel()
        while server.bodies.used:
            await asyncio.sleep(0.01)
        assert (await server.submit(session, 0, b"x" * (200 << 10))).status_code == 200
        assert server.bodies.used == 0

    play(scenario)


def test_a_submission_counts_until_it_is_answered() -> None:
    async def scenario(server: Server) -> None:
        session = await server.open()
        parked = asyncio.create_task(server.submit(session, 1, b"x" * 5000))
        while server.bodies.used < 5000:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert server.bodies.used == 5000
        await server.submit(session, 0, b"x" * 100)
        await parked
        assert server.bodies.used == 0

    play(scenario)


def test_a_stream_is_stopped_up_to_an_epoch() -> None:
    async def scenario(server: Server) -> None:
        session = await server.open()
        stream = (await server.client.post(f"{session}/streams")).json()["stream"]
        for query in ("", "?epoch=3"):
            response = await server.client.post(f"{session}/streams/{stream}/stop{query}")
            assert (response.status_code, response.json()) == (200, {})
        assert server.worker.stopped == [(stream, 0), (stream, 3)]
        error_of(await server.client.post(f"{session}/streams/7/stop"), 404, "not_found")
        error_of(await server.client.post(f"{session}/streams/0/stop?epoch=-1"), 400, "malformed")
        error_of(await server.client.get(f"{session}/streams/0/stop"), 405, "method_not_allowed")
        error_of(await server.client.post("/v1/sessions/00/streams/0/stop"), 410, "session_gone")

    play(scenario)
