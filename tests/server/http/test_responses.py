"""Errors of every kind have one form, whichever route answers."""

from __future__ import annotations

import pytest
from support.fake_server import Server, error_of, play

from telegrad_protocol.errors import WorkerDied


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
